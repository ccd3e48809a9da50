//! Addresses, with real agents on real datastores: who is killed, what is stopped, and what an operator does about it.
//!
//! What the planner does in every interleaving is `ipam`'s own tests' business, and what a backend promises is
//! `datastore`'s. Here both are whole programs, and the reference is what their clients were told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

mod chaos;
mod client;
mod damage;
mod history;
mod migration;
mod operator;
mod outage;
mod refusal;
mod standby;
mod upkeep;
mod watch;
mod world;
