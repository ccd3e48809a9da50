//! What makes the kernel agree with the plan.

pub mod nftables;
