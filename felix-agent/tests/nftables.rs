//! The nf_tables part of the dataplane against the real kernel, each test in network namespaces of its own.
//!
//! Needs root and `nft`; without them the tests fail and say so.

// Helpers outside of `#[test]` functions fail a test by panic as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use felix_agent::dataplane::nftables::table;

#[path = "nftables/apply.rs"]
mod apply;
#[path = "nftables/conntrack.rs"]
mod conntrack;
#[path = "nftables/deltas.rs"]
mod deltas;
#[path = "nftables/established.rs"]
mod established;
#[path = "nftables/events.rs"]
mod events;
#[path = "nftables/fabric.rs"]
mod fabric;
#[path = "nftables/logs.rs"]
mod logs;
#[path = "nftables/namespace.rs"]
mod namespace;
#[path = "nftables/packets.rs"]
mod packets;
#[path = "nftables/programs.rs"]
mod programs;
#[path = "nftables/random.rs"]
mod random;
#[path = "nftables/refusals.rs"]
mod refusals;
#[path = "nftables/rows.rs"]
mod rows;
#[path = "nftables/sequences.rs"]
mod sequences;
#[path = "nftables/shared.rs"]
mod shared;
#[path = "nftables/tables.rs"]
mod tables;
#[path = "nftables/trace.rs"]
mod trace;
#[path = "nftables/verdicts.rs"]
mod verdicts;
