//! Carrying out what the collector returns: read again, plan, compare and swap.
//!
//! Whoever uses an address is asked for anew first. Nothing is collected that differs from what was observed; what others
//! change meanwhile is left to a later round.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use datastore::{Error, Kind, Resource, Store, Versioned};
use ipam::audit::Facts;
use ipam::collector::{Claim, Collect};
use ipam::{Key, Record, Snapshot};
use ipnetwork::IpNetwork;

use super::{Term, facts, list};
use crate::ipam::commit::{self, Committed};
use crate::ipam::{Known, now};

/// Steps that any of them takes, with room: a claim is begun, its block rewritten, and confirmed.
const STEPS: usize = 8;

impl Term<'_> {
    /// Collects what is due by these facts.
    pub(super) async fn collect(&self, due: Vec<Collect>, facts: &Facts) -> Result<(), Error> {
        if due.is_empty() {
            return Ok(());
        }
        let users = Users::read(self.store).await?;
        if !users.nodes.is_subset(&facts.nodes) {
            // What a node holds that has just come back is not told by endpoints alone. Everything is due again.
            tracing::debug!("a node has come; nothing is collected in this round");
            return Ok(());
        }
        for collect in due {
            if !self.elector.is_leader() {
                return Ok(());
            }
            let is_collected =
                match carry_out_unless(users.want(&collect), self.store, self.known, &collect).await {
                    // Of what nobody can read, nobody knows whether it is garbage.
                    Err(Error::Unreadable { .. }) => false,
                    carried_out => carried_out?,
                };
            if is_collected {
                tracing::info!("collected {}", describe(&collect));
                self.note(|summary| match &collect {
                    Collect::Handle { addresses, .. } => {
                        summary.collected.handles += 1;
                        summary.collected.addresses += u64::try_from(addresses.len()).unwrap_or(u64::MAX);
                    }
                    Collect::Address { .. } => summary.collected.addresses += 1,
                    Collect::Unclaim(_) => summary.collected.claims += 1,
                    Collect::Finish(_) => summary.collected.finished += 1,
                });
            }
        }
        Ok(())
    }
}

/// Who uses addresses now.
#[derive(Debug, Default)]
struct Users {
    nodes: BTreeSet<String>,
    /// Container and interface of each endpoint.
    endpoints: HashSet<String>,
    addresses: HashSet<IpAddr>,
}

impl Users {
    async fn read(store: &dyn Store) -> Result<Self, Error> {
        let (items, unreadable) = list(store, &[Kind::WorkloadEndpoint, Kind::Node]).await?;
        if let Some((key, why)) = unreadable.iter().find(|(key, _)| key.kind == Kind::WorkloadEndpoint) {
            let (key, why) = (key.clone(), why.clone());
            return Err(Error::Unreadable { key, revision: datastore::Revision::default(), why });
        }
        let mut users = Self::default();
        let is_node = |resource: &Resource| matches!(resource, Resource::Node(_));
        let nodes = items.iter().filter(|(_, item)| is_node(&item.resource));
        users.nodes = nodes.map(|(key, _)| key.name.clone()).collect();
        users.nodes.extend(unreadable.into_keys().map(|key| key.name));
        for Versioned { resource, .. } in items.into_values() {
            if let Resource::WorkloadEndpoint(endpoint) = resource
                && users.nodes.contains(&endpoint.node)
            {
                users.endpoints.insert(facts::own_handle(&endpoint));
                users.addresses.extend(endpoint.addresses);
            }
        }
        Ok(users)
    }

    fn want(&self, collect: &Collect) -> bool {
        match collect {
            Collect::Handle { handle, addresses, .. } => {
                self.have(handle) || addresses.iter().any(|(address, _)| self.addresses.contains(address))
            }
            Collect::Address { handle, address, .. } => self.have(handle) || self.addresses.contains(address),
            // A claim is ended only if its block is empty, which is compared.
            Collect::Unclaim(_) | Collect::Finish(_) => false,
        }
    }

    /// Whether an endpoint has this handle, whatever network stands before its own part.
    fn have(&self, handle: &str) -> bool {
        let after_dots = handle.match_indices('.').filter_map(|(dot, _)| handle.get(dot + 1..));
        std::iter::once(handle).chain(after_dots).any(|own| self.endpoints.contains(own))
    }
}

/// The blocks that have to be read for it, as far as they are known before.
fn blocks_of(known: &Known, collect: &Collect) -> BTreeSet<IpNetwork> {
    match collect {
        Collect::Handle { addresses, .. } => {
            let state = known.read();
            let of = |(address, _): &(IpAddr, u64)| Some(state.index.block_of(*address)?.value.cidr());
            addresses.iter().filter_map(of).collect()
        }
        Collect::Address { block, .. } => [*block].into(),
        Collect::Unclaim(claim) | Collect::Finish(claim) => [claim.cidr].into(),
    }
}

async fn carry_out_unless(
    is_wanted: bool,
    store: &dyn Store,
    known: &Known,
    collect: &Collect,
) -> Result<bool, Error> {
    if is_wanted { Ok(false) } else { carry_out(store, known, collect).await }
}

/// Does it; false if it is not what was observed any more.
async fn carry_out(store: &dyn Store, known: &Known, collect: &Collect) -> Result<bool, Error> {
    let mut snapshot = read(store, known, collect).await?;
    let Ok(mut writes) = collect.plan(&snapshot, now()) else { return Ok(false) };
    let mut has_written = false;
    for _ in 0..STEPS {
        if writes.is_empty() {
            return Ok(has_written);
        }
        match commit::commit(store, &writes).await {
            Committed::All(revisions) => {
                for (write, revision) in writes.iter().zip(revisions) {
                    snapshot.apply(write, revision);
                    known.wrote(&write.key, write.value.as_ref(), revision.into());
                }
                has_written = true;
            }
            Committed::UpTo { error: Error::Conflict { .. }, .. } => return Ok(false),
            Committed::UpTo { error, .. } | Committed::Unknown(error) => return Err(error),
        }
        let Ok(next) = collect.next(&snapshot, now()) else { return Ok(has_written) };
        writes = next;
    }
    Ok(has_written)
}

/// What the plan needs, in the order in which it must be read: what names blocks before the blocks.
async fn read(store: &dyn Store, known: &Known, collect: &Collect) -> Result<Snapshot, Error> {
    let mut snapshot = Snapshot::default();
    let configuration =
        store.get(&datastore::Key::global(Kind::IpamConfiguration, ipam::configuration::NAME)).await?;
    if let Some(Resource::IpamConfiguration(found)) = configuration.map(|found| found.resource) {
        snapshot.set_configuration(*found);
    }
    let mut blocks = blocks_of(known, collect);
    let first = match collect {
        Collect::Handle { handle, .. } | Collect::Address { handle, .. } => Key::Handle(handle.clone()),
        Collect::Unclaim(Claim { node, cidr, .. }) | Collect::Finish(Claim { node, cidr, .. }) => {
            Key::Affinity(node.clone(), *cidr)
        }
    };
    if let Some((record, revision)) = commit::read(store, &first).await? {
        if let Record::Handle(handle) = &record {
            blocks.extend(handle.blocks.keys());
        }
        snapshot.put(record, revision);
    }
    for cidr in blocks {
        if let Some((record, revision)) = commit::read(store, &Key::Block(cidr)).await? {
            snapshot.put(record, revision);
        }
    }
    Ok(snapshot)
}

fn describe(collect: &Collect) -> String {
    match collect {
        Collect::Handle { handle, addresses, .. } if addresses.is_empty() => {
            format!("handle {handle}, which held nothing and which nobody uses")
        }
        Collect::Handle { handle, addresses, .. } => {
            let addresses: Vec<String> = addresses.iter().map(|(address, _)| address.to_string()).collect();
            format!("handle {handle} with {}, which nobody uses", addresses.join(", "))
        }
        Collect::Address { address, handle, .. } => {
            format!("{address}, which nobody uses, of handle {handle}, which has no record")
        }
        Collect::Unclaim(Claim { node, cidr, .. }) => {
            format!("block {cidr}, empty and of no use to {node}")
        }
        Collect::Finish(Claim { node, cidr, .. }) => {
            format!("the half-made claim of {node} to block {cidr}, by finishing it")
        }
    }
}
