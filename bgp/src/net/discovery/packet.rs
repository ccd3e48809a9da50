//! Router solicitations and advertisements, RFC 4861 §4.1 and §4.2, as far as unnumbered sessions need them.

use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// ff02::1.
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ff02::2.
pub(super) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// RFC 4861 §6.1: a packet with less has passed a router, and is not from this link.
pub(super) const HOP_LIMIT: u8 = 255;

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Octets before the options.
const SOLICITATION_OCTETS: usize = 8;
const ADVERTISEMENT_OCTETS: usize = 16;

/// What somebody on the link said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// "Which routers are there?"
    Solicitation,
    /// "I am one", from this link-local address.
    Advertisement(Ipv6Addr),
}

/// "Which routers are there?" The kernel fills in the checksum.
pub(super) fn solicitation() -> [u8; SOLICITATION_OCTETS] {
    [SOLICITATION, 0, 0, 0, 0, 0, 0, 0]
}

/// "I am one, but no default router (lifetime 0); of hop limits and timers I say nothing (0)." The kernel fills in the
/// checksum.
pub(super) fn advertisement() -> [u8; ADVERTISEMENT_OCTETS] {
    [ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Checks as RFC 4861 §6.1 wants; the kernel has checked the checksum. None for anything else.
pub(super) fn decode(octets: &[u8], source: Ipv6Addr, hop_limit: i32) -> Option<Heard> {
    let (&kind, &code) = (octets.first()?, octets.get(1)?);
    if hop_limit != i32::from(HOP_LIMIT) || code != 0 {
        return None;
    }
    match kind {
        SOLICITATION => {
            let well_formed = has_whole_options(octets.get(SOLICITATION_OCTETS..)?);
            (well_formed && is_neighbour_or_new(source)).then_some(Heard::Solicitation)
        }
        ADVERTISEMENT => {
            let well_formed = has_whole_options(octets.get(ADVERTISEMENT_OCTETS..)?);
            (well_formed && source.is_unicast_link_local()).then_some(Heard::Advertisement(source))
        }
        _ => None,
    }
}

/// Those that have no address yet solicit from the unspecified one.
fn is_neighbour_or_new(source: Ipv6Addr) -> bool {
    source.is_unspecified() || !(source.is_multicast() || source.is_loopback())
}

/// Each has a type, its length in units of eight octets, which is never zero, and so many octets.
fn has_whole_options(mut octets: &[u8]) -> bool {
    while let [_, length, ..] = octets {
        match octets.get(usize::from(*length) * 8..) {
            Some(rest) if *length > 0 => octets = rest,
            Some(_) | None => return false,
        }
    }
    octets.is_empty()
}

/// `struct icmp6_filter`: a bit for each type, set where it is blocked.
pub(super) fn filter() -> [u8; 32] {
    let mut words = [u32::MAX; 8];
    for kind in [SOLICITATION, ADVERTISEMENT] {
        if let Some(word) = words.get_mut(usize::from(kind >> 5)) {
            *word &= !(1 << (kind & 31));
        }
    }
    let mut octets = [0; 32];
    for (field, word) in octets.chunks_exact_mut(4).zip(words) {
        field.copy_from_slice(&word.to_ne_bytes());
    }
    octets
}
