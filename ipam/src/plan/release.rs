//! Giving addresses back.

use std::net::IpAddr;

use crate::snapshot::{Key, Record, Snapshot, Write};
use crate::timestamp::Timestamp;

/// How a release goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// There is no such handle: nothing to do.
    Nothing,
    /// Commit these in order; then the addresses are free.
    Commit {
        /// The writes.
        writes: Vec<Write>,
        /// What becomes free.
        addresses: Vec<IpAddr>,
    },
}

/// Plans giving back everything that `handle` holds.
///
/// The snapshot must hold the handle and every block that it names, as far as they exist, whatever its scope.
#[must_use]
pub fn release(snapshot: &Snapshot, handle: &str, now: Timestamp) -> Release {
    let Some(stored) = snapshot.handle(handle) else { return Release::Nothing };
    let mut writes = Vec::new();
    let mut addresses = Vec::new();
    for cidr in stored.value.blocks.keys() {
        // A block that is gone was empty.
        let Some(block) = snapshot.block(cidr) else { continue };
        let (next, released) = block.value.releasing(handle, now);
        addresses.extend(released);
        writes.push(Write {
            key: Key::Block(*cidr),
            expected: Some(block.revision),
            value: Some(Record::Block(next)),
        });
    }
    writes.push(Write { key: Key::Handle(handle.to_owned()), expected: Some(stored.revision), value: None });
    Release::Commit { writes, addresses }
}
