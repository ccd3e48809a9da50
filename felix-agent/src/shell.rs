//! The tasks around the loop: each watches one source outside the process and turns it into events.

pub mod kernel;
pub mod speaker;
pub mod store;
