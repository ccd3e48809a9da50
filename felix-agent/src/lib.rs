//! The node: inputs → plan → diff → apply; the CNI server, the gRPC server, the BGP shell.
//!
//! ```text
//! config      what the operator says                 telemetry   logs
//! inputs/     everything this node knows    [pure]   agent/      the one loop
//! plan/       inputs → desired              [pure]   shell/      datastore, BGP, kernel → events
//! diff        actual ↔ desired              [pure]   dataplane/  netlink, routes, links, nftables, conntrack
//! ipam/       assigns addresses by CAS               cni/        makes and removes the pods' links
//! api/        gRPC                                   metrics/    counters for Prometheus
//! registration  the node's own object       [pure]   leader/     what one agent does for all of them
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
pub mod leader;
pub mod metrics;
pub mod plan;
pub mod registration;
pub mod shell;
pub mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use config::Config;
use shell::reload::Origin;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long calls that are under way may take once the agent is asked to end.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs the agent until SIGTERM or SIGINT. The kernel is left as it is, and BGP peers are left to keep our routes.
///
/// # Errors
/// When something that the agent cannot do without is not to be had, or breaks: the datastore, the kernel's netlink, its
/// socket. What is in the kernel then stays for the next life.
pub async fn run(config: Config, origin: Origin) -> anyhow::Result<()> {
    // Before anything else: without it SIGHUP would end the process.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    let config = Arc::new(config);
    // A second agent must not touch anything.
    let socket = &config.api.socket;
    let bound = api::Socket::bind(socket).with_context(|| format!("socket {}", socket.display()))?;
    let store = shell::store::open(&config.datastore)
        .await
        .with_context(|| format!("datastore {}", config.datastore))?;
    let metrics = match config.metrics.listen {
        Some(address) => {
            let bound = tokio::net::TcpListener::bind(address).await;
            Some(bound.with_context(|| format!("metrics.listen {address}"))?)
        }
        None => None,
    };
    let dataplane = dataplane::Dataplane::connect().context("netlink")?;
    let listeners = dataplane.watch().context("netlink")?;
    let journal = open_journal(&config)?;
    let (agent, handle, events) = agent::new(Arc::clone(&config), dataplane, &journal.entries());
    let known = ipam::Known::new(config.node.name.clone());
    let audience = shell::store::Audience { known: known.clone(), agent: Some(handle.clone()) };
    tokio::spawn(shell::store::follow(Arc::clone(&store), audience));
    if !config.datastore.has_kubelet() {
        tokio::spawn(shell::registration::keep(Arc::clone(&store), handle.watch_config()));
    }
    tokio::spawn(shell::policy_status::keep(Arc::clone(&store), handle.clone()));
    let standby = config.ipam.standby;
    let allocator = ipam::Allocator::prepared(Arc::clone(&store), known.clone(), standby, journal.clone());
    let allocator = Arc::new(allocator);
    let candidacy = leader::Candidacy::start(Arc::clone(&store), known.clone(), handle.watch_config());
    let upkeep = candidacy.published.clone();
    let sources = metrics::ipam::Sources { known: known.clone(), allocator: Arc::clone(&allocator), upkeep };
    let services = api::Services {
        agent: handle.clone(),
        allocator,
        known,
        store,
        netlink: dataplane::netlink::Netlink::connect().context("netlink")?,
        node: config.node.name.clone(),
        notes: standby > 0,
        journal,
    };
    let mut kernel = tokio::spawn(shell::kernel::follow(listeners, handle.clone()));
    tokio::spawn(shell::reload::follow(origin, hangup, handle.clone()));
    if let Some(listener) = metrics {
        tokio::spawn(metrics::server::serve(listener, handle.clone(), sources));
    }
    let mut main_loop = tokio::spawn(agent.run(events));
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = tokio::spawn(api::serve(bound, services, async {
        // Dropped or sent: the end either way.
        let _ = stopped.await;
    }));
    tracing::info!(node = config.node.name, socket = %socket.display(), "running");
    tokio::select! {
        () = asked_to_end() => {}
        ended = &mut main_loop => return Err(ended.err().map_or_else(|| anyhow!("ended"), Into::into)).context("the loop"),
        ended = &mut kernel => return ended?.context("listening to the kernel"),
        ended = &mut server => return ended?.context("serving gRPC"),
    }
    drop(stop);
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::info!("calls that are still under way are cut off");
    }
    candidacy.resign(DRAIN).await;
    let (done, ended) = oneshot::channel();
    if handle.send(agent::Event::Stop(done)).await.is_ok() {
        // A loop that panicked has nobody to answer; the join below says so.
        let _ = ended.await;
    }
    main_loop.await.context("the loop")
}

/// What was promised while the datastore was away. An agent that promises nothing begins no journal, and settles one that is
/// there.
fn open_journal(config: &Config) -> anyhow::Result<ipam::Journal> {
    let path = config.ipam.journal(&config.node.name, &config.datastore);
    if config.ipam.standby == 0 && !path.exists() {
        return Ok(ipam::Journal::none());
    }
    ipam::Journal::open(&path, &config.node.name).context("ipam.journal")
}

/// Completes when the process is asked to end.
async fn asked_to_end() {
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
