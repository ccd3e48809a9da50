//! Who is in which AS and peers with whom, and what each node is configured to that end.

use std::collections::BTreeMap;
use std::time::Duration;

use bgp::config::{Config, GracefulRestart, Multipath, PeerConfig, Policy, RemoteAs, SendPaths, Timers};

use crate::network::{key, v4};

/// Equally good paths that are used.
pub const MULTIPATH: usize = 4;

/// A session between two nodes. What is said of an end counts for what it does or is towards the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session {
    pub ends: [usize; 2],
    /// This end is a client of the other, a reflector.
    pub client: [bool; 2],
    /// This end tells what it originates, no more.
    pub originated: [bool; 2],
    /// This end names itself as next hop of all that it tells.
    pub next_hop_self: [bool; 2],
    /// This end waits to be called.
    pub passive: [bool; 2],
    /// All paths are told, both ways.
    pub add_path: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The AS of each node.
    pub asn: Vec<u32>,
    pub sessions: Vec<Session>,
}

/// A peer that everything is taken from and told to.
pub fn peer(remote_as: u32) -> PeerConfig {
    PeerConfig::new(RemoteAs::Is(remote_as)).with_policy(&Policy::Accept, &Policy::Accept)
}

/// A peer that everything is taken from, and told what is our own.
pub fn upstream(remote_as: u32) -> PeerConfig {
    PeerConfig::new(RemoteAs::Is(remote_as)).with_policy(&Policy::Accept, &Policy::Originated)
}

pub fn config(node: usize, local_as: u32, peers: &[(usize, PeerConfig)]) -> Config {
    Config {
        local_as,
        router_id: v4(node),
        peers: peers.iter().map(|(other, config)| (key(*other), config.clone())).collect(),
        graceful_restart: GracefulRestart {
            deferral_time: Duration::from_secs(60),
            ..GracefulRestart::default()
        },
        multipath: Multipath { external: 8, internal: 8, relaxed_as_path: true },
        ..Config::default()
    }
}

/// The same, following a process whose routes the kernel still has.
pub fn restarted(mut config: Config) -> Config {
    config.graceful_restart.restarting = true;
    config
}

impl Session {
    pub fn between(a: usize, b: usize) -> Self {
        Self { ends: [a, b], ..Self::default() }
    }

    /// A client and its reflector.
    pub fn reflected(client: usize, reflector: usize) -> Self {
        Self { client: [true, false], ..Self::between(client, reflector) }
    }
}

impl Topology {
    /// Every two nodes of one AS.
    pub fn mesh(nodes: usize) -> Self {
        let mut topology = Self { asn: vec![65000; nodes], sessions: Vec::new() };
        topology.mesh_among(&(0..nodes).collect::<Vec<_>>());
        topology
    }

    /// Every node an AS of its own: spines first, then leaves, each with a session to each spine.
    pub fn leaf_spine(spines: usize, leaves: usize) -> Self {
        let asn = |node| 65000 + u32::try_from(node).unwrap();
        let mut topology = Self { asn: (0..spines + leaves).map(asn).collect(), sessions: Vec::new() };
        for leaf in spines..spines + leaves {
            for spine in 0..spines {
                let session = Session::between(leaf, spine);
                topology.sessions.push(Session { originated: [true, false], ..session });
            }
        }
        topology
    }

    /// Two tiers of reflectors in one AS. The top ones are meshed; each rack has two reflectors, clients of all top ones,
    /// and nodes that are clients of both. The clients of a rack may be meshed as well.
    pub fn reflectors(top: usize, racks: usize, nodes: usize, meshed: bool, add_path: bool) -> Self {
        let mut topology = Self { asn: vec![65000; top + racks * (2 + nodes)], sessions: Vec::new() };
        topology.mesh_among(&(0..top).collect::<Vec<_>>());
        for rack in 0..racks {
            let first = top + rack * (2 + nodes);
            let (reflectors, clients) = ([first, first + 1], first + 2..first + 2 + nodes);
            for reflector in reflectors {
                topology.sessions.extend((0..top).map(|upper| Session::reflected(reflector, upper)));
                topology.sessions.extend(clients.clone().map(|client| Session::reflected(client, reflector)));
            }
            if meshed {
                topology.mesh_among(&clients.collect::<Vec<_>>());
            }
        }
        for session in &mut topology.sessions {
            session.add_path = add_path;
        }
        topology
    }

    fn mesh_among(&mut self, nodes: &[usize]) {
        for (index, a) in nodes.iter().enumerate() {
            self.sessions.extend(nodes[index + 1..].iter().map(|b| Session::between(*a, *b)));
        }
    }

    pub fn nodes(&self) -> usize {
        self.asn.len()
    }

    pub fn is_external(&self, session: &Session) -> bool {
        self.asn[session.ends[0]] != self.asn[session.ends[1]]
    }

    /// A node's whole configuration, timers short enough for much to happen in few minutes.
    pub fn config(&self, node: usize) -> Config {
        let mut peers = BTreeMap::new();
        for session in &self.sessions {
            for (end, other) in [(0, 1), (1, 0)] {
                if session.ends[end] == node {
                    peers.insert(key(session.ends[other]), self.peer_config(session, end, other));
                }
            }
        }
        Config {
            local_as: self.asn[node],
            router_id: v4(node),
            peers,
            graceful_restart: GracefulRestart {
                restart_time: Duration::from_secs(30),
                deferral_time: Duration::from_secs(15),
                stale_time: Duration::from_secs(60),
                ..GracefulRestart::default()
            },
            multipath: Multipath { external: MULTIPATH, internal: MULTIPATH, relaxed_as_path: true },
            ..Config::default()
        }
    }

    fn peer_config(&self, session: &Session, end: usize, other: usize) -> PeerConfig {
        let remote_as = self.asn[session.ends[other]];
        let mut peer = if session.originated[end] { upstream(remote_as) } else { peer(remote_as) };
        peer.route_reflector_client = session.client[other];
        peer.passive = session.passive[end];
        if session.next_hop_self[end] {
            peer.next_hop = bgp::config::NextHopMode::Itself;
        }
        peer.timers =
            Timers { hold: Duration::from_secs(30), send_hold: Some(Duration::from_secs(60)), ..peer.timers };
        for family in peer.families.values_mut() {
            if session.add_path {
                family.add_path_receive = true;
                family.add_path_send = SendPaths::All;
            }
        }
        peer
    }
}
