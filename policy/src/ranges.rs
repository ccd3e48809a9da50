//! Arithmetic on inclusive ranges: the union of ports, and networks minus their exceptions.
//!
//! A *normal* list of ranges is sorted, disjoint and not adjacent; two lists cover the same values exactly if
//! their normal forms are equal. Everything here returns normal lists, so names made from them are canonical.
//!
//! Networks of both families pass through the same 128-bit arithmetic, one family at a time.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

#[cfg(test)]
mod tests;

/// A value with neighbours.
pub(crate) trait Step: Copy + Ord {
    /// The next value, or `None` after the last.
    fn next(self) -> Option<Self>;
    /// The previous value, or `None` before the first.
    fn previous(self) -> Option<Self>;
}

impl Step for u16 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Step for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// The union in normal form. A range whose end is before its start is empty.
pub(crate) fn merge<T: Step>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(open) if open.1.next().is_none_or(|next| first <= next) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// What is in `from` and not in `holes`, in normal form.
pub(crate) fn subtract<T: Step>(from: Vec<(T, T)>, holes: Vec<(T, T)>) -> Vec<(T, T)> {
    let holes = merge(holes);
    let mut left = Vec::new();
    for (first, last) in merge(from) {
        let mut start = Some(first);
        let begin = holes.partition_point(|hole| hole.1 < first);
        for &(hole_first, hole_last) in holes[begin..].iter().take_while(|hole| hole.0 <= last) {
            if let (Some(open), Some(before)) = (start, hole_first.previous())
                && open <= before
            {
                left.push((open, before));
            }
            start = hole_last.next();
        }
        if let Some(open) = start
            && open <= last
        {
            left.push((open, last));
        }
    }
    left
}

/// A network and what is cut out of it.
pub(crate) struct Cut<'a> {
    /// The network.
    pub network: IpNetwork,
    /// Its exceptions.
    pub except: &'a [IpNetwork],
}

/// The union of networks minus their exceptions, as the fewest disjoint networks.
///
/// An exception holds for its own network only: what another network of the list covers stays.
pub(crate) fn cover<'a>(cuts: impl IntoIterator<Item = Cut<'a>>) -> BTreeSet<IpNetwork> {
    let mut families = [(Family::V4, Vec::new()), (Family::V6, Vec::new())];
    for cut in cuts {
        for (family, ranges) in &mut families {
            if let Some(range) = family.range(cut.network) {
                let holes = cut.except.iter().filter_map(|hole| family.range(*hole)).collect();
                ranges.extend(subtract(vec![range], holes));
            }
        }
    }
    let mut networks = BTreeSet::new();
    for (family, ranges) in families {
        for (first, last) in merge(ranges) {
            family.split(first, last, &mut networks);
        }
    }
    networks
}

/// First and last address of a network, as numbers.
pub(crate) fn span(network: IpNetwork) -> (u128, u128) {
    match network {
        IpNetwork::V4(v4) => (u32::from(v4.network()).into(), u32::from(v4.broadcast()).into()),
        IpNetwork::V6(v6) => (v6.network().into(), v6.broadcast().into()),
    }
}

/// Ranges of addresses of one family as the fewest disjoint networks.
pub(crate) fn networks(is_v4: bool, ranges: Vec<(u128, u128)>) -> BTreeSet<IpNetwork> {
    let family = if is_v4 { Family::V4 } else { Family::V6 };
    let mut networks = BTreeSet::new();
    for (first, last) in merge(ranges) {
        family.split(first, last, &mut networks);
    }
    networks
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn width(self) -> u32 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// First and last address, if the network is of this family.
    fn range(self, network: IpNetwork) -> Option<(u128, u128)> {
        match (self, network) {
            (Family::V4, IpNetwork::V4(_)) | (Family::V6, IpNetwork::V6(_)) => Some(span(network)),
            (Family::V4, IpNetwork::V6(_)) | (Family::V6, IpNetwork::V4(_)) => None,
        }
    }

    /// Adds the networks that cover `first..=last` exactly, largest first from the left.
    fn split(self, first: u128, last: u128, into: &mut BTreeSet<IpNetwork>) {
        let mut start = Some(first);
        while let Some(address) = start.filter(|address| *address <= last) {
            let aligned = address.trailing_zeros().min(self.width());
            // 2^n addresses are left if `last - address + 1 >= 2^n`; the sum overflows only for all of IPv6.
            let fitting = (last - address).checked_add(1).map_or(128, u128::ilog2);
            let host_bits = aligned.min(fitting);
            into.extend(self.network(address, self.width() - host_bits));
            let size_less_one = if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 };
            start = address.checked_add(size_less_one).and_then(Step::next);
        }
    }

    fn network(self, address: u128, prefix: u32) -> Option<IpNetwork> {
        let address = match self {
            Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(address).ok()?)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(address)),
        };
        IpNetwork::new(address, u8::try_from(prefix).ok()?).ok()
    }
}
