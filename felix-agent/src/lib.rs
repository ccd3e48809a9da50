//! The node: inputs → plan → diff → apply; the CNI server, the gRPC server, the BGP shell.
//!
//! ```text
//! config      what the operator says                 telemetry   logs
//! inputs/     everything this node knows    [pure]   agent/      the one loop
//! plan/       inputs → desired              [pure]   shell/      datastore, BGP, kernel → events
//! diff        actual ↔ desired              [pure]   dataplane/  netlink, routes, links, sysctl, nftables
//! ipam/       assigns addresses by CAS               cni/        makes and removes the pods' links
//! api/        gRPC
//! ```
//!
//! Invariants: data flows one way; every kernel object of ours is recognisable from the kernel alone; nothing is swept
//! before the inputs are in sync; nothing is removed on exit; when unsure, fail closed.

pub mod agent;
pub mod api;
pub mod cni;
pub mod config;
pub mod dataplane;
pub mod diff;
pub mod inputs;
pub mod ipam;
pub mod plan;
pub mod shell;
pub mod telemetry;

use std::sync::Arc;

use anyhow::Context as _;
use config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Runs the agent until SIGTERM or SIGINT. The kernel is left as it is, and BGP peers are left to keep our routes.
///
/// # Errors
/// When something that the agent cannot do without is not to be had: the datastore, the kernel's netlink, its socket.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let store: Arc<dyn datastore::Store> = Arc::new(
        datastore::SqliteStore::open(&config.datastore.sqlite.path)
            .await
            .with_context(|| format!("datastore {}", config.datastore.sqlite.path.display()))?,
    );
    let dataplane = dataplane::Dataplane::connect().context("netlink")?;
    let listeners = dataplane.watch().context("netlink")?;
    let netlink = dataplane.netlink();
    let (agent, handle, events) = agent::new(Arc::clone(&config), dataplane);
    shell::kernel::start(listeners, &handle);
    tokio::spawn(shell::store::follow(Arc::clone(&store), handle.clone()));
    let services = api::Services {
        agent: handle.clone(),
        allocator: Arc::new(ipam::Allocator::new(Arc::clone(&store), config.node.name.clone())),
        store,
        netlink,
        node: config.node.name.clone(),
    };
    let loop_task = tokio::spawn(agent.run(events));
    tracing::info!(node = config.node.name, socket = %config.api.socket.display(), "running");
    api::serve(&config.api.socket, services, ended()).await?;
    let (done, stopped) = oneshot::channel();
    if handle.send(agent::Event::Stop(done)).await.is_ok() {
        // A loop that panicked has nobody to answer; the join below says so.
        let _ = stopped.await;
    }
    loop_task.await.context("the agent's loop")?;
    Ok(())
}

/// Completes when the process is asked to end.
async fn ended() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: ending; the kernel stays as it is"),
        _ = interrupt.recv() => tracing::info!("SIGINT: ending; the kernel stays as it is"),
    }
}
