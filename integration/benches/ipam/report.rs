//! What came out.

pub use integration::measure::report::{Goal, Measure, Report};

/// Who does the work through an agent.
pub const OURS: &str = "agent";
