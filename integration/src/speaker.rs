//! Our BGP speaker by itself: `bgp::net` in this process, its sockets in a namespace, no node around it.
//!
//! The speaker's threads are born inside the namespace and stay there; whoever asks stays outside and waits. What the
//! speaker would have a kernel do is kept as a table, [`Speaker::best_paths`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bgp::config::{Config, Listen, Origination, PeerKey};
use bgp::net::{Event, Handle, Shutdown, Stamped};
use bgp::rib::Hops;
use bgp::speaker::view::Match;
use bgp::speaker::{Notice, PeerView, Reset, RouteQuery, RouteView, Table, View, Why};
use ipnetwork::IpNetwork;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, mpsc};

use crate::namespace::Namespace;

/// How long a killed speaker's tasks may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// BGP's port.
const PORT: u16 = 179;

/// What it has told its owner so far.
#[derive(Debug, Default)]
struct Told {
    best: BTreeMap<IpNetwork, Hops>,
    notices: Vec<Notice>,
    synchronised: bool,
}

/// A running speaker.
#[derive(Debug)]
pub struct Speaker {
    /// None only while it is taken apart.
    runtime: Option<Runtime>,
    handle: Handle,
    told: Arc<Mutex<Told>>,
}

impl Speaker {
    /// Starts it in `namespace`, listening on BGP's port of all addresses.
    ///
    /// # Errors
    /// The namespace cannot be entered, or the port is taken.
    pub fn start(
        namespace: &Namespace,
        config: Config,
        originated: BTreeMap<IpNetwork, Origination>,
    ) -> Result<Self> {
        // A thread is in the namespace of the one that made it: the runtime makes its own at once.
        let runtime =
            namespace.run(|| Builder::new_multi_thread().worker_threads(2).enable_all().build())??;
        let wildcards: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let listen = Listen { addresses: wildcards.map(|address| SocketAddr::new(address, PORT)).into() };
        let told = Arc::default();
        let starting = {
            let told = Arc::clone(&told);
            async move {
                let (handle, events) = bgp::net::start(listen, config, originated)?;
                tokio::spawn(listen_to(events, told));
                anyhow::Ok(handle)
            }
        };
        // Not on this thread, which is elsewhere.
        let handle = runtime.block_on(runtime.spawn(starting))?.context("starting the speaker")?;
        Ok(Self { runtime: Some(runtime), handle, told })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        Ok(self.runtime.as_ref().context("the speaker was killed")?.block_on(work))
    }

    /// The speaker and its peers.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn view(&self) -> Result<View> {
        Ok(self.wait(self.handle.view())??)
    }

    /// One peer.
    ///
    /// # Errors
    /// There is no such peer, or the speaker has been shut down.
    pub fn peer(&self, key: &PeerKey) -> Result<PeerView> {
        let peers = self.view()?.peers;
        peers.into_iter().find(|peer| peer.key == *key).with_context(|| format!("there is no peer {key}"))
    }

    /// One peer, whose session must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn ensure_established(&self, key: &PeerKey) -> Result<PeerView> {
        let peer = self.peer(key)?;
        ensure!(
            peer.state == bgp::session::State::Established,
            "{key} is {:?}: {}",
            peer.state,
            peer.last_down_reason
        );
        Ok(peer)
    }

    /// Routes as asked for.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn routes(&self, query: RouteQuery) -> Result<Vec<RouteView>> {
        Ok(self.wait(self.handle.routes(query))??)
    }

    /// Exactly this prefix in a table, of this peer or of all; none where it is not there.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn route(&self, table: Table, peer: Option<PeerKey>, prefix: IpNetwork) -> Result<Option<RouteView>> {
        let query = RouteQuery {
            table,
            peer,
            family: None,
            prefix: Some((prefix, Match::Exact)),
            rejected: false,
            limit: 1,
        };
        Ok(self.routes(query)?.pop())
    }

    /// Why a prefix is routed as it is.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn why(&self, prefix: IpNetwork) -> Result<Why> {
        Ok(self.wait(self.handle.why(prefix))??)
    }

    /// Replaces its configuration.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn configure(&self, config: Config) -> Result<()> {
        Ok(self.wait(self.handle.configure(config))??)
    }

    /// Replaces what it originates.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn originate(&self, prefixes: BTreeMap<IpNetwork, Origination>) -> Result<()> {
        Ok(self.wait(self.handle.originate(prefixes))??)
    }

    /// Resets a peer.
    ///
    /// # Errors
    /// It has been shut down.
    pub fn reset(&self, peer: PeerKey, reset: Reset) -> Result<()> {
        Ok(self.wait(self.handle.reset(peer, reset))??)
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Stamped> {
        self.handle.subscribe()
    }

    /// What a kernel would have by now.
    #[must_use]
    pub fn best_paths(&self) -> BTreeMap<IpNetwork, Hops> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).best.clone()
    }

    /// Everything that it noticed about peers so far.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).notices.clone()
    }

    /// Whether its initial synchronisation is over.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).synchronised
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// It was killed before.
    pub fn shut_down(self, how: Shutdown) -> Result<()> {
        self.wait(self.handle.shutdown(how))
    }

    /// Ends it as a crash does: its connections close without a word.
    pub fn kill(mut self) {
        self.take_apart();
    }

    fn take_apart(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(KILL_PATIENCE);
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.take_apart();
    }
}

async fn listen_to(mut events: mpsc::Receiver<Event>, told: Arc<Mutex<Told>>) {
    while let Some(event) = events.recv().await {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::BestPaths(changes) => {
                for (prefix, hops) in changes {
                    match hops {
                        Some(hops) => drop(told.best.insert(prefix, hops)),
                        None => drop(told.best.remove(&prefix)),
                    }
                }
            }
            Event::Synchronised => told.synchronised = true,
            Event::Notice(notice) => told.notices.push(notice),
        }
    }
}
