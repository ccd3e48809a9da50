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

impl FromStr for AnyCommunity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let any = text
            .parse::<Community>()
            .map(Any::Standard)
            .or_else(|_| text.parse::<LargeCommunity>().map(Any::Large))
            .or_else(|_| text.parse::<ExtendedCommunity>().map(Any::Extended));
        any.map(Self).map_err(|_| {
            format!(
                "is the text \"{text}\"; write a community as 65001:100, 65001:1:2, rt:65001:100, or a name such as no-export"
            )
        })
    }
}
