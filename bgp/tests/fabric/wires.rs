//! The virtual network: speakers, connections between them with a delay, and one clock.
//!
//! Everything is ordered by (time, sequence number), so a run is the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use bgp::config::{Config, Export, GracefulRestart, PeerConfig};
use bgp::session::State;
use bgp::speaker::{
    ConnId, FamilyView, Input, LocalAddresses, Output, PathView, PeerView, RouteQuery, Speaker, Table,
};
use bgp::wire::{DecodeError, Family, Message, NextHop};
use ipnetwork::IpNetwork;

pub fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

pub fn address(node: usize) -> IpAddr {
    IpAddr::V4(v4(node))
}

pub fn v4(node: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + u32::try_from(node).unwrap())
}

pub fn v6(node: usize) -> Ipv6Addr {
    Ipv6Addr::from(0xfd00_u128 << 112 | u128::try_from(node + 1).unwrap())
}

pub fn peer(remote_as: u32) -> PeerConfig {
    PeerConfig {
        remote_as,
        port: 179,
        local_address: None,
        hold_time: Duration::from_secs(90),
        connect_retry: Duration::from_secs(5),
        passive: false,
        ttl: None,
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        export: Export::All,
        next_hop_self: false,
        description: String::new(),
    }
}

pub fn config(node: usize, local_as: u32, peers: &[(usize, PeerConfig)]) -> Config {
    Config {
        local_as,
        router_id: v4(node),
        peers: peers.iter().map(|(other, config)| (address(*other), config.clone())).collect(),
        graceful_restart: GracefulRestart {
            enabled: true,
            restart_time: Duration::from_secs(120),
            restarting: false,
            deferral_time: Duration::from_secs(60),
        },
        multipath_limit: 8,
    }
}

/// A node's end of a connection.
type End = (usize, ConnId);

/// What travels or waits.
#[derive(Debug)]
enum Happening {
    Arrives { from: End, at: End, message: Box<Message> },
    Dialled { from: usize, conn: ConnId, to: usize },
    Accepting { from: End, at: End },
    CloseArrives { from: End, at: End },
}

#[derive(Default)]
pub struct Node {
    pub speaker: Option<Speaker>,
    pub local: LocalAddresses,
    pub fib: BTreeMap<IpNetwork, BTreeSet<NextHop>>,
    /// Prefixes that lost their last next hop, in order.
    pub withdrawn_from_fib: Vec<IpNetwork>,
    pub synchronised_at: Option<Instant>,
    pub states: Vec<(IpAddr, &'static str, String)>,
    pub received: Vec<Message>,
    next_accepted: u64,
}

pub struct Fabric {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub delay: Duration,
    /// Seed of a further delay of each message, up to so many times `delay`; messages of one connection stay in order.
    pub wobble: (u64, u32),
    last_arrival: BTreeMap<End, Instant>,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    /// The other end of each end.
    wires: BTreeMap<End, End>,
    /// Ends towards which nothing gets through, though nobody is told.
    cut: BTreeSet<(usize, usize)>,
}

impl Fabric {
    pub fn new(nodes: usize) -> Self {
        let node = |index| Node {
            local: LocalAddresses { v4: Some(v4(index)), v6: Some(v6(index)), v6_link_local: None },
            ..Node::default()
        };
        Self {
            now: Instant::now(),
            nodes: (0..nodes).map(node).collect(),
            delay: Duration::from_millis(1),
            wobble: (0, 0),
            last_arrival: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            wires: BTreeMap::new(),
            cut: BTreeSet::new(),
        }
    }

    /// A process starts.
    pub fn start(&mut self, node: usize, config: Config) {
        self.nodes[node].speaker = Some(Speaker::new());
        self.nodes[node].synchronised_at = None;
        self.input(node, Input::Configure(config));
    }

    pub fn originate(&mut self, node: usize, prefixes: &[&str]) {
        self.input(node, Input::Originate(prefixes.iter().map(|text| prefix(text)).collect()));
    }

    /// A process is killed: the kernel closes its connections; its forwarding table stays.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        let ends: Vec<_> = self.wires.keys().filter(|(owner, _)| *owner == node).copied().collect();
        for end in ends {
            self.hang_up(end);
        }
    }

    /// A machine vanishes: nobody learns of it.
    pub fn vanish(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        self.wires.retain(|(owner, _), _| *owner != node);
    }

    /// All connections between two nodes break, and both ends notice.
    pub fn break_connections(&mut self, a: usize, b: usize) {
        let between = |(owner, _): &End, (other, _): &End| *owner == a && *other == b;
        let ends: Vec<_> =
            self.wires.iter().filter(|(end, other)| between(end, other)).map(|(end, _)| *end).collect();
        for end in ends {
            if let Some(other) = self.wires.get(&end).copied() {
                self.schedule(Happening::CloseArrives { from: other, at: end });
                self.schedule(Happening::CloseArrives { from: end, at: other });
            }
        }
    }

    /// Packets between two nodes are lost from now on, or not any more.
    pub fn cut(&mut self, a: usize, b: usize, cut: bool) {
        for pair in [(a, b), (b, a)] {
            if cut {
                self.cut.insert(pair);
            } else {
                self.cut.remove(&pair);
            }
        }
    }

    /// Connections between two nodes, counted once each.
    pub fn connections(&self, a: usize, b: usize) -> usize {
        self.wires.iter().filter(|((owner, _), (other, _))| *owner == a && *other == b).count()
    }

    /// Puts a message into a node as if it came on its connection with another.
    pub fn inject(&mut self, node: usize, from: usize, message: Result<Message, DecodeError>) {
        let end = self.wires.iter().find(|((owner, _), (other, _))| *owner == node && *other == from);
        let conn = end.map(|((_, conn), _)| *conn).unwrap();
        self.input(node, Input::Received(conn, message));
    }

    pub fn input(&mut self, node: usize, input: Input) {
        if let Some(speaker) = &mut self.nodes[node].speaker {
            speaker.handle(input, self.now);
            self.work_off(node);
        }
    }

    fn work_off(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].speaker.as_mut().and_then(Speaker::poll_output) {
            let now = self.now;
            match output {
                Output::Connect(conn, to) => {
                    let to = (0..self.nodes.len()).find(|node| address(*node) == to).unwrap();
                    self.schedule(Happening::Dialled { from: index, conn, to });
                }
                Output::Disconnect(conn) => {
                    self.transmit(index, conn);
                    self.hang_up((index, conn));
                }
                Output::Transmit(conn) => self.transmit(index, conn),
                Output::Codec(..) => {}
                Output::BestPaths(paths) => {
                    let node = &mut self.nodes[index];
                    for (prefix, next_hops) in paths {
                        match next_hops {
                            Some(next_hops) => drop(node.fib.insert(prefix, next_hops)),
                            None => {
                                node.fib.remove(&prefix);
                                node.withdrawn_from_fib.push(prefix);
                            }
                        }
                    }
                }
                Output::Synchronised => {
                    assert!(self.nodes[index].synchronised_at.replace(now).is_none(), "once per life");
                }
                Output::PeerChanged(peer, state, reason) => {
                    self.nodes[index].states.push((peer, state, reason))
                }
            }
        }
    }

    fn transmit(&mut self, node: usize, conn: ConnId) {
        let now = self.now;
        while let Some(message) = self.nodes[node].speaker.as_mut().and_then(|s| s.poll_transmit(conn, now)) {
            if let Some(at) = self.wires.get(&(node, conn)).copied()
                && !self.cut.contains(&(node, at.0))
            {
                self.schedule(Happening::Arrives { from: (node, conn), at, message: Box::new(message) });
            }
        }
    }

    /// One end closes; the other learns of it after what is on the wire.
    fn hang_up(&mut self, end: End) {
        if let Some(other) = self.wires.remove(&end)
            && !self.cut.contains(&(end.0, other.0))
        {
            self.schedule(Happening::CloseArrives { from: end, at: other });
        }
    }

    fn schedule(&mut self, happening: Happening) {
        let (seed, most) = &mut self.wobble;
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wobble = (*seed >> 33) as u32 % (*most * 16 + 1);
        let mut at = self.now + self.delay + self.delay * wobble / 16;
        match happening {
            Happening::Arrives { at: end, .. }
            | Happening::CloseArrives { at: end, .. }
            | Happening::Accepting { at: end, .. } => {
                let last = self.last_arrival.entry(end).or_insert(at);
                at = at.max(*last);
                *last = at;
            }
            Happening::Dialled { .. } => {}
        }
        self.sequence += 1;
        self.queue.insert((at, self.sequence), happening);
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wire = self.queue.keys().next().map(|(at, _)| *at);
            let timers = self.nodes.iter().filter_map(|node| node.speaker.as_ref()?.deadline());
            let Some(next) = timers.chain(wire).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let happening = entry.remove();
                self.happen(happening);
            }
            for node in 0..self.nodes.len() {
                let deadline = self.nodes[node].speaker.as_ref().and_then(Speaker::deadline);
                if deadline.is_some_and(|deadline| deadline <= self.now) {
                    self.input(node, Input::Deadline);
                    let again = self.nodes[node].speaker.as_ref().and_then(Speaker::deadline);
                    assert!(again.is_none_or(|again| again > self.now), "a timer fires once");
                }
            }
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { from, at, message } => {
                if self.wires.get(&at) == Some(&from) {
                    self.nodes[at.0].received.push((*message).clone());
                    self.input(at.0, Input::Received(at.1, Ok(*message)));
                }
            }
            Happening::CloseArrives { from, at } => {
                if self.wires.get(&at) == Some(&from) {
                    self.wires.remove(&at);
                    self.input(at.0, Input::Closed(at.1, "connection reset by peer".to_owned()));
                }
            }
            Happening::Dialled { from, conn, to } => {
                if self.nodes[to].speaker.is_none() || self.cut.contains(&(from, to)) {
                    self.input(from, Input::ConnectFailed(conn, "connection refused".to_owned()));
                    return;
                }
                let accepted = ConnId(self.nodes[to].next_accepted);
                self.nodes[to].next_accepted += 1;
                self.wires.insert((from, conn), (to, accepted));
                self.wires.insert((to, accepted), (from, conn));
                self.schedule(Happening::Accepting { from: (from, conn), at: (to, accepted) });
                self.input(from, Input::Connected(conn, self.nodes[from].local));
            }
            Happening::Accepting { from, at } => {
                if self.wires.get(&at) == Some(&from) {
                    self.input(at.0, Input::Accepted(at.1, address(from.0), self.nodes[at.0].local));
                }
            }
        }
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn speaker(&self, node: usize) -> &Speaker {
        self.nodes[node].speaker.as_ref().unwrap()
    }

    /// How `node` sees `other`.
    pub fn peer(&self, node: usize, other: usize) -> PeerView {
        let view = self.speaker(node).view(self.now);
        view.peers.into_iter().find(|peer| peer.address == address(other)).unwrap()
    }

    pub fn family(&self, node: usize, other: usize, family: Family) -> FamilyView {
        self.peer(node, other).families.into_iter().find(|view| view.family == family).unwrap()
    }

    pub fn state(&self, node: usize, other: usize) -> State {
        self.peer(node, other).state
    }

    pub fn paths(&self, node: usize, table: Table, text: &str) -> Vec<PathView> {
        let query = RouteQuery { table, peer: None, prefix: Some(prefix(text)) };
        self.speaker(node).routes(&query, self.now).into_iter().flat_map(|route| route.paths).collect()
    }

    /// The nodes that `node` sends packets for a prefix to.
    pub fn next_hops(&self, node: usize, text: &str) -> Vec<usize> {
        let next_hops = self.nodes[node].fib.get(&prefix(text)).cloned().unwrap_or_default();
        let index = |next_hop: NextHop| {
            (0..self.nodes.len()).find(|&node| match next_hop.address() {
                IpAddr::V4(address) => address == v4(node),
                IpAddr::V6(address) => address == v6(node),
            })
        };
        next_hops.into_iter().map(|next_hop| index(next_hop).unwrap()).collect()
    }
}
