//! Random fabrics to which random things happen, several at a time; then all is mended, and every table has to be what
//! the reference says. A failure names its seed: `FABRIC_SEED=… cargo nextest run -p bgp --test fabric chaos` runs
//! that one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bgp::session::State;
use bgp::speaker::{Input, Reset, Table};
use ipnetwork::IpNetwork;

use crate::dice::Dice;
use crate::network::{Network, key, node_of, prefix};
use crate::reference::{self, Route};
use crate::topology::{Session, Topology, restarted};
use crate::views::whole;

/// What is done later to something that was done now.
#[derive(Debug, Clone, Copy)]
enum Repair {
    Start { node: usize, graceful: bool },
    Kill { node: usize },
    Mend { a: usize, b: usize },
    Hear { node: usize },
}

struct Chaos {
    topology: Topology,
    network: Network,
    dice: Dice,
    originated: BTreeMap<usize, BTreeSet<IpNetwork>>,
    repairs: Vec<(Instant, Repair)>,
    /// Never to return.
    gone: BTreeSet<usize>,
    log: Vec<String>,
}

impl Chaos {
    fn new(seed: u64, topology: Topology) -> Self {
        let mut dice = Dice::new(seed);
        let mut network = Network::new(topology.nodes());
        network.dice = Dice::new(dice.roll());
        network.record = false;
        network.wobble = 8;
        network.segments = dice.percent(50).then_some(700);
        network.delay = Duration::from_micros(200 + dice.roll() % 20_000);
        Self {
            topology,
            network,
            dice,
            originated: BTreeMap::new(),
            repairs: Vec::new(),
            gone: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    /// All nodes start within some seconds, with prefixes of their own and some that several have.
    fn begin(&mut self) {
        for node in 0..self.topology.nodes() {
            let mut own = BTreeSet::from([
                prefix(&format!("172.16.{node}.0/24")),
                prefix(&format!("fd01:0:0:{node:x}::/64")),
            ]);
            if self.dice.percent(30) {
                own.insert(prefix(&format!("172.31.{}.0/24", self.dice.below(3))));
            }
            self.originated.insert(node, own);
            self.start(node, false);
            let pause = Duration::from_millis(self.dice.roll() % 300);
            self.network.run(pause);
        }
        self.network.seconds(20);
    }

    fn start(&mut self, node: usize, graceful: bool) {
        if self.gone.contains(&node) || self.network.nodes[node].speaker.is_some() {
            return;
        }
        let config = self.topology.config(node);
        self.network.start(node, if graceful { restarted(config) } else { config });
        self.network.originate_all(node, self.originated[&node].clone());
    }

    fn log(&mut self, what: String) {
        self.log.push(what);
    }

    /// One thing goes wrong, and is set to be repaired.
    fn go_wrong(&mut self) {
        let node = self.dice.below(self.topology.nodes());
        let [a, b] = self.topology.sessions[self.dice.below(self.topology.sessions.len())].ends;
        let later = self.network.now + Duration::from_millis(self.dice.roll() % 60_000);
        let soon = self.network.now + Duration::from_millis(self.dice.roll() % 8_000);
        let graceful = self.dice.percent(70);
        match self.dice.below(11) {
            0 | 1 => {
                self.log(format!("kill {node}, graceful {graceful}"));
                self.network.kill(node);
                self.repairs.push((later, Repair::Start { node, graceful }));
            }
            2 => {
                self.log(format!("kill {node} twice, graceful {graceful}"));
                self.network.kill(node);
                let again = soon + Duration::from_millis(self.dice.roll() % 4_000);
                self.repairs.push((soon, Repair::Start { node, graceful }));
                self.repairs.push((again, Repair::Kill { node }));
                self.repairs.push((again + Duration::from_secs(3), Repair::Start { node, graceful }));
            }
            3 => {
                self.log(format!("switch off {node}, graceful {graceful}"));
                self.network.switch_off(node);
                if self.gone.is_empty() && self.dice.percent(25) {
                    self.gone.insert(node);
                } else {
                    self.repairs.push((later, Repair::Start { node, graceful }));
                }
            }
            4 | 5 => {
                self.log(format!("cut {a} {b}"));
                self.network.cut(a, b, true);
                self.repairs.push((if graceful { soon } else { later }, Repair::Mend { a, b }));
            }
            6 => {
                self.log(format!("link down {a} {b}"));
                self.network.link_down(a, b);
                self.repairs.push((later, Repair::Mend { a, b }));
            }
            7 => {
                self.log(format!("break {a} {b}"));
                self.network.break_connections(a, b);
            }
            8 => {
                self.log(format!("{node} reads nothing"));
                self.network.set_deaf(node, true);
                self.repairs.push((if graceful { soon } else { later }, Repair::Hear { node }));
            }
            9 => {
                let reset = match self.dice.below(3) {
                    0 => Reset::Hard(Some("chaos".to_owned())),
                    1 => Reset::SoftIn(None),
                    _ => Reset::SoftOut(None),
                };
                self.log(format!("reset {a} {b} {reset:?}"));
                self.network.input(a, Input::Reset(key(b), reset));
            }
            _ => {
                let shared = prefix(&format!("172.31.{}.0/24", self.dice.below(3)));
                self.log(format!("{node} changes {shared}"));
                let own = self.originated.get_mut(&node).unwrap();
                if !own.remove(&shared) {
                    own.insert(shared);
                }
                let own = own.clone();
                self.network.originate_all(node, own);
            }
        }
    }

    fn repair(&mut self, until: Instant) {
        self.repairs.sort_by_key(|(at, _)| *at);
        while let Some((at, repair)) = self.repairs.first().copied().filter(|(at, _)| *at <= until) {
            self.repairs.remove(0);
            let now = self.network.now;
            self.network.run(at.saturating_duration_since(now));
            match repair {
                Repair::Start { node, graceful } => self.start(node, graceful),
                Repair::Kill { node } => self.network.kill(node),
                Repair::Mend { a, b } => self.network.cut(a, b, false),
                Repair::Hear { node } => self.network.set_deaf(node, false),
            }
        }
        let now = self.network.now;
        self.network.run(until.saturating_duration_since(now));
    }

    fn happen(&mut self, faults: usize) {
        for _ in 0..faults {
            self.go_wrong();
            let pause = Duration::from_millis(self.dice.roll() % 10_000);
            self.repair(self.network.now + pause);
            self.check_bounds();
        }
        self.repair(self.network.now + Duration::from_secs(90));
        assert!(self.repairs.is_empty());
        // Restart times, stale times, rests after errors.
        self.network.seconds(150);
    }

    /// Whoever reads nothing costs a window and what was being written, not the table.
    fn check_bounds(&self) {
        for node in 0..self.topology.nodes() {
            assert!(self.network.backlog(node) < 256 * 1024, "node {node}: {}", self.network.backlog(node));
        }
    }

    fn check(&self) {
        let alive: BTreeSet<_> =
            (0..self.topology.nodes()).filter(|node| !self.gone.contains(node)).collect();
        for session in &self.topology.sessions {
            let [a, b] = session.ends;
            for (node, other) in [(a, b), (b, a)] {
                if alive.contains(&node) {
                    let peer = self.network.peer(node, other);
                    let expected = alive.contains(&other);
                    let established = peer.state == State::Established;
                    assert_eq!(established, expected, "{node} with {other}: {}", peer.last_down_reason);
                    assert!(!peer.stale, "{node} keeps what {other} said");
                }
            }
            let connections = usize::from(alive.contains(&a) && alive.contains(&b));
            assert_eq!(self.network.connections(a, b), connections, "{a} with {b}");
        }
        let prefixes = reference::by_prefix(&alive, &self.originated);
        let sets: BTreeSet<_> = prefixes.values().cloned().collect();
        let tables = |set: &BTreeSet<usize>| reference::tables(&self.topology, &alive, set);
        let tables: BTreeMap<_, _> = sets.into_iter().map(|set| (set.clone(), tables(&set))).collect();
        for node in &alive {
            let node = *node;
            let of_node = prefixes.iter().map(|(prefix, set)| (*prefix, tables[set][&node].clone()));
            self.check_node(node, &of_node.filter(|(_, table)| !table.is_empty()).collect());
        }
    }

    fn check_node(&self, node: usize, expected: &BTreeMap<IpNetwork, Vec<Route>>) {
        let machine = &self.network.nodes[node];
        assert!(machine.synchronised_at.is_some() && machine.unconfirmed.is_empty(), "node {node}");
        let hops = |table: &Vec<Route>| reference::next_hops(table);
        let forwarded: BTreeMap<_, _> = expected
            .iter()
            .map(|(prefix, table)| (*prefix, hops(table)))
            .filter(|(_, hops)| !hops.is_empty())
            .collect();
        let fib: BTreeMap<_, BTreeSet<usize>> = machine
            .fib
            .iter()
            .map(|(prefix, hops)| (*prefix, hops.iter().map(|hop| node_of(hop.next_hop.address())).collect()))
            .collect();
        assert_eq!(fib, forwarded, "forwarding table of node {node}");

        let speaker = self.network.speaker(node);
        let mut seen: BTreeMap<IpNetwork, Vec<Route>> = BTreeMap::new();
        for route in speaker.routes(&whole(Table::LocRib), self.network.now) {
            let usable = route.paths.into_iter().filter(|path| !path.unusable);
            let table: Vec<_> = usable.map(|path| self.as_reference(node, &path)).collect();
            if !table.is_empty() {
                seen.insert(route.prefix, table);
            }
        }
        for (prefix, table) in expected {
            let seen = seen.remove(prefix).unwrap_or_default();
            let best = |table: &[Route]| table.first().map(reference::place);
            assert_eq!(best(&seen), best(table), "best route of node {node} to {prefix}");
            let sorted = |mut table: Vec<Route>| {
                table.sort();
                table
            };
            assert_eq!(sorted(seen), sorted(table.clone()), "routes of node {node} to {prefix}");
        }
        assert!(seen.is_empty(), "node {node} knows of {seen:?}");
    }

    fn as_reference(&self, node: usize, path: &bgp::speaker::view::PathView) -> Route {
        let from = path.peer.as_ref().map(|peer| match peer {
            bgp::config::PeerKey::Address(address) => node_of(*address),
            bgp::config::PeerKey::Interface(_) => unreachable!("none here"),
        });
        let attributes = &path.attributes;
        let asns = |segment: &bgp::wire::AsPathSegment| segment.asns().to_vec();
        Route {
            from,
            external: from.is_some_and(|from| self.topology.asn[from] != self.topology.asn[node]),
            as_path: attributes.as_path.segments.iter().flat_map(asns).collect(),
            local_pref: attributes.local_pref.unwrap_or(100),
            next_hop: path.next_hop.map_or(node, |next_hop| node_of(next_hop.address())),
            originator: attributes.originator_id.map(|id| node_of(id.into())),
            clusters: attributes.cluster_list.iter().map(|id| node_of((*id).into())).collect(),
        }
    }
}

/// Of several kinds, some with two ASes, passive ends and next-hop-self among them.
fn topology(seed: u64) -> Topology {
    let mut dice = Dice::new(seed ^ 0x7070);
    let mut topology = match seed % 6 {
        0 => Topology::mesh(3 + dice.below(6)),
        1 => Topology::leaf_spine(2 + dice.below(2), 3 + dice.below(5)),
        2 => Topology::reflectors(1 + dice.below(3), 2, 2 + dice.below(2), false, false),
        3 => Topology::reflectors(2, 2, 3, true, false),
        4 => Topology::reflectors(2, 2, 2, false, true),
        _ => {
            // An AS of reflectors between others.
            let mut inner = Topology::reflectors(2, 2, 2, dice.percent(50), false);
            let outside = inner.nodes();
            for number in 0..2 {
                inner.asn.push(65101 + u32::try_from(number).unwrap());
                for border in [4 + number, 8 + number] {
                    inner.sessions.push(Session::between(outside + number, border));
                }
            }
            inner.sessions.push(Session::between(outside, outside + 1));
            for session in &mut inner.sessions {
                // Borders have to name themselves: nobody else knows the way out.
                session.next_hop_self = session.client;
            }
            inner
        }
    };
    for session in &mut topology.sessions {
        let end = dice.below(2);
        session.passive[end] = dice.percent(20);
    }
    topology
}

fn run(seed: u64) {
    let mut chaos = Chaos::new(seed, topology(seed));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        chaos.begin();
        chaos.happen(12);
        chaos.check();
    }));
    if let Err(panic) = outcome {
        eprintln!("FABRIC_SEED={seed}\n{:?}\n{}", chaos.topology, chaos.log.join("\n"));
        std::panic::resume_unwind(panic);
    }
}

fn seeds(range: std::ops::Range<u64>) {
    match std::env::var("FABRIC_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) if range.contains(&seed) => run(seed),
        Some(_) => {}
        None => range.for_each(run),
    }
}

#[test]
fn whatever_happens_small_fabrics_converge_to_the_reference() {
    seeds(0..24);
}

#[test]
fn whatever_happens_more_small_fabrics_converge_to_the_reference() {
    seeds(24..48);
}

#[test]
fn the_same_seed_runs_the_same_way_twice() {
    let run = || {
        let mut chaos = Chaos::new(5, topology(5));
        chaos.begin();
        chaos.happen(6);
        (chaos.network.messages, chaos.log)
    };
    assert_eq!(run(), run());
}

#[test]
fn fifty_speakers_meshed_converge_to_the_reference() {
    let mut chaos = Chaos::new(1, Topology::mesh(50));
    chaos.network.segments = None;
    chaos.begin();
    chaos.check();
}

#[test]
fn fifty_speakers_in_leaf_and_spine_survive_a_spine() {
    let mut chaos = Chaos::new(2, Topology::leaf_spine(4, 46));
    chaos.begin();
    chaos.network.kill(0);
    chaos.gone.insert(0);
    chaos.network.seconds(60);
    chaos.check();
}

#[test]
fn fifty_speakers_under_two_tiers_of_reflectors_converge_to_the_reference() {
    let mut chaos = Chaos::new(3, Topology::reflectors(2, 4, 10, false, false));
    chaos.begin();
    chaos.happen(3);
    chaos.check();
}
