//! Path attributes, RFC 4271 §4.3: flags, type, length, value, again and again.
//!
//! ```text
//! O T P E 0 0 0 0 │ type │ length (1, or 2 if E) │ value …
//! ```
//!
//! [`decode`] reads the list and decides each error's treatment by RFC 7606; [`encode`] writes it in the order of
//! type codes. The next hop and the prefixes are no part of [`Attributes`](super::Attributes): they travel beside it.

use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};

use super::code::attribute as code;
use super::code::flag::{EXTENDED_LENGTH, OPTIONAL, TRANSITIVE};

pub(super) mod decode;
pub(super) mod encode;
#[cfg(test)]
mod tests;

/// One attribute as it stands in the message.
struct Raw<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
    /// All of it, as NOTIFICATIONs want it (RFC 4271 §6.3).
    octets: &'a [u8],
}

fn raw(input: &[u8]) -> IResult<&[u8], Raw<'_>> {
    let (rest, (flags, code)) = (be_u8, be_u8).parse(input)?;
    let (rest, value) = if flags & EXTENDED_LENGTH == 0 {
        length_data(be_u8).parse(rest)?
    } else {
        length_data(be_u16).parse(rest)?
    };
    let octets = input.get(..input.len() - rest.len()).unwrap_or(input);
    Ok((rest, Raw { flags, code, value, octets }))
}

/// The optional and transitive bits of each attribute that this speaker reads or checks; `None` for others.
fn kind(code: u8) -> Option<u8> {
    Some(match code {
        code::ORIGIN | code::AS_PATH | code::NEXT_HOP | code::LOCAL_PREF | code::ATOMIC_AGGREGATE => {
            TRANSITIVE
        }
        code::MULTI_EXIT_DISC
        | code::ORIGINATOR_ID
        | code::CLUSTER_LIST
        | code::MP_REACH_NLRI
        | code::MP_UNREACH_NLRI => OPTIONAL,
        code::AGGREGATOR
        | code::COMMUNITIES
        | code::EXTENDED_COMMUNITIES
        | code::AS4_PATH
        | code::AS4_AGGREGATOR
        | code::IPV6_EXTENDED_COMMUNITIES
        | code::LARGE_COMMUNITY
        | code::ONLY_TO_CUSTOMER => OPTIONAL | TRANSITIVE,
        _ => return None,
    })
}

/// Whether an attribute has a field of its own in [`Attributes`](super::Attributes) or in the message, so that it is
/// never among the unknown ones.
fn is_read(attribute: u8) -> bool {
    kind(attribute).is_some() && attribute != code::IPV6_EXTENDED_COMMUNITIES
}
