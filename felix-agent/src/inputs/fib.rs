//! What BGP learned: the best paths, by prefix.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp::wire::NextHop;
use ipnetwork::IpNetwork;

/// The best paths.
#[derive(Debug, Default)]
pub struct Fib {
    /// Next hops by prefix; never an empty set.
    pub paths: BTreeMap<IpNetwork, BTreeSet<NextHop>>,
    /// For link-local next hops: the interface of the session that they came by.
    pub interface_of: BTreeMap<IpAddr, String>,
    /// The initial synchronisation is over: a prefix that is not in `paths` is gone.
    pub synchronised: bool,
}

impl Fib {
    /// Takes changes in.
    pub fn update(&mut self, changes: BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>) {
        for (prefix, next_hops) in changes {
            match next_hops {
                Some(next_hops) if !next_hops.is_empty() => self.paths.insert(prefix, next_hops),
                Some(_) | None => self.paths.remove(&prefix),
            };
        }
    }
}
