//! Random histories: pods come and go, properly or not; writers die halfway; nodes go for good or for a
//! while; the collector's writes come late. Nothing that lives is ever released, and in the end nothing is
//! left that does not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index as Pick;

use crate::audit::tests::fabric::{Fabric, V4, V6, node};
use crate::audit::{Endpoint, Kind};
use crate::collector::{Collect, Collector};
use crate::index::Filter;
use crate::plan::unclaim;

const NODES: usize = 3;
/// Seconds.
const GRACE: u64 = 900;
/// The longest that anything takes which is not dead: from an assignment to its endpoint, from a node's
/// absence to its return. One after the other, and seen late, they still end within the grace.
const SLOW: u64 = 200;

#[derive(Debug, Clone)]
enum Step {
    /// Node, families, and after how many writes the agent dies.
    Start(usize, u8, Option<usize>),
    /// The endpoint of a pod that came is written.
    Arrive(Pick),
    /// Gone by the book, or dying after so many writes.
    Stop(Pick, usize),
    /// Gone, and nobody was told.
    Vanish(Pick),
    Unclaim(usize, Pick, usize),
    NodeGoes(usize),
    NodeBlinks(usize),
    /// Seconds.
    Wait(u64),
    /// The collector looks, and what it said last is written only now.
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lifetime = || prop_oneof![3 => Just(usize::MAX), 1 => 0..4usize];
    let step = prop_oneof![
        6 => (0..NODES, 0..3u8, prop::option::weighted(0.2, 0..4usize))
            .prop_map(|(node, families, dies)| Step::Start(node, families, dies)),
        4 => any::<Pick>().prop_map(Step::Arrive),
        2 => (any::<Pick>(), lifetime()).prop_map(|(which, lifetime)| Step::Stop(which, lifetime)),
        2 => any::<Pick>().prop_map(Step::Vanish),
        1 => (0..NODES, any::<Pick>(), lifetime()).prop_map(|(node, which, l)| Step::Unclaim(node, which, l)),
        1 => (1..NODES).prop_map(Step::NodeGoes),
        1 => (1..NODES).prop_map(Step::NodeBlinks),
        8 => (1..240u64).prop_map(Step::Wait),
        8 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..150)
}

/// A pod whose addresses are assigned, and whose endpoint is on its way.
#[derive(Debug, Clone)]
struct Arriving {
    node: String,
    addresses: Vec<IpAddr>,
    until: u64,
}

struct World {
    fabric: Fabric,
    collector: Collector,
    /// What it said last.
    said: Vec<Collect>,
    arriving: BTreeMap<String, Arriving>,
    /// Nodes that come back, and when at the latest.
    away: BTreeMap<String, u64>,
}

impl World {
    fn new() -> Self {
        Self {
            fabric: Fabric::new(NODES, &[("10.0.0.0/27", 29), ("fd00::/125", 127)]),
            collector: Collector::new(Duration::from_secs(GRACE), 5),
            said: Vec::new(),
            arriving: BTreeMap::new(),
            away: BTreeMap::new(),
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Start(on, families, dies) => self.start(number, &node(*on), *families, *dies),
            Step::Arrive(which) => {
                let arriving: Vec<String> = self.arriving.keys().cloned().collect();
                if !arriving.is_empty() {
                    self.arrive(which.get::<String>(&arriving));
                }
            }
            Step::Stop(which, lifetime) => {
                if let Some(handle) = self.end(*which) {
                    self.fabric.release(&handle, *lifetime);
                }
            }
            Step::Vanish(which) => drop(self.end(*which)),
            Step::Unclaim(on, which, lifetime) => self.unclaim(&node(*on), *which, *lifetime),
            Step::NodeGoes(which) => self.node_goes(&node(*which)),
            Step::NodeBlinks(which) => {
                let node = node(*which);
                if self.fabric.facts.nodes.remove(&node) {
                    self.away.insert(node, self.fabric.clock + SLOW);
                }
            }
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Look => self.look(),
        }
    }

    fn start(&mut self, number: usize, on: &str, families: u8, dies: Option<usize>) {
        if !self.fabric.facts.nodes.contains(on) {
            return;
        }
        let wanted: &[_] = [&[V4][..], &[V6], &[V4, V6]][usize::from(families)];
        let handle = format!("pod{number}");
        let addresses = self.fabric.assign(on, &handle, wanted, dies.unwrap_or(usize::MAX));
        if !addresses.is_empty() {
            let until = self.fabric.clock + SLOW;
            self.arriving.insert(handle, Arriving { node: on.to_owned(), addresses, until });
        }
    }

    fn arrive(&mut self, handle: &str) {
        if let Some(Arriving { node, addresses, .. }) = self.arriving.remove(handle) {
            self.fabric.attach(&node, handle, addresses);
        }
    }

    /// A pod's endpoint goes.
    fn end(&mut self, which: Pick) -> Option<String> {
        let running: Vec<String> = self.fabric.facts.endpoints.keys().cloned().collect();
        let handle = (!running.is_empty()).then(|| which.get(&running).clone())?;
        self.fabric.facts.endpoints.remove(&handle);
        Some(handle)
    }

    fn unclaim(&mut self, on: &str, which: Pick, mut lifetime: usize) {
        let own: Vec<_> = self.fabric.index.blocks(Some(on), None, None).map(|b| b.value.cidr()).collect();
        if own.is_empty() {
            return;
        }
        let cidr = *which.get(&own);
        while let Ok(writes) = unclaim(&self.fabric.snapshot(), on, cidr, self.fabric.now()) {
            for write in &writes {
                if lifetime == 0 {
                    return;
                }
                lifetime -= 1;
                self.fabric.commit(write).unwrap();
            }
            if writes.is_empty() {
                return;
            }
        }
    }

    /// With all that runs there, of which nobody tidies the endpoints.
    fn node_goes(&mut self, gone: &str) {
        self.fabric.facts.nodes.remove(gone);
        self.away.remove(gone);
        self.arriving.retain(|_, arriving| arriving.node != gone);
    }

    fn wait(&mut self, seconds: u64) {
        self.fabric.clock += seconds;
        let now = self.fabric.clock;
        let due: Vec<String> = self
            .arriving
            .iter()
            .filter(|(_, arriving)| arriving.until <= now)
            .map(|(h, _)| h.clone())
            .collect();
        due.iter().for_each(|handle| self.arrive(handle));
        let back: Vec<String> =
            self.away.iter().filter(|(_, until)| **until <= now).map(|(n, _)| n.clone()).collect();
        self.away.retain(|_, until| *until > now);
        if !back.is_empty() {
            self.fabric.facts.nodes.extend(back);
            // They stay long enough to be seen.
            self.look();
        }
    }

    fn look(&mut self) {
        for collect in std::mem::take(&mut self.said) {
            self.fabric.collect(&collect);
            self.check();
        }
        let now = Duration::from_secs(self.fabric.clock);
        self.said = self.collector.observe(&self.fabric.index, &self.fabric.facts, now);
    }

    /// Whoever lives or comes still has its addresses, and its node its claims.
    fn check(&self) {
        let Fabric { index, facts, .. } = &self.fabric;
        let lives = |node: &String| facts.nodes.contains(node) || self.away.contains_key(node);
        let running = facts.endpoints.iter().filter(|(_, endpoint)| lives(&endpoint.node));
        let running = running.map(|(handle, endpoint)| (handle, &endpoint.addresses));
        let coming = self.arriving.iter().map(|(handle, arriving)| (handle, &arriving.addresses));
        for (handle, addresses) in running.chain(coming) {
            for address in addresses {
                let holder = index.who_has(*address).map(|holding| &holding.allocation.handle);
                assert_eq!(holder, Some(handle), "{address} was taken away");
            }
        }
    }

    /// Everybody has arrived; the collector looks as often as it must.
    fn settle(&mut self) {
        self.wait(SLOW);
        for _ in 0..400 {
            self.wait(60);
            self.look();
        }
        assert_eq!((self.collector.suspects(), self.said.len()), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_living_are_left_alone_and_the_dead_are_collected(steps in steps()) {
        let mut world = World::new();
        for (number, step) in steps.iter().enumerate() {
            world.step(number, step);
            world.check();
        }
        world.settle();
        // What is left waits for somebody: blocks of nodes that are gone, for those who borrowed from them.
        for problem in world.fabric.problems() {
            prop_assert_eq!(problem.kind, Kind::GoneNode);
            let block = problem.subject.parse().unwrap();
            let used = world.fabric.index.block(&block).map(|block| block.value.used());
            prop_assert!(used > Some(0), "{:?}", problem);
        }
        let handles: Vec<&str> = world.fabric.handles().collect();
        let facts = &world.fabric.facts;
        let is_up = |endpoint: &Endpoint| facts.nodes.contains(&endpoint.node);
        let lives = |handle: &&str| facts.endpoints.get(*handle).is_some_and(is_up);
        prop_assert!(handles.iter().all(lives), "{:?}", handles);
        let mut holdings = world.fabric.index.allocations(Filter::default(), None);
        prop_assert!(holdings.all(|holding| lives(&&*holding.allocation.handle)));
        drop(holdings);
        // With the last of them, everything is.
        world.fabric.facts.endpoints.clear();
        world.settle();
        prop_assert_eq!(world.fabric.problems(), vec![]);
        prop_assert_eq!(world.fabric.handles().count(), 0);
        let blocks = world.fabric.index.blocks(None, None, None).count();
        prop_assert!(blocks <= 2 * world.fabric.facts.nodes.len(), "{blocks} are too many");
    }
}
