//! The whole shell over loopback and between network namespaces: speakers with each other, and with a peer made of
//! octets.

pub(super) mod lab;
