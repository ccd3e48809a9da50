//! A program as text, for people and for golden tests: in the manner of nftables, and stable.
//!
//! It is not a ruleset that `nft` would load: how it is laid out in the kernel is the agent's affair.

use std::fmt::{Display, Formatter, Result};

use crate::program::{
    Action, Direction, EndpointId, Family, Match, PolicyId, PolicyKind, Profile, Program, Protocol, Rule,
    RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
};

#[cfg(test)]
mod tests;

/// Renders the whole program: endpoints, their profiles, the sets.
pub fn render(program: &Program) -> String {
    program.to_string()
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (id, endpoint) in &self.endpoints {
            writeln!(f, "endpoint {id} {{ {} }}", list(&endpoint.addresses))?;
            for (direction, profile) in [("ingress", &endpoint.ingress), ("egress", &endpoint.egress)] {
                match profile {
                    Some(profile) => writeln!(f, "    {direction} goto {}", profile.0)?,
                    None => writeln!(f, "    {direction} accept")?,
                }
            }
        }
        for (id, profile) in &self.profiles {
            writeln!(f, "\nprofile {} {{", id.0)?;
            write_profile(f, profile)?;
            writeln!(f, "}}")?;
        }
        for (id, set) in &self.sets {
            write_set(f, id, set)?;
        }
        Ok(())
    }
}

impl Display for EndpointId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        })
    }
}

impl Display for Family {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Allow => "allowed",
            Self::Deny => "denied",
        })
    }
}

impl Display for PolicyKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::FabricNetworkPolicy => "fabric NetworkPolicy",
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
        })
    }
}

/// `shop/backend` is a NetworkPolicy; the other kinds name themselves: `GlobalNetworkPolicy lock`.
impl Display for PolicyId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.kind != PolicyKind::NetworkPolicy {
            write!(f, "{} ", self.kind)?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// `shop/backend rule 1`, with the rule's name in quotes if it has one.
impl Display for RuleOrigin {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} rule {}", self.policy, self.rule)?;
        match &self.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

fn write_profile(f: &mut Formatter<'_>, profile: &Profile) -> Result {
    writeln!(f, "    # {}", profile.direction.to_string().to_lowercase())?;
    for tier in &profile.tiers {
        write_tier(f, tier)?;
    }
    let fallback = match profile.fallback {
        Verdict::Allow => "accept",
        Verdict::Deny => "drop",
    };
    writeln!(f, "    {fallback}")
}

fn write_tier(f: &mut Formatter<'_>, tier: &Tier) -> Result {
    writeln!(f, "    tier {} {{ # {}", tier.name, list(&tier.policies))?;
    for rule in &tier.rules {
        writeln!(f, "        {}", rule_text(rule))?;
    }
    let end = match tier.end {
        TierEnd::Deny => "drop",
        TierEnd::Pass => "pass",
    };
    writeln!(f, "        {end}\n    }}")
}

fn rule_text(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.matches.iter().map(match_text).collect();
    let action = match rule.action {
        Action::Allow => "accept",
        Action::Deny => "drop",
        Action::Pass => "pass",
        Action::Log => "log",
    };
    words.push(format!("{action} # {}", rule.origin));
    words.join(" ")
}

fn match_text(condition: &Match) -> String {
    let not = |negated: &bool| if *negated { "!= " } else { "" };
    match condition {
        Match::Family(Family::V4) => "ipv4".to_owned(),
        Match::Family(Family::V6) => "ipv6".to_owned(),
        Match::Protocol { number, negated } => {
            let name = Protocol::from_number(*number).map_or(number.to_string(), |known| known.to_string());
            format!("l4proto {}{name}", not(negated))
        }
        Match::Icmp { family, kind, code, negated } => {
            let protocol = match family {
                Family::V4 => "icmp",
                Family::V6 => "icmpv6",
            };
            match code {
                None => format!("{protocol} type {}{kind}", not(negated)),
                Some(code) => format!("{protocol} type . code {}{kind} . {code}", not(negated)),
            }
        }
        Match::Address { side, set, negated } => format!("{}addr {}@{}", letter(*side), not(negated), set.0),
        Match::Ports { side, ranges, negated } => {
            let ranges = ranges.iter().map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            });
            format!("{}port {}{{ {} }}", letter(*side), not(negated), list(ranges))
        }
        Match::AddressPort { side, set, negated } => {
            let side = letter(*side);
            format!("{side}addr . l4proto . {side}port {}@{}", not(negated), set.0)
        }
    }
}

fn letter(side: Side) -> char {
    match side {
        Side::Source => 's',
        Side::Destination => 'd',
    }
}

fn write_set(f: &mut Formatter<'_>, id: &SetId, set: &Set) -> Result {
    let (kind, members) = match set {
        Set::Addresses(addresses) => ("addresses", list(addresses)),
        Set::AddressPorts(members) => {
            let tuples =
                members.iter().map(|(address, protocol, port)| format!("{address} . {protocol} . {port}"));
            ("address ports", list(tuples))
        }
        Set::Networks(networks) => ("networks", list(networks)),
    };
    if members.is_empty() {
        return writeln!(f, "\nset {} {{ }} # {kind}", id.0);
    }
    writeln!(f, "\nset {} {{ {members} }} # {kind}", id.0)
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
