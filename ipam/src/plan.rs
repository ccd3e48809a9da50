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
//!
//! **An attempt rewrites what its handle names already.** Two attempts for one handle, of an agent and the one that replaces
//! it, would otherwise give it twice what it asked for. As handles are compared too, one of the two was planned when
//! the other's was written, and so names the blocks that the other is about to write. It writes them itself, before any
//! block that is new to the handle: whatever the other does before that fails this one, which then sees it, and what it does
//! afterwards fails.
//!
//! **Merging keeps it.** A [`Batch`] writes each record once, in turns: handles, affinities that announce,
//! blocks, affinities that state a result, deletions of handles. Each task alone keeps its order in that, so whatever
//! prefix is committed is a prefix of every task. One block write carries what several tasks change in it; it is
//! committed for all of them or for none, which only makes fewer states than one after the other. Two tasks that need the
//! same handle or the same affinity are never in one batch, as one would have to be planned on the other's result.
//!
//! **Handing over keeps it.** [`transfer`] makes an address the pod's that was the node's to give away: the pod's handle is
//! written first, then the blocks, and the former holder's handle is deleted last. It leaves the pod with just what it was
//! promised: whatever an attempt took for it of which nobody was told is given back in the same writes.
//!
//! **All or none, across blocks.** Addresses of one request may lie in several blocks, which are several writes. Cut
//! short between them, the handle holds fewer than it was to; its own record, written first, says how many those are.
//! Asked again, the missing ones are added; released, all go. Only if it holds what it was to hold does a request for
//! more fail.

mod assign;
mod batch;
mod choose;
mod claims;
mod draft;
mod eligible;
mod error;
mod prefetch;
mod release;
mod replenish;
mod request;
mod slots;
mod split;
mod standing;
mod transfer;
mod unclaim;
mod walk;

pub use assign::{Assignment, assign};
pub use batch::{Answer, Batch, Outcome, Refusal, Task};
pub use claims::settle;
pub use eligible::{PassedOver, WhyNot};
pub use error::{AssignError, ClaimRefused, PoolFill};
pub use prefetch::{Prefetch, prefetch};
pub use release::{Release, ReleaseError, ReleaseItem, release, release_address, release_addresses};
pub use replenish::{Replenish, adopt, replenish};
pub use request::{Request, Wanted};
pub use slots::{Shortage, Slot, ready, take_standby};
pub use split::{MAX_PARTS, SplitError, split};
pub use transfer::{Lost, Transfer, abandon, needed, transfer};
pub use unclaim::{UnclaimError, surplus, unclaim};

#[cfg(test)]
mod tests;
