//! Who holds addresses, and in which blocks to look for them.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// The holder of addresses, usually one interface of one container, and the blocks in which to look for them.
///
/// An upper bound: an attempt that failed leaves a block named in which nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handle {
    /// Unique in the store.
    pub id: String,
    /// Block → how many addresses of it.
    pub blocks: BTreeMap<IpNetwork, u32>,
}
