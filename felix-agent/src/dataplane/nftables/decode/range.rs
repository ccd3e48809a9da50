//! Interval sets come as a bag of starts and ends.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Collects boundaries in any order.
#[derive(Debug, Default)]
pub(in crate::dataplane::nftables) struct Ranges {
    /// `false` for an end sorts before `true` for a start at the same address, as half-open ranges demand.
    boundaries: BTreeSet<(IpAddr, bool)>,
}

impl Ranges {
    pub(in crate::dataplane::nftables) fn start(&mut self, address: IpAddr) {
        self.boundaries.insert((address, true));
    }

    pub(in crate::dataplane::nftables) fn end(&mut self, address: IpAddr) {
        self.boundaries.insert((address, false));
    }

    /// Ranges of first and last address. An end without a start (nft marks the space below the first range so) says
    /// nothing; a start without an end reaches to the next start or to the last address.
    pub(in crate::dataplane::nftables) fn finish(self) -> BTreeSet<(IpAddr, IpAddr)> {
        let mut ranges = BTreeSet::new();
        let mut open: Option<IpAddr> = None;
        for (address, is_start) in self.boundaries {
            if let Some((first, last)) = open.take().zip(predecessor(address)) {
                ranges.insert((first, last));
            }
            open = is_start.then_some(address);
        }
        ranges.extend(open.map(|first| (first, last_of_family(first))));
        ranges
    }
}

fn predecessor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

fn last_of_family(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(u128::MAX).into(),
    }
}
