//! What a node has of a pool.

use proto::v1;
use serde::Serialize;

use crate::output::quantity::{Usage, render_usage};

/// Column heads for [`NodeUse::row`]: ADDRESSES are those that it uses of its own blocks, and what is in these.
pub(super) const HEADERS: [&str; 7] = ["NODE", "POOL", "BLOCKS", "ADDRESSES", "USAGE", "BORROWED", "STANDBY"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeUse {
    node: String,
    pool: String,
    blocks: u64,
    /// In its blocks.
    addresses_total: u64,
    /// In use there, wherever they come from.
    addresses_used: u64,
    /// Of those, from blocks of other nodes.
    addresses_borrowed: u64,
    /// Of those in use, kept ready only for when the datastore is away.
    addresses_standby: u64,
}

impl NodeUse {
    /// Of this pool.
    pub(super) fn new(pool: &str, message: v1::NodeUtilisation) -> Self {
        let v1::NodeUtilisation {
            node,
            blocks,
            addresses_total,
            addresses_used,
            addresses_borrowed,
            addresses_standby,
        } = message;
        let pool = pool.to_owned();
        Self { node, pool, blocks, addresses_total, addresses_used, addresses_borrowed, addresses_standby }
    }

    pub(super) fn row(&self) -> Vec<String> {
        let own = self.addresses_used.saturating_sub(self.addresses_borrowed);
        let total = self.addresses_total.to_string();
        vec![
            self.node.clone(),
            self.pool.clone(),
            self.blocks.to_string(),
            format!("{own}/{total}"),
            render_usage(Usage { used: own, reserved: "0", cooling: 0, total: &total }),
            self.addresses_borrowed.to_string(),
            self.addresses_standby.to_string(),
        ]
    }
}
