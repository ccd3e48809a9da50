//! The virtual network: speakers, connections of octets between them, and one clock.
//!
//! A connection behaves as TCP does for its two users: octets arrive in order or the connection dies; what a cut link
//! holds back arrives after it is mended; a reader that does not read stops the writer after a window. Frames are cut
//! and decoded at the receiving end with its own codec, as a shell does. Everything is ordered by time and
//! sequence number, and all chance comes from one seed, so that a run is the same every time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bgp::config::{Config, Origination};
use bgp::speaker::{ConnId, Endpoint, Input, LocalAddresses, Output, Speaker};
use bgp::wire::{Codec, DecodeError, Message, framer};
use bytes::{Bytes, BytesMut};
use ipnetwork::IpNetwork;

use crate::dice::Dice;
pub use crate::node::{Node, key, node_of, prefix, v4, v6};

/// Octets that a connection holds for a reader that does not read, sent and not yet taken.
const WINDOW: usize = 64 * 1024;
/// How long dialling somebody behind a cut link takes to fail.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

pub type WireId = usize;
/// Which end of a wire: the one that dialled is 0.
pub type Side = usize;

/// A TCP connection.
struct Wire {
    ends: [(usize, ConnId); 2],
    alive: [bool; 2],
    /// Towards each end.
    ways: [Way; 2],
}

/// One direction of a connection.
#[derive(Default)]
struct Way {
    /// Sent and not yet taken by the reader.
    unread: usize,
    /// The writer has more and waits for the window.
    blocked: bool,
    last_arrival: Option<Instant>,
    /// Arrived at a reader that does not read.
    waiting: VecDeque<Bytes>,
    buffer: BytesMut,
    codec: Codec,
}

/// What travels or waits.
#[derive(Debug)]
enum Event {
    Dialled { from: usize, conn: ConnId, to: usize },
    DialFailed { from: usize, conn: ConnId, why: &'static str },
    Accepting { wire: WireId },
    Arrives { wire: WireId, side: Side, octets: Bytes },
    Closes { wire: WireId, side: Side },
    WindowOpens { wire: WireId, side: Side },
    Sends { node: usize, conn: ConnId },
    Wakes { node: usize },
}

struct Scheduled {
    at: Instant,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Scheduled {}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub struct Network {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub delay: Duration,
    /// Each arrival is late by up to so many times `delay`; those of one connection stay in order.
    pub wobble: u32,
    /// Octets arrive in segments of random lengths up to this; whole pieces if none.
    pub segments: Option<usize>,
    /// Keep received messages and notices.
    pub record: bool,
    /// Messages that arrived.
    pub messages: u64,
    pub dice: Dice,
    queue: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    wires: Vec<Wire>,
    /// Nothing gets through from the one to the other, though nobody is told.
    cut: BTreeSet<(usize, usize)>,
    /// What will get through when that is over.
    held: Vec<Event>,
}

impl Network {
    pub fn new(nodes: usize) -> Self {
        let local = |index| LocalAddresses {
            v4: Some(v4(index)),
            v6: Some(v6(index)),
            local: Some(SocketAddr::new(v4(index).into(), 179)),
            ..LocalAddresses::default()
        };
        Self {
            now: Instant::now(),
            nodes: (0..nodes).map(|index| Node { local: local(index), ..Node::default() }).collect(),
            delay: Duration::from_millis(1),
            wobble: 0,
            segments: None,
            record: true,
            messages: 0,
            dice: Dice::new(0),
            queue: BinaryHeap::new(),
            sequence: 0,
            wires: Vec::new(),
            cut: BTreeSet::new(),
            held: Vec::new(),
        }
    }

    // --- what is done to it ---

    /// A process starts. What the kernel still has is confirmed or swept by it.
    pub fn start(&mut self, node: usize, config: Config) {
        let machine = &mut self.nodes[node];
        machine.speaker = Some(Speaker::new());
        machine.synchronised_at = None;
        machine.unconfirmed = machine.fib.keys().copied().collect();
        machine.off = false;
        self.input(node, Input::Configure(Box::new(config)));
    }

    pub fn originate(&mut self, node: usize, prefixes: &[&str]) {
        self.originate_all(node, prefixes.iter().map(|text| prefix(text)));
    }

    pub fn originate_all(&mut self, node: usize, prefixes: impl IntoIterator<Item = IpNetwork>) {
        let prefixes = prefixes.into_iter().map(|prefix| (prefix, Origination::default())).collect();
        self.input(node, Input::Originate(prefixes));
    }

    /// A process is killed: the kernel closes its connections; its forwarding table stays.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        for conn in self.nodes[node].ends.keys().copied().collect::<Vec<_>>() {
            self.hang_up(node, conn);
        }
    }

    /// A machine is switched off, until something is started on it: nobody learns of it.
    pub fn switch_off(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        machine.speaker = None;
        machine.off = true;
        for (wire, side) in std::mem::take(&mut machine.ends).into_values() {
            self.wires[wire].alive[side] = false;
        }
    }

    /// All connections between two nodes die, and both ends notice.
    pub fn break_connections(&mut self, a: usize, b: usize) {
        for (wire, side) in self.wires_between(a, b) {
            self.schedule(Event::Closes { wire, side });
            self.schedule(Event::Closes { wire, side: 1 - side });
        }
    }

    /// Packets between two nodes are lost from now on, or not any more: then TCP repeats them.
    pub fn cut(&mut self, a: usize, b: usize, cut: bool) {
        for pair in [(a, b), (b, a)] {
            if cut {
                self.cut.insert(pair);
            } else {
                self.cut.remove(&pair);
            }
        }
        for event in std::mem::take(&mut self.held) {
            self.schedule(event);
        }
    }

    /// The link between two nodes loses its carrier, which both notice.
    pub fn link_down(&mut self, a: usize, b: usize) {
        self.cut(a, b, true);
        self.input(a, Input::LinkDown(key(b)));
        self.input(b, Input::LinkDown(key(a)));
    }

    /// Whether a node reads its sockets.
    pub fn set_deaf(&mut self, node: usize, deaf: bool) {
        self.nodes[node].deaf = deaf;
        if deaf {
            return;
        }
        for (wire, side) in self.nodes[node].ends.values().copied().collect::<Vec<_>>() {
            while let Some(octets) = self.wires[wire].ways[side].waiting.pop_front() {
                self.read(wire, side, &octets);
            }
        }
    }

    /// Puts a message into a node as if it came on its connection with another.
    pub fn inject(&mut self, node: usize, from: usize, message: Result<Message, DecodeError>) {
        let (wire, side) = self.wires_between(node, from)[0];
        let (_, conn) = self.wires[wire].ends[side];
        self.input(node, Input::Received(conn, message));
    }

    pub fn input(&mut self, node: usize, input: Input) {
        if let Some(speaker) = &mut self.nodes[node].speaker {
            speaker.handle(input, self.now);
            self.work_off(node);
            self.set_alarm(node);
        }
    }

    // --- what it does ---

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > end {
                break;
            }
            let Some(Reverse(Scheduled { at, event, .. })) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = end;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    fn work_off(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].speaker.as_mut().and_then(Speaker::poll_output) {
            let now = self.now;
            match output {
                Output::Connect(conn, _, far) => {
                    let to = node_of(far.address);
                    self.schedule(Event::Dialled { from: index, conn, to });
                }
                Output::Disconnect(conn) => {
                    self.transmit(index, conn, usize::MAX);
                    self.hang_up(index, conn);
                }
                // As a shell does: what has arrived is worked off first.
                Output::Transmit(conn) => {
                    if self.nodes[index].sends.insert(conn) {
                        self.schedule_at(now, Event::Sends { node: index, conn });
                    }
                }
                Output::Codec(conn, codec) => {
                    if let Some((wire, side)) = self.nodes[index].ends.get(&conn) {
                        self.wires[*wire].ways[*side].codec = codec;
                    }
                }
                Output::BestPaths(paths) => self.nodes[index].forward(paths),
                Output::Synchronised => {
                    let node = &mut self.nodes[index];
                    assert!(node.synchronised_at.replace(now).is_none(), "once per life");
                    let swept = std::mem::take(&mut node.unconfirmed);
                    node.forward(swept.into_iter().map(|prefix| (prefix, None)).collect());
                }
                Output::Notice(notice) => {
                    if self.record {
                        self.nodes[index].notices.push((notice.peer, notice.kind));
                    }
                }
                Output::WatchPeer(..) | Output::Monitored(_) => {}
            }
        }
    }

    /// Writes until the speaker has nothing more or the window is full.
    fn transmit(&mut self, node: usize, conn: ConnId, window: usize) {
        let now = self.now;
        loop {
            let end = self.nodes[node].ends.get(&conn).copied();
            if let Some((wire, side)) = end {
                let way = &mut self.wires[wire].ways[1 - side];
                if way.unread >= window {
                    way.blocked = true;
                    return;
                }
            }
            let speaker = self.nodes[node].speaker.as_mut();
            let Some(octets) = speaker.and_then(|speaker| speaker.poll_transmit(conn, now)) else { return };
            if let Some((wire, side)) = end {
                self.wires[wire].ways[1 - side].unread += octets.len();
                self.send(wire, 1 - side, octets);
            }
        }
    }

    fn send(&mut self, wire: WireId, side: Side, mut octets: Bytes) {
        while let Some(most) = self.segments.filter(|most| octets.len() > *most) {
            let segment = octets.split_to(1 + self.dice.below(most));
            self.schedule(Event::Arrives { wire, side, octets: segment });
        }
        self.schedule(Event::Arrives { wire, side, octets });
    }

    /// One end closes; the other learns of it after what is on the wire.
    fn hang_up(&mut self, node: usize, conn: ConnId) {
        if let Some((wire, side)) = self.nodes[node].ends.remove(&conn) {
            self.wires[wire].alive[side] = false;
            self.schedule(Event::Closes { wire, side: 1 - side });
        }
    }

    fn schedule(&mut self, event: Event) {
        let late = match self.wobble {
            0 => 0,
            most => u32::try_from(self.dice.below(most as usize * 16 + 1)).unwrap(),
        };
        let mut at = self.now + self.delay + self.delay * late / 16;
        match event {
            Event::Arrives { wire, side, .. } | Event::Closes { wire, side } => {
                let last = &mut self.wires[wire].ways[side].last_arrival;
                at = last.map_or(at, |last| last.max(at));
                *last = Some(at);
            }
            Event::Accepting { wire } => self.wires[wire].ways[1].last_arrival = Some(at),
            Event::DialFailed { why: "timed out", .. } => at = self.now + DIAL_TIMEOUT,
            Event::Dialled { .. }
            | Event::DialFailed { .. }
            | Event::WindowOpens { .. }
            | Event::Sends { .. }
            | Event::Wakes { .. } => {}
        }
        self.schedule_at(at, event);
    }

    fn schedule_at(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Scheduled { at, sequence: self.sequence, event }));
    }

    fn set_alarm(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        let Some(deadline) = machine.speaker.as_ref().and_then(Speaker::deadline) else { return };
        if machine.wakes_at.is_none_or(|at| at > deadline) {
            machine.wakes_at = Some(deadline);
            self.schedule_at(deadline.max(self.now), Event::Wakes { node });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wakes { node } => self.wake(node),
            Event::Sends { node, conn } => {
                self.nodes[node].sends.remove(&conn);
                self.transmit(node, conn, WINDOW);
                self.set_alarm(node);
            }
            Event::Dialled { from, conn, to } => self.dialled(from, conn, to),
            Event::DialFailed { from, conn, why } => {
                self.input(from, Input::ConnectFailed(conn, why.to_owned()));
            }
            Event::Accepting { wire } => {
                let Wire { ends: [(from, _), (node, conn)], alive, .. } = self.wires[wire];
                if alive[1] {
                    let far = Endpoint { address: v4(from).into(), interface: None };
                    let local = self.nodes[node].local.clone();
                    self.input(node, Input::Accepted(conn, far, local));
                }
            }
            Event::Arrives { wire, side, .. } | Event::Closes { wire, side } if self.is_cut(wire, side) => {
                self.held.push(event);
            }
            Event::Arrives { wire, side, octets } => self.arrives(wire, side, octets),
            Event::Closes { wire, side } => {
                let (node, conn) = self.wires[wire].ends[side];
                if std::mem::take(&mut self.wires[wire].alive[side]) {
                    self.nodes[node].ends.remove(&conn);
                    self.input(node, Input::Closed(conn, "connection reset by peer".to_owned()));
                }
            }
            Event::WindowOpens { wire, side } => {
                let (node, conn) = self.wires[wire].ends[side];
                if self.wires[wire].alive[side] {
                    self.transmit(node, conn, WINDOW);
                    self.set_alarm(node);
                }
            }
        }
    }

    fn wake(&mut self, node: usize) {
        let deadline = |machine: &Node| machine.speaker.as_ref().and_then(Speaker::deadline);
        self.nodes[node].wakes_at = None;
        if deadline(&self.nodes[node]).is_some_and(|deadline| deadline <= self.now) {
            self.input(node, Input::Deadline);
            let again = deadline(&self.nodes[node]);
            assert!(again.is_none_or(|again| again > self.now), "a timer fires once");
        }
        self.set_alarm(node);
    }

    fn dialled(&mut self, from: usize, conn: ConnId, to: usize) {
        let away = to >= self.nodes.len() || self.nodes[to].off || self.cut.contains(&(from, to));
        if away || self.nodes[to].speaker.is_none() {
            let why = if away { "timed out" } else { "connection refused" };
            return self.schedule(Event::DialFailed { from, conn, why });
        }
        if self.nodes[from].speaker.is_none() {
            return;
        }
        let accepted = ConnId(self.nodes[to].next_accepted);
        self.nodes[to].next_accepted += 1;
        let wire = self.wires.len();
        self.wires.push(Wire {
            ends: [(from, conn), (to, accepted)],
            alive: [true, true],
            ways: <[Way; 2]>::default(),
        });
        self.nodes[from].ends.insert(conn, (wire, 0));
        self.nodes[to].ends.insert(accepted, (wire, 1));
        self.schedule(Event::Accepting { wire });
        let local = self.nodes[from].local.clone();
        self.input(from, Input::Connected(conn, local));
    }

    fn arrives(&mut self, wire: WireId, side: Side, octets: Bytes) {
        let (node, _) = self.wires[wire].ends[side];
        if !self.wires[wire].alive[side] {
            // The kernel knows of no such connection and says so, if there is one that runs.
            if !self.nodes[node].off && self.wires[wire].alive[1 - side] {
                self.schedule(Event::Closes { wire, side: 1 - side });
            }
        } else if self.nodes[node].deaf {
            self.wires[wire].ways[side].waiting.push_back(octets);
        } else {
            self.read(wire, side, &octets);
        }
    }

    /// What a connection's task does: frames and decodes, and hands on what comes out.
    fn read(&mut self, wire: WireId, side: Side, octets: &[u8]) {
        let (node, conn) = self.wires[wire].ends[side];
        let way = &mut self.wires[wire].ways[side];
        way.buffer.extend_from_slice(octets);
        while self.wires[wire].alive[side] {
            let Way { buffer, codec, .. } = &mut self.wires[wire].ways[side];
            let message = match framer::decode(buffer, codec.max_octets()) {
                Ok(None) => break,
                Ok(Some(frame)) => match Message::decode(frame.kind, &frame.body, codec) {
                    Ok(None) => continue,
                    Ok(Some(message)) => Ok(message),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            let last = message.is_err();
            self.messages += 1;
            if let (true, Ok(message)) = (self.record, &message) {
                self.nodes[node].received.push(message.clone());
            }
            self.input(node, Input::Received(conn, message));
            if last {
                break;
            }
        }
        let way = &mut self.wires[wire].ways[side];
        if way.buffer.is_empty() {
            // There are thousands of them.
            way.buffer = BytesMut::new();
        }
        way.unread -= octets.len();
        if std::mem::take(&mut way.blocked) {
            self.schedule(Event::WindowOpens { wire, side: 1 - side });
        }
    }

    // --- what is seen of it ---

    fn is_cut(&self, wire: WireId, side: Side) -> bool {
        let ends = &self.wires[wire].ends;
        self.cut.contains(&(ends[1 - side].0, ends[side].0))
    }

    /// Connections that both nodes know, with the end of the first.
    fn wires_between(&self, a: usize, b: usize) -> Vec<(WireId, Side)> {
        let ends = self.nodes[a].ends.values().copied();
        ends.filter(|(wire, side)| {
            self.wires[*wire].ends[1 - side].0 == b && self.wires[*wire].alive[1 - side]
        })
        .collect()
    }

    /// Connections between two nodes.
    pub fn connections(&self, a: usize, b: usize) -> usize {
        self.wires_between(a, b).len()
    }

    /// The most that waits on one connection for its reader.
    pub fn backlog(&self, node: usize) -> usize {
        let ends = self.nodes[node].ends.values();
        ends.map(|(wire, side)| self.wires[*wire].ways[*side].unread).max().unwrap_or(0)
    }

    pub fn speaker(&self, node: usize) -> &Speaker {
        self.nodes[node].speaker.as_ref().unwrap()
    }

    /// The nodes that `node` sends packets for a prefix to.
    pub fn next_hops(&self, node: usize, text: &str) -> Vec<usize> {
        let hops = self.nodes[node].fib.get(&prefix(text));
        hops.into_iter().flatten().map(|hop| node_of(hop.next_hop.address())).collect()
    }
}
