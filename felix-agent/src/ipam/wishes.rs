//! From what somebody asks the allocator to what the planner is asked: what the datastore says of node and namespace is
//! filled in, and which families there are. Pure.

use std::collections::BTreeMap;

use ipam::plan::{self, Wanted};
use ipam::{AssignmentMode, Attributes, Family, Handle, LOAD_BALANCER_NODE, Pool, Timestamp, Use};

use super::Request;
use super::known::State;

/// What the planner is asked, given what the handle has been promised already.
pub(super) fn planned(
    request: &Request,
    promised: Option<&Handle>,
    state: &State,
    now: Timestamp,
) -> plan::Request {
    let Request { handle, attributes, wanted, every_family, pools, usage, container } = request.clone();
    let node = state.node().to_owned();
    let namespace_labels = if attributes.namespace.is_empty() {
        BTreeMap::new()
    } else {
        state.labels_of_namespace(&attributes.namespace)
    };
    // A service's address is no node's, and outlives the one whose agent was asked.
    let user = if usage == Use::LoadBalancer { LOAD_BALANCER_NODE } else { &node };
    let attributes = Attributes { node: user.to_owned(), ..attributes };
    let mut planned = plan::Request {
        node_labels: state.labels_of_node(&node),
        namespace_labels,
        handle,
        attributes,
        wanted,
        pools,
        usage,
        // No endpoint of the pod is known: whoever collects what it holds has to hear of it.
        rewrite: container.is_some(),
        now,
        node,
    };
    if every_family {
        match promised {
            // Pools that came since are not for who has its addresses.
            Some(handle) => add_families(&mut planned, |family| {
                handle.blocks.iter().any(|(cidr, count)| *count > 0 && Family::of_network(cidr) == family)
            }),
            None => {
                let asked = planned.clone();
                add_families(&mut planned, |family| {
                    state.index.pools().any(|pool| pool.family() == family && serves(pool, &asked))
                });
            }
        }
    }
    planned
}

/// One address of each family that is to be and is not wanted already.
fn add_families(request: &mut plan::Request, is_to_be: impl Fn(Family) -> bool) {
    for family in [Family::V4, Family::V6] {
        if !request.wanted.iter().any(|wanted| wanted.family() == family) && is_to_be(family) {
            request.wanted.push(Wanted::Any(family));
        }
    }
    if request.wanted.is_empty() {
        // Let the planner say what is missing.
        request.wanted.push(Wanted::Any(Family::V4));
    }
}

/// Whether a pool is there for this request at all; how full it is does not matter.
fn serves(pool: &Pool, request: &plan::Request) -> bool {
    let selects = |selector: &Option<selector::Selector>, labels| {
        selector.as_ref().is_none_or(|selector| selector.matches(labels))
    };
    let is_asked_for = if request.pools.is_empty() {
        pool.assignment_mode == AssignmentMode::Automatic
    } else {
        request.pools.contains(&pool.name)
    };
    is_asked_for
        && !pool.disabled
        && !pool.deleting
        && pool.allowed_uses.contains(&request.usage)
        && selects(&pool.node_selector, &request.node_labels)
        && selects(&pool.namespace_selector, &request.namespace_labels)
}
