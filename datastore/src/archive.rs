//! What is in a store as text, and text into a store: backups, and the way from one backend to another.
//!
//! ```text
//! {"fabricExport":1,"revision":4711,"counts":{"IPPool":1,"Namespace":1}}
//! {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}
//! {"apiVersion":"fabric.rs/v1","kind":"IPPool","metadata":{"name":"default"},"spec":{"cidr":"10.0.0.0/16"}}
//! ```
//!
//! A header, and then one manifest a line, sorted by kind, namespace and name, all as they were at one moment: two
//! exports of the same differ in the header's revision only. An archive is read as a whole and found good before
//! anything is written; the counts tell when its end is missing.
//!
//! Importing ([`import`]) creates what is missing, and leaves alone what is there already and the same. What is
//! there and different is replaced only if that was asked for; nothing is ever deleted. Everything is written with
//! preconditions, in an order ([`KINDS`]) in which it may stop anywhere: what policies refer to before them, policies
//! before whom they protect, pods before the addresses that are collected without them, handles before the blocks that name them, and pools, out of
//! which addresses are given, last. An import that was interrupted is simply repeated. Replacing what running agents
//! use is not made safe by this; stop them first.
//!
//! Left out are leases, which say who leads *there*, and of the metadata of Kubernetes what holds in one cluster only:
//! revisions, times, and the identities of objects and their owners.

mod lines;
mod transfer;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::Revision;

pub use lines::Problem;
pub use transfer::{Difference, ImportError, Progress, compare, export, import};

/// What is exported and imported, in the order in which it is written.
pub const KINDS: [Kind; 23] = [
    Kind::Namespace,
    Kind::Node,
    Kind::ServiceAccount,
    Kind::NetworkSet,
    Kind::GlobalNetworkSet,
    Kind::EndpointSlice,
    Kind::Tier,
    Kind::ClusterNetworkPolicy,
    Kind::NetworkPolicy,
    Kind::FabricNetworkPolicy,
    Kind::GlobalNetworkPolicy,
    Kind::StagedNetworkPolicy,
    Kind::StagedGlobalNetworkPolicy,
    Kind::StagedKubernetesNetworkPolicy,
    Kind::HostEndpoint,
    Kind::Pod,
    Kind::WorkloadEndpoint,
    Kind::IpamConfiguration,
    Kind::IpReservation,
    Kind::IpamHandle,
    Kind::BlockAffinity,
    Kind::IpamBlock,
    Kind::IpPool,
];

/// The content of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// When it was so, as the store counted that was exported.
    revision: Revision,
    /// The resources, ascending by key.
    resources: Vec<Resource>,
}

impl Archive {
    /// Of these resources; of those with the same key, the last.
    #[must_use]
    pub fn new(revision: Revision, resources: impl IntoIterator<Item = Resource>) -> Self {
        let sorted: std::collections::BTreeMap<Key, Resource> =
            resources.into_iter().map(portable).map(|resource| (resource.key(), resource)).collect();
        Self { revision, resources: sorted.into_values().collect() }
    }

    /// The revision of the store at the moment of the export.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What is in it, ascending by key.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Its lines, without their ends.
    ///
    /// # Errors
    /// [`Error::Refused`], in practice never: all resources can be written as JSON.
    pub fn lines(&self) -> impl Iterator<Item = Result<String, Error>> {
        lines::encode(self)
    }

    /// Reads an archive's lines, whole and checked. Empty lines are passed over.
    ///
    /// # Errors
    /// Everything that is wrong, by line.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<Problem>> {
        lines::decode(lines)
    }
}

/// Without what holds in one cluster only.
fn portable(mut resource: Resource) -> Resource {
    let Some(metadata) = resource.metadata_mut() else { return resource };
    metadata.creation_timestamp = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    metadata.owner_references = None;
    metadata.resource_version = None;
    metadata.self_link = None;
    metadata.uid = None;
    resource
}

#[cfg(test)]
mod tests;
