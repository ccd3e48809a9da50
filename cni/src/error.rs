//! The specification's error object: a code, one sentence, details.

use serde::Serialize;

use crate::spec::SpecVersion;

/// CNI specification 1.1.0, section "Error"; 100 and above are a plugin's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: the configuration's `cniVersion` is not spoken here.
    IncompatibleVersion,
    /// 2: the configuration has a field that would have no effect; the message holds key and value.
    UnsupportedField,
    /// 3: the container is unknown or does not exist; the runtime need not clean up.
    UnknownContainer,
    /// 4: an environment variable is missing or wrong; the message names it.
    InvalidEnvironment,
    /// 5: input or output failed.
    Io,
    /// 6: the configuration is not JSON, or of another shape.
    Decode,
    /// 7: the configuration decodes, but cannot be right.
    InvalidConfig,
    /// 11: something that should pass; ask again later.
    TryAgainLater,
    /// 50: `STATUS` only: an `ADD` could not be served now.
    NotAvailable,
    /// 100: no pool has a free address.
    AddressesExhausted,
    /// 101: what was asked for is another's, such as a requested address.
    Conflict,
    /// 102: the agent refuses this caller.
    Refused,
    /// 103: agent and plugin are of versions that do not understand each other.
    VersionSkew,
    /// 104: the agent failed.
    AgentFailed,
}

impl Code {
    /// The number in the error object.
    pub fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidConfig => 7,
            Self::TryAgainLater => 11,
            Self::NotAvailable => 50,
            Self::AddressesExhausted => 100,
            Self::Conflict => 101,
            Self::Refused => 102,
            Self::VersionSkew => 103,
            Self::AgentFailed => 104,
        }
    }
}

/// Why an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure, for the runtime.
    pub code: Code,
    /// One sentence, for people.
    pub message: String,
    /// What is behind it and what to do; may be empty.
    pub details: String,
}

/// The JSON of an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorObject<'a> {
    cni_version: &'static str,
    code: u32,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

impl Error {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: String::new() }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(self, details: impl Into<String>) -> Self {
        Self { details: details.into(), ..self }
    }

    /// The error object for standard output.
    pub fn encode(&self, version: SpecVersion) -> String {
        crate::result::encode_json(&ErrorObject {
            cni_version: version.name(),
            code: self.code.number(),
            msg: &self.message,
            details: &self.details,
        })
    }
}
