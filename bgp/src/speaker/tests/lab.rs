//! Speakers on wires in memory: octets of `poll_transmit` on one end, framed and decoded on the other, at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ipnetwork::IpNetwork;

use crate::bfd;
use crate::config::{Config, Origination, PeerConfig, PeerKey, Policy, RemoteAs};
use crate::rib::Hops;
use crate::session::State;
use crate::speaker::view::{FamilyView, Match, PathView, PeerView};
use crate::speaker::{
    ConnId, Endpoint, Input, LocalAddresses, Monitored, NoticeKind, Output, Reset, RouteQuery, Speaker, Table,
};
use crate::wire::{Codec, Family, Message, framer};

/// The interface that every node is on.
pub const LINK: &str = "eth0";

pub fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

pub fn v4(node: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + u32::try_from(node).unwrap())
}

pub fn v6(node: usize) -> Ipv6Addr {
    Ipv6Addr::from(0xfd00_u128 << 112 | u128::try_from(node + 1).unwrap())
}

pub fn link_local(node: usize) -> Ipv6Addr {
    Ipv6Addr::from(0xfe80_u128 << 112 | u128::try_from(node + 1).unwrap())
}

pub fn key(node: usize) -> PeerKey {
    PeerKey::Address(v4(node).into())
}

pub fn unnumbered() -> PeerKey {
    PeerKey::Interface(LINK.into())
}

/// A peer in that AS, with which everything is exchanged.
pub fn peer(remote_as: u32) -> PeerConfig {
    PeerConfig::new(RemoteAs::Is(remote_as)).with_policy(&Policy::Accept, &Policy::Accept)
}

pub fn config(node: usize, local_as: u32, peers: &[(usize, PeerConfig)]) -> Config {
    let peers = peers.iter().map(|(node, peer)| (key(*node), peer.clone())).collect();
    Config { local_as, router_id: v4(node), peers, ..Config::default() }
}

/// A node's end of a connection.
type End = (usize, ConnId);

#[derive(Default)]
pub struct Node {
    pub speaker: Option<Speaker>,
    pub local: LocalAddresses,
    pub fib: BTreeMap<IpNetwork, Hops>,
    /// Prefixes that lost their last next hop.
    pub lost: Vec<IpNetwork>,
    pub synchronised_at: Option<Instant>,
    pub notices: Vec<(PeerKey, NoticeKind)>,
    pub monitored: Vec<Monitored>,
    pub watches: BTreeMap<PeerKey, Option<bfd::Watch>>,
    /// With whom it came from.
    pub received: Vec<(usize, Message)>,
    pub transmits: usize,
    accepted: u64,
}

pub struct Lab {
    pub now: Instant,
    pub nodes: Vec<Node>,
    /// From whom to whom nothing is taken off the speaker: the peer's socket is full.
    pub stuck: BTreeSet<(usize, usize)>,
    wires: BTreeMap<End, (End, Codec, BytesMut)>,
    inputs: VecDeque<(usize, Input)>,
}

impl Lab {
    pub fn new(nodes: usize) -> Self {
        let subnets = vec![prefix("10.0.0.0/16"), prefix("fd00::/64")];
        let local = |node| LocalAddresses {
            v4: Some(v4(node)),
            v6: Some(v6(node)),
            v6_link_local: Some(link_local(node)),
            subnets: subnets.clone(),
            local: Some((v4(node), 179).into()),
            remote_port: 179,
        };
        Self {
            now: Instant::now(),
            nodes: (0..nodes).map(|node| Node { local: local(node), ..Node::default() }).collect(),
            stuck: BTreeSet::new(),
            wires: BTreeMap::new(),
            inputs: VecDeque::new(),
        }
    }

    /// Nodes of one AS each, 65000 and up, all peers of each other.
    pub fn external(nodes: usize) -> Self {
        let mut lab = Self::new(nodes);
        for node in 0..nodes {
            let others = (0..nodes).filter(|other| *other != node);
            let peers: Vec<_> = others.map(|other| (other, peer(asn(other)))).collect();
            lab.start(node, config(node, asn(node), &peers));
        }
        lab.seconds(10);
        lab
    }

    pub fn start(&mut self, node: usize, config: Config) {
        self.nodes[node].speaker = Some(Speaker::new());
        self.nodes[node].synchronised_at = None;
        self.input(node, Input::Configure(Box::new(config)));
    }

    /// The same with prefixes that are known from the beginning.
    pub fn start_with(&mut self, node: usize, config: Config, prefixes: &[&str]) {
        self.nodes[node].speaker = Some(Speaker::new());
        self.nodes[node].synchronised_at = None;
        self.originate(node, prefixes);
        self.input(node, Input::Configure(Box::new(config)));
    }

    /// Its process is killed; its forwarding table stays.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        let ends: Vec<_> = self.wires.keys().filter(|end| end.0 == node).copied().collect();
        ends.into_iter().for_each(|end| self.hang_up(end));
        self.work_off();
    }

    /// It is gone, and nobody is told.
    pub fn vanish(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        self.wires.retain(|end, _| end.0 != node);
    }

    /// Applies a change to the configuration of a node.
    pub fn configure(&mut self, node: usize, change: impl FnOnce(&mut Config)) {
        let mut config = self.speaker(node).config.clone();
        change(&mut config);
        self.input(node, Input::Configure(Box::new(config)));
    }

    /// Applies a change to one peer of a node.
    pub fn configure_peer(&mut self, node: usize, other: usize, change: impl FnOnce(&mut PeerConfig)) {
        self.configure(node, |config| change(config.peers.get_mut(&key(other)).unwrap()));
    }

    pub fn originate(&mut self, node: usize, prefixes: &[&str]) {
        let originations = prefixes.iter().map(|text| (prefix(text), Origination::default()));
        self.input(node, Input::Originate(originations.collect()));
    }

    pub fn reset(&mut self, node: usize, other: usize, reset: Reset) {
        self.input(node, Input::Reset(key(other), reset));
    }

    pub fn bfd(&mut self, node: usize, other: usize, report: bfd::Report) {
        self.input(node, Input::Bfd(key(other), report));
    }

    /// A message as if the peer had sent it on its Established session.
    pub fn inject(&mut self, node: usize, from: usize, message: Message) {
        let peer = self.speaker(node).peers.by_key().find(|peer| peer.key == key(from)).unwrap();
        let conn = peer.established_conn().unwrap();
        self.input(node, Input::Received(conn, Ok(message)));
    }

    pub fn input(&mut self, node: usize, input: Input) {
        self.inputs.push_back((node, input));
        self.work_off();
    }

    fn work_off(&mut self) {
        while let Some((node, input)) = self.inputs.pop_front() {
            let Some(speaker) = &mut self.nodes[node].speaker else { continue };
            speaker.handle(input, self.now);
            while let Some(output) = self.nodes[node].speaker.as_mut().and_then(Speaker::poll_output) {
                self.perform(node, output);
            }
        }
    }

    fn perform(&mut self, index: usize, output: Output) {
        let now = self.now;
        let node = &mut self.nodes[index];
        match output {
            Output::Connect(conn, _, endpoint) => self.connect(index, conn, &endpoint),
            Output::Disconnect(conn) => {
                self.transmit(index, conn);
                self.hang_up((index, conn));
            }
            Output::Codec(conn, codec) => {
                if let Some((_, old, _)) = self.wires.get_mut(&(index, conn)) {
                    *old = codec;
                }
            }
            Output::Transmit(conn) => {
                node.transmits += 1;
                self.transmit(index, conn);
            }
            Output::BestPaths(paths) => {
                for (prefix, hops) in paths {
                    match hops {
                        Some(hops) => _ = node.fib.insert(prefix, hops),
                        None => node.lost.extend(node.fib.remove(&prefix).map(|_| prefix)),
                    }
                }
            }
            Output::Synchronised => assert_eq!(node.synchronised_at.replace(now), None, "once per life"),
            Output::WatchPeer(key, watch) => _ = node.watches.insert(key, watch),
            Output::Notice(notice) => node.notices.push((notice.peer, notice.kind)),
            Output::Monitored(monitored) => node.monitored.push(monitored),
        }
    }

    fn connect(&mut self, from: usize, conn: ConnId, to: &Endpoint) {
        let is_at = |node: &usize| match to.address {
            IpAddr::V4(address) => v4(*node) == address,
            IpAddr::V6(address) => v6(*node) == address || link_local(*node) == address,
        };
        let Some(to_node) =
            (0..self.nodes.len()).find(is_at).filter(|node| self.nodes[*node].speaker.is_some())
        else {
            return self.inputs.push_back((from, Input::ConnectFailed(conn, "refused".to_owned())));
        };
        let accepted = ConnId(self.nodes[to_node].accepted);
        self.nodes[to_node].accepted += 1;
        let (here, there) = ((from, conn), (to_node, accepted));
        self.wires.insert(here, (there, Codec::default(), BytesMut::new()));
        self.wires.insert(there, (here, Codec::default(), BytesMut::new()));
        let address = match to.address {
            IpAddr::V4(_) => v4(from).into(),
            IpAddr::V6(address) if address.is_unicast_link_local() => link_local(from).into(),
            IpAddr::V6(_) => v6(from).into(),
        };
        let endpoint = Endpoint { address, interface: to.interface.clone() };
        let local = self.nodes[to_node].local.clone();
        self.inputs.push_back((to_node, Input::Accepted(accepted, endpoint, local)));
        self.inputs.push_back((from, Input::Connected(conn, self.nodes[from].local.clone())));
    }

    fn transmit(&mut self, node: usize, conn: ConnId) {
        let other = self.other((node, conn));
        if other.is_some_and(|other| self.stuck.contains(&(node, other.0))) {
            return;
        }
        let now = self.now;
        while let Some(octets) = self.nodes[node].speaker.as_mut().and_then(|s| s.poll_transmit(conn, now)) {
            if let Some((_, _, buffer)) = other.and_then(|other| self.wires.get_mut(&other)) {
                buffer.extend_from_slice(&octets);
            }
        }
        if let Some(other) = other {
            self.read(other);
        }
    }

    /// The other end of a wire, unless it vanished.
    fn other(&self, end: End) -> Option<End> {
        let (other, ..) = self.wires.get(&end)?;
        self.wires.get(other).is_some_and(|(back, ..)| *back == end).then_some(*other)
    }

    /// Nobody sends UPDATEs before it has our KEEPALIVE, hence before the codec is known.
    fn read(&mut self, end: End) {
        let Some(((from, _), codec, buffer)) = self.wires.get_mut(&end) else { return };
        while let Some(frame) = framer::decode(buffer, codec.max_octets()).unwrap() {
            let message = Message::decode(frame.kind, &frame.body, codec);
            if let Ok(Some(message)) = &message {
                self.nodes[end.0].received.push((*from, message.clone()));
            }
            if let Some(message) = message.transpose() {
                self.inputs.push_back((end.0, Input::Received(end.1, message)));
            }
        }
    }

    fn hang_up(&mut self, end: End) {
        let other = self.other(end);
        self.wires.remove(&end);
        if let Some(other) = other {
            self.read(other);
            self.wires.remove(&other);
            self.inputs.push_back((other.0, Input::Closed(other.1, "reset by peer".to_owned())));
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let deadlines = self.nodes.iter().filter_map(|node| node.speaker.as_ref()?.deadline());
            let Some(next) = deadlines.min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for node in 0..self.nodes.len() {
                let due = |lab: &Self| {
                    let deadline = lab.nodes[node].speaker.as_ref().and_then(Speaker::deadline);
                    deadline.is_some_and(|deadline| deadline <= lab.now)
                };
                if due(self) {
                    self.input(node, Input::Deadline);
                    assert!(!due(self), "a timer fires once");
                }
            }
        }
        self.now = end;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn speaker(&self, node: usize) -> &Speaker {
        self.nodes[node].speaker.as_ref().unwrap()
    }

    pub fn peer_by(&self, node: usize, key: &PeerKey) -> Option<PeerView> {
        self.speaker(node).view(self.now).peers.into_iter().find(|peer| peer.key == *key)
    }

    pub fn peer(&self, node: usize, other: usize) -> PeerView {
        self.peer_by(node, &key(other)).unwrap()
    }

    pub fn family(&self, node: usize, other: usize) -> FamilyView {
        self.peer(node, other)
            .families
            .into_iter()
            .find(|family| family.family == Family::Ipv4Unicast)
            .unwrap()
    }

    pub fn state(&self, node: usize, other: usize) -> State {
        self.peer(node, other).state
    }

    pub fn is_up(&self, node: usize, other: usize) -> bool {
        self.state(node, other) == State::Established
    }

    /// The paths to a prefix in a table.
    pub fn paths(&self, node: usize, table: Table, text: &str) -> Vec<PathView> {
        let query = RouteQuery {
            table,
            peer: None,
            family: None,
            prefix: Some((prefix(text), Match::Exact)),
            rejected: false,
            limit: usize::MAX,
        };
        let routes = self.speaker(node).routes(&query, self.now);
        routes.into_iter().flat_map(|route| route.paths).collect()
    }

    pub fn knows(&self, node: usize, text: &str) -> bool {
        self.nodes[node].fib.contains_key(&prefix(text))
    }

    pub fn stale(&self, node: usize, text: &str) -> Option<bool> {
        self.paths(node, Table::AdjRibIn, text).first().map(|path| path.stale)
    }

    /// Messages that a node got from another since it was last asked.
    pub fn take_received(&mut self, node: usize, from: usize) -> Vec<Message> {
        let all = std::mem::take(&mut self.nodes[node].received);
        let (wanted, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(other, _)| *other == from);
        self.nodes[node].received = others;
        wanted.into_iter().map(|(_, message)| message).collect()
    }
}

/// The AS of a node in [`Lab::external`].
pub fn asn(node: usize) -> u32 {
    65000 + u32::try_from(node).unwrap()
}

pub fn link() -> Arc<str> {
    LINK.into()
}
