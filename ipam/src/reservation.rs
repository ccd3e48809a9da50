//! Addresses that nobody is to be given, although a pool holds them.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// Prefixes that are kept out of assignment: routers, gateways, what was configured by hand. What is in use there already
/// stays in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reservation {
    /// Its name; in a manifest, that of the metadata.
    #[serde(skip)]
    pub name: String,
    /// The prefixes; a single address may be written without its length.
    #[serde(rename = "reservedCIDRs")]
    pub reserved_cidrs: Vec<IpNetwork>,
}
