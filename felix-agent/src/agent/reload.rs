//! A configuration that was read again comes into force, as far as that goes while the agent runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::bgp::config::PeerKey;

use super::Agent;
use crate::config::reload::{Reload, select};
use crate::config::{Config, Invalid, Reading};

/// What names the configured peers.
pub(super) fn keys(config: &Config) -> BTreeSet<PeerKey> {
    config.bgp.peers.iter().filter_map(crate::config::Peer::key).collect()
}

impl Agent {
    /// One that is invalid changes nothing.
    pub(super) async fn reload(&mut self, read: Result<Reading, Invalid>) {
        self.dirty = true;
        let Reading { config, warnings } = match read {
            Ok(reading) => reading,
            Err(Invalid(lines)) => {
                for line in &lines {
                    tracing::error!("the new configuration is not in force: {line}");
                }
                let first = lines.into_iter().next().unwrap_or_default();
                self.config_problem = Some(format!("the new configuration is not in force: {first}"));
                return;
            }
        };
        self.config_problem = None;
        let Reload { config, refused, changed } = select(&self.config, config);
        for line in warnings.iter().chain(&refused) {
            tracing::warn!("{line}");
        }
        if !changed {
            tracing::info!("the configuration was read again; nothing of it is different");
            return;
        }
        self.peers = keys(&config);
        self.inputs.node.addresses.clone_from(&config.node.addresses);
        self.inputs.enforcement = config.policy.options();
        self.config = Arc::new(config);
        self.in_force.send_replace(Arc::clone(&self.config));
        match self.speaker.configure(&self.config).await {
            Ok(()) => tracing::info!("the configuration was read again and is in force"),
            Err(error) => tracing::error!(%error, "the new configuration does not reach BGP"),
        }
    }
}
