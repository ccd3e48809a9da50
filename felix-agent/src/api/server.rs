//! Binds the socket and serves.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use datastore::Store;
use proto::v1::bgp_server::BgpServer;
use proto::v1::cni_server::CniServer;
use proto::v1::ipam_server::IpamServer;
use proto::v1::node_server::NodeServer;
use proto::v1::policy_server::PolicyServer;
use proto::v1::resources_server::ResourcesServer;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use crate::agent::Handle;
use crate::dataplane::netlink::Netlink;
use crate::ipam::Allocator;

/// What the services need.
pub struct Services {
    /// The loop.
    pub agent: Handle,
    /// Resources.
    pub store: Arc<dyn Store>,
    /// Addresses for pods.
    pub allocator: Arc<Allocator>,
    /// For the pods' links.
    pub netlink: Netlink,
    /// This node's name.
    pub node: String,
}

/// Serves on `socket` until `stop` completes.
///
/// # Errors
/// When the socket cannot be bound, or another agent already answers on it.
pub async fn serve(socket: &Path, services: Services, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let listener = bind(socket).await?;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    tokio::spawn(report_health(reporter, services.agent.clone()));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let Services { agent, store, allocator, netlink, node } = services;
    let cni = super::cni::Service::new(agent.clone(), Arc::clone(&store), allocator, netlink, node);
    Server::builder()
        .add_service(health)
        .add_service(reflection)
        .add_service(BgpServer::new(super::bgp::Service::new(agent.clone())))
        .add_service(CniServer::new(cni))
        .add_service(IpamServer::new(super::ipam::Service::new(Arc::clone(&store))))
        .add_service(NodeServer::new(super::node::Service::new(agent.clone())))
        .add_service(PolicyServer::new(super::policy::Service::new(agent)))
        .add_service(ResourcesServer::new(super::resources::Service::new(store)))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await?;
    Ok(())
}

/// Binds the socket for root only. A socket that a dead agent left is replaced; one that answers is not.
async fn bind(socket: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = socket.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if UnixStream::connect(socket).await.is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("another agent answers on {}; stop it, or set api.socket", socket.display()),
        ));
    }
    match std::fs::remove_file(socket) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Health follows the status: serving while the kernel agrees with the plan.
async fn report_health(reporter: tonic_health::server::HealthReporter, agent: Handle) {
    let mut status = agent.watch_status();
    loop {
        let serving =
            if status.borrow_and_update().ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", serving).await;
        if status.changed().await.is_err() {
            return;
        }
    }
}
