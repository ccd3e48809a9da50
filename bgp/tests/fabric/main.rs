//! Fabrics of whole speakers on virtual wires and a virtual clock: octets, no sockets, no waiting.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test, and says its seed"
)]

mod backlog;
mod chaos;
mod convergence;
mod dice;
mod model;
mod network;
mod node;
mod peering;
mod reference;
mod restart;
mod topology;
mod views;
