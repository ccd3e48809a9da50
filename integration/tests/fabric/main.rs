//! The whole product on the real kernel: agents, the CNI plugin, `fabricctl`, pods and their packets.
//!
//! BGP with foreign routers has tests of its own; here it is the way by which nodes find each other. A fabric takes
//! seconds to build, so each test builds one and asks it many things.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

mod agent;
mod attachment;
mod data;
mod demonstration;
mod first_packet;
mod policy;
mod reach;
mod resilience;
mod world;
