//! What the last pass left behind, for whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;
use policy::program::EndpointId;
use tokio::time::Instant;

use super::meter::Meter;
use crate::config::Config;
use crate::inputs::statuses::Enforcement;

/// The node as of the last pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// When the process began.
    pub started: Instant,
    /// The datastore has been read.
    pub listed: bool,
    /// Inputs are complete and the node as such is as planned.
    pub ready: bool,
    /// What is wrong, most important first.
    pub problems: Vec<String>,
    /// Local endpoints: `None` when programmed, else what is missing.
    pub endpoints: BTreeMap<EndpointId, Option<String>>,
    /// Prefixes whose route is in the kernel as planned.
    pub installed: BTreeSet<IpNetwork>,
    /// Routes of ours in the kernel.
    pub routes: usize,
    /// What became of policies.
    pub enforcement: Enforcement,
    /// Policies that are known, and how many of them could not be used as they are written.
    pub policies: (usize, usize),
    /// How often and how fast the kernel was brought up to date.
    pub meter: Meter,
}

impl Status {
    /// Before the first pass.
    #[must_use]
    pub fn starting(config: &Config) -> Self {
        Self {
            node: config.node.name.clone(),
            started: Instant::now(),
            listed: false,
            ready: false,
            problems: vec!["starting: the datastore has not been read yet".to_owned()],
            endpoints: BTreeMap::new(),
            installed: BTreeSet::new(),
            routes: 0,
            enforcement: Enforcement::default(),
            policies: (0, 0),
            meter: Meter::default(),
        }
    }
}
