//! What rules say, and why one does not match a packet, in words for whoever reads a policy.
//!
//! A rule's words name what the kernel compares: protocols, ports, and how many members its sets have. Which labels put
//! them there, the policy itself says.

use crate::evaluate::{Packet, Transport, holds};
use crate::program::{Action, Match, Program, Protocol, Rule, Set, SetId, Side};

#[cfg(test)]
mod tests;

/// `allow tcp to 80,443, source among 12 addresses`.
pub fn rule(program: &Program, rule: &Rule) -> String {
    let conditions: Vec<String> = rule.matches.iter().map(|condition| describe(program, condition)).collect();
    match conditions.is_empty() {
        true => format!("{} everything", action(rule.action)),
        false => format!("{} {}", action(rule.action), conditions.join(", ")),
    }
}

/// Why a rule does not match a packet; `None` if it does. A set that the program lacks never matches.
pub fn failing(program: &Program, rule: &Rule, packet: &Packet) -> Option<String> {
    let failed = rule.matches.iter().find(|condition| holds(program, condition, packet) != Some(true));
    failed.map(|condition| contradict(program, condition, packet))
}

/// `tcp to 80`, `icmp 8/0`.
pub fn transport(packet: &Packet) -> String {
    match packet.transport {
        Transport::Port { protocol, destination, .. } => format!("{protocol} to {destination}"),
        Transport::Icmp { kind, code } => format!("{} {kind}/{code}", protocol(packet.family().icmp())),
        Transport::Other(number) => protocol(number),
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Pass => "pass on",
        Action::Log => "log",
    }
}

fn describe(program: &Program, condition: &Match) -> String {
    match condition {
        Match::Family(family) => family.to_string(),
        Match::Protocol { number, negated } => format!("{}{}", not(*negated), protocol(*number)),
        Match::Icmp { family, kind, code, negated } => {
            format!("{}{}", protocol(family.icmp()), message(*kind, *code, *negated))
        }
        Match::Address { side, set, negated } => {
            format!("{} {}among {}", word(*side), not(*negated), size(program, set))
        }
        Match::Ports { side, ranges, negated } => {
            let way = match side {
                Side::Source => "from",
                Side::Destination => "to",
            };
            format!("{}{way} {}", not(*negated), ports(ranges))
        }
        Match::AddressPort { side, set, negated } => {
            format!("{} and its port {}among {}", word(*side), not(*negated), size(program, set))
        }
    }
}

/// What the packet has instead of what is asked for.
fn contradict(program: &Program, condition: &Match, packet: &Packet) -> String {
    match condition {
        Match::Family(_) => format!("it is {}", packet.family()),
        Match::Protocol { number, negated: false } => {
            format!("it is {}, not {}", protocol(packet.protocol()), protocol(*number))
        }
        Match::Protocol { number, negated: true } => format!("it is {}", protocol(*number)),
        Match::Icmp { family, kind, code, negated } => {
            let asked = format!("{}{}", protocol(family.icmp()), message(*kind, *code, *negated));
            format!("it is {}, not {asked}", transport(packet))
        }
        Match::Ports { side, ranges, negated } => {
            let port = packet.port(*side).map_or_else(|| "none".to_owned(), |(_, port)| port.to_string());
            let asked = ports(ranges);
            match negated {
                false => format!("the {} port is {port}, not {asked}", word(*side)),
                true => format!("the {} port is {port}, which is excepted ({asked})", word(*side)),
            }
        }
        Match::Address { side, set, .. } | Match::AddressPort { side, set, .. }
            if !program.sets.contains_key(set) =>
        {
            format!("its set of {}s is missing", word(*side))
        }
        Match::Address { side, set, negated } => {
            let (side, address) = (word(*side), packet.address(*side));
            match (negated, networks(program, set)) {
                (false, Some(networks)) => format!("the {side} {address} is not in {networks}"),
                (false, None) => format!("the {side} {address} is not selected"),
                (true, _) => format!("the {side} {address} is excepted"),
            }
        }
        Match::AddressPort { side, negated, .. } => {
            let address = packet.address(*side);
            let port = packet.port(*side).map_or_else(String::new, |(_, port)| format!(" at port {port}"));
            match negated {
                false => format!("{address} does not serve what is asked for{port}"),
                true => format!("what {address} serves{port} is excepted"),
            }
        }
    }
}

/// At most three of them.
fn networks(program: &Program, set: &SetId) -> Option<String> {
    const SHOWN: usize = 3;
    let Some(Set::Networks(networks)) = program.sets.get(set) else { return None };
    let shown: Vec<String> = networks.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = networks.len().saturating_sub(SHOWN);
    Some(match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    })
}

fn size(program: &Program, set: &SetId) -> String {
    let count = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    match program.sets.get(set) {
        None => "a set that is missing".to_owned(),
        Some(Set::Addresses(members)) => count(members.len(), "address", "addresses"),
        Some(Set::AddressPorts(members)) => {
            count(members.len(), "address with a port", "addresses with ports")
        }
        Some(Set::Networks(members)) => match networks(program, set) {
            Some(list) if (1..=3).contains(&members.len()) => list,
            Some(_) | None => count(members.len(), "network", "networks"),
        },
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Destination => "destination",
    }
}

/// `80,443`, `8000-8080`.
pub fn ports(ranges: &[(u16, u16)]) -> String {
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

fn message(kind: u8, code: Option<u8>, negated: bool) -> String {
    let code = code.map_or_else(String::new, |code| format!("/{code}"));
    format!(" {}{kind}{code}", not(negated))
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

/// Its name, where it is one that everybody knows.
pub fn protocol(number: u8) -> String {
    match Protocol::from_number(number) {
        Some(protocol) => protocol.to_string(),
        None if number == 1 => "icmp".to_owned(),
        None if number == 58 => "icmpv6".to_owned(),
        None => format!("protocol {number}"),
    }
}
