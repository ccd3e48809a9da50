//! The node agent: what the node should look like is planned, compared with what the kernel holds, and made true.
//!
//! Read in this order: [`plan`] says what should be, [`diff`] compares, [`dataplane`] makes it true and reads it
//! back, [`cni`] attaches pods.

pub mod plan;

pub mod ipam;

pub mod api;

pub mod diff;

pub mod dataplane;

pub mod cni;
