//! A program as text, for people and for golden tests: in the manner of nftables, and stable.
//!
//! It is not a ruleset that `nft` would load: how it is laid out in the kernel is the agent's affair.

use std::fmt::{Display, Formatter, Result};

use crate::program::{
    Direction, EndpointId, PeerMatch, Profile, Program, Protocol, Rule, ServiceMatch, Set, SetId, Verdict,
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
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

fn write_profile(f: &mut Formatter<'_>, profile: &Profile) -> Result {
    let policies = profile.isolated_by.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
    let direction = profile.direction.to_string().to_lowercase();
    writeln!(f, "    # {direction}, isolated by {}", list(policies))?;
    for rule in &profile.rules {
        writeln!(f, "    {}", rule_text(rule, profile.direction))?;
    }
    writeln!(f, "    drop")
}

fn rule_text(rule: &Rule, direction: Direction) -> String {
    let mut words = Vec::new();
    if let PeerMatch::In(set) = &rule.peer {
        let side = match direction {
            Direction::Ingress => "saddr",
            Direction::Egress => "daddr",
        };
        words.push(format!("{side} @{}", set.0));
    }
    match &rule.service {
        ServiceMatch::Any => {}
        ServiceMatch::Protocol(protocol) => words.push(format!("l4proto {protocol}")),
        ServiceMatch::Ports(protocol, ranges) => {
            let ranges =
                ranges.iter().map(
                    |(first, last)| {
                        if first == last { first.to_string() } else { format!("{first}-{last}") }
                    },
                );
            words.push(format!("{protocol} dport {{ {} }}", list(ranges)));
        }
        ServiceMatch::NamedPort(set) => words.push(format!("daddr . l4proto . dport @{}", set.0)),
    }
    words.push(match rule.verdict {
        Verdict::Allow => "accept".to_owned(),
        Verdict::Deny => "drop".to_owned(),
    });
    let origin = &rule.origin;
    words.push(format!("# {}/{} rule {}", origin.namespace, origin.policy, origin.rule));
    words.join(" ")
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
