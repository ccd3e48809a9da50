//! A complete BGP-4 speaker as a value: bytes, time and configuration in; bytes, best paths and events out.
//!
//! ```text
//! wire/     octets ↔ messages, one file per format
//! session/  RFC 4271 §8: one TCP connection's life
//! filter/   import and export policies
//! rib/      Adj-RIB-In, Loc-RIB, the decision process, update groups
//! speaker/  peers + RIBs, driven by whoever owns sockets and a clock
//! bfd/      RFC 5880: whether packets get to a peer
//! bmp/      RFC 7854: what peers say, for a collector
//! net/      (feature `net`) that somebody: the tokio shell
//! ```
//!
//! Invariants: everything but `net` is pure (no socket, clock, task or randomness that was not passed in);
//! nothing that a peer sends can panic it. Deliberately absent: Kubernetes, the kernel's routing table, policy of
//! any product. This crate knows nothing of the workspace around it.

pub mod bfd;
pub mod bmp;
pub mod config;
pub mod filter;
pub mod rib;
pub mod session;
pub mod speaker;
pub mod wire;

#[cfg(feature = "net")]
pub mod net;
