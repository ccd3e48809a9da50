//! The one loop: events → inputs → (drained, in sync) plan → diff → apply → report.
//!
//! ```text
//!  datastore ─┐
//!  bgp ───────┤                     ┌─► kernel
//!  netlink ───┼─► Event ─► Inputs ─► pass ─► what holds ─► prefixes to originate ─► bgp
//!  CNI ───────┤                     └─► Status ─► gRPC
//!  gRPC ──────┘
//! ```
//!
//! Invariants: one task owns the inputs and the kernel's objects (a CNI call makes and removes its pod's link, and tells
//! this task); nothing is applied before the datastore has been
//! listed, nothing learned is swept before BGP has synchronised, nothing is removed on exit. A failed write leaves
//! a difference, which the next pass repairs; while anything differs, a pass is due within [`RETRY`].
//!
//! Deliberately absent: callbacks and shared locks. Whoever wants to know something asks by an event.

mod event;
pub mod meter;
mod pass;
mod reload;
mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::bgp::config::PeerKey;
use policy::program::EndpointId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use event::{Event, Handle, NotProgrammed};
pub use status::Status;

use crate::config::Config;
use crate::dataplane::Dataplane;
use crate::dataplane::nftables::Kept;
use crate::inputs::{Inputs, Node};
use crate::ipam::journal::Entries;
use crate::plan::desired::InterfaceName;
use crate::shell::speaker::Speaker;

/// How soon what could not be applied is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the kernel is read whole, in case a notification was lost.
const AUDIT: Duration = Duration::from_secs(90);
/// Events taken in before a pass, at most: a flood must not starve the kernel.
const DRAIN_LIMIT: usize = 4096;
/// Events that may wait.
const QUEUE: usize = 1024;

/// The owner of everything that this node knows and has in its kernel.
pub struct Agent {
    config: Arc<Config>,
    /// The same, for everyone else.
    in_force: watch::Sender<Arc<Config>>,
    inputs: Inputs,
    dataplane: Dataplane,
    speaker: Speaker,
    /// The datastore has been listed once.
    listed: bool,
    /// The configured peers.
    peers: BTreeSet<PeerKey>,
    /// Why the datastore cannot be read, if it cannot.
    datastore_problem: Option<String>,
    /// Why BGP does not run, if it does not.
    speaker_problem: Option<String>,
    /// Why a newer configuration is not in force, if there is one.
    config_problem: Option<String>,
    /// Best paths changed since the last pass, and when that was first heard of.
    best_paths_since: Option<Instant>,
    meter: meter::Meter,
    /// Something changed since the last pass.
    dirty: bool,
    /// The policy as it should be in the kernel, as of the last pass.
    policy: Kept,
    /// The last pass left something undone, or for later.
    retry_at: Option<Instant>,
    audit_at: Instant,
    /// Who waits for an endpoint to be programmed.
    arriving: Vec<Arriving>,
    /// Who waits until nothing leads to a host end any more.
    leaving: Vec<(InterfaceName, oneshot::Sender<()>)>,
    started: Instant,
    status: watch::Sender<Arc<Status>>,
}

/// Somebody who waits for an endpoint to be programmed.
struct Arriving {
    endpoint: EndpointId,
    /// Whose attachment it is: the name may pass to another container meanwhile.
    container_id: String,
    reply: oneshot::Sender<Result<(), NotProgrammed>>,
}

/// Makes an agent and the handle by which everyone else reaches it. What was `noted` while the datastore was away counts from
/// the first pass on.
#[must_use]
pub fn new(
    config: Arc<Config>,
    dataplane: Dataplane,
    noted: &Entries,
) -> (Agent, Handle, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(QUEUE);
    let (status, status_receiver) = watch::channel(Arc::new(Status::starting(&config)));
    let node = Node { name: config.node.name.clone(), addresses: config.node.addresses.clone() };
    let speaker = Speaker::new(&events);
    let (in_force, config_receiver) = watch::channel(Arc::clone(&config));
    let handle = Handle::new(events, status_receiver, config_receiver, speaker.view());
    let now = Instant::now();
    let mut inputs = Inputs::new(node);
    inputs.enforcement = config.policy.options();
    for entry in noted.values() {
        match (entry.attached(), &entry.gone) {
            (Some(workload), _) => inputs.attach(workload.clone(), None),
            (None, Some(gone)) => inputs.depart(&gone.host_interface),
            (None, None) => {}
        }
    }
    let agent = Agent {
        inputs,
        dataplane,
        speaker,
        peers: reload::keys(&config),
        datastore_problem: None,
        speaker_problem: None,
        config_problem: None,
        best_paths_since: None,
        meter: meter::Meter::default(),
        listed: false,
        dirty: false,
        policy: Kept::default(),
        retry_at: None,
        audit_at: now + AUDIT,
        arriving: Vec::new(),
        leaving: Vec::new(),
        started: now,
        status,
        in_force,
        config,
    };
    (agent, handle, receiver)
}

impl Agent {
    /// Runs until every handle is gone or [`Event::Stop`] comes.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        loop {
            let wake = self.retry_at.map_or(self.audit_at, |retry| retry.min(self.audit_at));
            let first = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => Some(event),
                    None => return,
                },
                () = tokio::time::sleep_until(wake) => None,
            };
            let mut next = first;
            for _ in 0..DRAIN_LIMIT {
                match next {
                    Some(Event::Stop(done)) => return self.stop(done).await,
                    Some(event) => self.take(event).await,
                    None => break,
                }
                next = events.try_recv().ok();
            }
            self.tick(Instant::now()).await;
        }
    }

    async fn tick(&mut self, now: Instant) {
        if now >= self.audit_at {
            self.audit_at = now + AUDIT;
            self.dataplane.forget();
            self.dirty = true;
        }
        if !self.listed {
            return;
        }
        if self.dirty || self.retry_at.is_some_and(|retry| now >= retry) {
            self.pass().await;
        }
    }

    /// Takes one event in; the kernel and the datastore are left for the pass.
    async fn take(&mut self, event: Event) {
        match event {
            Event::Listed(revision, items, unreadable) => {
                self.inputs.reset(revision, items, &unreadable);
                self.listed = true;
                self.datastore_problem = None;
                self.dirty = true;
            }
            Event::DatastoreLost(reason) => {
                let problem = format!("the datastore cannot be read: {reason}");
                if self.datastore_problem.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}");
                    self.datastore_problem = Some(problem);
                    self.tell_of_the_datastore();
                }
            }
            Event::Changed(change) => self.dirty |= self.inputs.change(change),
            Event::BestPaths { changes, since } => {
                self.best_paths_since.get_or_insert(since);
                self.inputs.fib.update(changes);
                self.dirty = true;
            }
            Event::Synchronised => {
                self.inputs.fib.synchronise();
                self.dirty = true;
            }
            Event::Kernel(notice) => self.dirty |= self.notice(&notice).await,
            Event::NftablesTouched => self.repair_policy(),
            Event::Program { workload, written, reply } => {
                let endpoint = workload.id();
                let container_id = workload.container_id.clone();
                self.inputs.attach(*workload, written);
                self.dataplane.forget_links();
                self.arriving.push(Arriving { endpoint, container_id, reply });
                self.dirty = true;
            }
            Event::Written { endpoint, container_id, written } => {
                self.inputs.written(&endpoint, &container_id, written);
                self.dirty = true;
            }
            Event::Forgotten(host_interface) => self.inputs.forgotten(&host_interface),
            Event::Withdraw { endpoint, container_id, host_interface, reply } => {
                self.inputs.detach(&endpoint, &container_id);
                self.dataplane.forget_links();
                self.leaving.push((host_interface, reply));
                self.dirty = true;
            }
            Event::Reload(read) => self.reload(*read).await,
            Event::Ask(question) => question(&self.inputs),
            // Taken by the loop itself.
            Event::Stop(_) => {}
        }
    }

    /// Says so at once: while the datastore is away there may be no reason for a pass.
    fn tell_of_the_datastore(&self) {
        self.status.send_modify(|status| {
            let problems = self.datastore_problem.iter().cloned();
            let others =
                status.problems.iter().filter(|problem| !problem.starts_with("the datastore")).cloned();
            let problems = problems.chain(others).collect();
            *status = Arc::new(Status { ready: false, problems, ..Status::clone(status) });
        });
    }

    /// Stops speaking BGP in the way that keeps our routes with the peers, and touches nothing in the kernel.
    async fn stop(self, done: oneshot::Sender<()>) {
        self.speaker.stop().await;
        let _ = done.send(());
    }
}
