//! A path: attributes and next hop, and where it came from.
//!
//! Many prefixes share a path, so paths are interned: equal ones are one allocation behind an [`Arc`], and equality
//! of pointers is equality of paths.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::wire::{AsPath, AsPathSegment, Attributes, NextHop};

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

/// Length for the decision process: an AS_SET counts as one, confederation segments as none (RFC 4271 §9.1.2.2,
/// RFC 5065 §5.3).
#[must_use]
pub fn as_path_length(path: &AsPath) -> usize {
    let count = |segment: &AsPathSegment| match segment {
        AsPathSegment::Sequence(numbers) => numbers.len(),
        AsPathSegment::Set(_) => 1,
        AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => 0,
    };
    path.segments.iter().map(count).sum()
}

/// The AS that a path was received from, for comparing MEDs: the first of a leading sequence (RFC 4271 §9.1.2.2).
/// None for a path that began in our own AS, or with a set.
#[must_use]
pub fn neighbour_as(path: &AsPath) -> Option<u32> {
    let outside = path.segments.iter().find(|segment| match segment {
        AsPathSegment::Sequence(_) | AsPathSegment::Set(_) => true,
        AsPathSegment::ConfedSequence(_) | AsPathSegment::ConfedSet(_) => false,
    });
    if let Some(AsPathSegment::Sequence(numbers)) = outside { numbers.first().copied() } else { None }
}

/// Whether an AS occurs anywhere in a path.
#[must_use]
pub fn contains_as(path: &AsPath, asn: u32) -> bool {
    path.segments.iter().any(|segment| numbers(segment).contains(&asn))
}

/// The AS numbers of a segment of any kind.
#[must_use]
pub fn numbers(segment: &AsPathSegment) -> &[u32] {
    match segment {
        AsPathSegment::Sequence(numbers)
        | AsPathSegment::Set(numbers)
        | AsPathSegment::ConfedSequence(numbers)
        | AsPathSegment::ConfedSet(numbers) => numbers,
    }
}

/// The path with one more AS in front (RFC 4271 §5.1.2).
#[must_use]
pub fn prepend(mut path: AsPath, asn: u32) -> AsPath {
    match path.segments.first_mut() {
        Some(AsPathSegment::Sequence(numbers)) if numbers.len() < 255 => numbers.insert(0, asn),
        Some(_) | None => path.segments.insert(0, AsPathSegment::Sequence(vec![asn])),
    }
    path
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
