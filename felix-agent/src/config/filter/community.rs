//! A community of any kind as text: `65001:100` or a name (RFC 1997), `65001:1:2` (RFC 8092), `rt:65001:100`,
//! `soo:65001:100` or `generic:0x…` (RFC 4360).

use std::str::FromStr;

use ::bgp::filter::AnyCommunity as Any;
use ::bgp::wire::{Community, ExtendedCommunity, LargeCommunity};

#[cfg(test)]
mod tests;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyCommunity(pub Any);

/// Two octets of AS, four of value (RFC 4360 §3.1); four of AS, two of value (RFC 5668); of an IPv4 address (§3.2).
const TWO_OCTET_AS: u64 = 0x00;
const IPV4_ADDRESS: u64 = 0x01;
const FOUR_OCTET_AS: u64 = 0x02;
/// Route target and route origin (RFC 4360 §4, §5).
const SUBTYPES: [(&str, u64); 2] = [("rt", 0x02), ("soo", 0x03)];

impl FromStr for AnyCommunity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let any = extended(text)
            .map(Any::Extended)
            .or_else(|| large(text).map(Any::Large))
            .or_else(|| text.parse::<Community>().ok().map(Any::Standard));
        any.map(Self).ok_or_else(|| {
            format!(
                "is the text \"{text}\"; write a community as 65001:100, 65001:1:2, rt:65001:100, or a name such as no-export"
            )
        })
    }
}

fn large(text: &str) -> Option<LargeCommunity> {
    let mut parts = text.split(':').map(str::parse::<u32>);
    let (global, local_1, local_2) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(LargeCommunity { global, local_1, local_2 })
}

fn extended(text: &str) -> Option<ExtendedCommunity> {
    let (kind, rest) = text.split_once(':')?;
    if kind == "generic" {
        return u64::from_str_radix(rest.strip_prefix("0x")?, 16).ok().map(ExtendedCommunity);
    }
    let (_, subtype) = SUBTYPES.iter().find(|(name, _)| *name == kind)?;
    let (administrator, value) = rest.split_once(':')?;
    let (kind, body) = if let Ok(address) = administrator.parse::<std::net::Ipv4Addr>() {
        (IPV4_ADDRESS, u64::from(address.to_bits()) << 16 | u64::from(value.parse::<u16>().ok()?))
    } else if let Ok(asn) = administrator.parse::<u16>() {
        (TWO_OCTET_AS, u64::from(asn) << 32 | u64::from(value.parse::<u32>().ok()?))
    } else {
        let asn: u32 = administrator.parse().ok()?;
        (FOUR_OCTET_AS, u64::from(asn) << 16 | u64::from(value.parse::<u16>().ok()?))
    };
    Some(ExtendedCommunity(kind << 56 | subtype << 48 | body))
}
