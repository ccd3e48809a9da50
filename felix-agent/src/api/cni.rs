//! `fabric.v1.Cni`: attaches and detaches pods.
//!
//! ADD: address → endpoint in the datastore → link with its host end closed → policy, link open, routes (the loop) →
//! reply. A step that fails undoes the ones before it, so that the runtime's next try starts clean; a crash in
//! between is undone by the DEL that the runtime owes. DEL is the reverse. Both are idempotent: address and link are
//! found again by names that follow from container and interface.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::ipam::plan::{AssignError, Wanted};
use ::ipam::{AssignmentMode, Attributes, Family};
use datastore::{Precondition, Resource, Store, WorkloadEndpoint};
use ipnetwork::IpNetwork;
use policy::program::EndpointId;
use proto::v1;
use proto::v1::cni_server::Cni;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tonic::{Code, Request, Response, Status};

use crate::agent::{Event, Handle};
use crate::cni::{self, AttachError, AttachRequest, Attached};
use crate::dataplane::netlink::Netlink;
use crate::ipam::{self, Allocator};

/// The namespace of containers that are no pods.
const DEFAULT_NAMESPACE: &str = "default";

/// How long an endpoint may take to be programmed before ADD gives up; the runtime tries again.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(20);

/// The service.
pub struct Service {
    agent: Handle,
    store: Arc<dyn Store>,
    allocator: Arc<Allocator>,
    netlink: Netlink,
    node: String,
    /// One call at a time for each link; a runtime may repeat an ADD that it gave up on.
    busy: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

/// One interface of one container, named so that every call finds the same things again.
struct Attachment {
    endpoint: EndpointId,
    container_id: String,
    interface: String,
    host_interface: String,
    handle: String,
}

impl Attachment {
    /// Names everything; `pod` is `(namespace, name)` where the container is one.
    fn new(attachment: v1::CniAttachment, pod: Option<(&str, &str)>) -> Result<Self, Status> {
        let v1::CniAttachment { container_id, interface, network } = attachment;
        for (field, value) in
            [("container_id", &container_id), ("interface", &interface), ("network", &network)]
        {
            if value.is_empty() {
                return Err(Status::invalid_argument(format!("attachment.{field}: missing")));
            }
        }
        let (namespace, name) = pod.unwrap_or((DEFAULT_NAMESPACE, &container_id));
        Ok(Self {
            endpoint: EndpointId { namespace: namespace.to_owned(), name: name.to_owned() },
            host_interface: cni::host_interface_name(&container_id, &interface),
            handle: format!("{network}.{container_id}.{interface}"),
            container_id,
            interface,
        })
    }

    fn of_request(request: &v1::CniAddRequest) -> Result<Self, Status> {
        let attachment =
            request.attachment.clone().ok_or_else(|| Status::invalid_argument("attachment: missing"))?;
        match (request.pod_namespace.as_str(), request.pod_name.as_str()) {
            ("", "") => Self::new(attachment, None),
            ("", _) | (_, "") => {
                Err(Status::invalid_argument("pod_namespace and pod_name: give both or neither"))
            }
            pod => Self::new(attachment, Some(pod)),
        }
    }
}

impl Service {
    pub(super) fn new(
        agent: Handle,
        store: Arc<dyn Store>,
        allocator: Arc<Allocator>,
        netlink: Netlink,
        node: String,
    ) -> Self {
        Self { agent, store, allocator, netlink, node, busy: Mutex::default() }
    }

    async fn attach(&self, request: v1::CniAddRequest) -> Result<v1::CniAddResponse, Status> {
        let attachment = Attachment::of_request(&request)?;
        let _turn = self.turn(&attachment).await;
        let addresses = self.assign(&attachment, &request).await?;
        let result = self.attach_with(&attachment, &request, addresses).await;
        if result.is_err() {
            self.undo(&attachment).await;
        }
        result
    }

    /// Waits until no other call is about the same link.
    async fn turn(&self, attachment: &Attachment) -> OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().await;
            // What nobody else holds is not busy.
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(attachment.host_interface.clone()).or_default())
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
            mtu: (request.mtu != 0).then_some(request.mtu),
        };
        let link = cni::attach(&self.netlink, &link).await.map_err(|error| link_error(&error))?;
        let workload = self.workload(attachment, request, &addresses, &link);
        self.store
            .put(Resource::WorkloadEndpoint(Box::new(workload.clone())), Precondition::None)
            .await
            .map_err(|error| super::datastore_error(&error))?;
        self.program(workload).await?;
        Ok(reply(attachment, &addresses, &link))
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
            wanted: self.wanted(&requested).await?,
        };
        self.allocator.assign(request).await.map_err(|error| address_error(&error))
    }

    /// One address of each family: the one asked for, or any where there is a pool to take it from.
    async fn wanted(&self, requested: &[IpAddr]) -> Result<Vec<Wanted>, Status> {
        let pools =
            self.store.list(datastore::Kind::IpPool).await.map_err(|error| super::datastore_error(&error))?;
        let gives_out = |family: Family| {
            pools.items.values().any(|item| {
                let Resource::IpPool(pool) = &item.resource else { return false };
                !pool.disabled
                    && pool.assignment_mode == AssignmentMode::Automatic
                    && Family::of_network(&pool.cidr) == family
            })
        };
        let mut wanted: Vec<Wanted> = requested.iter().copied().map(Wanted::Address).collect();
        for family in [Family::V4, Family::V6] {
            if gives_out(family) && !wanted.iter().any(|wanted| wanted.family() == family) {
                wanted.push(Wanted::Any(family));
            }
        }
        if wanted.is_empty() {
            // Let the planner say what is missing.
            wanted.push(Wanted::Any(Family::V4));
        }
        Ok(wanted)
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
    async fn program(&self, workload: WorkloadEndpoint) -> Result<(), Status> {
        let (reply, done) = oneshot::channel();
        self.agent.send(Event::Program(workload, reply)).await.map_err(super::stopped)?;
        match tokio::time::timeout(PROGRAM_TIMEOUT, done).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(missing))) => {
                Err(Status::unavailable(format!("the pod could not be programmed: {missing}")))
            }
            Ok(Err(_)) => Err(Status::unavailable("the agent is stopping")),
            Err(_) => {
                Err(Status::unavailable("the pod was not programmed in time; see `fabricctl node status`"))
            }
        }
    }

    async fn detach(&self, request: v1::CniDelRequest) -> Result<(), Status> {
        let attachment = request.attachment.ok_or_else(|| Status::invalid_argument("attachment: missing"))?;
        let attachment = Attachment::new(attachment, None)?;
        let _turn = self.turn(&attachment).await;
        self.remove(&attachment).await
    }

    async fn remove(&self, attachment: &Attachment) -> Result<(), Status> {
        for (endpoint, workload) in self.endpoints_of(attachment).await? {
            let (reply, done) = oneshot::channel();
            let container_id = workload.container_id.clone();
            self.agent
                .send(Event::Withdraw { endpoint, container_id, reply })
                .await
                .map_err(super::stopped)?;
            // An agent that stops meanwhile leaves the rest to the runtime's next DEL.
            done.await.map_err(|_| Status::unavailable("the agent is stopping"))?;
        }
        cni::detach(&self.netlink, &attachment.host_interface).await.map_err(|error| link_error(&error))?;
        self.forget(attachment).await?;
        self.allocator.release(&attachment.handle).await.map_err(|error| address_error(&error))?;
        Ok(())
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

    /// Takes the endpoint out of the datastore, unless its name belongs to another container by now.
    async fn forget(&self, attachment: &Attachment) -> Result<(), Status> {
        let listing = self
            .store
            .list(datastore::Kind::WorkloadEndpoint)
            .await
            .map_err(|error| super::datastore_error(&error))?;
        for (key, versioned) in listing.items {
            let Resource::WorkloadEndpoint(endpoint) = &versioned.resource else { continue };
            if endpoint.node != self.node || endpoint.host_interface != attachment.host_interface {
                continue;
            }
            match self.store.delete(&key, Precondition::Unchanged(versioned.revision)).await {
                Ok(()) | Err(datastore::Error::Conflict { .. }) => {}
                Err(error) => return Err(super::datastore_error(&error)),
            }
        }
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

#[tonic::async_trait]
impl Cni for Service {
    async fn add(&self, request: Request<v1::CniAddRequest>) -> Result<Response<v1::CniAddResponse>, Status> {
        self.attach(request.into_inner()).await.map(Response::new)
    }

    async fn del(&self, request: Request<v1::CniDelRequest>) -> Result<Response<v1::CniDelResponse>, Status> {
        self.detach(request.into_inner()).await?;
        Ok(Response::new(v1::CniDelResponse {}))
    }
}

/// Bare addresses or with a prefix length, as the plugin passes them on.
fn requested(texts: &[String]) -> Result<Vec<IpAddr>, Status> {
    let parse = |text: &String| {
        let address = text.split('/').next().unwrap_or_default().parse();
        address
            .map_err(|_| Status::invalid_argument(format!("requested address \"{text}\": not an IP address")))
    };
    texts.iter().map(parse).collect()
}

fn address_error(error: &ipam::Error) -> Status {
    let code = match error {
        ipam::Error::Store(error) => return super::datastore_error(error),
        ipam::Error::Contended => Code::Unavailable,
        ipam::Error::Impossible(AssignError::TwoOfFamily { .. } | AssignError::OutsidePools { .. }) => {
            Code::InvalidArgument
        }
        ipam::Error::Impossible(AssignError::InUse { .. } | AssignError::HoldsOther { .. }) => {
            Code::AlreadyExists
        }
        ipam::Error::Impossible(_) => Code::ResourceExhausted,
    };
    Status::new(code, error.to_string())
}

fn reply(attachment: &Attachment, addresses: &[IpAddr], link: &Attached) -> v1::CniAddResponse {
    let gateway =
        |address: &IpAddr| link.gateways.iter().find(|gateway| gateway.is_ipv4() == address.is_ipv4());
    let gateway_text = |address: &IpAddr| gateway(address).map_or(String::new(), ToString::to_string);
    let default = |address: &IpAddr| if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    v1::CniAddResponse {
        host_interface: attachment.host_interface.clone(),
        host_mac: mac_text(link.host_mac),
        container_mac: mac_text(link.container_mac),
        mtu: link.mtu,
        addresses: addresses
            .iter()
            .map(|address| v1::CniAddress {
                address: IpNetwork::from(*address).to_string(),
                gateway: gateway_text(address),
            })
            .collect(),
        routes: addresses
            .iter()
            .map(|address| v1::CniRoute {
                destination: default(address).to_owned(),
                gateway: gateway_text(address),
            })
            .collect(),
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// The plugin turns these codes into the CNI specification's.
fn link_error(error: &AttachError) -> Status {
    let code = match error {
        AttachError::Netns(_) => Code::NotFound,
        AttachError::InterfaceExists { .. } => Code::AlreadyExists,
        AttachError::Invalid(_) => Code::InvalidArgument,
        AttachError::Kernel { .. } => Code::Unavailable,
        AttachError::Sysctl(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}
