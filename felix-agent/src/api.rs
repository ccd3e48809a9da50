//! The gRPC services, on a Unix socket, with health and reflection.
//!
//! One file per service. A service reads what the loop published, asks it, or goes to the datastore; none of them
//! touches the kernel but `cni`, which makes and removes the pods' links. What fails becomes a status in `failure`.

mod bgp;
mod cni;
mod failure;
mod ipam;
mod node;
mod policy;
mod resources;
mod server;

pub use server::{Services, Socket, serve};

use failure::{datastore as datastore_error, stopped};
