//! A path: attributes and next hop, and where it came from.
//!
//! Many prefixes share a path, so paths are interned: equal ones are one allocation behind an [`Arc`], and equality
//! of pointers is equality of paths.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::wire::{Attributes, NextHop};

/// Fewer paths than this are never swept.
const SWEEP_AT_LEAST: usize = 1024;

/// Path attributes together with the next hop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// All path attributes but the next hop.
    pub attributes: Attributes,
    /// Where packets go; none for prefixes that this speaker originates.
    pub next_hop: Option<NextHop>,
}

impl Path {
    /// The path of our own prefixes.
    #[must_use]
    pub fn originated() -> Self {
        Self { attributes: Attributes::default(), next_hop: None }
    }
}

/// The sender of a path, as the decision process and the export rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Peer address.
    pub address: IpAddr,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its AS.
    pub asn: u32,
    /// In another AS than ours.
    pub external: bool,
}

/// Makes equal paths one.
#[derive(Debug, Default)]
pub struct Interner {
    paths: FxHashSet<Arc<Path>>,
    sweep_at: usize,
}

impl Interner {
    /// The one allocation of this path.
    pub fn intern(&mut self, path: Path) -> Arc<Path> {
        if let Some(known) = self.paths.get(&path) {
            return known.clone();
        }
        // Amortised: a sweep costs as much as the insertions since the last.
        if self.paths.len() >= self.sweep_at.max(SWEEP_AT_LEAST) {
            self.paths.retain(|path| Arc::strong_count(path) > 1);
            self.sweep_at = self.paths.len().saturating_mul(2);
        }
        let path = Arc::new(path);
        self.paths.insert(path.clone());
        path
    }

    /// Paths held, including those that nobody uses any more and the next sweep removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether no path is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}
