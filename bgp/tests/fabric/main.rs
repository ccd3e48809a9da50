//! Fabrics of whole speakers on virtual wires and a virtual clock: typed messages, no sockets, no waiting.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod convergence;
mod model;
mod peering;
mod restart;
mod wires;
