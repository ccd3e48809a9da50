//! `fabric.v1.Cni`: attaches and detaches pods.
//!
//! ADD: address → link with its host end closed → endpoint in the datastore → policy, link open, routes (the loop) →
//! reply. A step that fails undoes the ones before it, so that the runtime's next try starts clean; a crash in
//! between is undone by the DEL that the runtime owes. DEL is the reverse, and before the address is free the kernel forgets
//! its connections: whoever gets it next must not find them let pass. Both are idempotent: address and link are found again
//! by names that follow from container and interface.
//!
//! While the datastore is away, what would be written there is noted in the journal ([`crate::ipam::journal`]), and counts as
//! written; as soon as it is back, it is (`settle`).

mod answer;
mod attachment;
mod note;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::ipam::Attributes;
use ::ipam::plan::Wanted;
use datastore::{Key, Precondition, Resource, Revision, Store, WorkloadEndpoint};
use policy::program::EndpointId;
use proto::v1;
use proto::v1::cni_server::Cni;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tonic::{Code, Request, Response, Status};

use super::failure::addresses as address_error;
use crate::agent::{Event, Handle};
use crate::cni::{self, AttachRequest, Attached};
use crate::dataplane::conntrack::Conntrack;
use crate::dataplane::netlink::Netlink;
use crate::inputs::Inputs;
use crate::ipam::{self, Allocator, Journal, Known};
use answer::{link_error, mac_text, reply};
use attachment::{Attachment, requested};

/// How long the kernel may take to take an endpoint in or let it go; the runtime tries again.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a call waits for the datastore to be read when the agent has just started.
const LISTED_TIMEOUT: Duration = Duration::from_secs(10);

/// The service. What it has begun it ends, even if the caller goes away meanwhile.
pub struct Service(Arc<Attacher>);

/// Attaches and detaches.
struct Attacher {
    agent: Handle,
    store: Arc<dyn Store>,
    allocator: Arc<Allocator>,
    known: Known,
    netlink: Netlink,
    node: String,
    journal: Journal,
    /// Whether anything is to be noted there.
    notes: bool,
    /// One call at a time for each container; a runtime may repeat an ADD that it gave up on.
    busy: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
    /// Endpoints that may have been written, or not, by host end.
    unsure: Mutex<BTreeMap<String, Key>>,
}

fn endpoint_key(endpoint: &EndpointId) -> Key {
    Key::namespaced(datastore::Kind::WorkloadEndpoint, &endpoint.namespace, &endpoint.name)
}

/// What the service works with.
pub(super) struct Parts {
    pub(super) agent: Handle,
    pub(super) store: Arc<dyn Store>,
    pub(super) allocator: Arc<Allocator>,
    pub(super) known: Known,
    pub(super) netlink: Netlink,
    pub(super) node: String,
    pub(super) journal: Journal,
    /// Whether anything is to be noted in the journal; what is there already is settled in any case.
    pub(super) notes: bool,
}

impl Service {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { agent, store, allocator, known, netlink, node, journal, notes } = parts;
        let (busy, unsure) = (Mutex::default(), Mutex::default());
        let attacher = Arc::new(Attacher {
            agent,
            store,
            allocator,
            known,
            netlink,
            node,
            journal,
            notes,
            busy,
            unsure,
        });
        tokio::spawn(settle::keep_settling(Arc::downgrade(&attacher)));
        Self(attacher)
    }
}

impl Attacher {
    async fn attach(&self, request: v1::CniAddRequest) -> Result<v1::CniAddResponse, Status> {
        let attachment = Attachment::of_request(&request)?;
        self.listed().await?;
        let _turn = self.turn(&attachment.container_id).await;
        self.refuse_second_interface(&attachment).await?;
        self.end_former_life(&attachment).await?;
        // A repeated ADD keeps the addresses, and one that fails leaves the pod as it was. A first one leaves nothing.
        let known = self.endpoints_of(&attachment).await?.into_iter().next();
        let addresses = match &known {
            Some((_, workload)) => workload.addresses.clone(),
            None => self.assign(&attachment, &request).await?,
        };
        let result = self.attach_with(&attachment, &request, addresses).await;
        if known.is_none() && result.is_err() {
            self.undo(&attachment).await;
        }
        result
    }

    /// Waits until the loop knows what the datastore holds: before, it cannot tell a repeated call from a first one.
    async fn listed(&self) -> Result<(), Status> {
        let mut status = self.agent.watch_status();
        let listed = tokio::time::timeout(LISTED_TIMEOUT, status.wait_for(|status| status.listed)).await;
        match listed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(super::stopped(error)),
            Err(_) => Err(Status::unavailable(self.agent.status().problems.join("; "))),
        }
    }

    /// An endpoint is known by its pod's name, so a pod has one interface here.
    async fn refuse_second_interface(&self, attachment: &Attachment) -> Result<(), Status> {
        let id = attachment.endpoint.clone();
        let known =
            self.agent.ask(move |inputs| inputs.workloads.get(&id).cloned()).await.map_err(super::stopped)?;
        match known {
            Some(known)
                if known.container_id == attachment.container_id
                    && known.interface != attachment.interface =>
            {
                Err(Status::already_exists(format!(
                    "{} is attached as {} already; a second interface of one pod is not supported",
                    attachment.endpoint, known.interface
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Waits until no other call is about the same container.
    async fn turn(&self, container_id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().await;
            // What nobody else holds is not busy.
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(container_id.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    async fn attach_with(
        &self,
        attachment: &Attachment,
        request: &v1::CniAddRequest,
        addresses: Vec<IpAddr>,
    ) -> Result<v1::CniAddResponse, Status> {
        let link = AttachRequest {
            netns: PathBuf::from(&request.netns),
            interface: attachment.interface.clone(),
            host_interface: attachment.host_interface.clone(),
            addresses: addresses.clone(),
            mtu: self.mtu(request.mtu).await?,
        };
        let link = cni::attach(&self.netlink, &link).await.map_err(|error| link_error(&error))?;
        let workload = self.workload(attachment, request, &addresses, &link);
        let written = self.write(attachment, &workload).await?;
        self.program(workload, written).await?;
        Ok(reply(attachment, &addresses, &link))
    }

    /// Writes it, or notes that it has to be written: then there is no revision.
    async fn write(
        &self,
        attachment: &Attachment,
        workload: &WorkloadEndpoint,
    ) -> Result<Option<Revision>, Status> {
        if self.is_noted(attachment) || self.does_without() {
            return self.note_endpoint(attachment, workload).await.map(|()| None);
        }
        // Of two containers of one pod this is the newer.
        let superseded = self.journal.supersede(&attachment.endpoint, &attachment.handle).await;
        superseded.map_err(|error| note::failure(&error))?;
        let resource = Resource::WorkloadEndpoint(Box::new(workload.clone()));
        match self.store.put(resource, Precondition::None).await {
            Ok(written) => Ok(Some(written)),
            Err(datastore::Error::Unavailable(why)) if self.notes => {
                self.known.lost(&why);
                self.note_endpoint(attachment, workload).await.map(|()| None)
            }
            Err(error) => {
                let key = endpoint_key(&attachment.endpoint);
                self.unsure.lock().await.insert(attachment.host_interface.clone(), key);
                Err(super::datastore_error(&error))
            }
        }
    }

    /// As asked, else what every uplink carries: any of them may carry any pod's packets.
    async fn mtu(&self, asked: u32) -> Result<Option<u32>, Status> {
        if asked != 0 {
            return Ok(Some(asked));
        }
        let smallest = |inputs: &Inputs| inputs.uplinks.values().map(|uplink| uplink.mtu).min();
        self.agent.ask(smallest).await.map_err(super::stopped)
    }

    async fn assign(
        &self,
        attachment: &Attachment,
        request: &v1::CniAddRequest,
    ) -> Result<Vec<IpAddr>, Status> {
        let requested = requested(&request.requested_addresses)?;
        let request = ipam::Request {
            handle: attachment.handle.clone(),
            attributes: Attributes {
                node: self.node.clone(),
                namespace: request.pod_namespace.clone(),
                pod: request.pod_name.clone(),
                interface: attachment.interface.clone(),
            },
            wanted: requested.into_iter().map(Wanted::Address).collect(),
            every_family: true,
            container: Some(attachment.container_id.clone()),
            ..ipam::Request::default()
        };
        self.allocator.assign(request).await.map_err(|error| address_error(&error))
    }

    fn workload(
        &self,
        attachment: &Attachment,
        request: &v1::CniAddRequest,
        addresses: &[IpAddr],
        link: &Attached,
    ) -> WorkloadEndpoint {
        WorkloadEndpoint {
            namespace: attachment.endpoint.namespace.clone(),
            name: attachment.endpoint.name.clone(),
            node: self.node.clone(),
            container_id: attachment.container_id.clone(),
            interface: attachment.interface.clone(),
            host_interface: attachment.host_interface.clone(),
            mac: mac_text(link.container_mac),
            addresses: addresses.to_vec(),
            labels: request.labels.clone().into_iter().collect(),
            netns: request.netns.clone(),
        }
    }

    /// Waits until policy, link and routes are in the kernel.
    async fn program(&self, workload: WorkloadEndpoint, written: Option<Revision>) -> Result<(), Status> {
        let (reply, done) = oneshot::channel();
        let id = workload.id();
        let event = Event::Program { workload: Box::new(workload), written, reply };
        self.agent.send(event).await.map_err(super::stopped)?;
        match tokio::time::timeout(PROGRAM_TIMEOUT, done).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(missing))) => {
                Err(Status::unavailable(format!("the pod could not be programmed: {missing}")))
            }
            Ok(Err(_)) => Err(Status::unavailable("the agent is stopping")),
            Err(_) => {
                let missing = self.agent.status().endpoints.get(&id).cloned().flatten();
                let missing = missing.unwrap_or_else(|| "no pass was made".to_owned());
                Err(Status::unavailable(format!("the pod was not programmed in time: {missing}")))
            }
        }
    }

    async fn detach(&self, request: v1::CniDelRequest) -> Result<(), Status> {
        let attachment = request.attachment.ok_or_else(|| Status::invalid_argument("attachment: missing"))?;
        let attachment = Attachment::new(attachment, None)?;
        self.listed().await?;
        let _turn = self.turn(&attachment.container_id).await;
        self.remove(&attachment).await
    }

    async fn remove(&self, attachment: &Attachment) -> Result<(), Status> {
        let mut written = self.written(attachment).await;
        let mut addresses = BTreeSet::new();
        for (endpoint, workload) in self.endpoints_of(attachment).await? {
            written.insert(endpoint_key(&endpoint));
            let (reply, done) = oneshot::channel();
            let WorkloadEndpoint { container_id, host_interface, addresses: of_workload, .. } = workload;
            addresses.extend(of_workload);
            let event = Event::Withdraw { endpoint, container_id, host_interface, reply };
            self.agent.send(event).await.map_err(super::stopped)?;
            // What is not done in time is left to the runtime's next DEL.
            match tokio::time::timeout(PROGRAM_TIMEOUT, done).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Status::unavailable("the agent is stopping")),
                Err(_) => return Err(Status::unavailable("the kernel does not let the pod go")),
            }
        }
        cni::detach(&self.netlink, &attachment.host_interface).await.map_err(|error| link_error(&error))?;
        forget_connections(addresses).await?;
        if self.is_noted(attachment) || self.does_without() {
            return self.note_gone(attachment, written).await;
        }
        match self.erase(attachment, &written).await {
            Err(status) if status.code() == Code::Unavailable && self.notes => {
                self.note_gone(attachment, written).await
            }
            erased => erased,
        }
    }

    /// Leaves nothing of it in the datastore.
    async fn erase(&self, attachment: &Attachment, written: &BTreeSet<Key>) -> Result<(), Status> {
        for key in written {
            self.forget(&attachment.host_interface, key).await?;
        }
        self.allocator.release(&attachment.handle).await.map_err(|error| address_error(&error))?;
        let forgotten = Event::Forgotten(attachment.host_interface.clone());
        self.agent.send(forgotten).await.map_err(super::stopped)
    }

    /// Endpoints that the loop knows for this container's interface: one, or none.
    async fn endpoints_of(
        &self,
        attachment: &Attachment,
    ) -> Result<Vec<(EndpointId, WorkloadEndpoint)>, Status> {
        let host_interface = attachment.host_interface.clone();
        self.agent
            .ask(move |inputs| {
                inputs
                    .workloads
                    .iter()
                    .filter(|(_, workload)| workload.host_interface == host_interface)
                    .map(|(id, workload)| (id.clone(), workload.clone()))
                    .collect()
            })
            .await
            .map_err(super::stopped)
    }

    /// Where the attachment may be written, as far as the loop does not know: it forgets an endpoint before it is deleted,
    /// which may not have come about, and it never hears of one whose write may or may not have been done.
    async fn written(&self, attachment: &Attachment) -> BTreeSet<Key> {
        let told = self.known.read().endpoints_behind(&attachment.host_interface);
        let unsure = self.unsure.lock().await.get(&attachment.host_interface).cloned();
        told.into_iter().chain(unsure).collect()
    }

    /// What the datastore has under this key, if that is this attachment and not another container's by now.
    async fn attached(
        &self,
        host_interface: &str,
        key: &Key,
    ) -> Result<Option<(Revision, WorkloadEndpoint)>, Status> {
        let found = self.store.get(key).await.map_err(|error| super::datastore_error(&error))?;
        let Some(found) = found else { return Ok(None) };
        let Resource::WorkloadEndpoint(endpoint) = found.resource else { return Ok(None) };
        let is_it = endpoint.node == self.node && endpoint.host_interface == host_interface;
        Ok(is_it.then_some((found.revision, *endpoint)))
    }

    /// Takes the endpoint out of the datastore, unless its name belongs to another container by now.
    async fn forget(&self, host_interface: &str, key: &Key) -> Result<(), Status> {
        if let Some((revision, endpoint)) = self.attached(host_interface, key).await? {
            // What the loop does not know, a call that was cut off may have left.
            forget_connections(endpoint.addresses.into_iter().collect()).await?;
            match self.store.delete(key, Precondition::Unchanged(revision)).await {
                Ok(()) | Err(datastore::Error::Conflict { .. }) => {}
                Err(error) => return Err(super::datastore_error(&error)),
            }
        }
        self.unsure.lock().await.remove(host_interface);
        Ok(())
    }

    /// Leaves nothing of an ADD that failed.
    async fn undo(&self, attachment: &Attachment) {
        if let Err(status) = self.remove(attachment).await {
            tracing::warn!(
                endpoint = %attachment.endpoint.name,
                error = status.message(),
                "a failed attachment could not be undone; the runtime's DEL will"
            );
        }
    }
}

/// Lets the kernel forget the connections of addresses that are about to be somebody else's.
async fn forget_connections(addresses: BTreeSet<IpAddr>) -> Result<(), Status> {
    if addresses.is_empty() {
        return Ok(());
    }
    let forgetting = tokio::task::spawn_blocking(move || Conntrack::open()?.forget(&addresses));
    match forgetting.await.map_err(super::stopped)? {
        Ok(_) => Ok(()),
        Err(error) => Err(Status::unavailable(format!("the pod's connections cannot be forgotten: {error}"))),
    }
}

#[tonic::async_trait]
impl Cni for Service {
    async fn add(&self, request: Request<v1::CniAddRequest>) -> Result<Response<v1::CniAddResponse>, Status> {
        let attacher = Arc::clone(&self.0);
        let attaching = tokio::spawn(async move { attacher.attach(request.into_inner()).await });
        attaching.await.map_err(super::stopped)?.map(Response::new)
    }

    async fn del(&self, request: Request<v1::CniDelRequest>) -> Result<Response<v1::CniDelResponse>, Status> {
        let attacher = Arc::clone(&self.0);
        let detaching = tokio::spawn(async move { attacher.detach(request.into_inner()).await });
        detaching.await.map_err(super::stopped)??;
        Ok(Response::new(v1::CniDelResponse {}))
    }
}
