//! 200 nodes that come up together, all claiming from one pool, step by step on one store.
//!
//! Each step is one node reading everything, or writing one record. How often a node must begin again is what an agent
//! must be ready to bear.

use super::model::Dice;
use super::*;

const NODES: usize = 200;

struct Node {
    request: Request,
    snapshot: Option<Snapshot>,
    writes: Vec<Write>,
    /// What it has when the writes are committed.
    last: Option<Vec<IpAddr>>,
    conflicts: usize,
    done: Option<Vec<IpAddr>>,
}

impl Node {
    fn new(index: usize) -> Self {
        let request = request(&format!("node-{index}"), &format!("pod-{index}"), &[V4]);
        Self { request, snapshot: None, writes: Vec::new(), last: None, conflicts: 0, done: None }
    }

    fn step(&mut self, store: &mut Store) {
        let Some(snapshot) = &mut self.snapshot else {
            self.snapshot = Some(store.snapshot());
            return;
        };
        if self.writes.is_empty() {
            match assign(snapshot, &self.request).unwrap() {
                Assignment::Done(addresses) => self.done = Some(addresses),
                Assignment::Commit { writes, addresses } => {
                    (self.writes, self.last) = (writes, Some(addresses))
                }
                Assignment::Prepare(writes) => self.writes = writes,
                Assignment::ReadAll => panic!("everything was read"),
            }
            return;
        }
        let write = self.writes.remove(0);
        match store.commit(&write) {
            Ok(revision) => snapshot.apply(&write, revision),
            Err(_) => {
                self.conflicts += 1;
                self.snapshot = None;
                self.writes.clear();
                self.last = None;
            }
        }
        if self.writes.is_empty() {
            self.done = self.last.take();
        }
    }
}

/// All nodes come to an end; the conflicts of each.
fn run(cidr: &str, seed: u64) -> (Store, Vec<usize>) {
    let mut store = Store::new(&[(cidr, 26)]);
    let mut nodes: Vec<Node> = (0..NODES).map(Node::new).collect();
    let mut dice = Dice::new(seed);
    let mut open: Vec<usize> = (0..NODES).collect();
    while !open.is_empty() {
        let which = dice.below(open.len());
        let node = &mut nodes[open[which]];
        node.step(&mut store);
        if node.done.is_some() {
            open.swap_remove(which);
        }
    }
    let given: BTreeSet<&IpAddr> = nodes.iter().flat_map(|node| node.done.iter().flatten()).collect();
    assert_eq!(given.len(), NODES);
    model::check_invariants(&store);
    (store, nodes.iter().map(|node| node.conflicts).collect())
}

#[test]
fn with_room_for_all_nearly_nobody_begins_again() {
    for seed in 0..3 {
        let (store, conflicts) = run("10.0.0.0/16", seed);
        assert_eq!(store.blocks().count(), NODES);
        // 1024 blocks for 200 nodes: one in ten meets another at its first choice.
        let (most, all) = (conflicts.iter().max().unwrap(), conflicts.iter().sum::<usize>());
        assert!(*most <= 4 && all <= 40, "{most} at most, {all} in all");
    }
}

#[test]
fn with_barely_room_for_all_everyone_comes_to_its_turn() {
    for seed in 0..3 {
        let (store, conflicts) = run("10.0.0.0/18", seed);
        assert_eq!(store.blocks().count(), NODES);
        let (most, all) = (conflicts.iter().max().unwrap(), conflicts.iter().sum::<usize>());
        assert!(*most <= 8 && all <= 120, "{most} at most, {all} in all");
    }
}

#[test]
fn with_too_few_blocks_the_rest_borrows() {
    for seed in 0..3 {
        let (store, conflicts) = run("10.0.0.0/19", seed);
        assert_eq!(store.blocks().count(), 128);
        let (most, all) = (conflicts.iter().max().unwrap(), conflicts.iter().sum::<usize>());
        assert!(*most <= 10 && all <= 400, "{most} at most, {all} in all");
        // Claims that came to nothing are gone.
        assert_eq!(store.affinities().count(), 128);
    }
}
