//! Giving a whole block back.

use ipnetwork::IpNetwork;

use crate::affinity::{Affinity, AffinityState};
use crate::snapshot::{Key, Record, Snapshot, Write};

/// The block cannot be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {block} still has {used} addresses in use; release those first")]
pub struct BlockInUse {
    /// The block.
    pub block: IpNetwork,
    /// Addresses in use.
    pub used: u32,
}

/// Plans the next step of giving `node`'s empty block `cidr` back: commit the writes, apply them to the snapshot, call
/// again, until there is nothing to write.
///
/// The snapshot must hold the affinity and the block, as far as they exist.
///
/// # Errors
/// If addresses of the block are in use.
pub fn unclaim(snapshot: &Snapshot, node: &str, cidr: IpNetwork) -> Result<Vec<Write>, BlockInUse> {
    let key = Key::Affinity(node.to_owned(), cidr);
    let affinity = snapshot.affinity(node, &cidr);
    let block = snapshot.block(&cidr).filter(|block| block.value.node() == node);
    match (affinity, block) {
        (None, None) => Ok(Vec::new()),
        (Some(affinity), None) => Ok(vec![Write { key, expected: Some(affinity.revision), value: None }]),
        (affinity, Some(block)) => {
            let used = block.value.used();
            if used > 0 {
                return Err(BlockInUse { block: cidr, used });
            }
            let state = AffinityState::PendingDeletion;
            let leaving = Affinity { node: node.to_owned(), cidr, state };
            // Written in every attempt, so that a confirmation planned before fails (see the module above).
            let mark = Write {
                key,
                expected: affinity.map(|affinity| affinity.revision),
                value: Some(Record::Affinity(leaving)),
            };
            let delete = Write { key: Key::Block(cidr), expected: Some(block.revision), value: None };
            Ok(vec![mark, delete])
        }
    }
}
