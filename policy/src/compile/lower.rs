//! From the policies that select one endpoint to its profile in one direction.
//!
//! A rule of a policy becomes one rule for each of its selectors, and one for all of its blocks together, times one
//! for each protocol. Ports of a protocol are merged. A rule that can match nothing (no peer or no port of it is
//! usable) is left out; the policy still isolates.
//!
//! Names of ports are resolved here for ingress, where the endpoint itself is the destination, so endpoints that give
//! one name to different numbers have different profiles. For egress the destination's names count, which sets hold.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::definition::SetDefinition;
use super::digest::Digest;
use crate::model::{DEFAULT_TIER, Endpoint, EndpointSelector, Peer, Policy, PolicyRule, Service};
use crate::program::{
    Action, Direction, Match, Profile, ProfileId, Protocol, Rule, RuleOrigin, SetId, Side, Tier, TierEnd,
    Verdict,
};
use crate::ranges::{Cut, cover, merge};

/// A profile, its name, and what its sets consist of.
pub(crate) struct Lowered {
    pub(crate) id: ProfileId,
    pub(crate) profile: Profile,
    pub(crate) sets: BTreeMap<SetId, SetDefinition>,
}

/// The profile of an endpoint that these policies select; `None` if none of them isolates in this direction.
pub(crate) fn lower(direction: Direction, subject: &Endpoint, policies: &[&Policy]) -> Option<Lowered> {
    let mut lowering = Lowering { direction, subject, rules: Vec::new(), sets: BTreeMap::new() };
    let mut isolating = Vec::new();
    for policy in policies {
        let Some(rules) = policy.rules(direction) else { continue };
        isolating.push(policy.id.clone());
        for (index, rule) in (0u32..).zip(rules) {
            lowering.rule(&RuleOrigin { policy: policy.id.clone(), rule: index, name: None }, rule);
        }
    }
    if isolating.is_empty() {
        return None;
    }
    let tier = Tier {
        name: DEFAULT_TIER.to_owned(),
        policies: isolating,
        rules: lowering.rules,
        end: TierEnd::Deny,
    };
    let profile = Profile { direction, tiers: vec![tier], fallback: Verdict::Allow };
    Some(Lowered { id: profile_id(&profile), profile, sets: lowering.sets })
}

struct Lowering<'a> {
    direction: Direction,
    subject: &'a Endpoint,
    /// In order of policies and of their rules.
    rules: Vec<Rule>,
    sets: BTreeMap<SetId, SetDefinition>,
}

/// The peers of a rule, as far as sets tell them apart.
enum Target<'a> {
    Anyone,
    Endpoints(&'a EndpointSelector),
    Networks(BTreeSet<IpNetwork>),
}

impl Lowering<'_> {
    fn rule(&mut self, origin: &RuleOrigin, rule: &PolicyRule) {
        let services = self.services(rule.services.as_deref());
        let names = self.names_of_destinations(rule.services.as_deref());
        let mut alternatives = BTreeSet::new();
        for target in targets(rule.peers.as_deref()) {
            if !services.is_empty() {
                let peer = self.peer(&target);
                for service in &services {
                    let mut matches: Vec<Match> = service.iter().chain(&peer).cloned().collect();
                    matches.sort();
                    alternatives.insert(matches);
                }
            }
            for (protocol, name) in &names {
                let set = self.set(serving(&target, *protocol, name));
                let side = Side::Destination;
                alternatives.insert(vec![Match::AddressPort { side, set, negated: false }]);
            }
        }
        self.rules.extend(alternatives.into_iter().map(|matches| Rule {
            origin: origin.clone(),
            matches,
            action: Action::Allow,
        }));
    }

    fn set(&mut self, definition: SetDefinition) -> SetId {
        let id = definition.id();
        self.sets.insert(id.clone(), definition);
        id
    }

    fn peer(&mut self, target: &Target<'_>) -> Option<Match> {
        let definition = match target {
            Target::Anyone => return None,
            Target::Endpoints(selector) => SetDefinition::Addresses((*selector).clone()),
            Target::Networks(networks) => SetDefinition::Networks(networks.clone()),
        };
        Some(Match::Address { side: self.direction.peer(), set: self.set(definition), negated: false })
    }

    /// Services by number: at most one alternative for each protocol.
    fn services(&self, services: Option<&[Service]>) -> Vec<Vec<Match>> {
        let Some(services) = services else { return vec![Vec::new()] };
        let mut whole = BTreeSet::new();
        let mut ports: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
        for service in services {
            match service {
                Service::Protocol(protocol) => drop(whole.insert(*protocol)),
                Service::Range(protocol, first, last) => {
                    ports.entry(*protocol).or_default().push((*first, *last));
                }
                Service::Named(protocol, name) => match self.direction {
                    Direction::Ingress => {
                        let numbers =
                            self.subject.ports_named(name, *protocol).map(|number| (number, number));
                        ports.entry(*protocol).or_default().extend(numbers);
                    }
                    Direction::Egress => {}
                },
            }
        }
        ports.retain(|protocol, ranges| !ranges.is_empty() && !whole.contains(protocol));
        let is = |protocol: Protocol| Match::Protocol { number: protocol.number(), negated: false };
        let whole = whole.into_iter().map(|protocol| vec![is(protocol)]);
        let ports = ports.into_iter().map(|(protocol, ranges)| {
            let ports = Match::Ports { side: Side::Destination, ranges: merge(ranges), negated: false };
            vec![is(protocol), ports]
        });
        whole.chain(ports).collect()
    }

    /// Services that the destination gives names to.
    fn names_of_destinations<'a>(&self, services: Option<&'a [Service]>) -> Vec<(Protocol, &'a str)> {
        match self.direction {
            Direction::Ingress => Vec::new(),
            Direction::Egress => services
                .into_iter()
                .flatten()
                .filter_map(|service| match service {
                    Service::Named(protocol, name) => Some((*protocol, name.as_str())),
                    Service::Protocol(_) | Service::Range(..) => None,
                })
                .collect(),
        }
    }
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
    SetDefinition::Services { of, within, protocol, port_name: name.to_owned() }
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
