//! Who exists, what each handle holds, and whether somebody still uses an address: what the check and the
//! collector both go by.
//!
//! Everything that bears the same handle — its record, its endpoint, its addresses — is brought together
//! once, in a hash table, as nothing follows from the order.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::facts::{Endpoint, Facts};
use crate::block::Allocation;
use crate::index::{Holder, Index};
use crate::purpose::LOAD_BALANCER_NODE;

/// Whether an address in use is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life<'a> {
    /// By whom it was taken for.
    Used,
    /// Its endpoint exists, but uses others.
    Idle,
    /// Its endpoint does not exist, but another uses it.
    Foreign(&'a Endpoint),
    /// By nobody.
    Leaked,
    /// By nobody, as its node does not exist.
    NodeGone,
}

impl Life<'_> {
    const fn is_garbage(self) -> bool {
        matches!(self, Self::Leaked | Self::NodeGone)
    }
}

/// Everything about a handle.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    /// Its record.
    pub(crate) holder: Option<&'a Holder>,
    /// The endpoint that has it. One on a node that does not exist has ended with it.
    pub(crate) endpoint: Option<&'a Endpoint>,
    /// Whether it is in use without an endpoint.
    is_kept: bool,
    /// Addresses that it holds of a block, if any.
    held: Option<(IpNetwork, u32)>,
    /// Few handles hold addresses of a second block.
    held_elsewhere: Vec<(IpNetwork, u32)>,
    any_lives: bool,
    /// Whether every address is used by whom it was taken for.
    all_used: bool,
}

impl Known<'_> {
    /// How many addresses of this block it holds.
    pub(crate) fn held_of(&self, block: &IpNetwork) -> u32 {
        let mut held = self.held.iter().chain(&self.held_elsewhere);
        held.find(|(cidr, _)| cidr == block).map_or(0, |(_, count)| *count)
    }

    /// Whether it holds any address.
    pub(crate) const fn holds_any(&self) -> bool {
        self.held.is_some()
    }

    /// Whether its record names this block.
    pub(crate) fn names(&self, block: &IpNetwork) -> bool {
        self.holder.is_some_and(|holder| holder.blocks.iter().any(|(named, _)| named == block))
    }

    /// Whether all its addresses are used by whom they were taken for.
    pub(crate) const fn is_all_used(&self) -> bool {
        self.all_used
    }

    /// Whether nobody uses it, nor anything that it holds.
    pub(crate) const fn is_garbage(&self) -> bool {
        !self.any_lives && !self.is_kept && self.endpoint.is_none()
    }

    fn add(&mut self, block: IpNetwork) {
        let first = self.held.get_or_insert((block, 0));
        let mut held = std::iter::once(first).chain(&mut self.held_elsewhere);
        match held.find(|(cidr, _)| *cidr == block) {
            Some((_, count)) => *count += 1,
            None => self.held_elsewhere.push((block, 1)),
        }
    }
}

/// Knows who exists.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    facts: &'a Facts,
    handles: HashMap<&'a str, Known<'a>>,
    /// Who uses an address.
    users: HashMap<IpAddr, &'a Endpoint>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(index: &'a Index, facts: &'a Facts) -> Self {
        let most = index.holders().len().max(facts.endpoints.len());
        let mut handles: HashMap<&str, Known<'_>> = HashMap::with_capacity(most);
        let mut users = HashMap::with_capacity(facts.endpoints.len());
        for (id, holder) in index.holders() {
            handles.entry(id).or_default().holder = Some(holder);
        }
        for id in &facts.holders {
            handles.entry(id).or_default().is_kept = true;
        }
        for (handle, endpoint) in &facts.endpoints {
            if exists(facts, &endpoint.node) {
                handles.entry(handle).or_default().endpoint = Some(endpoint);
                users.extend(endpoint.addresses.iter().map(|address| (*address, endpoint)));
            }
        }
        let mut judge = Self { facts, handles, users };
        judge.count(index);
        judge
    }

    fn count(&mut self, index: &'a Index) {
        let mut handles = std::mem::take(&mut self.handles);
        for block in index.blocks(None, None, None) {
            for (address, allocation) in block.value.allocations() {
                let known = handles.entry(&allocation.handle).or_default();
                let life = self.life_of(known, address, allocation);
                known.all_used = (known.all_used || !known.holds_any()) && life == Life::Used;
                known.any_lives |= !life.is_garbage();
                known.add(block.value.cidr());
            }
        }
        self.handles = handles;
    }

    pub(crate) const fn facts(&self) -> &'a Facts {
        self.facts
    }

    pub(crate) fn node_exists(&self, node: &str) -> bool {
        exists(self.facts, node)
    }

    /// What there is of a handle.
    pub(crate) fn known(&self, handle: &str) -> Option<&Known<'a>> {
        self.handles.get(handle)
    }

    /// Whether nobody uses the handle, nor anything that it holds.
    pub(crate) fn is_garbage(&self, handle: &str) -> bool {
        self.known(handle).is_none_or(Known::is_garbage)
    }

    /// Whether this address is used, `known` being what there is of its handle.
    pub(crate) fn life_of(&self, known: &Known<'a>, address: IpAddr, allocation: &Allocation) -> Life<'a> {
        if known.is_kept {
            return Life::Used;
        }
        if let Some(endpoint) = known.endpoint {
            return if endpoint.addresses.contains(&address) { Life::Used } else { Life::Idle };
        }
        if let Some(user) = self.users.get(&address) {
            return Life::Foreign(user);
        }
        let attributes = &allocation.attributes;
        match (self.node_exists(&attributes.node), attributes.interface.is_empty()) {
            (false, _) => Life::NodeGone,
            (true, true) => Life::Used,
            (true, false) => Life::Leaked,
        }
    }
}

/// An address without a node was taken by someone who has none.
fn exists(facts: &Facts, node: &str) -> bool {
    node.is_empty() || node == LOAD_BALANCER_NODE || facts.nodes.contains(node)
}
