//! What the caller must do about an error of the API server, or of the way to it.
//!
//! Who may not, or asks for what is not installed, gets [`Error::Refused`] with what is missing; whatever may
//! be over in a moment is [`Error::Unavailable`]. Conflicts are not judged here: they need a look at what is
//! there ([`Outcome`]).

use std::error::Error as StdError;

use kube::core::Status;

use super::object::is_ours;
use super::place::{is_optional, qualified_plural};
use crate::error::Error;
use crate::key::Kind;
use crate::store::Revision;

/// Where the definitions of our kinds stand in the repository.
const DEFINITIONS: &str = "deploy/crds";

/// What was asked, as people name it in RBAC rules: a verb and the kind of what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// Of which kind.
    pub kind: Kind,
}

/// What became of a request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is no such object. (The kind itself is known.)
    Absent,
    /// The kind is none of this API server, and need not be ([`is_optional`]).
    Unserved,
    /// There is one already, or it is of another revision.
    Conflict,
    /// Too much is asked of the API server. Nothing was done; ask again after so many seconds, if it says so.
    Busy(Option<u32>),
    /// The revision or the continue token is too old. If a listing may go on nevertheless, with this token.
    Expired(Option<String>),
    /// Anything else.
    Failed(Error),
}

/// Judges an error of the client.
pub(super) fn judge(call: Call, error: &kube::Error) -> Outcome {
    if let kube::Error::Api(status) = error {
        judge_status(call, status)
    } else {
        Outcome::Failed(transport(error))
    }
}

/// Judges what the API server said.
pub(super) fn judge_status(call: Call, status: &Status) -> Outcome {
    let details = status.details.as_ref();
    let Call { verb, kind } = call;
    let resource = qualified_plural(kind);
    let message = status.message.trim();
    let refused = |what: String| Outcome::Failed(Error::Refused(what));
    match status.code {
        401 => refused(format!(
            "the API server does not know who this is ({message}); check the credentials of the kubeconfig, or of \
             the service account"
        )),
        // Forbidden by RBAC, and not by what the API server checks else: a namespace that is being deleted,
        // say.
        403 if message.contains(&format!("cannot {verb} resource")) => {
            refused(format!("may not {verb} {resource}: {message}; grant it by a ClusterRole"))
        }
        404 if details.is_none_or(|details| details.name.is_empty()) && is_optional(kind) => {
            Outcome::Unserved
        }
        404 if details.is_none_or(|details| details.name.is_empty()) => refused(if is_ours(kind) {
            format!(
                "the custom resource definition of {kind} is not installed; run: kubectl apply -f {DEFINITIONS}"
            )
        } else {
            format!("the API server does not serve {resource} ({message}); use a newer Kubernetes")
        }),
        404 if verb == "create" => refused(format!("cannot create {resource}: {message}")),
        404 => Outcome::Absent,
        409 => Outcome::Conflict,
        410 => {
            let token = status.metadata.as_ref().and_then(|metadata| metadata.continue_.clone());
            Outcome::Expired(token.filter(|token| !token.is_empty()))
        }
        429 => {
            Outcome::Busy(details.map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0))
        }
        400..500 => refused(format!("the API server refuses to {verb} {resource}: {message}")),
        code => Outcome::Failed(Error::Unavailable(format!("the API server answers {code}: {message}"))),
    }
}

/// An error on the way, or of the client itself.
fn transport(error: &kube::Error) -> Error {
    let whole = if let kube::Error::Service(cause) = error { chain(cause.as_ref()) } else { chain(error) };
    if let Some(certificate) = certificate_problem(error) {
        return Error::Refused(format!(
            "the API server's certificate is not accepted: {certificate}; check the server's name and \
             certificate-authority in the kubeconfig"
        ));
    }
    if matches!(error, kube::Error::Auth(_) | kube::Error::RustlsTls(_) | kube::Error::BuildRequest(_)) {
        Error::Refused(format!("the API server cannot be asked: {whole}; check the kubeconfig"))
    } else {
        Error::Unavailable(format!("the API server cannot be reached: {whole}"))
    }
}

/// A certificate that was refused, by us or by the other side.
fn certificate_problem(error: &(dyn StdError + 'static)) -> Option<String> {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    let refused = matches!(tls, rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_));
    refused.then(|| tls.to_string())
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let cause = |error: &'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> {
        // What an IO error wraps is not its source: that is the source of what it wraps.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    };
    std::iter::successors(Some(error), move |error| cause(*error)).take(16)
}

/// What to do where there can be neither a conflict nor anything too old.
pub(super) fn failed(call: Call, outcome: Outcome) -> Error {
    let resource = qualified_plural(call.kind);
    let what = match outcome {
        Outcome::Failed(error) => return error,
        Outcome::Unserved => {
            return Error::Refused(format!(
                "the API server does not serve {resource}; install the definition of the network policy API \
                 (https://network-policy-api.sigs.k8s.io)"
            ));
        }
        Outcome::Expired(_) => return Error::Compacted { oldest: Revision::default() },
        Outcome::Busy(_) => "has too much to do",
        Outcome::Absent => "says that there is no such object",
        Outcome::Conflict => "has conflicting writes all the time",
    };
    Error::Unavailable(format!("the API server {what}, asked to {} {resource}", call.verb))
}

#[cfg(test)]
mod tests;
