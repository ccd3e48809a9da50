//! Errors as gRPC statuses: the one place that decides which code an error gets, and which details.
//!
//! The code says what the caller must do (see `ipam.proto`), the message says everything in words and stands alone, and the
//! details (`google.rpc`) say the same to programs. Statuses travel in HTTP/2 trailers, which are small: what has no end
//! (every pool of the fabric) is cut there, with a word on how much is left out.

use std::time::Duration;

use ::ipam::plan::{AssignError, ClaimRefused, PassedOver, PoolFill, Refusal, ReleaseError, SplitError};
use datastore::Key;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, QuotaViolation, StatusExt as _};

use crate::ipam;

#[cfg(test)]
mod tests;

/// When to ask again what should pass by itself.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Violations that are told one by one, and octets of a message.
const VIOLATIONS: usize = 16;
const MESSAGE: usize = 4096;
const LINE: usize = 256;

/// What a resource is called in details that is no resource of the datastore.
const ADDRESS: &str = "address";

/// A field of the request is wrong; `what` says how, and what would be right.
pub(super) fn field(field: &str, what: impl Into<String>) -> Status {
    let what = clip(what.into());
    let details = ErrorDetails::with_bad_request_violation(field, what.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {what}"), details)
}

/// Many things are wrong with a field.
pub(super) fn fields(field: &str, problems: Vec<String>) -> Status {
    let violations: Vec<FieldViolation> =
        problems.iter().take(VIOLATIONS).map(|what| FieldViolation::new(field, clip_line(what))).collect();
    let details = ErrorDetails::with_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, clip(problems.join("\n")), details)
}

/// There is no such resource.
pub(super) fn not_found(key: &Key, message: impl Into<String>) -> Status {
    let name =
        if key.namespace.is_empty() { key.name.clone() } else { format!("{}/{}", key.namespace, key.name) };
    missing(key.kind.name(), &name, message)
}

/// Nobody has this address.
pub(super) fn no_holder(address: std::net::IpAddr, message: impl Into<String>) -> Status {
    missing(ADDRESS, &address.to_string(), message)
}

fn missing(kind: &str, name: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_resource_info(kind, name, "", "does not exist");
    Status::with_error_details(Code::NotFound, clip(message.into()), details)
}

/// A human must act before `subject` can be dealt with; `kind` tells programs what holds it up.
pub(super) fn precondition(kind: &str, subject: &str, message: impl Into<String>) -> Status {
    let message = clip(message.into());
    let details = ErrorDetails::with_precondition_failure_violation(kind, subject, message.clone());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// The same of many subjects, each with what there is to say of it.
pub(super) fn preconditions(
    kind: &str,
    subjects: impl Iterator<Item = (String, String)>,
    message: impl Into<String>,
) -> Status {
    let violations: Vec<PreconditionViolation> = subjects
        .take(VIOLATIONS)
        .map(|(subject, what)| PreconditionViolation::new(kind, subject, what))
        .collect();
    let details = ErrorDetails::with_precondition_failure(violations);
    Status::with_error_details(Code::FailedPrecondition, clip(message.into()), details)
}

/// It should pass by itself.
pub(super) fn unavailable(message: impl Into<String>) -> Status {
    retry(Code::Unavailable, message, RETRY_AFTER)
}

/// Others were faster; begin again.
pub(super) fn aborted(message: impl Into<String>) -> Status {
    retry(Code::Aborted, message, RETRY_AFTER)
}

/// The loop has ended: the caller should ask the next life.
pub(super) fn stopped(error: impl std::fmt::Display) -> Status {
    unavailable(error.to_string())
}

fn retry(code: Code, message: impl Into<String>, after: Duration) -> Status {
    Status::with_error_details(code, clip(message.into()), ErrorDetails::with_retry_info(Some(after)))
}

/// The datastore did not do what it was asked.
pub(super) fn datastore(error: &datastore::Error) -> Status {
    let text = error.to_string();
    match error {
        datastore::Error::Conflict { .. } | datastore::Error::Compacted { .. } => aborted(text),
        datastore::Error::Unavailable(_) => unavailable(text),
        datastore::Error::Unreadable { key, .. } => precondition("DATASTORE", &key.to_string(), text),
        datastore::Error::Refused(_) => precondition("DATASTORE", "datastore", text),
    }
}

/// No addresses could be assigned or released.
pub(super) fn addresses(error: &ipam::Error) -> Status {
    match error {
        ipam::Error::Store(error) => datastore(error),
        ipam::Error::Away { .. } | ipam::Error::Unsettled(_) => unavailable(error.to_string()),
        ipam::Error::Lost(lost) => precondition("STANDBY", &lost.address.to_string(), lost.to_string()),
        ipam::Error::Contended => aborted(error.to_string()),
        ipam::Error::Stopping => stopped(error),
        ipam::Error::Refused(Refusal::Assign(error)) => impossible(error),
        ipam::Error::Refused(Refusal::Release(error)) => not_released(error),
    }
}

fn impossible(error: &AssignError) -> Status {
    let text = clip(error.to_string());
    match error {
        AssignError::UnknownPool { .. } => field("pools", text),
        AssignError::Repeated { .. }
        | AssignError::OutsidePools { .. }
        | AssignError::PoolRefuses { .. }
        | AssignError::Reserved { .. }
        | AssignError::OthersBlock { .. }
        | AssignError::BlockRefused { refused: ClaimRefused::Off, .. }
        | AssignError::Misfit { .. }
        | AssignError::Unreadable { .. } => field("addresses", text),
        AssignError::NoPool { passed_over, .. } => exhausted(text, passed_over.iter().map(passed)),
        AssignError::Full { pools, passed_over, .. } => {
            exhausted(text, pools.iter().map(full).chain(passed_over.iter().map(passed)))
        }
        AssignError::NoBlock { node, .. } | AssignError::NotToBorrow { node, .. } => {
            exhausted(text.clone(), [QuotaViolation::new(format!("node {node}"), text)])
        }
        AssignError::BlockRefused { block, .. } => {
            exhausted(text.clone(), [QuotaViolation::new(format!("block {block}"), text)])
        }
        AssignError::InUse { address, holder } => taken(text, ADDRESS, &address.to_string(), holder),
        AssignError::Resting { seconds, .. } => {
            retry(Code::Unavailable, text, Duration::from_secs((*seconds).max(1)))
        }
        AssignError::HoldsOther { handle, .. } | AssignError::HoldsFewer { handle, .. } => {
            taken(text, datastore::Kind::IpamHandle.name(), handle, handle)
        }
    }
}

fn not_released(error: &ReleaseError) -> Status {
    let (ReleaseError::NotInUse { address }
    | ReleaseError::OtherHolder { address, .. }
    | ReleaseError::GivenOutAgain { address, .. }) = error;
    precondition("HOLDER", &address.to_string(), error.to_string())
}

fn full(pool: &PoolFill) -> QuotaViolation {
    QuotaViolation::new(format!("pool {}", pool.name), clip_line(&pool.to_string()))
}

fn passed(pool: &PassedOver) -> QuotaViolation {
    QuotaViolation::new(format!("pool {}", pool.pool), clip_line(&pool.to_string()))
}

fn exhausted(message: String, violations: impl IntoIterator<Item = QuotaViolation>) -> Status {
    let mut violations: Vec<QuotaViolation> = violations.into_iter().collect();
    let left_out = violations.len().saturating_sub(VIOLATIONS);
    if left_out > 0 {
        violations.truncate(VIOLATIONS);
        violations.push(QuotaViolation::new("", format!("and {left_out} more pools")));
    }
    Status::with_error_details(Code::ResourceExhausted, message, ErrorDetails::with_quota_failure(violations))
}

fn taken(message: String, kind: &str, name: &str, owner: &str) -> Status {
    let details = ErrorDetails::with_resource_info(kind, name, owner, "is in use");
    Status::with_error_details(Code::AlreadyExists, message, details)
}

/// A pool cannot be cut.
pub(super) fn not_split(pool: &str, problems: &[SplitError]) -> Status {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let text = lines.join("\n");
    let of_parts =
        |problem: &SplitError| matches!(problem, SplitError::Parts { .. } | SplitError::TooSmall { .. });
    if problems.iter().all(of_parts) { field("parts", text) } else { precondition("POOL", pool, text) }
}

/// The same failure in other words.
pub(super) fn with_message(failed: &Status, message: String) -> Status {
    Status::with_error_details(failed.code(), clip(message), failed.get_error_details())
}

/// What fits into a trailer.
fn clip(text: String) -> String {
    shorten(text, MESSAGE)
}

/// What fits there many times.
fn clip_line(text: &str) -> String {
    shorten(text.to_owned(), LINE)
}

fn shorten(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push_str(" …");
    }
    text
}
