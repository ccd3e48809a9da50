//! What single words in our own kinds stand for: protocols, ports, networks.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Protocols that have names, with their numbers (IANA, Assigned Internet Protocol Numbers).
pub const PROTOCOLS: [(&str, u8); 6] =
    [("TCP", 6), ("UDP", 17), ("SCTP", 132), ("ICMP", 1), ("ICMPv6", 58), ("UDPLite", 136)];

/// ICMP's protocol number.
pub const ICMP: u8 = 1;
/// ICMPv6's protocol number.
pub const ICMPV6: u8 = 58;

/// The number of a protocol: by its name, or 1 to 255; `None` if it is neither.
pub fn protocol(word: &IntOrString) -> Option<u8> {
    let number = match word {
        IntOrString::Int(number) => u8::try_from(*number).ok(),
        IntOrString::String(name) => {
            PROTOCOLS.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
        }
    };
    number.filter(|number| *number > 0)
}

/// Whether rules may name ports of this protocol.
pub fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

/// What stands for ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// From the first to the last, both included.
    Range(u16, u16),
    /// What the destination serves under this name.
    Named(String),
}

/// A port as `80`, a range as `"1000:2000"`, or a name; `None` if it is neither.
pub fn ports(word: &IntOrString) -> Option<Ports> {
    let text = match word {
        IntOrString::Int(number) => {
            let port = u16::try_from(*number).ok().filter(|port| *port > 0)?;
            return Some(Ports::Range(port, port));
        }
        IntOrString::String(text) => text,
    };
    if let Some((first, last)) = text.split_once(':') {
        let (first, last) = (number(first)?, number(last)?);
        return (first <= last).then_some(Ports::Range(first, last));
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(|c| c.is_ascii_digit()) {
        return number(text).map(|port| Ports::Range(port, port));
    }
    is_port_name(text).then(|| Ports::Named(text.clone()))
}

fn number(text: &str) -> Option<u16> {
    let is_plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?.filter(|port| *port > 0)
}

/// The names that ports of endpoints have: 1 to 128 letters, digits, `-`, `_` and `.`.
fn is_port_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// A network like `10.0.0.0/8`, or an address for itself; `None` if it is neither. Bits beyond the prefix are cleared.
pub fn network(text: &str) -> Option<IpNetwork> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNetwork::from);
    };
    let is_plain = !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit());
    let length = is_plain.then(|| length.parse().ok())??;
    let network = IpNetwork::new(address.parse().ok()?, length).ok()?;
    IpNetwork::new(network.network(), network.prefix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    #[test]
    fn protocols() {
        for (word, number) in [
            (text("TCP"), Some(6)),
            (text("ICMPv6"), Some(58)),
            (IntOrString::Int(47), Some(47)),
            (IntOrString::Int(0), None),
            (IntOrString::Int(256), None),
            (text("tcp"), None),
            (text("6"), None),
        ] {
            assert_eq!(protocol(&word), number, "{word:?}");
        }
        assert!(PROTOCOLS.iter().filter(|(_, number)| has_ports(*number)).count() == 3);
    }

    #[test]
    fn ports_are_numbers_ranges_and_names() {
        for (word, expected) in [
            (IntOrString::Int(80), Some(Ports::Range(80, 80))),
            (text("80"), Some(Ports::Range(80, 80))),
            (text("1:65535"), Some(Ports::Range(1, 65535))),
            (text("http"), Some(Ports::Named("http".to_owned()))),
            (text("8080-tcp"), Some(Ports::Named("8080-tcp".to_owned()))),
        ] {
            assert_eq!(ports(&word), expected);
        }
        for wrong in ["", "0", "0:1", "2:1", "1:2:3", "65536", "1:", ":", "a b", "+1"] {
            assert_eq!(ports(&text(wrong)), None, "{wrong:?}");
        }
        assert_eq!((ports(&IntOrString::Int(0)), ports(&IntOrString::Int(70_000))), (None, None));
    }

    #[test]
    fn networks_are_prefixes_and_addresses() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text), Some(expected.parse().unwrap()));
        }
        for wrong in
            ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "a/8", "10.0.0.0/8/8"]
        {
            assert_eq!(network(wrong), None, "{wrong:?}");
        }
    }
}
