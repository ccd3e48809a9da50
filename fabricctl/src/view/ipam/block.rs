//! A block, and how full it is.

use proto::v1;
use serde::Serialize;

use crate::output::quantity::{Usage, render_usage};

/// Column heads for [`Block::row`].
pub(super) const HEADERS: [&str; 8] =
    ["BLOCK", "POOL", "NODE", "AFFINITY", "ADDRESSES", "USAGE", "BORROWED", "COOLING"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Block {
    cidr: String,
    node: String,
    pool: String,
    affinity_state: String,
    addresses_total: u64,
    addresses_used: u64,
    /// Of those used, by other nodes.
    addresses_borrowed: u64,
    addresses_cooling: u64,
}

impl From<v1::Block> for Block {
    fn from(message: v1::Block) -> Self {
        let v1::Block {
            cidr,
            node,
            pool,
            affinity_state,
            addresses_total,
            addresses_used,
            addresses_borrowed,
            addresses_cooling,
        } = message;
        Self {
            cidr,
            node,
            pool,
            affinity_state,
            addresses_total,
            addresses_used,
            addresses_borrowed,
            addresses_cooling,
        }
    }
}

impl Block {
    pub(super) fn row(&self) -> Vec<String> {
        let usage = Usage {
            used: self.addresses_used,
            reserved: "0",
            cooling: self.addresses_cooling,
            total: &self.addresses_total.to_string(),
        };
        vec![
            self.cidr.clone(),
            self.pool.clone(),
            self.node.clone(),
            self.affinity_state.clone(),
            format!("{}/{}", self.addresses_used, self.addresses_total),
            render_usage(usage),
            self.addresses_borrowed.to_string(),
            self.addresses_cooling.to_string(),
        ]
    }
}
