//! Everything that can reach the loop, and the handle by which it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::bgp::rib::Hops;
use datastore::{Change, Key, Revision, Unreadable, Versioned, WorkloadEndpoint};
use ipnetwork::IpNetwork;
use policy::program::EndpointId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Status;
use crate::config::{Config, Invalid, Reading};
use crate::dataplane::netlink::NetlinkEvent;
use crate::inputs::Inputs;
use crate::plan::desired::InterfaceName;
use crate::shell::speaker::SpeakerView;

/// A question about the inputs, answered between two passes.
pub type Question = Box<dyn FnOnce(&Inputs) + Send>;

/// What can happen to an agent.
pub enum Event {
    /// Everything that the datastore holds, as of a revision: replaces what was known of it, but of what cannot be understood.
    Listed(Revision, BTreeMap<Key, Versioned>, Unreadable),
    /// The datastore cannot be read, and why: what is known of it may be outdated.
    DatastoreLost(String),
    /// One key of the datastore has this value now.
    Changed(Change),
    /// Best paths changed.
    BestPaths {
        /// The new next hops of each prefix; none where no path is left.
        changes: BTreeMap<IpNetwork, Option<Hops>>,
        /// When that was heard of.
        since: Instant,
    },
    /// BGP's initial synchronisation is over.
    Synchronised,
    /// The kernel's links or routes changed.
    Kernel(NetlinkEvent),
    /// Somebody else changed our nftables table, or may have.
    NftablesTouched,
    /// A pod was attached: answer when policy, link and routes are in the kernel.
    Program {
        /// What was written of it.
        workload: Box<WorkloadEndpoint>,
        /// By which write; none if it could not be written yet.
        written: Option<Revision>,
        /// Told when done.
        reply: oneshot::Sender<Result<(), NotProgrammed>>,
    },
    /// What could not be written when its pod was attached has been written.
    Written {
        /// What.
        endpoint: EndpointId,
        /// Only if it still belongs to this container.
        container_id: String,
        /// By which write.
        written: Revision,
    },
    /// The datastore does not know any more what was behind this host end.
    Forgotten(InterfaceName),
    /// A pod goes: answer when nothing of it is in the kernel any more.
    Withdraw {
        /// Which.
        endpoint: EndpointId,
        /// Only if it still belongs to this container.
        container_id: String,
        /// The host end of its link.
        host_interface: InterfaceName,
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// The configuration was read again.
    Reload(Box<Result<Reading, Invalid>>),
    /// A question.
    Ask(Question),
    /// End, leaving the kernel as it is.
    Stop(oneshot::Sender<()>),
}

/// An endpoint could not be programmed; says what failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotProgrammed(pub String);

/// The agent has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent is stopping")]
pub struct Stopped;

/// The way to the loop, for every other task.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    status: watch::Receiver<Arc<Status>>,
    config: watch::Receiver<Arc<Config>>,
    speaker: SpeakerView,
}

impl Handle {
    pub(super) fn new(
        events: mpsc::Sender<Event>,
        status: watch::Receiver<Arc<Status>>,
        config: watch::Receiver<Arc<Config>>,
        speaker: SpeakerView,
    ) -> Self {
        Self { events, status, config, speaker }
    }

    /// Hands an event in, waiting while the queue is full.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn send(&self, event: Event) -> Result<(), Stopped> {
        self.events.send(event).await.map_err(|_| Stopped)
    }

    /// Asks the inputs.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Inputs) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let question = move |inputs: &Inputs| {
            // Whoever asked may have gone.
            let _ = reply.send(question(inputs));
        };
        self.send(Event::Ask(Box::new(question))).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// The newest status, published after each pass.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Follows the status.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// Follows the configuration in force.
    #[must_use]
    pub fn watch_config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// The BGP speaker's tables, once it runs.
    #[must_use]
    pub fn speaker(&self) -> &SpeakerView {
        &self.speaker
    }
}
