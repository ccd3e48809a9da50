//! Filters as they are written in the file: rules of `match`, `set` and `then`.
//!
//! Everything under one `match` has to hold; of a list, one member. `not` holds the conditions of which none may hold.

use ::bgp::filter::{AsPathPattern, CommunityPattern, PrefixPattern};
use ipnetwork::IpNetwork;
use serde::Deserialize;

use super::value::{Med, SetNextHop, Text};

pub mod community;

use community::AnyCommunity;

/// A list of rules, tried in order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What becomes of a route that no rule decides on: `reject` unless said otherwise.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// Conditions, then actions, then where to go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// What has to hold; everything does without it.
    #[serde(rename = "match", default)]
    pub conditions: Match,
    /// What is changed.
    #[serde(default)]
    pub set: Set,
    /// `accept`, `reject`, or `continue` with the next rule.
    pub then: Then,
}

/// What becomes of a route after a rule that applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
    /// The next rule sees it, changed.
    Continue,
}

/// What becomes of a route that no rule decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// It passes.
    Accept,
    /// It does not.
    #[default]
    Reject,
}

/// What has to hold of a route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    /// `10.0.0.0/8` for itself, `10.0.0.0/8 ge 16 le 24` for what lies inside with such a length.
    pub prefixes: Option<Vec<Text<PrefixPattern>>>,
    /// A regular expression over the path as text; `_` is a boundary between numbers.
    pub as_path: Option<Text<AsPathPattern>>,
    /// As the decision process counts it.
    pub as_path_length: Option<Range>,
    /// One of these is in the path.
    pub as_path_contains: Option<Vec<u32>>,
    /// One of these originated it.
    #[serde(rename = "originAS")]
    pub origin_as: Option<Vec<u32>>,
    /// One of these is the neighbouring AS.
    #[serde(rename = "neighbourAS")]
    pub neighbour_as: Option<Vec<u32>>,
    /// One of these is there, of any kind: `65001:*`, `65001:1:*`, `rt:65001:*`.
    pub communities: Option<Vec<Text<CommunityPattern>>>,
    /// Where it comes from.
    pub source: Option<Vec<Source>>,
    /// The next hop lies in one of these.
    pub next_hop: Option<Vec<IpNetwork>>,
    /// ORIGIN is one of these.
    pub origin: Option<Vec<Origin>>,
    /// A missing one is 0.
    pub med: Option<Range>,
    /// A missing one is 100.
    pub local_preference: Option<Range>,
    /// None of these conditions may hold.
    pub not: Option<Box<Match>>,
}

/// Numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Range {
    /// 0 if not given.
    pub min: u32,
    /// No end if not given.
    pub max: Option<u32>,
}

/// Where a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A block of pod addresses of this node.
    Block,
    /// This node's own address.
    Node,
    /// A service.
    Service,
    /// A summary.
    Aggregate,
    /// A peer.
    Learned,
}

/// RFC 4271 §5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Interior.
    Igp,
    /// By EGP.
    Egp,
    /// Otherwise.
    Incomplete,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Set {
    /// LOCAL_PREF.
    pub local_preference: Option<u32>,
    /// MED; `none` removes it.
    pub med: Option<Med>,
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// All of every kind are removed, then these are added.
    pub replace_communities: Option<Vec<Text<AnyCommunity>>>,
    /// Those that match one of these are removed.
    pub remove_communities: Option<Vec<Text<CommunityPattern>>>,
    /// Those of these that are not there are added.
    pub add_communities: Option<Vec<Text<AnyCommunity>>>,
    /// An AS in front of the path.
    pub prepend: Option<Prepend>,
    /// An address, `self` or `unchanged`.
    pub next_hop: Option<SetNextHop>,
}

/// An AS in front of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prepend {
    /// Which; this node's own if not given.
    #[serde(rename = "as", default)]
    pub asn: Option<u32>,
    /// So many times.
    #[serde(default = "once")]
    pub times: u8,
}

fn once() -> u8 {
    1
}
