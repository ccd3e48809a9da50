//! The BGP shell: starts the speaker when there is something to say, and passes its events on to the loop.
//!
//! It starts late on purpose: only when the first pass has shown what the kernel carries, so that the first table a
//! peer receives is complete. A peer that kept our routes over a restart sweeps, at our End-of-RIB, those that it
//! has not heard again.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use ::bgp::net;
use ::bgp::session::State;
use ipnetwork::IpNetwork;
use tokio::sync::mpsc;

use crate::agent::Event;
use crate::config::Config;
use crate::plan;

/// Reads the speaker's tables; empty-handed until it runs.
#[derive(Clone, Default)]
pub struct SpeakerView(Arc<OnceLock<net::Handle>>);

impl SpeakerView {
    /// The running speaker.
    #[must_use]
    pub fn running(&self) -> Option<&net::Handle> {
        self.0.get()
    }
}

/// The loop's end of the speaker.
pub struct Speaker {
    handle: SpeakerView,
    events: mpsc::WeakSender<Event>,
    originated: BTreeSet<IpNetwork>,
}

impl Speaker {
    /// Not started; its events will go to `events`.
    #[must_use]
    pub fn new(events: &mpsc::Sender<Event>) -> Self {
        Self { handle: SpeakerView::default(), events: events.downgrade(), originated: BTreeSet::new() }
    }

    /// The readers' end.
    #[must_use]
    pub fn view(&self) -> SpeakerView {
        self.handle.clone()
    }

    /// Makes `prefixes` the whole set that is originated, starting the speaker if it does not run.
    ///
    /// # Errors
    /// When it cannot start, e.g. because the port is taken.
    pub async fn originate(
        &mut self,
        config: &Config,
        prefixes: BTreeSet<IpNetwork>,
        restarting: bool,
    ) -> io::Result<()> {
        if let Some(running) = self.handle.running() {
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
        tokio::spawn(pass_on(events, self.events.clone()));
        // Set once: the loop is the only one who starts it.
        let _ = self.handle.0.set(handle);
        Ok(())
    }

    /// The link towards this peer is gone.
    pub async fn link_down(&self, peer: IpAddr) {
        if let Some(running) = self.handle.running() {
            // A speaker that stopped has no session to lose.
            let _ = running.link_down(peer).await;
        }
    }

    /// Closes every session so that the peers keep our routes (RFC 4724).
    pub async fn stop(&self) {
        if let Some(running) = self.handle.running() {
            running.shutdown(net::Shutdown::KeepRoutes).await;
        }
    }
}

async fn pass_on(mut events: mpsc::Receiver<net::Event>, agent: mpsc::WeakSender<Event>) {
    let mut established = BTreeSet::new();
    while let Some(event) = events.recv().await {
        let event = match event {
            net::Event::BestPaths(changes) => Event::BestPaths(changes),
            net::Event::Synchronised => Event::Synchronised,
            net::Event::PeerChanged { peer, state, reason } => {
                tell(&mut established, peer, state, &reason);
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
fn tell(established: &mut BTreeSet<IpAddr>, peer: IpAddr, state: &str, reason: &str) {
    let is_up = state == State::Established.name();
    if is_up && established.insert(peer) {
        tracing::info!(%peer, "BGP session established");
    } else if !is_up && established.remove(&peer) {
        tracing::warn!(%peer, reason, "BGP session down");
    } else {
        tracing::debug!(%peer, state, reason, "BGP peer");
    }
}
