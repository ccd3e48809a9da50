//! The tasks around the loop: each watches one source outside the process and turns it into events.

pub mod history;
pub mod kernel;
pub mod policy_status;
pub mod registration;
pub mod reload;
pub mod speaker;
pub mod store;
