//! Plans: from what is known of the store to the writes that bring a request forward.
//!
//! A plan names each record at most once, so all the revisions it expects are known when it is made. What needs
//! one record twice (a claim: pending, then confirmed) is several plans: commit, take the writes over into the
//! snapshot, plan again. State lives in the store only; whoever plans after a crash continues where the dead
//! one stopped.
//!
//! **The handle is written in every attempt, before the block.** Suppose an attempt found its handle in place and
//! wrote only the block. Then a release could look through the block first, find nothing, the attempt write the
//! block, and the release delete the handle: the address would be lost for good. Because the attempt writes the
//! handle, the release's deletion fails its comparison; and because a release rewrites every block that the handle
//! names, even those where it finds nothing, a block write of an attempt older than the release fails too.
//! Giving a block back ([`unclaim`]) obeys the same rule, with the affinity in the handle's place.

mod assign;
mod error;
mod release;
mod unclaim;
mod walk;

pub use assign::{Assignment, Request, Wanted, assign};
pub use error::{AssignError, PoolFill};
pub use release::{Release, release};
pub use unclaim::{BlockInUse, unclaim};

#[cfg(test)]
mod tests;
