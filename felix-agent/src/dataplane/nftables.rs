//! Policy in the kernel: one nf_tables table, `inet fabric`, spoken to by netlink.
//!
//! Reading order, which is also the direction of the data:
//!
//! ```text
//! policy::Program ─lower─► Lowered ─assemble─► Table ─diff─► Transaction ─encode─► bytes ─transact─► kernel
//!                                      ▲         │                                                     │
//!                                      │       render ─► people                                        │
//!                                      └─────────────────── decode ◄── read ───────────────────────────┤
//!                                                             events ◄── multicast ────────────────────┘
//! ```
//!
//! Everything left of `transact` is a pure function of values; `read`, `transact` and `events` are the only places with a
//! file descriptor.
//!
//! Invariants:
//! * The table is ours alone. No other table is read or written, and the verdict on foreign traffic (neither in nor
//!   out through an interface named with [`INTERFACE_PREFIX`]) is none at all: it falls through.
//! * Closed by default: an interface of ours without an element in the dispatch maps is dropped.
//! * A connection that policy allows outlives every change of it and every restart of the agent; one that policy denies ends
//!   with the next packet of its beginner ([`lower`], [`assemble`]).
//! * One change of the desired state is one transaction, hence atomic for packets. It names the generation it was
//!   computed against, so the kernel refuses it if anyone changed anything in between.
//! * A change of a set's members touches neither rules nor chains, and a change of a chain no rule that stays: counters and
//!   handles survive.
//! * A change costs what it changes: who keeps a lowered program says where it may differ ([`scope`]), and what goes before and
//!   after is made of those parts. Everything is compared at the start, after each failure and by the audit.
//! * Nothing is removed on exit.
//!
//! Deliberately absent: the `nft` process, NAT, packet marks.

pub mod assemble;
mod compare;
pub mod counters;
mod decode;
pub mod diff;
pub mod encode;
pub mod events;
mod expression;
pub mod lower;
pub mod mark;
mod read;
pub mod render;
pub mod scope;
pub mod table;
pub mod trace;
pub mod transact;

use super::netfilter::{socket, wire};

pub use events::{Disturbance, Events};
pub use lower::kept::Kept;
pub use lower::{INTERFACE_PREFIX, Lowered, Options, lower};
pub use scope::Scope;
pub use table::Table;
pub use transact::{Applied, Error, Nftables, Wanted};

/// The table's name; its family is `inet`, so it sees IPv4 and IPv6.
pub const TABLE_NAME: &str = "fabric";
