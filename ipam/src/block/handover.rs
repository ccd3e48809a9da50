//! Addresses that pass from one holder to another without being free in between, and those that nobody has used.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Allocation, Attributes, Block};
use crate::timestamp::Timestamp;

impl Block {
    /// Makes what `from` took by that number the allocation of `to`, by a number of its own; false if that is not how the
    /// address is held.
    pub(crate) fn hand_over(
        &mut self,
        address: IpAddr,
        from: (&str, u64),
        to: (&str, &Attributes),
        now: Timestamp,
    ) -> bool {
        let Some(ordinal) = self.ordinal(address) else { return false };
        let is_held = |held: &Arc<Allocation>| (held.handle.as_str(), held.sequence) == from;
        if !self.allocations.get(&ordinal).is_some_and(is_held) {
            return false;
        }
        self.touch(now);
        let (handle, attributes) = (to.0.to_owned(), to.1.clone());
        let allocation = Allocation { handle, attributes, sequence: self.sequence };
        self.allocations.insert(ordinal, Arc::new(allocation));
        true
    }

    /// [`Block::release_address`] of what nobody has ever used: it need not rest.
    pub(crate) fn return_unused(&mut self, address: IpAddr, now: Timestamp) {
        if self.release_address(address, now).is_some()
            && let Some(ordinal) = self.ordinal(address)
        {
            self.released.end(ordinal);
        }
    }
}
