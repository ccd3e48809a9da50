//! `10.0.0.0/8 ge 16 le 24`: prefixes inside a network, with a length within bounds.

use std::fmt;
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::ParsePatternError;

/// Prefixes inside a network with a length within bounds: `10.0.0.0/8 ge 16 le 24`; `10.0.0.0/8` for itself alone,
/// `10.0.0.0/8 le 24` from itself on, `10.0.0.0/8 ge 16` to the last address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixPattern {
    /// Host bits are zero.
    pub network: IpNetwork,
    /// Shortest length.
    pub at_least: u8,
    /// Longest length.
    pub at_most: u8,
}

impl PrefixPattern {
    /// This prefix alone.
    #[must_use]
    pub fn exactly(network: IpNetwork) -> Self {
        Self { network, at_least: network.prefix(), at_most: network.prefix() }
    }

    /// This prefix and all inside.
    #[must_use]
    pub fn within(network: IpNetwork) -> Self {
        Self { network, at_least: network.prefix(), at_most: longest(&network) }
    }

    /// Whether a prefix is one of these.
    #[must_use]
    pub fn matches(&self, prefix: &IpNetwork) -> bool {
        (self.at_least..=self.at_most).contains(&prefix.prefix()) && contains(&self.network, prefix)
    }
}

/// Whether `inner` is `outer` or lies inside it.
pub(super) fn contains(outer: &IpNetwork, inner: &IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.ip())
}

/// The length of a single address.
pub(super) fn longest(network: &IpNetwork) -> u8 {
    match network {
        IpNetwork::V4(_) => 32,
        IpNetwork::V6(_) => 128,
    }
}

impl fmt::Display for PrefixPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.network.prefix();
        self.network.fmt(f)?;
        match (self.at_least == length, self.at_most) {
            (true, at_most) if at_most == length => Ok(()),
            (true, at_most) => write!(f, " le {at_most}"),
            (false, at_most) if at_most == longest(&self.network) => write!(f, " ge {}", self.at_least),
            (false, at_most) => write!(f, " ge {} le {at_most}", self.at_least),
        }
    }
}

impl FromStr for PrefixPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| ParsePatternError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<PrefixPattern, String> {
    let mut words = text.split_ascii_whitespace();
    let network = parse_network(words.next().unwrap_or_default())?;
    let (mut at_least, mut at_most) = (None, None);
    while let Some(word) = words.next() {
        let bound = match word {
            "ge" => &mut at_least,
            "le" => &mut at_most,
            other => return Err(format!("{other:?} follows the prefix, where only ge and le can")),
        };
        let number =
            words.next().ok_or_else(|| format!("{word} needs a length after it, as in {word} 24"))?;
        let length =
            number.parse().map_err(|_| format!("{word} {number:?}: give a length, as in {word} 24"))?;
        if bound.replace(length).is_some() {
            return Err(format!("{word} is there twice"));
        }
    }
    bounded(network, at_least, at_most)
}

fn parse_network(text: &str) -> Result<IpNetwork, String> {
    let example = "give an address and a length, as 10.0.0.0/8 or 2001:db8::/32";
    if !text.contains('/') {
        return Err(match text.parse::<std::net::IpAddr>() {
            Ok(address) => {
                format!("the length is missing: for this address alone give {}", IpNetwork::from(address))
            }
            Err(_) => example.to_owned(),
        });
    }
    let network: IpNetwork = text.parse().map_err(|_| example.to_owned())?;
    if network.ip() != network.network() {
        let clean = IpNetwork::new(network.network(), network.prefix()).map_err(|_| example.to_owned())?;
        return Err(format!("the address has bits beyond the length: give {clean}"));
    }
    Ok(network)
}

fn bounded(network: IpNetwork, ge: Option<u8>, le: Option<u8>) -> Result<PrefixPattern, String> {
    let (length, longest) = (network.prefix(), longest(&network));
    let at_least = ge.unwrap_or(length);
    // Without le, ge opens the pattern to the longest; without both, it is the prefix alone.
    let at_most = le.unwrap_or(if ge.is_some() { longest } else { length });
    if at_least < length {
        return Err(format!("ge {at_least} is shorter than the prefix itself: give {length} to {longest}"));
    }
    if at_least > longest {
        return Err(format!("ge {at_least} is longer than an address: give {length} to {longest}"));
    }
    if at_most > longest {
        return Err(format!("le {at_most} is longer than an address: give {at_least} to {longest}"));
    }
    if at_most < at_least {
        let least = if ge.is_some() { "ge" } else { "the prefix itself" };
        return Err(format!("le {at_most} is shorter than {least}: give {at_least} to {longest}"));
    }
    Ok(PrefixPattern { network, at_least, at_most })
}
