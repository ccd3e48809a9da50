//! Roles, RFC 9234 §4: their code points, their counterparts, their names ("provider").

use std::fmt;
use std::str::FromStr;

use super::Role;

#[cfg(test)]
mod tests;

impl Role {
    const ALL: [(Self, u8, &str); 5] = [
        (Self::Provider, 0, "provider"),
        (Self::RouteServer, 1, "route-server"),
        (Self::RouteServerClient, 2, "route-server-client"),
        (Self::Customer, 3, "customer"),
        (Self::Peer, 4, "peer"),
    ];

    /// The role with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map(|(role, ..)| *role)
    }

    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        Self::ALL.iter().find(|(known, ..)| *known == self).map_or(u8::MAX, |(_, code, _)| *code)
    }

    /// What the other end has to be (RFC 9234 §4.2, table 2).
    #[must_use]
    pub fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL.iter().find(|(known, ..)| known == self).map_or("", |(.., name)| name))
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}: give provider, customer, peer, route-server or route-server-client")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.iter().find(|(.., name)| *name == text);
        named.map(|(role, ..)| *role).ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}
