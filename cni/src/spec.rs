//! The versions and commands of the CNI specification, as far as this plugin knows them.
//!
//! Versions before 0.3.0 know one address per container and no `interfaces`; no runtime in use still speaks them,
//! so they are refused.

#[cfg(test)]
mod tests;

/// A version of the CNI specification that this plugin speaks, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// Results with lists of interfaces and addresses; chaining.
    V0_3_0,
    /// Differs from 0.3.0 in wording only.
    V0_3_1,
    /// `CHECK`, and `prevResult` on `DEL`.
    V0_4_0,
    /// `ips[].version` is gone.
    V1_0_0,
    /// `STATUS`, `GC`, `interfaces[].mtu`.
    V1_1_0,
}

impl SpecVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];
    /// The newest.
    pub const LATEST: Self = Self::V1_1_0;

    /// As written in `cniVersion`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version of that name, if it is one of ours.
    pub fn decode(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Their names, oldest first.
    pub fn names() -> [&'static str; 5] {
        Self::ALL.map(Self::name)
    }
}

/// `CNI_COMMAND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Attach a container's interface.
    Add,
    /// Detach it.
    Del,
    /// Look whether it is still as it was attached.
    Check,
    /// Say whether an `ADD` could be served now.
    Status,
    /// Remove what belongs to no living container.
    Gc,
    /// Say which versions are spoken.
    Version,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Add, Self::Del, Self::Check, Self::Status, Self::Gc, Self::Version];

    /// As written in `CNI_COMMAND`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        }
    }

    /// The command of that name.
    pub fn decode(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    /// The first version of ours that has it.
    pub fn since(self) -> SpecVersion {
        match self {
            Self::Add | Self::Del | Self::Version => SpecVersion::V0_3_0,
            Self::Check => SpecVersion::V0_4_0,
            Self::Status | Self::Gc => SpecVersion::V1_1_0,
        }
    }
}
