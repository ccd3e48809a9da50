//! Typed resources and one trait over them, with one contract test for every backend.
//!
//! A backend holds a map from [`Key`] to [`Resource`], where every write gets the next [`Revision`] of the whole
//! store. Writers compare and swap; readers list once and then watch from the revision of the listing. A watcher
//! is told what *is*, never what happened: `(Key, Option<Versioned>)`, so that coalesced or repeated changes do no harm.






use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;

/// What kinds of resources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Pod.
    Pod,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `fabric.rs/v1` IPPool.
    IpPool,
    /// `fabric.rs/v1` IPAMBlock.
    IpamBlock,
    /// `fabric.rs/v1` BlockAffinity.
    BlockAffinity,
    /// `fabric.rs/v1` IPAMHandle.
    IpamHandle,
    /// `fabric.rs/v1` WorkloadEndpoint.
    WorkloadEndpoint,
}

/// Name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Empty for kinds that have no namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Counts the writes of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A resource as stored.
#[derive(Debug, Clone)]
pub struct Versioned {
    /// Revision of its last write.
    pub revision: Revision,
    /// The value.
    pub resource: Resource,
}

/// What must hold for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// There is no such resource.
    Absent,
    /// The resource was last written at this revision.
    Unchanged(Revision),
}

/// What a watcher is told: this key now has this value, or none.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose value.
    pub key: Key,
    /// The value; `None` if it is gone.
    pub value: Option<Versioned>,
    /// The store's revision that this change brings the watcher to.
    pub revision: Revision,
}

// The trait, as the agent uses it (`Arc<dyn Store>`):
//   fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>>;
//   fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Listing, Error>>;           Listing { revision, items: BTreeMap<Key, Versioned> }
//   fn put(&self, resource: Resource, precondition) -> BoxFuture<'_, Result<Revision, Error>>;
//   fn delete(&self, key: &Key, precondition) -> BoxFuture<'_, Result<(), Error>>;
//   fn watch(&self, from: Revision) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>>;

/// Any resource. (IPAM's and the endpoint's variants follow with their types.)
#[derive(Debug, Clone)]
pub enum Resource {
    /// `v1` Namespace.
    Namespace(Box<Namespace>),
    /// `v1` Pod.
    Pod(Box<Pod>),
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// `fabric.rs/v1` WorkloadEndpoint.
    WorkloadEndpoint(Box<WorkloadEndpoint>),
}

/// A pod's attachment to the fabric, written by the agent of its node: `namespace/name` is the pod's (for a
/// container that is no pod: `default/<container id>`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadEndpoint {
    /// The pod's Kubernetes namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The node that it runs on.
    pub node: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_IFNAME.
    pub interface: String,
    /// Host end of its link.
    pub host_interface: String,
    /// MAC of its own end, `aa:bb:cc:dd:ee:ff`.
    pub mac: String,
    /// Its addresses, at most one per family.
    pub addresses: Vec<std::net::IpAddr>,
    /// Labels from the CNI call; those of a Pod object take precedence.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Path of its network namespace when it was attached.
    pub netns: String,
}
