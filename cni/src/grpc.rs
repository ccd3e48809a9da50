//! From the agent's failures to the specification's error codes: one table.

use std::io::ErrorKind;
use std::path::Path;

use crate::agent::Failure;
use crate::error::{Code, Error};

#[cfg(test)]
mod tests;

/// What a runtime may do when the agent is away.
const RETRY: &str = "retry: an ADD or DEL that is asked again has the same outcome";

/// The code for a gRPC status. The agent says NOT_FOUND where the container's network namespace is missing, and
/// RESOURCE_EXHAUSTED where no address is left. FAILED_PRECONDITION needs a person on the node (a damaged datastore):
/// the container itself is not to blame.
pub fn code_of(status: tonic::Code) -> Code {
    match status {
        tonic::Code::NotFound => Code::UnknownContainer,
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Code::InvalidConfig,
        tonic::Code::Unavailable
        | tonic::Code::DeadlineExceeded
        | tonic::Code::Aborted
        | tonic::Code::Cancelled => Code::TryAgainLater,
        tonic::Code::ResourceExhausted => Code::AddressesExhausted,
        tonic::Code::AlreadyExists => Code::Conflict,
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Code::Refused,
        tonic::Code::Unimplemented => Code::VersionSkew,
        tonic::Code::Ok
        | tonic::Code::Unknown
        | tonic::Code::FailedPrecondition
        | tonic::Code::Internal
        | tonic::Code::DataLoss => Code::AgentFailed,
    }
}

/// One sentence for each code that [`code_of`] gives.
fn sentence(code: Code) -> &'static str {
    match code {
        Code::UnknownContainer => "the container's network namespace does not exist",
        Code::InvalidConfig => "the agent refuses the request as invalid",
        Code::TryAgainLater => "the agent cannot serve this now, try again later",
        Code::AddressesExhausted => "no address is free",
        Code::Conflict => "what was asked for is already in use",
        Code::Refused => "the agent refuses this caller",
        Code::VersionSkew => "agent and plugin are of different versions",
        Code::IncompatibleVersion
        | Code::UnsupportedField
        | Code::InvalidEnvironment
        | Code::Io
        | Code::Decode
        | Code::NotAvailable
        | Code::AgentFailed => "the agent failed",
    }
}

/// The error for a failed `ADD` or `DEL`.
pub fn explain(socket: &Path, failure: Failure) -> Error {
    let socket = socket.display();
    match failure {
        Failure::Setup(error) => Error::new(Code::Io, format!("cannot start: {error}")),
        Failure::Deadline(_) => Error::new(Code::TryAgainLater, sentence(Code::TryAgainLater))
            .with_details(format!("agent at {socket}: {failure}; {RETRY}")),
        Failure::Unreachable(error) => explain_unreachable(&socket.to_string(), &error),
        Failure::Refused(status) => {
            let code = code_of(status.code());
            let retry = if code == Code::TryAgainLater { format!("; {RETRY}") } else { String::new() };
            Error::new(code, sentence(code)).with_details(format!("{}{retry}", status.message()))
        }
    }
}

/// The error for a failed `STATUS`: whatever it was, an `ADD` would have met it too.
pub fn explain_status(socket: &Path, failure: Failure) -> Error {
    let Error { code: _, message, details } = explain(socket, failure);
    let details = if details.is_empty() { message } else { format!("{message}: {details}") };
    Error::new(Code::NotAvailable, "the agent cannot serve an ADD").with_details(details)
}

fn explain_unreachable(socket: &str, error: &tonic::transport::Error) -> Error {
    match proto::client::io_cause(error) {
        Some(io) if io.kind() == ErrorKind::PermissionDenied => {
            Error::new(Code::Io, format!("no permission to connect to the agent at {socket}"))
                .with_details("the plugin must run as root, or as a member of the socket's group")
        }
        io => {
            let cause = io.map_or_else(|| error.to_string(), ToString::to_string);
            Error::new(Code::TryAgainLater, format!("the agent is not reachable at {socket}"))
                .with_details(format!("{cause}; is felix-agent running? {RETRY}"))
        }
    }
}
