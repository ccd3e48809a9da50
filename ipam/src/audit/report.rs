//! What a check says.

use std::fmt;

use crate::plan::ReleaseItem;

/// Everything that was compared, and what does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How much was compared.
    pub counts: Counts,
    /// What does not fit, in the order of the stages.
    pub problems: Vec<Problem>,
}

impl Report {
    /// The problems that an earlier report has as well, the address or handle not having changed hands in
    /// between: what is under way at one of two moments is left out.
    pub fn lasting<'a>(&'a self, earlier: &Self) -> impl Iterator<Item = &'a Problem> {
        let former: std::collections::BTreeSet<_> =
            earlier.problems.iter().map(identity).map(owned).collect();
        self.problems.iter().filter(move |problem| former.contains(&owned(identity(problem))))
    }
}

type Identity<'a> = (Kind, &'a str, Option<u64>);

fn identity(problem: &Problem) -> Identity<'_> {
    (problem.kind, &problem.subject, problem.release.as_ref().and_then(|release| release.sequence))
}

fn owned((kind, subject, sequence): Identity<'_>) -> (Kind, String, Option<u64>) {
    (kind, subject.to_owned(), sequence)
}

/// How many of each were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub pools: u64,
    pub blocks: u64,
    pub affinities: u64,
    pub handles: u64,
    pub allocations: u64,
    /// Of the allocations, those that nodes keep ready.
    pub standby: u64,
    pub endpoints: u64,
    pub nodes: u64,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub kind: Kind,
    /// Which record: an address, a block's prefix, a handle.
    pub subject: String,
    /// In words.
    pub what: String,
    /// What would mend it; empty if that happens by itself.
    pub remedy: String,
    /// What to release to mend it, where that would, and hurt nobody.
    pub release: Option<ReleaseItem>,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An address is in use whose endpoint does not exist, or does not use it.
    LeakedAddress,
    /// An endpoint uses an address that nobody has, or somebody else.
    UnallocatedAddress,
    /// A handle without addresses.
    OrphanHandle,
    /// A handle says another number of addresses than it holds in a block.
    UntrueHandle,
    /// An address in use whose handle has no record, or one that does not name the block.
    MissingHandle,
    /// A block, claim or address of a node that does not exist.
    GoneNode,
    /// A claim that is not confirmed, or without its block.
    HalfAffinity,
    /// A block without its node's claim.
    OwnerlessBlock,
    /// A block that no pool holds.
    OutsidePools,
    /// Two blocks overlap.
    DuplicateAddress,
    /// A block's record contradicts itself, or another record cannot be read.
    CorruptBlock,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::LeakedAddress,
        Self::UnallocatedAddress,
        Self::OrphanHandle,
        Self::UntrueHandle,
        Self::MissingHandle,
        Self::GoneNode,
        Self::HalfAffinity,
        Self::OwnerlessBlock,
        Self::OutsidePools,
        Self::DuplicateAddress,
        Self::CorruptBlock,
    ];

    /// As reports and metrics write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeakedAddress => "leakedAddress",
            Self::UnallocatedAddress => "unallocatedAddress",
            Self::OrphanHandle => "orphanHandle",
            Self::UntrueHandle => "untrueHandle",
            Self::MissingHandle => "missingHandle",
            Self::GoneNode => "goneNode",
            Self::HalfAffinity => "halfAffinity",
            Self::OwnerlessBlock => "ownerlessBlock",
            Self::OutsidePools => "outsidePools",
            Self::DuplicateAddress => "duplicateAddress",
            Self::CorruptBlock => "corruptBlock",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it looks at.
    pub stage: Stage,
    /// How many of those it has looked at.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// What a check looks at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stage {
    Blocks,
    Handles,
    Endpoints,
    Affinities,
}

impl Stage {
    /// As it is told: `blocks`, `handles`, `endpoints`, `affinities`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Handles => "handles",
            Self::Endpoints => "endpoints",
            Self::Affinities => "affinities",
        }
    }
}
