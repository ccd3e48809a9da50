//! Which pools serve a request, and why the others do not.

use std::collections::BTreeMap;
use std::fmt;

use ipnetwork::IpNetwork;
use selector::Selector;

use super::error::AssignError;
use super::request::Request;
use crate::family::Family;
use crate::pool::{self, AssignmentMode, Pool};
use crate::purpose::Use;
use crate::snapshot::Snapshot;

/// Why a pool does not serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// It is disabled.
    Disabled,
    /// It is being deleted.
    Deleting,
    /// It is manual, and neither itself nor one of its addresses was asked for.
    Manual,
    /// It is stored with a prefix or block size that cannot be.
    Broken {
        /// Its block size.
        block_size: u8,
    },
    /// It shares addresses with another pool, whose name is less.
    Overlapped {
        /// The other.
        other: String,
        /// The other's prefix.
        cidr: IpNetwork,
    },
    /// It is for other uses.
    Use {
        /// What the address is for.
        asked: Use,
        /// What the pool is for.
        allowed: Vec<Use>,
    },
    /// It is for other nodes.
    Node {
        /// Its selector.
        selector: Selector,
        /// The node.
        node: String,
    },
    /// It is for other namespaces.
    Namespace {
        /// Its selector.
        selector: Selector,
        /// The namespace; empty for what is in none.
        namespace: String,
    },
    /// Others were asked for, by name.
    NotAsked {
        /// Those.
        asked: Vec<String>,
    },
}

impl fmt::Display for WhyNot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => formatter.write_str("is disabled"),
            Self::Deleting => formatter.write_str("is being deleted"),
            Self::Manual => formatter.write_str("is manual, and must be asked for by name"),
            Self::Broken { block_size } => {
                write!(formatter, "cannot be cut into blocks of /{block_size}; delete it and apply it anew")
            }
            Self::Overlapped { other, cidr } => {
                write!(formatter, "overlaps pool {other} ({cidr}); delete one of the two")
            }
            Self::Use { asked, allowed } => {
                let allowed: Vec<&str> = allowed.iter().map(|usage| usage.name()).collect();
                write!(formatter, "is for {} (allowedUses), not for {asked}", allowed.join(" and "))
            }
            Self::Node { selector, node } => {
                write!(formatter, "has a nodeSelector `{selector}` that does not select node {node}")
            }
            Self::Namespace { selector, namespace } if namespace.is_empty() => {
                write!(
                    formatter,
                    "has a namespaceSelector `{selector}` that does not select what is in no namespace"
                )
            }
            Self::Namespace { selector, namespace } => {
                write!(
                    formatter,
                    "has a namespaceSelector `{selector}` that does not select namespace {namespace}"
                )
            }
            Self::NotAsked { asked } => {
                write!(formatter, "is not among the pools asked for ({})", asked.join(", "))
            }
        }
    }
}

/// A pool that does not serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The pool.
    pub pool: String,
    /// Why.
    pub why: WhyNot,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "pool {} {}", self.pool, self.why)
    }
}

/// The pools of one family, for one request.
pub(super) struct Pools<'a> {
    /// Those that serve it: in the order asked for, else by name.
    pub(super) serving: Vec<&'a Pool>,
    /// Those that do not.
    pub(super) passed_over: Vec<PassedOver>,
}

/// The pools that may serve `request`.
pub(super) fn select<'a>(
    snapshot: &'a Snapshot,
    request: &Request,
    family: Family,
) -> Result<Pools<'a>, AssignError> {
    let candidates: Vec<&Pool> = if request.pools.is_empty() {
        snapshot.pools().collect()
    } else {
        let named = request.pools.iter().map(|name| {
            let known = || snapshot.pools().map(|pool| pool.name.clone()).collect();
            snapshot.pool(name).ok_or_else(|| AssignError::UnknownPool { pool: name.clone(), known: known() })
        });
        named.collect::<Result<_, _>>()?
    };
    let mut pools = Pools { serving: Vec::new(), passed_over: Vec::new() };
    for pool in candidates.into_iter().filter(|pool| pool.family() == family) {
        let is_manual = pool.assignment_mode == AssignmentMode::Manual && request.pools.is_empty();
        let why = why_not(snapshot, pool, request).or_else(|| is_manual.then_some(WhyNot::Manual));
        match why {
            Some(why) => pools.passed_over.push(PassedOver { pool: pool.name.clone(), why }),
            None => pools.serving.push(pool),
        }
    }
    Ok(pools)
}

/// Why the pool does not serve the request, were it named there or automatic.
pub(super) fn why_not(snapshot: &Snapshot, pool: &Pool, request: &Request) -> Option<WhyNot> {
    let of_pool = || why_not_anyone(snapshot, pool);
    let of_use = || {
        (!pool.allowed_uses.contains(&request.usage)).then(|| WhyNot::Use {
            asked: request.usage,
            allowed: pool.allowed_uses.iter().copied().collect(),
        })
    };
    let of_node = || {
        // Services are on no node.
        let is_node = request.usage != Use::LoadBalancer;
        is_node.then(|| why_not_node(pool, &request.node, &request.node_labels)).flatten()
    };
    let of_namespace = || {
        let selector = pool.namespace_selector.as_ref()?;
        let namespace = request.attributes.namespace.clone();
        (!selector.matches(&request.namespace_labels))
            .then(|| WhyNot::Namespace { selector: selector.clone(), namespace })
    };
    of_pool().or_else(of_use).or_else(of_node).or_else(of_namespace)
}

/// Why the pool does not serve anyone.
pub(super) fn why_not_anyone(snapshot: &Snapshot, pool: &Pool) -> Option<WhyNot> {
    let (cidr, block_size) = (pool.cidr, pool.block_size);
    if pool.deleting {
        Some(WhyNot::Deleting)
    } else if pool.disabled {
        Some(WhyNot::Disabled)
    } else if let Some(other) = snapshot.overlapped_by(&pool.name) {
        Some(WhyNot::Overlapped { other: other.name.clone(), cidr: other.cidr })
    } else {
        let fits = pool::block_sizes(pool.family()).contains(&block_size) && cidr.prefix() <= block_size;
        (!fits || cidr.ip() != cidr.network()).then_some(WhyNot::Broken { block_size })
    }
}

/// Why the pool does not serve this node.
pub(super) fn why_not_node(pool: &Pool, node: &str, labels: &BTreeMap<String, String>) -> Option<WhyNot> {
    let selector = pool.node_selector.as_ref()?;
    let node = node.to_owned();
    (!selector.matches(labels)).then(|| WhyNot::Node { selector: selector.clone(), node })
}

/// The pools of a family out of which this node's pods get addresses unasked, in groups that stand in for each other: those
/// for the same namespaces.
pub(super) fn workload_groups<'a>(
    snapshot: &'a Snapshot,
    node: &str,
    node_labels: &BTreeMap<String, String>,
    family: Family,
) -> Vec<Vec<&'a Pool>> {
    let mut groups: BTreeMap<Option<&Selector>, Vec<&Pool>> = BTreeMap::new();
    for pool in snapshot.pools().filter(|pool| pool.family() == family) {
        let serves = pool.assignment_mode == AssignmentMode::Automatic
            && pool.allowed_uses.contains(&Use::Workload)
            && why_not_anyone(snapshot, pool).is_none()
            && why_not_node(pool, node, node_labels).is_none();
        if serves {
            groups.entry(pool.namespace_selector.as_ref()).or_default().push(pool);
        }
    }
    groups.into_values().collect()
}
