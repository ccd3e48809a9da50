//! From a policy to its rules for an endpoint that it selects, in one direction: a *block*.
//!
//! A rule of a policy becomes neighbouring rules of the program, one for each way to match it: one for each of its
//! selectors, and one for all of its blocks together, times one for each protocol, times what its `conditions` leave
//! open. Ports of a protocol are merged, networks lose their exceptions. A rule that can match nothing (no peer or no
//! port of it is usable) is left out; the policy still isolates.
//!
//! Which rules there are depends on the policy and on the names of the endpoint's own ports, not on who is selected:
//! members come and go in sets. Names of ports are resolved here where the endpoint itself has them, so endpoints that
//! give one name to different numbers have different blocks. The other end's names are held by sets.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::definition::SetDefinition;
use super::digest::Digest;
use crate::model::{EndpointSelector, NamedPort, Peer, Policy, PolicyRule, PortMatch, Service};
use crate::program::{Direction, Match, Protocol, Rule, RuleOrigin, SetId, Side};
use crate::ranges::{Cut, cover, merge};

mod conditions;

#[cfg(test)]
mod tests;

/// What a policy says in one direction to endpoints whose ports have certain names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Of the rules.
    pub(crate) digest: [u8; 32],
    pub(crate) rules: Vec<Rule>,
    /// What the sets of the rules consist of.
    pub(crate) sets: BTreeMap<SetId, SetDefinition>,
}

/// The block of a policy for an endpoint that it selects and that has these ports.
pub(crate) fn lower(direction: Direction, named_ports: &BTreeSet<NamedPort>, policy: &Policy) -> Block {
    let mut lowering = Lowering { direction, named_ports, sets: BTreeMap::new() };
    let mut rules = Vec::new();
    for (index, rule) in (0u32..).zip(policy.rules(direction).into_iter().flatten()) {
        let origin = RuleOrigin { policy: policy.id.clone(), rule: index, name: rule.name.clone() };
        rules.extend(lowering.ways(rule).into_iter().map(|matches| Rule {
            origin: origin.clone(),
            matches,
            action: rule.action,
        }));
    }
    let mut sets = lowering.sets;
    let used: BTreeSet<&SetId> =
        rules.iter().flat_map(|rule| rule.matches.iter().filter_map(Match::set)).collect();
    sets.retain(|id, _| used.contains(id));
    let digest = Digest::of("block").list(&rules, Digest::rule).whole();
    Block { digest, rules, sets }
}

/// The names of own ports on which the block of a policy depends.
pub(crate) fn own_names(direction: Direction, policy: &Policy) -> BTreeSet<String> {
    let own_side = match direction {
        Direction::Ingress => Side::Destination,
        Direction::Egress => Side::Source,
    };
    let mut names = BTreeSet::new();
    for rule in policy.rules(direction).into_iter().flatten() {
        let entity = rule.conditions.of(own_side);
        for port in entity.ports.iter().flatten().chain(&entity.not_ports) {
            if let PortMatch::Named(name) = port {
                names.insert(name.clone());
            }
        }
        for service in rule.services.iter().flatten() {
            if let (Service::Named(_, name), Direction::Ingress) = (service, direction) {
                names.insert(name.clone());
            }
        }
    }
    names
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

    /// The numbers that the endpoint itself serves under a name.
    fn own_ports(&self, name: &str, protocol: Protocol) -> Vec<(u16, u16)> {
        let named = self.named_ports.iter().filter(|port| port.name == name && port.protocol == protocol);
        named.map(|port| (port.number, port.number)).collect()
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
                        ports.entry(*protocol).or_default().extend(self.own_ports(name, *protocol));
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
