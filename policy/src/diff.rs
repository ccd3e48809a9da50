//! What a change would do before it is made: which connections would have another verdict.
//!
//! Exact over classes, not a sample. Of each endpoint whose profile, or whose sets' members, would be others:
//! - `address`: everybody else, endpoints and the rest of the addresses, falls into classes that no set of both profiles
//!   tells apart;
//! - `traffic`: so do protocols, ports and ICMP messages, cut at every boundary that a rule of them names;
//! - `pair`: one packet of each class is judged by both programs, at both ends. A connection changes if what both ends say
//!   together does;
//! - `row`: rows that differ in one end only are put together.
//!
//! Bounded: a change whose classes are too many is answered in part, and [`Difference::stopped`] says so.
//!
//! Deliberately absent: connections that exist (they are judged anew when a change narrows what allowed them), and
//! what nodes themselves send to their pods, which is not policed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnetwork::IpNetwork;

use crate::compile::compile;
use crate::model::{EndpointSelector, Model};
use crate::program::{Direction, EndpointId, Family, ProfileId, Program, Set, SetId, Verdict};

mod address;
mod pair;
mod row;
mod traffic;

#[cfg(test)]
mod tests;

pub use traffic::Traffic;

/// How much may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Endpoints held against policies.
    pub selections: usize,
    /// Packets judged.
    pub packets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { selections: 100_000_000, packets: 2_000_000 }
    }
}

/// What would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Connections that would have another verdict.
    pub changes: Vec<Change>,
    /// Endpoints that would have other rules, or the same with other members in their sets, whether or not that changes
    /// a verdict; and in which direction.
    pub endpoints: BTreeSet<(EndpointId, Direction)>,
    /// Packets judged, one for each class.
    pub packets: usize,
    /// Why there may be more than this; `None`: this is all.
    pub stopped: Option<Stopped>,
}

/// What was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Endpoints times policies: nothing was looked at.
    Selections(usize),
    /// Classes of packets: what was looked at is told.
    Packets(usize),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selections(limit) => {
                write!(
                    f,
                    "the endpoints concerned times the policies are more than {limit}: nothing was compared"
                )
            }
            Self::Packets(limit) => {
                write!(f, "there are more than {limit} classes of packets: the others were not compared")
            }
        }
    }
}

/// Connections between two groups that would have another verdict. None is from an endpoint to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who begins them.
    pub sources: Who,
    /// With whom.
    pub destinations: Who,
    /// Over these IP versions.
    pub families: BTreeSet<Family>,
    /// What they are.
    pub traffic: Vec<Traffic>,
    /// What both ends now say together.
    pub before: Verdict,
    /// What they would say.
    pub after: Verdict,
    /// Why now, and why then: a sentence for each rule that decides about some of them.
    pub because: Because,
}

/// Why a verdict is, and would be, what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Because {
    /// Now.
    pub before: BTreeSet<String>,
    /// Then.
    pub after: BTreeSet<String>,
}

/// One end of connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Any of these endpoints.
    Endpoints(BTreeSet<EndpointId>),
    /// Any address of these networks that is no endpoint's.
    Outside(BTreeSet<IpNetwork>),
}

/// What would change if `after` came true. Both have the same endpoints.
pub fn diff(before: &Model, after: &Model, limits: &Limits) -> Difference {
    let subjects = subjects(before, after);
    let policies = before.policies.len().max(after.policies.len());
    if subjects.len().saturating_mul(policies) > limits.selections {
        return Difference { stopped: Some(Stopped::Selections(limits.selections)), ..Difference::default() };
    }
    let programs = Programs { before: compile(before, &subjects), after: compile(after, &subjects) };
    let groups = groups(&programs);
    let endpoints =
        groups.iter().flat_map(|(group, ids)| ids.iter().map(|id| (id.clone(), group.direction))).collect();
    let budget = pair::Budget { left: limits.packets, limits: *limits };
    let mut found = pair::find(before, after, programs, &subjects, groups, budget);
    found.endpoints = endpoints;
    found
}

/// What is compared.
struct Programs {
    before: Program,
    after: Program,
}

/// Endpoints whose rules in one direction go from the one profile to the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    direction: Direction,
    before: Option<ProfileId>,
    after: Option<ProfileId>,
}

/// The endpoints whose rules may change: those that a policy selects which is another, or stands elsewhere. Where more than
/// policies and tiers changes (sets of networks, services, labels), everybody's sets may.
fn subjects(before: &Model, after: &Model) -> BTreeSet<EndpointId> {
    let policed = before.endpoints.values().filter(|endpoint| endpoint.is_policed());
    if !knows_the_same(before, after) {
        return policed.map(|endpoint| endpoint.id.clone()).collect();
    }
    let selectors = changed_selectors(before, after);
    let is_selected = |selector: &&EndpointSelector, endpoint| {
        before.selects(selector, endpoint) || after.selects(selector, endpoint)
    };
    policed
        .filter(|endpoint| selectors.iter().any(|selector| is_selected(selector, endpoint)))
        .map(|endpoint| endpoint.id.clone())
        .collect()
}

/// Whether the two differ in policies and tiers at most.
fn knows_the_same(before: &Model, after: &Model) -> bool {
    before.network_sets == after.network_sets
        && before.namespaces == after.namespaces
        && before.service_accounts == after.service_accounts
        && before.nodes == after.nodes
        && before.services == after.services
}

/// The subjects of the policies that are others, or have another tier.
fn changed_selectors<'a>(before: &'a Model, after: &'a Model) -> BTreeSet<&'a EndpointSelector> {
    let ids: BTreeSet<_> = before.policies.keys().chain(after.policies.keys()).collect();
    let changed = ids.into_iter().filter_map(|id| {
        let (old, new) = (before.policies.get(id), after.policies.get(id));
        let is_same =
            old == new && old.is_none_or(|policy| before.tier(&policy.tier) == after.tier(&policy.tier));
        (!is_same).then_some([old, new])
    });
    changed.flatten().flatten().map(|policy| &policy.subject).collect()
}

/// The endpoints that have other rules, or rules whose sets have other members, by what they go from and to.
fn groups(programs: &Programs) -> BTreeMap<Group, Vec<EndpointId>> {
    let mut groups: BTreeMap<Group, Vec<EndpointId>> = BTreeMap::new();
    for (id, old) in &programs.before.endpoints {
        let Some(new) = programs.after.endpoints.get(id) else { continue };
        for (direction, before, after) in
            [(Direction::Ingress, &old.ingress, &new.ingress), (Direction::Egress, &old.egress, &new.egress)]
        {
            let group = Group { direction, before: before.clone(), after: after.clone() };
            groups.entry(group).or_default().push(id.clone());
        }
    }
    groups.retain(|group, _| programs.differ(group));
    groups
}

impl Programs {
    fn differ(&self, group: &Group) -> bool {
        let changes = |set: &SetId| self.before.sets.get(set) != self.after.sets.get(set);
        group.before != group.after || sets(&self.before, group.before.as_ref()).iter().any(changes)
    }
}

/// The sets that a profile asks.
fn sets(program: &Program, profile: Option<&ProfileId>) -> BTreeSet<SetId> {
    let profile = profile.and_then(|id| program.profiles.get(id));
    let rules = profile.into_iter().flat_map(|profile| &profile.tiers).flat_map(|tier| &tier.rules);
    rules.flat_map(|rule| &rule.matches).filter_map(|condition| condition.set()).cloned().collect()
}

/// The members of those of a profile's sets that there are.
fn members<'a>(program: &'a Program, profile: Option<&ProfileId>) -> Vec<&'a Set> {
    sets(program, profile).iter().filter_map(|set| program.sets.get(set)).collect()
}
