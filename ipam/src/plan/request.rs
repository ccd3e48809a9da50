//! Who wants which addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::block::Attributes;
use crate::family::Family;
use crate::purpose::{LOAD_BALANCER_NODE, Use};
use crate::timestamp::Timestamp;

/// Who wants which addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The node on which they will be used. Not looked at for [`Use::LoadBalancer`], whose blocks are no node's.
    pub node: String,
    /// The node's labels, by which pools select it.
    pub node_labels: BTreeMap<String, String>,
    /// The labels of the namespace, by which pools select it; none for what is in no namespace.
    pub namespace_labels: BTreeMap<String, String>,
    /// Who will hold them. Asked again for the same handle, the answer is the same.
    pub handle: String,
    /// For whom.
    pub attributes: Attributes,
    /// Which: all or none are given.
    pub wanted: Vec<Wanted>,
    /// The pools to take them from, by name; empty for all that serve the node and the namespace.
    pub pools: Vec<String>,
    /// What for.
    pub usage: Use,
    /// Whether to write what the handle holds already once more. For a pod that is not known to run: what it holds may be about
    /// to be collected, and whoever collects has to fail, or be seen.
    pub rewrite: bool,
    /// When.
    pub now: Timestamp,
}

impl Request {
    /// The owner of the blocks that the addresses come from, unless they are borrowed.
    #[must_use]
    pub fn owner(&self) -> &str {
        if self.usage == Use::LoadBalancer { LOAD_BALANCER_NODE } else { &self.node }
    }

    /// How many addresses of a family it wants.
    pub(super) fn count(&self, family: Family) -> usize {
        self.wanted.iter().filter(|wanted| wanted.family() == family).count()
    }
}

/// One wanted address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Any of this family.
    Any(Family),
    /// This one.
    Address(IpAddr),
}

impl Wanted {
    /// The family of what is wanted.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Any(family) => family,
            Self::Address(address) => Family::of(address),
        }
    }

    /// The address, if it is a certain one.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Any(_) => None,
            Self::Address(address) => Some(address),
        }
    }
}
