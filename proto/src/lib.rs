//! The gRPC contract `fabric.v1`: the services that the agent serves and everyone else calls.
//!
//! The `.proto` files under `proto/fabric/v1` are the text of the contract, comments included; this crate
//! is what the compiler made of them, the descriptor set for reflection, and the client's way to the
//! agent's Unix socket.
//!
//! Deliberately absent: conversions to the types of `bgp`, `ipam` or `policy`. The contract knows nothing of
//! the crates behind it; the agent, which knows both, converts.

pub mod client;

/// Messages, clients and servers of `fabric.v1`.
pub mod v1 {
    // Generated: the documentation is that of the .proto files.
    #![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
    tonic::include_proto!("fabric.v1");
}

/// The encoded `FileDescriptorSet` of the contract, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fabric.v1.bin"));

/// Where the agent listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/fabric/agent.sock";
