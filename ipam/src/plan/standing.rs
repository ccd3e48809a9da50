//! What a handle holds already, and what it lacks of a request.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::draft::Draft;
use super::error::AssignError;
use super::request::{Request, Wanted};
use crate::family::Family;

/// What a handle holds already, and what it lacks of a request.
pub(super) struct Standing<'r> {
    request: &'r Request,
    /// The certain addresses that it asks for.
    asked: BTreeSet<IpAddr>,
    held: BTreeSet<IpAddr>,
    /// Certain ones first, so that no other wish gets them.
    missing: Vec<Wanted>,
}

impl<'r> Standing<'r> {
    /// A handle that holds something gets more only where an attempt at this same request was cut short.
    pub(super) fn of(draft: &Draft<'_>, request: &'r Request) -> Result<Self, AssignError> {
        let mut asked = BTreeSet::new();
        for address in request.wanted.iter().filter_map(|wanted| wanted.address()) {
            if !asked.insert(address) {
                return Err(AssignError::Repeated { address });
            }
        }
        let named = draft.handle(&request.handle).into_iter().flat_map(|handle| handle.blocks.keys());
        let blocks = named.filter_map(|cidr| draft.block(cidr));
        let held: BTreeSet<IpAddr> = blocks.flat_map(|block| block.held_by(&request.handle)).collect();
        let missing = asked.difference(&held).copied().map(Wanted::Address).collect();
        let mut standing = Self { request, asked, held, missing };
        for family in [Family::V4, Family::V6] {
            let lacking = standing.any(family).saturating_sub(standing.spare(family).count());
            standing.missing.extend(std::iter::repeat_n(Wanted::Any(family), lacking));
            let is_new = standing.held.is_empty() || standing.missing_of(family).next().is_none();
            if !is_new && !standing.was_cut_short(draft, family) {
                return Err(standing.refusal(family));
            }
        }
        Ok(standing)
    }

    /// Whether nothing is missing.
    pub(super) const fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is missing of a family, certain addresses first.
    pub(super) fn missing_of(&self, family: Family) -> impl Iterator<Item = Wanted> {
        self.missing.iter().copied().filter(move |wanted| wanted.family() == family)
    }

    /// How many of a family are wanted, whichever they are.
    fn any(&self, family: Family) -> usize {
        self.request.wanted.iter().filter(|wanted| **wanted == Wanted::Any(family)).count()
    }

    /// What is held of a family beside the certain addresses that are asked for, ascending.
    fn spare(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        self.held.difference(&self.asked).copied().filter(move |address| Family::of(*address) == family)
    }

    /// Whether the handle was to hold as many of the family as are wanted now, by its own record, and what it has are
    /// some of those.
    fn was_cut_short(&self, draft: &Draft<'_>, family: Family) -> bool {
        let stored = draft.handle(&self.request.handle).into_iter().flat_map(|handle| &handle.blocks);
        let of_family = stored.filter(|(cidr, _)| Family::of_network(cidr) == family);
        let meant: u64 = of_family.map(|(_, count)| u64::from(*count)).sum();
        let wanted = u64::try_from(self.request.count(family)).unwrap_or(u64::MAX);
        wanted <= meant && self.spare(family).count() <= self.any(family)
    }

    fn refusal(&self, family: Family) -> AssignError {
        let handle = self.request.handle.clone();
        let certain = self.missing_of(family).find_map(Wanted::address);
        if let (Some(held), Some(asked)) = (self.spare(family).next(), certain) {
            return AssignError::HoldsOther { handle, held, asked };
        }
        let held = self.held.iter().filter(|address| Family::of(**address) == family).count();
        AssignError::HoldsFewer { handle, family, held, asked: self.request.count(family) }
    }

    /// What is held and what was chosen beside it, in the order of the request.
    pub(super) fn arrange(&self, chosen: &BTreeSet<IpAddr>) -> Vec<IpAddr> {
        let all = || self.held.union(chosen).filter(|address| !self.asked.contains(*address)).copied();
        let mut v4 = all().filter(IpAddr::is_ipv4);
        let mut v6 = all().filter(IpAddr::is_ipv6);
        let place = |wanted: &Wanted| match wanted {
            Wanted::Address(address) => Some(*address),
            Wanted::Any(Family::V4) => v4.next(),
            Wanted::Any(Family::V6) => v6.next(),
        };
        self.request.wanted.iter().filter_map(place).collect()
    }
}
