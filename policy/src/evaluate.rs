//! Runs a program on one packet, as the kernel does.
//!
//! The packet is the first of a connection, with the addresses that policy sees: after a service's address
//! was replaced by its backend's, before the source is masqueraded. Replies are not judged.
//!
//! An end that is not an endpoint of the program is not judged here: another node does, or nobody.

use std::net::IpAddr;

use crate::program::{
    Action, Direction, EndpointId, EndpointProgram, Family, Match, Profile, ProfileId, Program, Protocol,
    Rule, RuleOrigin, Set, SetId, Side, TierEnd, Verdict,
};

#[cfg(test)]
mod tests;

/// The first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from. Its family is the packet's.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// What is above IP.
    pub transport: Transport,
}

/// What is above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A protocol with ports.
    Port {
        /// Which.
        protocol: Protocol,
        /// The port that it comes from.
        source: u16,
        /// The port that it goes to.
        destination: u16,
    },
    /// ICMP of the packet's family: protocol 1 over IPv4, 58 over IPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
    /// Any other IP protocol number.
    Other(u8),
}

impl Transport {
    /// To a port, from one of those that hosts give to clients (the first of RFC 6335's dynamic ports).
    pub fn to_port(protocol: Protocol, destination: u16) -> Self {
        Self::Port { protocol, source: 49152, destination }
    }

    /// An echo request of a family (RFC 792, RFC 4443).
    pub fn echo(family: Family) -> Self {
        let kind = match family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        Self::Icmp { kind, code: 0 }
    }
}

impl Packet {
    /// Its IP version.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Its IP protocol number.
    pub fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Port { protocol, .. } => protocol.number(),
            Transport::Icmp { .. } => self.family().icmp(),
            Transport::Other(number) => number,
        }
    }

    /// The address of a side.
    pub fn address(&self, side: Side) -> IpAddr {
        match side {
            Side::Source => self.source,
            Side::Destination => self.destination,
        }
    }

    /// The port of a side, with its protocol.
    pub fn port(&self, side: Side) -> Option<(Protocol, u16)> {
        match (self.transport, side) {
            (Transport::Port { protocol, source, .. }, Side::Source) => Some((protocol, source)),
            (Transport::Port { protocol, destination, .. }, Side::Destination) => {
                Some((protocol, destination))
            }
            (Transport::Icmp { .. } | Transport::Other(_), _) => None,
        }
    }
}

/// What the ends decide; `None` for an end that is not an endpoint of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The source's decision about leaving.
    pub egress: Option<Decision>,
    /// The destination's decision about entering.
    pub ingress: Option<Decision>,
}

impl Evaluation {
    /// Whether no end denies.
    pub fn verdict(&self) -> Verdict {
        let denied = self.ends().any(|decision| decision.verdict() == Verdict::Deny);
        if denied { Verdict::Deny } else { Verdict::Allow }
    }

    /// Those ends that decide, in the order in which they are asked.
    pub fn ends(&self) -> impl Iterator<Item = &Decision> {
        self.egress.iter().chain(&self.ingress)
    }
}

/// What one end decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which end: of the source's egress or of the destination's ingress.
    pub direction: Direction,
    /// Whose.
    pub endpoint: EndpointId,
    /// By which profile; `None`: the direction is not isolated.
    pub profile: Option<ProfileId>,
    /// What happened on the way to the decision, in order.
    pub path: Vec<Step>,
    /// Why so.
    pub reason: Reason,
}

/// Something that happens on the way to a decision and does not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A rule logs the packet.
    Logged {
        /// The rule's tier.
        tier: String,
        /// Which rule.
        rule: RuleOrigin,
    },
    /// A tier passes the packet on.
    Passed {
        /// Which tier.
        tier: String,
        /// By which rule; `None`: at its end.
        rule: Option<RuleOrigin>,
    },
}

/// Why an end decides as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Allowed: an endpoint always reaches itself.
    Itself,
    /// Allowed: no policy isolates it in this direction.
    NotIsolated,
    /// The first rule that acts.
    Rule {
        /// The rule's tier.
        tier: String,
        /// Which rule.
        rule: RuleOrigin,
        /// What it says.
        verdict: Verdict,
    },
    /// Denied: no rule of this tier acts, and that is its end.
    TierEnd {
        /// Which tier.
        tier: String,
    },
    /// Every tier passes it on, and this is what then happens.
    Fallback(Verdict),
    /// Denied: the program lacks the endpoint's profile, so it is broken, and must not open an endpoint.
    NoProfile,
}

impl Decision {
    /// Allow or deny.
    pub fn verdict(&self) -> Verdict {
        match self.reason {
            Reason::Itself | Reason::NotIsolated => Verdict::Allow,
            Reason::Rule { verdict, .. } | Reason::Fallback(verdict) => verdict,
            Reason::TierEnd { .. } | Reason::NoProfile => Verdict::Deny,
        }
    }
}

/// What the program decides about a packet.
pub fn evaluate(program: &Program, packet: &Packet) -> Evaluation {
    let decide = |direction, (id, endpoint)| decide_end(program, id, endpoint, direction, packet);
    Evaluation {
        egress: endpoint_at(program, packet.source).map(|end| decide(Direction::Egress, end)),
        ingress: endpoint_at(program, packet.destination).map(|end| decide(Direction::Ingress, end)),
    }
}

/// What one end decides about a packet of which it is known to be an end: the source for [`Direction::Egress`], the
/// destination for [`Direction::Ingress`]. For whoever has many packets, for it looks for nobody. `None`: the program does not
/// know the endpoint.
pub fn decide(program: &Program, id: &EndpointId, direction: Direction, packet: &Packet) -> Option<Decision> {
    let endpoint = program.endpoints.get(id)?;
    Some(decide_end(program, id, endpoint, direction, packet))
}

fn decide_end(
    program: &Program,
    id: &EndpointId,
    endpoint: &EndpointProgram,
    direction: Direction,
    packet: &Packet,
) -> Decision {
    let profile = match direction {
        Direction::Ingress => endpoint.ingress.clone(),
        Direction::Egress => endpoint.egress.clone(),
    };
    let is_itself = [packet.source, packet.destination].iter().all(|end| endpoint.addresses.contains(end));
    let mut path = Vec::new();
    let reason = match &profile {
        _ if is_itself => Reason::Itself,
        None => Reason::NotIsolated,
        Some(id) => match program.profiles.get(id) {
            None => Reason::NoProfile,
            Some(profile) => judge(program, profile, packet, &mut path),
        },
    };
    Decision { direction, endpoint: id.clone(), profile, path, reason }
}

fn endpoint_at(program: &Program, address: IpAddr) -> Option<(&EndpointId, &EndpointProgram)> {
    program.endpoints.iter().find(|(_, endpoint)| endpoint.addresses.contains(&address))
}

fn judge(program: &Program, profile: &Profile, packet: &Packet, path: &mut Vec<Step>) -> Reason {
    for tier in &profile.tiers {
        let name = || tier.name.clone();
        let mut passed_by = None;
        for rule in &tier.rules {
            let origin = || rule.origin.clone();
            match action(program, rule, packet) {
                None => {}
                Some(Action::Allow) => {
                    return Reason::Rule { tier: name(), rule: origin(), verdict: Verdict::Allow };
                }
                Some(Action::Deny) => {
                    return Reason::Rule { tier: name(), rule: origin(), verdict: Verdict::Deny };
                }
                Some(Action::Pass) => {
                    passed_by = Some(origin());
                    break;
                }
                Some(Action::Log) => {
                    let step = Step::Logged { tier: name(), rule: origin() };
                    // Alternatives of one rule follow each other.
                    if path.last() != Some(&step) {
                        path.push(step);
                    }
                }
            }
        }
        if passed_by.is_none() && tier.end == TierEnd::Deny {
            return Reason::TierEnd { tier: name() };
        }
        path.push(Step::Passed { tier: name(), rule: passed_by });
    }
    Reason::Fallback(profile.fallback)
}

/// What a rule does with a packet; `None` if it does not match.
fn action(program: &Program, rule: &Rule, packet: &Packet) -> Option<Action> {
    let mut broken = false;
    for condition in &rule.matches {
        match holds(program, condition, packet) {
            Some(true) => {}
            Some(false) => return None,
            None => broken = true,
        }
    }
    match (broken, rule.action) {
        (false, action) => Some(action),
        (true, Action::Allow | Action::Log) => None,
        (true, Action::Deny | Action::Pass) => Some(Action::Deny),
    }
}

/// `None`: the program lacks the set, or the set is of another kind.
fn holds(program: &Program, condition: &Match, packet: &Packet) -> Option<bool> {
    Some(match condition {
        Match::Family(family) => packet.family() == *family,
        Match::Protocol { number, negated } => (packet.protocol() == *number) != *negated,
        Match::Icmp { family, kind, code, negated } => match packet.transport {
            Transport::Icmp { kind: has_kind, code: has_code } if packet.family() == *family => {
                (has_kind == *kind && code.is_none_or(|code| code == has_code)) != *negated
            }
            Transport::Icmp { .. } | Transport::Port { .. } | Transport::Other(_) => false,
        },
        Match::Address { side, set, negated } => {
            contains_address(program, set, packet.address(*side))? != *negated
        }
        Match::Ports { side, ranges, negated } => packet.port(*side).is_some_and(|(_, port)| {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)) != *negated
        }),
        Match::AddressPort { side, set, negated } => match program.sets.get(set)? {
            Set::AddressPorts(members) => {
                let address = packet.address(*side);
                let is_member =
                    |(protocol, port): (Protocol, u16)| members.contains(&(address, protocol, port));
                packet.port(*side).is_some_and(is_member) != *negated
            }
            Set::Addresses(_) | Set::Networks(_) => return None,
        },
    })
}

fn contains_address(program: &Program, set: &SetId, address: IpAddr) -> Option<bool> {
    match program.sets.get(set)? {
        Set::Addresses(addresses) => Some(addresses.contains(&address)),
        Set::Networks(networks) => Some(networks.iter().any(|network| network.contains(address))),
        Set::AddressPorts(_) => None,
    }
}
