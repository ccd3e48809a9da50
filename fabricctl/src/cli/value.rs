//! Values on the command line that have a form of their own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum as _;

use super::policy::Protocol;

/// Longest wait that `--timeout` takes.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// `10.65.0.0/26`, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix(pub(crate) String);

/// `10.65.0.0/26` or `10.65.0.5`, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination(pub(crate) String);

/// `8080` or `53/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortSpec {
    /// Not 0.
    pub(crate) port: u16,
    /// If written.
    pub(crate) protocol: Option<Protocol>,
}

/// `tcp`, or the number of an IP protocol (IANA protocol-numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolSpec {
    /// One with a name.
    Named(Protocol),
    /// Any other.
    Number(u8),
}

impl ProtocolSpec {
    /// Whether its packets come from and go to ports.
    pub(crate) fn has_ports(self) -> bool {
        match self {
            Self::Named(Protocol::Tcp | Protocol::Udp | Protocol::Sctp) => true,
            Self::Named(Protocol::Icmp) | Self::Number(_) => false,
        }
    }
}

/// As the agent spells it.
impl fmt::Display for ProtocolSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(protocol) => f.write_str(protocol.name()),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for ProtocolSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<u8>() {
            Ok(6) => Ok(Self::Named(Protocol::Tcp)),
            Ok(17) => Ok(Self::Named(Protocol::Udp)),
            Ok(132) => Ok(Self::Named(Protocol::Sctp)),
            Ok(1 | 58) => Ok(Self::Named(Protocol::Icmp)),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => decode_protocol(text)
                .map(Self::Named)
                .map_err(|known| format!("{known}, or the number of another from 0 to 255")),
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').ok_or_else(|| match text.parse::<IpAddr>() {
            Ok(address) => {
                let longest = if address.is_ipv4() { 32 } else { 128 };
                format!("the length is missing; for exactly this address write {text}/{longest}")
            }
            Err(_) => "not a prefix such as 10.65.0.0/26".to_owned(),
        })?;
        let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        match length.parse::<u8>() {
            Ok(length) if length <= longest => Ok(Self(format!("{address}/{length}"))),
            _ => Err(format!("the length {length:?} is not within 0 and {longest}")),
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) => text
                .parse()
                .map(|Prefix(prefix)| Self(prefix))
                .map_err(|_| "neither a prefix such as 10.65.0.0/26 nor an address".to_owned()),
        }
    }
}

impl FromStr for PortSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, protocol) = match text.split_once('/') {
            None => (text, None),
            Some((port, protocol)) => (port, Some(decode_protocol(protocol)?)),
        };
        match port.parse::<u16>() {
            Ok(port) if port != 0 => Ok(Self { port, protocol }),
            _ => Err(format!("{port:?} is not a port within 1 and 65535")),
        }
    }
}

fn decode_protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_str(text, true).map_err(|_| {
        let known: Vec<&str> = Protocol::value_variants().iter().map(|protocol| protocol.name()).collect();
        format!("{text:?} is no known protocol: {}", known.join(", "))
    })
}

/// Decodes `500ms`, `10s`, `2m`; a bare number is seconds.
pub(crate) fn decode_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        other => return Err(format!("{other:?} is no unit: ms, s or m")),
    };
    let duration = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms)).map(Duration::from_millis);
    match duration {
        Some(duration) if !duration.is_zero() && duration <= TIMEOUT_MAX => Ok(duration),
        _ => Err("not a duration such as 500ms, 10s or 2m, at most a day".to_owned()),
    }
}

/// Decodes 4 or 6.
pub(crate) fn decode_ip_version(text: &str) -> Result<u32, String> {
    match text {
        "4" => Ok(4),
        "6" => Ok(6),
        _ => Err("4 or 6".to_owned()),
    }
}

/// Decodes `8` or `3/1`: an ICMP type, and its code (0 unless said).
pub(crate) fn decode_icmp(text: &str) -> Result<(u8, u8), String> {
    let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
    match (kind.parse(), code.parse()) {
        (Ok(kind), Ok(code)) => Ok((kind, code)),
        (Err(_), _) | (_, Err(_)) => {
            Err("not an ICMP type such as 8, or type and code such as 3/1".to_owned())
        }
    }
}

/// Decodes a power of two from 2 on.
pub(crate) fn decode_parts(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(parts) if parts > 1 && parts.is_power_of_two() => Ok(parts),
        _ => Err("not a power of two such as 2, 4 or 8".to_owned()),
    }
}
