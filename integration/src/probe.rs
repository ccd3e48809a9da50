//! What gets through, counted.
//!
//! [`sequence`] is the pure part: numbered packets in, losses, reorderings, duplicates and gaps out. [`udp`] sends such
//! packets at a fixed rate, one way or there and back; [`tcp`] connects, says which end sees whom, and tells a refusal
//! from silence. Everything is bounded by count and time.
//!
//! A socket stays in the network namespace in which it was made. So nothing here knows of namespaces: make the sockets
//! inside one with [`Namespace::run`](crate::namespace::Namespace::run), then use them from anywhere.

pub mod sequence;
pub mod tcp;
pub mod udp;
