//! From the policies that select one endpoint to its profile in one direction.
//!
//! A rule of a policy becomes neighbouring rules of the program, one for each way to match it: one for each of its
//! selectors, and one for all of its blocks together, times one for each protocol, times what its `conditions` leave
//! open. Ports of a protocol are merged, networks lose their exceptions. A rule that can match nothing (no peer or no
//! port of it is usable) is left out; the policy still isolates.
//!
//! Which rules there are depends on the policies and on the names of the endpoint's own ports, not on who is selected:
//! members come and go in sets. Names of ports are resolved here where the endpoint itself has them, so endpoints that
//! give one name to different numbers have different profiles. The other end's names are held by sets.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::definition::SetDefinition;
use super::digest::Digest;
use super::order::Stack;
use crate::model::{EndpointSelector, NamedPort, Peer, PolicyRule, Service, ports_named};
use crate::program::{
    Direction, Match, Profile, ProfileId, Protocol, Rule, RuleOrigin, SetId, Side, Tier, TierEnd, Verdict,
};
use crate::ranges::{Cut, cover, merge};

mod conditions;

#[cfg(test)]
mod tests;

/// A profile, its name, and what its sets consist of.
#[derive(Debug, Clone)]
pub(crate) struct Lowered {
    pub(crate) id: ProfileId,
    pub(crate) profile: Profile,
    pub(crate) sets: BTreeMap<SetId, SetDefinition>,
}

/// The profile of an endpoint with these ports of its own, which the policies of these tiers select; `None` if there
/// are none.
pub(crate) fn lower(
    direction: Direction,
    named_ports: &BTreeSet<NamedPort>,
    stacks: &[Stack<'_>],
) -> Option<Lowered> {
    if stacks.is_empty() {
        return None;
    }
    let mut lowering = Lowering { direction, named_ports, sets: BTreeMap::new() };
    let tiers: Vec<Tier> = stacks.iter().map(|stack| lowering.tier(stack)).collect();
    let mut sets = lowering.sets;
    let rules = tiers.iter().flat_map(|tier| &tier.rules);
    let used: BTreeSet<&SetId> = rules.flat_map(|rule| rule.matches.iter().filter_map(Match::set)).collect();
    sets.retain(|id, _| used.contains(id));
    let profile = Profile { direction, tiers, fallback: Verdict::Allow };
    Some(Lowered { id: profile_id(&profile), profile, sets })
}

struct Lowering<'a> {
    direction: Direction,
    named_ports: &'a BTreeSet<NamedPort>,
    /// Of all sets that were thought of.
    sets: BTreeMap<SetId, SetDefinition>,
}

/// The peers of a rule, as far as sets tell them apart.
enum Target<'a> {
    Anyone,
    Endpoints(&'a EndpointSelector),
    Networks(BTreeSet<IpNetwork>),
}

/// One way to match the services of a rule.
enum ServiceWay<'a> {
    /// By numbers; the protocol, if it is one with ports.
    Plain(Option<Protocol>, Vec<Match>),
    /// By the name that the other end, the destination, gives to its port.
    Named(Protocol, &'a str),
}

impl Lowering<'_> {
    fn tier(&mut self, stack: &Stack<'_>) -> Tier {
        let mut rules = Vec::new();
        for policy in &stack.policies {
            for (index, rule) in (0u32..).zip(policy.rules(self.direction).into_iter().flatten()) {
                let origin = RuleOrigin { policy: policy.id.clone(), rule: index, name: rule.name.clone() };
                rules.extend(self.ways(rule).into_iter().map(|matches| Rule {
                    origin: origin.clone(),
                    matches,
                    action: rule.action,
                }));
            }
        }
        Tier {
            name: stack.name.to_owned(),
            policies: stack.policies.iter().map(|policy| policy.id.clone()).collect(),
            rules,
            end: stack.end,
        }
    }

    /// All ways to match a rule.
    fn ways(&mut self, rule: &PolicyRule) -> BTreeSet<Vec<Match>> {
        let mut ways = BTreeSet::new();
        let Some(common) = self.common(&rule.conditions) else { return ways };
        let selected = self.selected(&rule.conditions);
        let services = self.services(rule.services.as_deref());
        for target in targets(rule.peers.as_deref()) {
            let peer = self.peer(&target);
            for service in &services {
                let (protocol, first) = match service {
                    ServiceWay::Plain(protocol, matches) => {
                        (*protocol, matches.iter().chain(&peer).cloned().collect())
                    }
                    ServiceWay::Named(protocol, name) => {
                        let set = self.set(serving(&target, *protocol, name));
                        let side = Side::Destination;
                        (Some(*protocol), vec![Match::AddressPort { side, set, negated: false }])
                    }
                };
                for ports in self.ports(&rule.conditions, protocol) {
                    ways.extend(selected.iter().map(|selected| joined([&common, &first, &ports, selected])));
                }
            }
        }
        ways
    }

    fn set(&mut self, definition: SetDefinition) -> SetId {
        let id = definition.id();
        self.sets.insert(id.clone(), definition);
        id
    }

    fn address(&mut self, side: Side, definition: SetDefinition, negated: bool) -> Match {
        Match::Address { side, set: self.set(definition), negated }
    }

    fn peer(&mut self, target: &Target<'_>) -> Option<Match> {
        let definition = match target {
            Target::Anyone => return None,
            Target::Endpoints(selector) => SetDefinition::Addresses((*selector).clone()),
            Target::Networks(networks) => SetDefinition::Networks(networks.clone()),
        };
        Some(self.address(self.direction.peer(), definition, false))
    }

    /// Services: at most one way by numbers for each protocol, and one for each name that the other end has.
    fn services<'a>(&self, services: Option<&'a [Service]>) -> Vec<ServiceWay<'a>> {
        let Some(services) = services else { return vec![ServiceWay::Plain(None, Vec::new())] };
        let mut whole = BTreeSet::new();
        let mut ports: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for service in services {
            match service {
                Service::Protocol(number) => drop(whole.insert(*number)),
                Service::Range(protocol, first, last) => {
                    ports.entry(*protocol).or_default().push((*first, *last));
                }
                Service::Named(protocol, name) => match self.direction {
                    Direction::Ingress => {
                        let numbers = ports_named(self.named_ports, name, *protocol);
                        let ranges = numbers.map(|number| (number, number));
                        ports.entry(*protocol).or_default().extend(ranges);
                    }
                    Direction::Egress => drop(names.insert((*protocol, name.as_str()))),
                },
            }
        }
        ports.retain(|protocol, ranges| !ranges.is_empty() && !whole.contains(&protocol.number()));
        let whole = whole.into_iter().map(|number| {
            ServiceWay::Plain(Protocol::from_number(number), vec![Match::Protocol { number, negated: false }])
        });
        let ports = ports.into_iter().map(|(protocol, ranges)| {
            let ports = Match::Ports { side: Side::Destination, ranges: merge(ranges), negated: false };
            ServiceWay::Plain(Some(protocol), vec![is(protocol), ports])
        });
        let names = names.into_iter().map(|(protocol, name)| ServiceWay::Named(protocol, name));
        whole.chain(ports).chain(names).collect()
    }
}

fn is(protocol: Protocol) -> Match {
    Match::Protocol { number: protocol.number(), negated: false }
}

/// All of these must hold, each said once, in the order of [`Match`].
fn joined<'a>(parts: impl IntoIterator<Item = &'a Vec<Match>>) -> Vec<Match> {
    let mut matches: Vec<Match> = parts.into_iter().flatten().cloned().collect();
    matches.sort();
    matches.dedup();
    matches
}

fn targets(peers: Option<&[Peer]>) -> Vec<Target<'_>> {
    let Some(peers) = peers else { return vec![Target::Anyone] };
    let mut targets = Vec::new();
    let mut blocks = Vec::new();
    for peer in peers {
        match peer {
            Peer::Endpoints(selector) => targets.push(Target::Endpoints(selector)),
            Peer::Block { network, except } => blocks.push(Cut { network: *network, except }),
        }
    }
    let networks = cover(blocks);
    if !networks.is_empty() {
        targets.push(Target::Networks(networks));
    }
    targets
}

/// Whoever of the target serves a name. Only endpoints have names for ports: of a block, its endpoints are meant.
fn serving(target: &Target<'_>, protocol: Protocol, name: &str) -> SetDefinition {
    let (of, within) = match target {
        Target::Anyone => (EndpointSelector::everything(), None),
        Target::Endpoints(selector) => ((*selector).clone(), None),
        Target::Networks(networks) => (EndpointSelector::everything(), Some(networks.clone())),
    };
    SetDefinition::NamedPorts { of, within, protocol, port_name: name.to_owned() }
}

fn profile_id(profile: &Profile) -> ProfileId {
    let digest = Digest::of(match profile.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    });
    let digest = digest.list(&profile.tiers, |digest, tier| {
        let digest = digest.text(&tier.name);
        let digest = digest.list(&tier.policies, Digest::policy);
        let digest = digest.list(&tier.rules, Digest::rule);
        digest.number(match tier.end {
            TierEnd::Deny => 0,
            TierEnd::Pass => 1,
        })
    });
    let digest = digest.number(match profile.fallback {
        Verdict::Allow => 0,
        Verdict::Deny => 1,
    });
    ProfileId(digest.name('p'))
}
