//! What the node should look like.
pub mod desired;
