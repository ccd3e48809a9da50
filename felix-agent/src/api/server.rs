//! Binds the socket and serves.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datastore::Store;
use proto::v1::bgp_server::BgpServer;
use proto::v1::cni_server::CniServer;
use proto::v1::ipam_server::IpamServer;
use proto::v1::node_server::NodeServer;
use proto::v1::policy_server::PolicyServer;
use proto::v1::resources_server::ResourcesServer;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use crate::agent::Handle;
use crate::dataplane::netlink::Netlink;
use crate::ipam::{Allocator, Journal, Known};

/// What the services need.
pub struct Services {
    /// The loop.
    pub agent: Handle,
    /// Resources.
    pub store: Arc<dyn Store>,
    /// Addresses for pods.
    pub allocator: Arc<Allocator>,
    /// What the datastore says of addresses.
    pub known: Known,
    /// For the pods' links, and questions to the kernel.
    pub netlink: Netlink,
    /// This node's name.
    pub node: String,
    /// What was promised while the datastore was away.
    pub journal: Journal,
    /// Whether anything is to be.
    pub notes: bool,
}

/// Serves on `socket` until `stop` completes.
///
/// # Errors
/// When the socket breaks.
pub async fn serve(socket: Socket, services: Services, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    tokio::spawn(report_health(reporter, services.agent.clone()));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let Socket { listener, _lock } = socket;
    let Services { agent, store, allocator, known, netlink, node, journal, notes } = services;
    let bgp = super::bgp::Service::new(agent.clone(), netlink.clone());
    let policing = netlink.clone();
    let cni = super::cni::Service::new(super::cni::Parts {
        agent: agent.clone(),
        store: Arc::clone(&store),
        allocator: Arc::clone(&allocator),
        known: known.clone(),
        netlink,
        node: node.clone(),
        journal,
        notes,
    });
    let applying = Arc::default();
    let status = super::node::Service::new(agent.clone(), Arc::clone(&allocator));
    let resources =
        super::resources::Service::new(Arc::clone(&store), known.clone(), node, Arc::clone(&applying));
    let ipam = super::ipam::Service::new(store, known, allocator, applying);
    Server::builder()
        .add_service(health)
        .add_service(reflection)
        .add_service(BgpServer::new(bgp))
        .add_service(CniServer::new(cni))
        .add_service(IpamServer::new(ipam))
        .add_service(NodeServer::new(status))
        .add_service(PolicyServer::new(super::policy::Service::new(agent, policing)))
        .add_service(ResourcesServer::new(resources))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await?;
    Ok(())
}

/// The agent's socket, and the lock that makes this process its only owner.
pub struct Socket {
    listener: UnixListener,
    /// Released by the kernel when the process ends, however it ends.
    _lock: File,
}

impl Socket {
    /// Binds the socket for root only, in the place of one that a dead agent left. To be done before anything else is
    /// touched: who has the socket has the node.
    ///
    /// # Errors
    /// When it cannot be bound, or another agent lives that has it.
    pub fn bind(socket: &Path) -> io::Result<Self> {
        if let Some(directory) = socket.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let lock = File::create(beside(socket, ".lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("another agent answers on {}; stop it, or set api.socket", socket.display()),
            ),
            TryLockError::Error(error) => error,
        })?;
        // Under another name until nobody else may use it.
        let private = beside(socket, ".new");
        match std::fs::remove_file(&private) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&private)?;
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&private, socket)?;
        Ok(Self { listener, _lock: lock })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Health follows the status: serving while the kernel agrees with the plan.
async fn report_health(reporter: tonic_health::server::HealthReporter, agent: Handle) {
    let mut status = agent.watch_status();
    loop {
        let serving =
            if status.borrow_and_update().ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", serving).await;
        if status.changed().await.is_err() {
            // The loop has ended, and nothing is kept as planned any more.
            reporter.set_service_status("", ServingStatus::NotServing).await;
            return;
        }
    }
}
