//! The BGP shell: starts the speaker when there is something to say, and passes its events on to the loop.
//!
//! It starts late on purpose: only when the first pass has shown what the kernel carries, so that the first table a
//! peer receives is complete. A peer that kept our routes over a restart sweeps, at our End-of-RIB, those that it
//! has not heard again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use ::bgp::config::{Origination, PeerKey};
use ::bgp::net;
use ::bgp::session::State;
use ::bgp::speaker::{Notice, NoticeKind};
use ipnetwork::IpNetwork;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::history::{Fact, History};
use crate::agent::Event;
use crate::config::Config;
use crate::plan;

/// Reads the speaker's tables, and controls peers; empty-handed until it runs.
#[derive(Clone, Default)]
pub struct SpeakerView {
    handle: Arc<OnceLock<net::Handle>>,
    history: History,
}

impl SpeakerView {
    /// The running speaker.
    #[must_use]
    pub fn running(&self) -> Option<&net::Handle> {
        self.handle.get()
    }

    /// What happened to peers.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }
}

/// The loop's end of the speaker.
pub struct Speaker {
    view: SpeakerView,
    events: mpsc::WeakSender<Event>,
    originated: BTreeMap<IpNetwork, Origination>,
    /// What it was started with: the routes of an earlier life were in the kernel.
    restarting: bool,
}

impl Speaker {
    /// Not started; its events will go to `events`.
    #[must_use]
    pub fn new(events: &mpsc::Sender<Event>) -> Self {
        Self {
            view: SpeakerView::default(),
            events: events.downgrade(),
            originated: BTreeMap::new(),
            restarting: false,
        }
    }

    /// The readers' end.
    #[must_use]
    pub fn view(&self) -> SpeakerView {
        self.view.clone()
    }

    /// Makes `prefixes` the whole set that is originated, starting the speaker if it does not run.
    ///
    /// # Errors
    /// When it cannot start, e.g. because the port is taken.
    pub async fn originate(
        &mut self,
        config: &Config,
        prefixes: BTreeMap<IpNetwork, Origination>,
        restarting: bool,
    ) -> io::Result<()> {
        if let Some(running) = self.view.running() {
            if prefixes != self.originated {
                running.originate(prefixes.clone()).await.map_err(io::Error::other)?;
                self.originated = prefixes;
            }
            return Ok(());
        }
        let listen = &config.bgp.listen;
        let addresses =
            listen.addresses.iter().map(|address| SocketAddr::new(*address, listen.port)).collect();
        let listen = ::bgp::config::Listen { addresses };
        let (handle, events) = net::start(listen, plan::bgp::speaker(config, restarting), prefixes.clone())?;
        self.originated = prefixes;
        self.restarting = restarting;
        tokio::spawn(pass_on(events, self.events.clone(), self.view.history.clone()));
        if !config.bgp.bmp.collectors.is_empty() {
            handle.monitor(config.bgp.bmp.collectors.clone()).await.map_err(io::Error::other)?;
        }
        // Set once: the loop is the only one who starts it.
        let _ = self.view.handle.set(handle);
        Ok(())
    }

    /// Brings another configuration into force, if the speaker runs; else it starts with it. Only sessions whose own
    /// settings changed are reset.
    ///
    /// # Errors
    /// When the speaker has stopped.
    pub async fn configure(&self, config: &Config) -> io::Result<()> {
        let Some(running) = self.view.running() else { return Ok(()) };
        let speaker = plan::bgp::speaker(config, self.restarting);
        running.configure(speaker).await.map_err(io::Error::other)?;
        running.monitor(config.bgp.bmp.collectors.clone()).await.map_err(io::Error::other)
    }

    /// The link towards this peer is gone.
    pub async fn link_down(&self, peer: PeerKey) {
        if let Some(running) = self.view.running() {
            // A speaker that stopped has no session to lose.
            let _ = running.link_down(peer).await;
        }
    }

    /// Closes every session so that the peers keep our routes (RFC 4724).
    pub async fn stop(&self) {
        if let Some(running) = self.view.running() {
            running.shutdown(net::Shutdown::KeepRoutes).await;
        }
    }
}

async fn pass_on(mut events: mpsc::Receiver<net::Event>, agent: mpsc::WeakSender<Event>, history: History) {
    let mut established = BTreeSet::new();
    while let Some(event) = events.recv().await {
        let event = match event {
            net::Event::BestPaths(changes) => Event::BestPaths { changes, since: Instant::now() },
            net::Event::Synchronised => {
                history.note(Fact::Synchronised);
                Event::Synchronised
            }
            net::Event::Notice(notice) => {
                tell(&mut established, &notice);
                history.note(Fact::Peer(notice));
                continue;
            }
        };
        let Some(agent) = agent.upgrade() else { return };
        if agent.send(event).await.is_err() {
            return;
        }
    }
}

/// A session that comes or goes is news; how a peer that is away is dialled is not.
fn tell(established: &mut BTreeSet<PeerKey>, notice: &Notice) {
    let Notice { peer, kind } = notice;
    match kind {
        NoticeKind::State { state, reason } => {
            let is_up = *state == State::Established;
            if is_up && established.insert(peer.clone()) {
                tracing::info!(%peer, "BGP session established");
            } else if !is_up && established.remove(peer) {
                tracing::warn!(%peer, reason, "BGP session down");
            } else {
                tracing::debug!(%peer, %state, reason, "BGP peer");
            }
        }
        NoticeKind::Malformed(reason) => tracing::warn!(%peer, reason, "errors in an UPDATE were survived"),
        NoticeKind::Prefixes { family, count, limit } if count > limit => {
            tracing::warn!(%peer, %family, count, limit, "too many prefixes");
        }
        NoticeKind::Prefixes { family, count, limit } => {
            tracing::warn!(%peer, %family, count, limit, "near the limit of prefixes");
        }
        NoticeKind::Stale { family, count: 0, .. } => {
            tracing::info!(%peer, %family, "routes kept over the restart are gone, but for those that the peer told again");
        }
        NoticeKind::Stale { family, count, long_lived } => {
            tracing::info!(%peer, %family, count, long_lived, "routes are kept over the peer's restart");
        }
        NoticeKind::Bfd(state) => tracing::info!(%peer, %state, "BFD"),
    }
}
