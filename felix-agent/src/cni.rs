//! Attaching pods: what a CNI ADD does to the kernel, and a DEL undoes.
//!
//! A pod's link is a veth pair. Its host end is called [`host_interface_name`] and is made *closed*: policy, routes
//! and opening are the planner's and the dataplane's. The pod's end is complete when [`attach`] returns; it has no
//! subnet and no neighbours to find, only permanent entries for its two gateways, [`GATEWAY_V4`] and
//! [`crate::dataplane::links::GATEWAY_V6`], which every pod of every node sees alike.
//!
//! Which addresses a pod gets, and whether it may be attached at all, is decided elsewhere.

pub mod attach;

mod name;

pub mod netns;

mod pod;

pub use attach::{AttachError, AttachRequest, Attached, attach, detach};
pub use name::host_interface_name;
pub use netns::{Netns, NetnsError};
pub use pod::GATEWAY_V4;
