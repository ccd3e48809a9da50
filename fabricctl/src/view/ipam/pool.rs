//! A pool, and how full it is.

use proto::v1;
use serde::Serialize;

use crate::output::quantity::{Usage, render_count, render_usage};
use crate::output::table;

/// Column heads for [`Pool::row`].
pub(super) const HEADERS: [&str; 9] =
    ["POOL", "CIDR", "BLOCK", "BLOCKS", "ADDRESSES", "USAGE", "RESERVED", "COOLING", "STATE"];

/// Column heads for what [`Pool::row_wide`] has beyond.
pub(super) const HEADERS_WIDE: [&str; 4] = ["STANDBY", "USES", "NODES", "NAMESPACES"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pool {
    name: String,
    cidr: String,
    block_size: u32,
    disabled: bool,
    /// It goes when the last of its addresses is given back.
    deleting: bool,
    /// `Automatic` or `Manual`.
    assignment_mode: String,
    /// Empty for all.
    node_selector: String,
    /// Empty for all.
    namespace_selector: String,
    allowed_uses: Vec<String>,
    addresses_total: String,
    addresses_used: u64,
    addresses_reserved: String,
    addresses_cooling: u64,
    /// Of those in use, kept ready only for when the datastore is away.
    addresses_standby: u64,
    blocks_total: String,
    blocks_used: u64,
}

impl From<v1::Pool> for Pool {
    fn from(message: v1::Pool) -> Self {
        let v1::Pool {
            name,
            cidr,
            block_size,
            disabled,
            addresses_total,
            addresses_used,
            blocks_total,
            blocks_used,
            deleting,
            assignment_mode,
            node_selector,
            namespace_selector,
            allowed_uses,
            addresses_reserved,
            addresses_cooling,
            addresses_standby,
        } = message;
        Self {
            name,
            cidr,
            block_size,
            disabled,
            deleting,
            assignment_mode,
            node_selector,
            namespace_selector,
            allowed_uses,
            addresses_total,
            addresses_used,
            addresses_reserved,
            addresses_cooling,
            addresses_standby,
            blocks_total,
            blocks_used,
        }
    }
}

impl Pool {
    pub(super) fn row(&self) -> Vec<String> {
        let usage = Usage {
            used: self.addresses_used,
            reserved: &self.addresses_reserved,
            cooling: self.addresses_cooling,
            total: &self.addresses_total,
        };
        vec![
            self.name.clone(),
            self.cidr.clone(),
            format!("/{}", self.block_size),
            format!("{}/{}", self.blocks_used, render_count(&self.blocks_total)),
            format!("{}/{}", self.addresses_used, render_count(&self.addresses_total)),
            render_usage(usage),
            render_count(&self.addresses_reserved),
            self.addresses_cooling.to_string(),
            self.state(),
        ]
    }

    pub(super) fn row_wide(&self) -> Vec<String> {
        let mut row = self.row();
        row.extend([
            self.addresses_standby.to_string(),
            table::join(&self.allowed_uses),
            all_if_empty(&self.node_selector),
            all_if_empty(&self.namespace_selector),
        ]);
        row
    }

    /// What keeps it from giving out addresses to whoever asks for one.
    fn state(&self) -> String {
        let manual = self.assignment_mode == "Manual";
        let states = [(self.deleting, "deleting"), (self.disabled, "disabled"), (manual, "manual")];
        let states = states.iter().filter(|(holds, _)| *holds).map(|(_, state)| *state);
        let states: Vec<&str> = states.collect();
        if states.is_empty() { "enabled".to_owned() } else { states.join(",") }
    }
}

fn all_if_empty(selector: &str) -> String {
    if selector.is_empty() { "all()" } else { selector }.to_owned()
}
