//! The gRPC services of the agent.

pub mod ipam;
pub mod resources;
