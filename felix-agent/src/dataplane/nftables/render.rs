//! A table as the text that `nft -f` takes, close to what `nft list` prints.
//!
//! One element a line, so that differences between two tables are differences of lines.

use std::fmt::{self, Write};
use std::net::IpAddr;

use super::TABLE_NAME;
use super::table::{
    Chain, Datatype, Elements, Family, Field, Hook, HookPoint, Set, Side, Table, Value, Verdict,
};

mod statement;

#[cfg(test)]
mod tests;

/// The table in nft's language.
pub fn render(table: &Table) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_table(&mut text, table);
    text
}

fn write_table(out: &mut String, table: &Table) -> fmt::Result {
    writeln!(out, "table inet {TABLE_NAME} {{")?;
    let mut separator = "";
    for (name, set) in &table.sets {
        out.write_str(separator)?;
        write_set(out, name, set)?;
        separator = "\n";
    }
    for (name, chain) in &table.chains {
        out.write_str(separator)?;
        write_chain(out, name, chain)?;
        separator = "\n";
    }
    writeln!(out, "}}")
}

fn write_set(out: &mut String, name: &str, set: &Set) -> fmt::Result {
    let key = joined(set.key.iter().map(|datatype| datatype_name(*datatype)));
    let (kind, data, flags) = match &set.elements {
        Elements::Keys(_) => ("set", "", ""),
        Elements::Ranges(_) => ("set", "", "\t\tflags interval\n"),
        Elements::Verdicts(_) => ("map", " : verdict", ""),
    };
    writeln!(out, "\t{kind} {name} {{\n\t\ttype {key}{data}")?;
    out.write_str(flags)?;
    let elements: Vec<String> = match &set.elements {
        Elements::Keys(keys) => keys.iter().map(|key| key_text(key)).collect(),
        Elements::Ranges(ranges) => ranges.iter().map(|(first, last)| range_text(*first, *last)).collect(),
        Elements::Verdicts(verdicts) => verdicts
            .iter()
            .map(|(key, verdict)| format!("{} : {}", key_text(key), verdict_text(verdict)))
            .collect(),
    };
    if !elements.is_empty() {
        writeln!(out, "\t\telements = {{\n\t\t\t{}\n\t\t}}", elements.join(",\n\t\t\t"))?;
    }
    writeln!(out, "\t}}")
}

fn write_chain(out: &mut String, name: &str, chain: &Chain) -> fmt::Result {
    writeln!(out, "\tchain {name} {{")?;
    if let Some(Hook { point, priority }) = chain.hook {
        let point = hook_name(point);
        let priority = match priority {
            -300 => "raw".to_owned(),
            0 => "filter".to_owned(),
            other => other.to_string(),
        };
        writeln!(out, "\t\ttype filter hook {point} priority {priority}; policy accept;")?;
    }
    for rule in &chain.rules {
        writeln!(out, "\t\t{}", rule_text(rule))?;
    }
    writeln!(out, "\t}}")
}

pub use statement::rule_text;

fn joined<S: AsRef<str>>(parts: impl Iterator<Item = S>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push_str(" . ");
        }
        text.push_str(part.as_ref());
    }
    text
}

fn fields_text(fields: &[Field]) -> String {
    joined(fields.iter().map(|field| field_text(*field)))
}

fn field_text(field: Field) -> String {
    let text = match field {
        Field::Number(number) => return number_text(number),
        Field::Interface(side) => interface_key(side),
        Field::Address(Side::Source, Family::V4) => "ip saddr",
        Field::Address(Side::Source, Family::V6) => "ip6 saddr",
        Field::Address(Side::Destination, Family::V4) => "ip daddr",
        Field::Address(Side::Destination, Family::V6) => "ip6 daddr",
        Field::Protocol => "meta l4proto",
        Field::Port(Side::Source) => "th sport",
        Field::Port(Side::Destination) => "th dport",
    };
    text.to_owned()
}

fn number_text(number: u32) -> String {
    format!("{number:#010x}")
}

fn interface_key(side: Side) -> &'static str {
    match side {
        Side::Source => "iifname",
        Side::Destination => "oifname",
    }
}

fn datatype_name(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Ipv4Address => "ipv4_addr",
        Datatype::Ipv6Address => "ipv6_addr",
        Datatype::Protocol => "inet_proto",
        Datatype::Port => "inet_service",
        Datatype::Interface => "ifname",
        Datatype::Number => "mark",
    }
}

fn hook_name(point: HookPoint) -> &'static str {
    match point {
        HookPoint::Prerouting => "prerouting",
        HookPoint::Input => "input",
        HookPoint::Forward => "forward",
        HookPoint::Output => "output",
        HookPoint::Postrouting => "postrouting",
    }
}

fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "ipv6-icmp".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

fn key_text(key: &[Value]) -> String {
    joined(key.iter().map(|value| match value {
        Value::Address(address) => address.to_string(),
        Value::Protocol(protocol) => protocol_name(*protocol),
        Value::Port(port) => port.to_string(),
        Value::Interface(name) => format!("\"{name}\""),
        Value::Number(number) => number_text(*number),
    }))
}

fn number_range<N: PartialEq + fmt::Display>(first: N, last: N) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// A range as the network that it is, or as first and last address.
fn range_text(first: IpAddr, last: IpAddr) -> String {
    let (from, to, width) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (u128::from(first.to_bits()), u128::from(last.to_bits()), 32)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return format!("{first}-{last}"),
    };
    let host_bits = (from ^ to).count_ones();
    let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size.wrapping_sub(1));
    if from & hosts == 0 && from | hosts == to {
        // host_bits is at most the width, which fits.
        let prefix = u8::try_from(width - host_bits).unwrap_or(0);
        return network_text(first, prefix);
    }
    format!("{first}-{last}")
}

fn network_text(address: IpAddr, prefix: u8) -> String {
    let full = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    if prefix == full { address.to_string() } else { format!("{address}/{prefix}") }
}
