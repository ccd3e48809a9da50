//! What a failed call means for whoever made it.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError};
use tonic::{Code, ConnectError, Status};

use crate::error::Error;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// The member does not know our token, or wants one: say who we are, and ask again.
    Token,
    /// The revision asked for is no longer kept.
    Compacted,
    /// The revision asked for is ahead of the store.
    Future,
    /// There was no connection, so nothing was done. Another member may do.
    Unsent(Error),
    /// Whether anything was done is not known. Another member may answer.
    Lost(String),
    /// No member would do it.
    Refused(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Token => Self::Refused("etcd asks for user and password again and again".to_owned()),
            Failure::Compacted | Failure::Future => {
                Self::Unavailable("etcd no longer has the revision that is being read".to_owned())
            }
            Failure::Unsent(error) => error,
            Failure::Lost(why) => Self::Unavailable(why),
            Failure::Refused(why) => Self::Refused(why),
        }
    }
}

/// Of whom something was asked, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The member.
    pub(super) endpoint: &'a str,
    /// Who we said we are.
    pub(super) user: Option<&'a str>,
    /// Whether it has ever answered.
    pub(super) has_answered: bool,
}

impl Asked<'_> {
    /// What may be wrong with the options if the other end hangs up instead of answering.
    const fn hint(self, is_tls: bool) -> &'static str {
        match (self.has_answered, is_tls) {
            (true, _) => "",
            (false, false) => "; check address and port, and whether it wants https://",
            (false, true) => {
                "; check whether it has TLS at all, and whether it wants our certificate (certFile, keyFile)"
            }
        }
    }
}

/// What an answer, or its absence, means.
pub(super) fn read(status: &Status, asked: Asked<'_>) -> Failure {
    let Asked { endpoint, user, .. } = asked;
    let hint = asked.hint(endpoint.starts_with("https://"));
    let sources = sources(status);
    if let Some(tls) = sources.iter().find_map(|error| tls_error(*error)) {
        return Failure::Unsent(of_tls(&tls, endpoint));
    }
    let cause = sources.last().map(ToString::to_string).filter(|cause| cause != status.message());
    if sources.iter().any(|error| error.is::<ConnectError>()) {
        let why = cause.unwrap_or_else(|| status.message().to_owned());
        // Somebody is there who does not understand us.
        let broken = ["handshake", "reset", "Broken pipe", "eof"];
        let hint = if broken.iter().any(|word| why.contains(word)) { hint } else { "" };
        let what = format!("cannot connect to etcd at {endpoint}: {why}{hint}");
        return Failure::Unsent(Error::Unavailable(what));
    }
    let said = status.message();
    let refused = |what: String| Failure::Refused(format!("etcd at {endpoint} {what}"));
    match status.code() {
        Code::Unauthenticated => Failure::Token,
        Code::InvalidArgument if said.contains("user name is empty") => match user {
            Some(_) => Failure::Token,
            None => refused("wants to know who asks; configure user and password".to_owned()),
        },
        Code::InvalidArgument if said.contains("revision of auth store is old") => Failure::Token,
        Code::InvalidArgument if said.contains("authentication failed") => {
            refused(format!("does not accept the password of user \"{}\"", user.unwrap_or_default()))
        }
        Code::PermissionDenied => refused(format!(
            "does not let {} read and write all keys of the prefix; grant that ({said})",
            user.map_or_else(|| "us".to_owned(), |user| format!("user \"{user}\""))
        )),
        Code::OutOfRange if said.contains("future revision") => Failure::Future,
        Code::OutOfRange if said.contains("compacted") => Failure::Compacted,
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists | Code::NotFound => {
            refused(format!("refuses: {said}"))
        }
        Code::Unimplemented => refused(format!("is no etcd of version 3.4 or newer: {said}")),
        Code::ResourceExhausted if said.contains("space") => Failure::Lost(format!(
            "etcd at {endpoint} is full ({said}); compact and defragment it, then disarm its alarm"
        )),
        Code::ResourceExhausted if said.contains("larger than max") => {
            refused(format!("takes no value as large as that: {said}"))
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => {
            // An answer has no causes; a connection that broke has.
            let hint = if cause.is_some() { hint } else { "" };
            let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
            Failure::Lost(format!("etcd at {endpoint} does not serve: {said}{cause}{hint}"))
        }
    }
}

/// The errors behind a status, the innermost last.
fn sources(status: &Status) -> Vec<&(dyn StdError + 'static)> {
    let mut sources = Vec::new();
    let mut next = status.source();
    while let Some(error) = next {
        sources.push(error);
        next = error.source();
    }
    sources
}

/// The error of TLS that this is, or that it wraps where `source` does not show it.
fn tls_error(error: &(dyn StdError + 'static)) -> Option<rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    wrapped.or_else(|| error.downcast_ref::<rustls::Error>()).cloned()
}

#[allow(clippy::wildcard_enum_match_arm, reason = "of what rustls can say, this is what a human can mend")]
fn of_tls(error: &rustls::Error, endpoint: &str) -> Error {
    use AlertDescription as Alert;
    use rustls::Error as Tls;
    let what = match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "has a certificate of an authority that is not among those to trust; check caFile".to_owned()
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "has a certificate for another name; use a name or an address that is in it".to_owned(),
        Tls::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => format!("has a certificate that is not valid now; renew it, or set the clock ({error})"),
        Tls::InvalidCertificate(why) => format!("has a certificate that cannot be accepted: {why}"),
        Tls::InvalidMessage(_) => "does not speak TLS; write http://, or check address and port".to_owned(),
        Tls::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied),
        ) => format!("does not accept our certificate; check certFile and keyFile ({alert:?})"),
        other => format!("cannot be talked to by TLS: {other}"),
    };
    Error::Refused(format!("etcd at {endpoint} {what}"))
}
