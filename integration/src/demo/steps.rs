//! The steps of the demo, in order. The sixth is the summary.

use anyhow::Result;

use super::scene::Scene;
use super::stage::Stage;

pub mod fabric;
pub mod failure;
pub mod pods;
pub mod policy;
pub mod reach;

/// A step that acts on a fabric that is up.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// Shows it.
    pub play: fn(&mut Scene, &mut Stage) -> Result<()>,
}

/// All steps after the [first](fabric), which makes the fabric.
pub const AFTER_FABRIC: [Step; 4] = [
    Step { title: "Pods, attached through fabric-cni", play: pods::play },
    Step { title: "Who reaches whom, and what everybody knows", play: reach::play },
    Step { title: "An ordinary NetworkPolicy", play: policy::play },
    Step { title: "A router without power, an agent killed", play: failure::play },
];
