//! The gRPC services, on a Unix socket, with health and reflection.
//!
//! One file per service. A service reads what the loop published, asks it, or goes to the datastore; none of them
//! touches the kernel but `cni`, which makes and removes the pods' links.

mod bgp;
mod cni;
mod ipam;
mod node;
mod policy;
mod resources;
mod server;

pub use server::{Services, Socket, serve};

use resources::status as datastore_error;
use tonic::Status;

/// The loop has ended: the caller should ask the next life.
fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
