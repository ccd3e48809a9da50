//! Why a command failed, by what the person at the keyboard must do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::{Code, Status};

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
    #[error("agent not available: {0}; try again in a moment")]
    Unavailable(String),
    /// The manifest is wrong: one line per problem, each with file, line and field.
    #[error("{0}")]
    InvalidManifest(String),
    /// Anything else, as one sentence.
    #[error("{0}")]
    Failed(String),
    /// Standard output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// 1 failed, 2 usage, 3 agent unreachable.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Forbidden(_) | Self::Unavailable(_) => 3,
            Self::InvalidManifest(_) | Self::Failed(_) | Self::Output(_) => 1,
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
        match status.code() {
            Code::Unavailable => Self::Unavailable(message),
            Code::DeadlineExceeded | Code::Cancelled => Self::of_timeout(timeout),
            Code::Unimplemented => Self::Failed(format!(
                "the agent does not know this request: it is of another version than this fabricctl ({}); \
                 compare with `fabricctl version`",
                env!("CARGO_PKG_VERSION")
            )),
            Code::PermissionDenied | Code::Unauthenticated => {
                Self::Failed(format!("the agent refuses: {message}"))
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
            | Code::OutOfRange => Self::Failed(message),
        }
    }

    /// No answer in time.
    pub(crate) fn of_timeout(timeout: Duration) -> Self {
        Self::Failed(format!("the agent did not answer within {timeout:?}: give it more with --timeout"))
    }
}
