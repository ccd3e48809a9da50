//! What this node knows of its own endpoints, and the datastore not yet: those that it attached, and those that it detached,
//! while the datastore was away, or was being told.
//!
//! An attached one is *pinned*: the datastore's word on its name is kept, and counts once the datastore has been told. One
//! that was detached has *departed*: it does not come back by the datastore's word. Departed are host ends, not names, as
//! the name may be another container's by now, and that one's endpoint is as good as any.

use std::collections::{BTreeMap, BTreeSet};

use datastore::{Revision, WorkloadEndpoint};
use policy::program::EndpointId;

/// What the datastore said last of a name, and when.
type Told = (Revision, Option<WorkloadEndpoint>);

/// What the datastore does not know yet.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pinned: BTreeMap<EndpointId, Option<Told>>,
    departed: BTreeSet<String>,
}

impl Noted {
    /// This endpoint is as this node says.
    pub(super) fn pin(&mut self, id: &EndpointId) {
        self.pinned.entry(id.clone()).or_default();
    }

    pub(super) fn is_pinned(&self, id: &EndpointId) -> bool {
        self.pinned.contains_key(id)
    }

    /// The datastore says this of a pinned one.
    pub(super) fn tell(&mut self, id: &EndpointId, revision: Revision, told: Option<WorkloadEndpoint>) {
        if let Some(last) = self.pinned.get_mut(id) {
            *last = Some((revision, told));
        }
    }

    /// The datastore's word counts again; and what that was last, if it came while it did not.
    pub(super) fn lift(&mut self, id: &EndpointId) -> Option<Told> {
        self.pinned.remove(id).flatten()
    }

    /// What was behind this host end is gone.
    pub(super) fn departed(&mut self, host_interface: &str) {
        self.departed.insert(host_interface.to_owned());
    }

    /// Something is behind this host end again, or the datastore knows that nothing is.
    pub(super) fn returned(&mut self, host_interface: &str) {
        self.departed.remove(host_interface);
    }

    /// Whether this is what has departed from this node.
    pub(super) fn is_departed(&self, endpoint: &WorkloadEndpoint, node: &str) -> bool {
        endpoint.node == node && self.departed.contains(&endpoint.host_interface)
    }
}
