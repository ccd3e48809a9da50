//! Networks, ports and protocols as objects write them.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::evaluate::Transport;
use crate::program::Protocol;

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// `address/length`, nothing else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        if length.is_empty() || !length.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let length: u32 = length.parse().ok()?;
        (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, length })
    }

    /// `address/length`, or one address.
    pub(super) fn read_or_address(text: &str) -> Option<Self> {
        let single = |address: IpAddr| Self { address, length: if address.is_ipv4() { 32 } else { 128 } };
        Self::read(text).or_else(|| text.parse().ok().map(single))
    }

    /// Of the same family, and the first bits are the same.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let first = |bits: String| bits.chars().take(self.length as usize).collect::<String>();
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                first(format!("{:032b}", own.to_bits())) == first(format!("{:032b}", other.to_bits()))
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                first(format!("{:0128b}", own.to_bits())) == first(format!("{:0128b}", other.to_bits()))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether the other is a part of it, and not all of it.
    pub(super) fn has_part(&self, other: &Self) -> bool {
        self.contains(other.address) && other.length > self.length
    }
}

/// What the API says that a protocol is called, of those with ports.
pub(super) fn name_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// The name of the packet's protocol and the port that it goes to, if its protocol has ports.
pub(super) fn destination_of(transport: Transport) -> Option<(&'static str, i32)> {
    match transport {
        Transport::Port { protocol, destination, .. } => Some((name_of(protocol), i32::from(destination))),
        Transport::Icmp { .. } | Transport::Other(_) => None,
    }
}

/// The port that it comes from.
pub(super) fn source_of(transport: Transport) -> Option<(&'static str, i32)> {
    match transport {
        Transport::Port { protocol, source, .. } => Some((name_of(protocol), i32::from(source))),
        Transport::Icmp { .. } | Transport::Other(_) => None,
    }
}

pub(super) fn is_port(number: i32) -> bool {
    (1..=65535).contains(&number)
}

/// "1-15 characters; contain only a-z, 0-9 and '-'; contain at least one letter; '-' neither first, last nor doubled."
pub(super) fn is_port_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    !name.is_empty()
        && name.len() <= 15
        && name.chars().all(fits)
        && name.chars().any(|c| c.is_ascii_lowercase())
        && !hyphens
}

/// Protocol numbers by the names that our own policies have for them.
pub(super) fn protocol_number(protocol: &IntOrString) -> Option<u8> {
    match protocol {
        IntOrString::Int(number) => u8::try_from(*number).ok().filter(|number| *number > 0),
        IntOrString::String(name) => match name.as_str() {
            "ICMP" => Some(1),
            "TCP" => Some(6),
            "UDP" => Some(17),
            "ICMPv6" => Some(58),
            "SCTP" => Some(132),
            "UDPLite" => Some(136),
            _ => None,
        },
    }
}
