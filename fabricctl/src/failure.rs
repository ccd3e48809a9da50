//! Why a command failed, by what the person at the keyboard must do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::{Code, Status};

use self::details::Details;

mod details;

/// Ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line contradicts itself in a way that clap does not see.
    #[error("{0}")]
    Usage(String),
    /// Nobody accepts on the agent's socket.
    #[error("agent not reachable at {} ({cause}): is felix-agent running? start it, or give --socket", socket.display())]
    Unreachable {
        /// Where it should be.
        socket: PathBuf,
        /// What the kernel said.
        cause: String,
    },
    /// The socket is there, but not for this user.
    #[error("no permission to talk to the agent at {}: run as root, or as a member of the socket's group", .0.display())]
    Forbidden(PathBuf),
    /// The agent is there, but cannot answer now, or went away while it was asked.
    #[error("agent not available: {0}")]
    Unavailable(String),
    /// The manifest is wrong: one line per problem, each with file, line and field.
    #[error("{0}")]
    InvalidManifest(String),
    /// A check found problems. They are the answer, and told already.
    #[error("there are problems")]
    Problems,
    /// A check could not be finished: nobody knows whether there are problems.
    #[error("{0}")]
    Unchecked(String),
    /// Anything else, as one sentence; details of it in a line each.
    #[error("{0}")]
    Failed(String),
    /// Standard output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// 1 failed, or problems were found; 2 usage; 3 agent unreachable; 4 a check was not finished.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Forbidden(_) | Self::Unavailable(_) => 3,
            Self::Unchecked(_) => 4,
            Self::InvalidManifest(_) | Self::Problems | Self::Failed(_) | Self::Output(_) => 1,
        }
    }

    /// The same where it ends a check, whose exit status 1 says that there are problems.
    pub(crate) fn of_check(self) -> Self {
        match self {
            Self::InvalidManifest(_) | Self::Failed(_) | Self::Output(_) => Self::Unchecked(self.to_string()),
            Self::Usage(_)
            | Self::Unreachable { .. }
            | Self::Forbidden(_)
            | Self::Unavailable(_)
            | Self::Problems
            | Self::Unchecked(_) => self,
        }
    }

    /// No connection could be made.
    pub(crate) fn of_connect(socket: &Path, error: &tonic::transport::Error) -> Self {
        let socket = socket.to_owned();
        match proto::client::io_cause(error) {
            Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => Self::Forbidden(socket),
            Some(io) => Self::Unreachable { socket, cause: io.to_string() },
            None => Self::Unreachable { socket, cause: error.to_string() },
        }
    }

    /// The agent answered with an error.
    pub(crate) fn of_status(status: &Status, timeout: Duration) -> Self {
        let message = status.message().to_owned();
        let details = Details::of(status);
        match status.code() {
            Code::Unavailable => Self::Unavailable(format!(
                "{message}; try again {}{}",
                details.render_when().as_deref().unwrap_or("in a moment"),
                details.render()
            )),
            Code::DeadlineExceeded | Code::Cancelled => Self::of_timeout(timeout),
            Code::Unimplemented => Self::Failed(format!(
                "the agent does not know this request: it is of another version than this fabricctl ({}); \
                 compare with `fabricctl version`",
                env!("CARGO_PKG_VERSION")
            )),
            Code::PermissionDenied | Code::Unauthenticated => {
                Self::Failed(format!("the agent refuses: {message}"))
            }
            // Nothing that the agent said: it has gone, or the way to it.
            Code::Internal | Code::Unknown if std::error::Error::source(status).is_some() => {
                Self::Unavailable(format!("the connection to it broke off ({message}); begin again"))
            }
            Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => {
                Self::Failed(format!("the agent failed: {message}; its log says more"))
            }
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange => {
                let when =
                    details.render_when().map(|when| format!("; try again {when}")).unwrap_or_default();
                Self::Failed(message + &when + &details.render())
            }
        }
    }

    /// No answer in time.
    pub(crate) fn of_timeout(timeout: Duration) -> Self {
        Self::Failed(format!("the agent did not answer within {timeout:?}: give it more with --timeout"))
    }
}
