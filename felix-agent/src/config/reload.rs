//! What a new file may change in an agent that runs, and what has to wait for its next start.
//!
//! Pure: the configuration in force and the one just read in, the one to be in force out, with a line for each setting
//! that cannot be changed now. The rest is applied all the same. Deliberately absent: which sessions a change resets;
//! that is the speaker's to find out, peer by peer.

use super::Config;

/// What becomes of a configuration that was read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// To be in force from now on.
    pub config: Config,
    /// Settings that keep their old value until the agent starts anew, a sentence each.
    pub refused: Vec<String>,
    /// Something in force is different.
    pub changed: bool,
}

/// Takes from `new` what can change while the agent runs.
#[must_use]
pub fn select(current: &Config, new: Config) -> Reload {
    let mut config = new;
    let mut refused = Vec::new();
    let mut keep = |key: &str, differs: bool| {
        if differs {
            refused
                .push(format!("{key} changes only when the agent starts anew; the old value stays in force"));
        }
    };
    keep("node.name", config.node.name != current.node.name);
    keep("datastore", config.datastore != current.datastore);
    keep("api.socket", config.api != current.api);
    keep("ipam.standby", config.ipam.standby != current.ipam.standby);
    keep("ipam.journal", config.ipam.journal != current.ipam.journal);
    keep("bgp.listen", config.bgp.listen != current.bgp.listen);
    keep("metrics.listen", config.metrics != current.metrics);
    let shift = current.policy.connection_mark_shift;
    keep("policy.connectionMarkShift", config.policy.connection_mark_shift != shift);
    keep("log", config.log != current.log);
    config.node.name.clone_from(&current.node.name);
    config.datastore.clone_from(&current.datastore);
    config.api.clone_from(&current.api);
    config.ipam.standby = current.ipam.standby;
    config.ipam.journal.clone_from(&current.ipam.journal);
    config.bgp.listen.clone_from(&current.bgp.listen);
    config.metrics.clone_from(&current.metrics);
    config.policy.connection_mark_shift = shift;
    config.log.clone_from(&current.log);
    let changed = config != *current;
    Reload { config, refused, changed }
}
