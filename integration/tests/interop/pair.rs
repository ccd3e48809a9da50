//! Our speaker and one router on a link: the stage of most tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bgp::config::{Config, GracefulRestart, Origination, PeerConfig, PeerKey, Policy, RemoteAs};
use bgp::speaker::Table;
use bgp::speaker::view::PathView;
use integration::namespace::Namespace;
use integration::router::{Kind, Neighbour, Network, Path, Router};
use integration::speaker::Speaker;
use ipnetwork::IpNetwork;

use crate::segment::{Member, Segment};
use crate::wait_until;

pub const OURS: Member = Member(1);
pub const THEIRS: Member = Member(2);

/// Our AS and a router's where they are external to each other.
pub const EXTERNAL: [u32; 2] = [65_001, 65_002];
/// The same where they are internal.
pub const INTERNAL: [u32; 2] = [65_001, 65_001];

/// A peer of ours with everything open, and timers for people who wait.
pub fn peer() -> PeerConfig {
    let mut peer = PeerConfig::new(RemoteAs::Any).with_policy(&Policy::Accept, &Policy::Accept);
    peer.timers.hold = Duration::from_secs(9);
    peer.timers.keepalive = Some(Duration::from_secs(1));
    peer.timers.connect_retry = Duration::from_secs(1);
    peer
}

/// Ourselves, with these peers.
pub fn config(asn: u32, peers: BTreeMap<PeerKey, PeerConfig>) -> Config {
    Config { local_as: asn, router_id: OURS.router_id(), peers, ..Config::default() }
}

/// These prefixes, originated for no particular reason.
pub fn originated(prefixes: impl IntoIterator<Item = IpNetwork>) -> BTreeMap<IpNetwork, Origination> {
    prefixes.into_iter().map(|prefix| (prefix, Origination::default())).collect()
}

/// The one path that a router has to this prefix, and uses.
pub fn only_path(router: &Router, prefix: IpNetwork) -> Result<Path> {
    let mut paths = router.paths(prefix)?;
    ensure!(paths.len() == 1 && paths[0].best, "{}: {prefix}: {paths:?}", router.spec().name);
    paths.pop().context("a path")
}

/// What both ends are to be like.
pub struct Setting {
    pub kind: Kind,
    /// Ours, theirs.
    pub asns: [u32; 2],
    pub over_v6: bool,
    /// We in the router's eyes.
    pub neighbour: Neighbour,
    /// The router in ours.
    pub peer: PeerConfig,
    pub graceful_restart: GracefulRestart,
    /// Ours; our identifier if none.
    pub cluster_id: Option<Ipv4Addr>,
    /// What the router originates.
    pub networks: Vec<Network>,
    /// What we originate.
    pub originated: BTreeMap<IpNetwork, Origination>,
}

impl Setting {
    /// We dial; each originates a prefix of each family.
    pub fn new(kind: Kind, asns: [u32; 2], over_v6: bool) -> Self {
        let (here, there) = (OURS.address(over_v6), THEIRS.address(over_v6));
        // Where both dial, a session may stand for a moment before the other end decides for the other connection.
        let neighbour = Neighbour { passive: true, ..Neighbour::new(there, here, asns[0]) };
        Self {
            kind,
            asns,
            over_v6,
            neighbour,
            peer: peer(),
            graceful_restart: GracefulRestart::default(),
            cluster_id: None,
            networks: THEIRS.originated(),
            originated: originated(OURS.networks()),
        }
    }
}

/// Both, running.
pub struct Pair {
    /// None only while it is down.
    pub speaker: Option<Speaker>,
    pub router: Router,
    pub config: Config,
    originated: BTreeMap<IpNetwork, Origination>,
    over_v6: bool,
    pub namespace: Arc<Namespace>,
    pub segment: Segment,
}

/// Fails if `speaker` would not use this prefix. What is used is told a little after the tables have it: wait for it.
pub fn ensure_used(speaker: &Speaker, prefix: IpNetwork) -> Result<()> {
    ensure!(speaker.best_paths().contains_key(&prefix), "{prefix} is not used");
    Ok(())
}

impl Pair {
    pub fn start(setting: Setting) -> Self {
        let Setting { kind, asns, over_v6, neighbour, peer, networks, originated, .. } = setting;
        let segment = Segment::new();
        let namespace = segment.join(OURS);
        let key = PeerKey::Address(neighbour.local);
        let router = segment.router(kind, THEIRS, asns[1], vec![neighbour], networks);
        let config = Config {
            graceful_restart: setting.graceful_restart,
            cluster_id: setting.cluster_id,
            ..config(asns[0], [(key, peer)].into())
        };
        let speaker = Some(Speaker::start(&namespace, config.clone(), originated.clone()).unwrap());
        Self { speaker, router, config, originated, over_v6, namespace, segment }
    }

    /// An ordinary one whose routes have been exchanged.
    pub fn met(kind: Kind, asns: [u32; 2], over_v6: bool) -> Self {
        let pair = Self::start(Setting::new(kind, asns, over_v6));
        pair.wait_exchanged();
        pair
    }

    pub fn ours(&self) -> &Speaker {
        self.speaker.as_ref().unwrap()
    }

    /// Our speaker starts, perhaps after it was ended.
    pub fn start_ours(&mut self) {
        let speaker = Speaker::start(&self.namespace, self.config.clone(), self.originated.clone());
        self.speaker = Some(speaker.unwrap());
    }

    /// What the router is to us.
    pub fn key(&self) -> PeerKey {
        PeerKey::Address(self.there())
    }

    /// Our end.
    pub fn here(&self) -> IpAddr {
        OURS.address(self.over_v6)
    }

    /// The router's end.
    pub fn there(&self) -> IpAddr {
        THEIRS.address(self.over_v6)
    }

    /// The router in our configuration.
    pub fn peer_config(&mut self) -> &mut PeerConfig {
        let key = self.key();
        self.config.peers.get_mut(&key).unwrap()
    }

    /// Has our speaker take [`Self::config`].
    pub fn configure(&self) {
        self.ours().configure(self.config.clone()).unwrap();
    }

    /// What each end has of the other's routes in the family of the session.
    pub fn wait_exchanged(&self) {
        self.wait_established();
        let family = usize::from(self.over_v6);
        wait_until("the router has our prefix", || self.theirs(OURS.networks()[family]));
        wait_until("we have the router's prefix", || self.path(THEIRS.networks()[family]));
    }

    pub fn wait_established(&self) {
        wait_until("the session stands", || {
            self.router.ensure_established(self.here())?;
            self.ours().ensure_established(&self.key())
        });
    }

    /// The one path that the router has to this prefix, and uses.
    pub fn theirs(&self, prefix: IpNetwork) -> Result<Path> {
        only_path(&self.router, prefix)
    }

    /// Fails if the router has a path to this prefix.
    pub fn ensure_theirs_not(&self, prefix: IpNetwork) -> Result<()> {
        let paths = self.router.paths(prefix)?;
        ensure!(paths.is_empty(), "{}: {prefix}: {paths:?}", self.router.spec().name);
        Ok(())
    }

    /// The one path to this prefix that we have of the router, in the table of all.
    pub fn path(&self, prefix: IpNetwork) -> Result<PathView> {
        let route = self.ours().route(Table::LocRib, Some(self.key()), prefix)?;
        let mut paths = route.with_context(|| format!("we have no path to {prefix}"))?.paths;
        ensure!(paths.len() == 1, "{prefix}: {paths:?}");
        paths.pop().context("a path")
    }

    /// Fails if we would not use this prefix.
    pub fn ensure_used(&self, prefix: IpNetwork) -> Result<()> {
        ensure_used(self.ours(), prefix)
    }

    /// Fails if we would use this prefix.
    pub fn ensure_unused(&self, prefix: IpNetwork) -> Result<()> {
        let best = self.ours().best_paths();
        ensure!(!best.contains_key(&prefix), "{prefix} is used");
        Ok(())
    }
}
