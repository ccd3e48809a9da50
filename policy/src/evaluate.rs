//! Runs a program on one packet, as the kernel does.
//!
//! The packet is the first of a connection, with the addresses that policy sees: after a service's address
//! was replaced by its backend's, before the source is masqueraded. Replies are not judged.
//!
//! An end that is not an endpoint of the program is not judged here: another node does, or nobody.

use std::net::IpAddr;

use crate::program::{
    Direction, EndpointId, EndpointProgram, PeerMatch, Profile, ProfileId, Program, Protocol, Rule,
    RuleOrigin, ServiceMatch, Set, Verdict,
};

#[cfg(test)]
mod tests;

/// The first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// Protocol and destination port.
    pub transport: Transport,
}

/// What is above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A protocol with ports, and the destination's.
    Port(Protocol, u16),
    /// Any other IP protocol number, for example [`Transport::ICMP`].
    Other(u8),
}

impl Transport {
    /// ICMP for IPv4 (IP protocol 1).
    pub const ICMP: Self = Self::Other(1);
    /// ICMP for IPv6 (next header 58).
    pub const ICMPV6: Self = Self::Other(58);
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

    /// The source's, then the destination's decision.
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
    /// Why so.
    pub reason: Reason,
}

/// Why an end decides as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Allowed: an endpoint always reaches itself.
    Itself,
    /// Allowed: no policy isolates it in this direction.
    NotIsolated,
    /// The first rule that matches decides.
    Rule(RuleOrigin, Verdict),
    /// Denied: isolated, and no rule matches.
    NoRule,
}

impl Decision {
    /// Allow or deny.
    pub fn verdict(&self) -> Verdict {
        match self.reason {
            Reason::Itself | Reason::NotIsolated => Verdict::Allow,
            Reason::Rule(_, verdict) => verdict,
            Reason::NoRule => Verdict::Deny,
        }
    }
}

/// What the program decides about a packet.
pub fn evaluate(program: &Program, packet: &Packet) -> Evaluation {
    let source = endpoint_at(program, packet.source);
    let destination = endpoint_at(program, packet.destination);
    let itself = matches!((source, destination), (Some((from, _)), Some((to, _))) if from == to);
    let decide = |direction, (id, endpoint): (&EndpointId, &EndpointProgram)| {
        let profile = match direction {
            Direction::Ingress => endpoint.ingress.clone(),
            Direction::Egress => endpoint.egress.clone(),
        };
        let reason = match &profile {
            _ if itself => Reason::Itself,
            None => Reason::NotIsolated,
            // A program that lacks the profile is broken; it must not open an endpoint.
            Some(id) => {
                program.profiles.get(id).map_or(Reason::NoRule, |profile| judge(program, profile, packet))
            }
        };
        Decision { direction, endpoint: id.clone(), profile, reason }
    };
    Evaluation {
        egress: source.map(|end| decide(Direction::Egress, end)),
        ingress: destination.map(|end| decide(Direction::Ingress, end)),
    }
}

fn endpoint_at(program: &Program, address: IpAddr) -> Option<(&EndpointId, &EndpointProgram)> {
    program.endpoints.iter().find(|(_, endpoint)| endpoint.addresses.contains(&address))
}

fn judge(program: &Program, profile: &Profile, packet: &Packet) -> Reason {
    let matching = profile.rules.iter().find(|rule| matches(program, profile.direction, rule, packet));
    matching.map_or(Reason::NoRule, |rule| Reason::Rule(rule.origin.clone(), rule.verdict))
}

fn matches(program: &Program, direction: Direction, rule: &Rule, packet: &Packet) -> bool {
    let peer = match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    };
    let peer_matches = match &rule.peer {
        PeerMatch::Any => true,
        PeerMatch::In(id) => match program.sets.get(id) {
            Some(Set::Addresses(addresses)) => addresses.contains(&peer),
            Some(Set::Networks(networks)) => networks.iter().any(|network| network.contains(peer)),
            Some(Set::AddressPorts(_)) | None => false,
        },
    };
    peer_matches && service_matches(program, &rule.service, packet)
}

fn service_matches(program: &Program, service: &ServiceMatch, packet: &Packet) -> bool {
    match (service, packet.transport) {
        (ServiceMatch::Any, _) => true,
        (ServiceMatch::Protocol(wanted), Transport::Port(protocol, _)) => *wanted == protocol,
        (ServiceMatch::Ports(wanted, ranges), Transport::Port(protocol, port)) => {
            *wanted == protocol && ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
        }
        (ServiceMatch::NamedPort(id), Transport::Port(protocol, port)) => match program.sets.get(id) {
            Some(Set::AddressPorts(members)) => members.contains(&(packet.destination, protocol, port)),
            Some(Set::Addresses(_) | Set::Networks(_)) | None => false,
        },
        (
            ServiceMatch::Protocol(_) | ServiceMatch::Ports(..) | ServiceMatch::NamedPort(_),
            Transport::Other(_),
        ) => false,
    }
}
