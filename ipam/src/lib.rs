//! Plans which block and address to take or give back, as compare-and-swap writes; performs none.
//!
//! A [`Pool`] is cut into [`Block`]s of equal size. A node claims whole blocks and hands out their addresses, so
//! that the fabric carries one route a block instead of one a pod. Everything is kept in a shared store that
//! can only compare and swap single records; no lock is held anywhere. Hence the shape of this crate: a
//! [`Snapshot`] of (part of) the store goes in, a list of [`Write`]s comes out, to be committed in order. A
//! write that meets a conflict ends the attempt: read again, plan again.
//!
//! Invariants, which hold between any two writes of any number of planners, crashes included:
//! - an address belongs to one handle, since it is one entry of one block record;
//! - a block belongs to one node, since creating its record is the one step that decides;
//! - every address in use can be found by its handle, since the handle is written before the block, in every
//!   attempt (see [`plan`] for why *every*);
//! - a block is never announced by two nodes, if nodes announce only what is [`AffinityState::Confirmed`].
//!
//! Beside the plans: [`Index`], all that the store says about addresses, kept change by change and asked; [`audit`], which
//! compares that with who exists; [`collector`], which says what nobody uses any more; and [`standby`], addresses that a node
//! takes ahead.
//!
//! Deliberately absent: clocks, randomness and IO. Who exists is an argument.

mod affinity;
pub mod audit;
mod block;
pub mod collector;
pub mod configuration;
mod family;
mod handle;
pub mod index;
mod ordinals;
pub mod plan;
pub mod pool;
mod purpose;
mod reservation;
mod reserved;
mod snapshot;
pub mod standby;
mod timestamp;
pub mod usage;

pub use affinity::{Affinity, AffinityState};
pub use block::{Allocation, Attributes, Block, CorruptBlock};
pub use collector::Collector;
pub use configuration::Configuration;
pub use family::Family;
pub use handle::Handle;
pub use index::Index;
pub use ordinals::{Ordinal, Ordinals};
pub use pool::{AssignmentMode, Pool};
pub use purpose::{LOAD_BALANCER_NODE, UnknownUse, Use};
pub use reservation::Reservation;
pub use reserved::Reserved;
pub use snapshot::{Key, Record, Revision, Scope, Snapshot, Versioned, Write, block_name};
pub use timestamp::Timestamp;
