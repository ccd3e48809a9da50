//! What the two netfilter subsystems that we speak to have in common: messages as bytes, and the socket they go through.
//!
//! ```text
//! nftables ──┐
//!            ├─► wire (headers, attributes) ─► socket ─► NETLINK_NETFILTER
//! conntrack ─┘
//! ```
//!
//! Deliberately absent: what the messages say. That is each subsystem's own.

pub(in crate::dataplane) mod socket;
pub(in crate::dataplane) mod wire;
