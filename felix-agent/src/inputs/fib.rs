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
    /// Before that: prefixes that were in `paths` and are no longer. These are gone for sure.
    pub withdrawn: BTreeSet<IpNetwork>,
}

impl Fib {
    /// Takes changes in.
    pub fn update(&mut self, changes: BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>) {
        for (prefix, next_hops) in changes {
            match next_hops {
                Some(next_hops) if !next_hops.is_empty() => {
                    self.withdrawn.remove(&prefix);
                    self.paths.insert(prefix, next_hops);
                }
                Some(_) | None => {
                    if self.paths.remove(&prefix).is_some() && !self.synchronised {
                        self.withdrawn.insert(prefix);
                    }
                }
            }
        }
    }

    /// The initial synchronisation is over.
    pub fn synchronise(&mut self) {
        self.synchronised = true;
        self.withdrawn.clear();
    }
}
