//! The kernel's side of the node: each module reads one kind of kernel object back as the planner's own type
//! ([`crate::plan::desired`]) and applies a [`crate::diff::Diff`] to it.
//!
//! Invariants, the same for every kind:
//! - Ours is told from the kernel alone: routes by protocol number, host ends of pod links by their name's prefix.
//!   What is not ours is never changed.
//! - What is written reads back equal; so a second diff is empty.
//! - One object that cannot be made true does not stop the others; the answer says what truly holds.
//!
//! Policy is two kinds of object together, the rules and the connections that they have judged: [`enforce`].
//!
//! [`Dataplane`] is all of them together, in the order that makes a plan true. Nothing here decides anything or removes
//! anything on exit.

pub mod netlink;

pub mod links;

pub mod neighbours;

pub mod routes;

pub mod sysctl;

mod netfilter;

pub mod nftables;

pub mod conntrack;

pub mod enforce;

pub mod probe;

mod kernel;

pub use kernel::{Dataplane, Facts, MaySweep, Outcome, Policy};
