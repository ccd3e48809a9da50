//! `fabric.rs/v1` NetworkSet and GlobalNetworkSet: networks with labels, which rules select like pods.

use serde::{Deserialize, Serialize};

use super::{Object, Rest};

/// `fabric.rs/v1` NetworkSet, of a namespace.
pub type NetworkSet = Object<NetworkSetSpec>;
/// `fabric.rs/v1` GlobalNetworkSet, of none.
pub type GlobalNetworkSet = Object<NetworkSetSpec>;

/// What a set says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSetSpec {
    /// Networks like `10.0.0.0/8`, or addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<String>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl NetworkSetSpec {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["nets"];
}
