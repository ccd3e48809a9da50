//! What BGP learned: the best paths, by prefix.

use std::collections::{BTreeMap, BTreeSet};

use bgp::rib::Hops;
use ipnetwork::IpNetwork;

/// The best paths.
#[derive(Debug, Default)]
pub struct Fib {
    /// Next hops by prefix; never an empty set.
    pub paths: BTreeMap<IpNetwork, Hops>,
    /// Prefixes that were ever in `paths`: what of them is gone is known to be gone, even before synchronisation.
    learned: BTreeSet<IpNetwork>,
    /// The initial synchronisation is over: a prefix that is not in `paths` is gone.
    synchronised: bool,
}

impl Fib {
    /// Takes changes in.
    pub fn update(&mut self, changes: BTreeMap<IpNetwork, Option<Hops>>) {
        for (prefix, next_hops) in changes {
            match next_hops {
                Some(next_hops) if !next_hops.is_empty() => {
                    if !self.synchronised {
                        self.learned.insert(prefix);
                    }
                    self.paths.insert(prefix, next_hops)
                }
                Some(_) | None => self.paths.remove(&prefix),
            };
        }
    }

    /// The peers have said all that they had for us: from now on, what is not in `paths` is gone.
    pub fn synchronise(&mut self) {
        self.synchronised = true;
        self.learned.clear();
    }

    /// Whether a learned route that is not in `paths` is known to be gone, rather than not heard of yet.
    #[must_use]
    pub fn may_sweep(&self, prefix: &IpNetwork) -> bool {
        self.synchronised || self.learned.contains(prefix)
    }
}
