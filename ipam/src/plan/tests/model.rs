//! Several planners at once, stopped and killed between any two reads or writes.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;
use proptest::prelude::*;

use super::*;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const HANDLES: usize = 12;

#[derive(Debug, Clone, Copy)]
enum Task {
    Assign(usize),
    Release(usize),
    Unclaim(usize),
}

/// What a planner is doing. Each step is one read of one kind of record, or one write.
#[derive(Default)]
struct Planner {
    task: Option<Task>,
    snapshot: Snapshot,
    reads: usize,
    writes: Vec<Write>,
    /// Whether the task is over when the writes are committed.
    last: bool,
}

impl Planner {
    fn step(&mut self, node: &str, store: &mut Store) {
        let Some(task) = self.task else { return };
        if self.reads < 3 {
            self.read(store);
        } else if let Some(write) = self.writes.first().cloned() {
            match store.commit(&write) {
                Ok(revision) => {
                    self.snapshot.apply(&write, revision);
                    self.writes.remove(0);
                    if self.last && self.writes.is_empty() {
                        self.task = None;
                    }
                }
                Err(Conflict) => self.restart(),
            }
        } else {
            self.plan(node, task);
        }
    }

    /// Reads one kind of record: what a planner knows is never of one moment. Blocks last, as `Snapshot` demands.
    fn read(&mut self, store: &Store) {
        if self.reads == 0 {
            self.snapshot = Snapshot::all();
            self.snapshot.set_pools(store.pools.iter().cloned());
            self.snapshot
                .set_configuration(Configuration { ip_cooldown_seconds: 0, ..Configuration::default() });
        }
        for (revision, record) in store.records.values() {
            let kind = match record {
                Record::Handle(_) => 0,
                Record::Affinity(_) => 1,
                Record::Block(_) => 2,
            };
            if kind == self.reads {
                self.snapshot.put(record.clone(), *revision);
            }
        }
        self.reads += 1;
    }

    fn restart(&mut self) {
        self.reads = 0;
        self.writes.clear();
        self.last = false;
    }

    fn plan(&mut self, node: &str, task: Task) {
        self.last = false;
        match task {
            Task::Assign(handle) => match assign(&self.snapshot, &wish(node, handle)) {
                Ok(Assignment::Commit { writes, .. }) => (self.writes, self.last) = (writes, true),
                Ok(Assignment::Prepare(writes)) => self.writes = writes,
                Ok(Assignment::Done(_)) | Err(_) => self.task = None,
                Ok(Assignment::ReadAll) => panic!("everything was read"),
            },
            Task::Release(handle) => match release(&self.snapshot, &name(handle), Timestamp(0)) {
                Release::Commit { writes, .. } => (self.writes, self.last) = (writes, true),
                Release::Nothing => self.task = None,
            },
            Task::Unclaim(which) => {
                let own: Vec<IpNetwork> = self
                    .snapshot
                    .affinities()
                    .filter(|affinity| affinity.value.node == node)
                    .map(|affinity| affinity.value.cidr)
                    .collect();
                match own.get(which).map(|cidr| unclaim(&self.snapshot, node, *cidr)) {
                    Some(Ok(writes)) if !writes.is_empty() => self.writes = writes,
                    Some(Ok(_) | Err(_)) | None => self.task = None,
                }
            }
        }
    }
}

fn name(handle: usize) -> String {
    format!("h{handle}")
}

fn wish(node: &str, handle: usize) -> Request {
    let wanted: &[Wanted] = match handle % 3 {
        0 => &[V4],
        1 => &[V4, V6],
        _ => &[V6],
    };
    request(node, &name(handle), wanted)
}

/// What holds between any two writes.
fn check(store: &Store) {
    for block in store.blocks() {
        let json = serde_json::to_string(block).unwrap();
        assert_eq!(&serde_json::from_str::<Block>(&json).unwrap(), block);
        for (address, allocation) in block.allocations() {
            let named = store.handles().find(|handle| handle.id == allocation.handle);
            let named = named.is_some_and(|handle| handle.blocks.contains_key(&block.cidr()));
            assert!(named, "{address} cannot be found by handle {}", allocation.handle);
        }
    }
    for affinity in store.affinities().filter(|affinity| affinity.state == AffinityState::Confirmed) {
        let block = store.blocks().find(|block| block.cidr() == affinity.cidr);
        assert_eq!(
            block.map(Block::node),
            Some(affinity.node.as_str()),
            "{} announced wrongly",
            affinity.cidr
        );
    }
}

/// Everyone has died. Each handle asks again, and then gives back.
fn recover(store: &mut Store) {
    let mut seen = BTreeSet::new();
    for handle in 0..HANDLES {
        let wish = wish(NODES[handle % NODES.len()], handle);
        if let Ok(addresses) = store.assign(&wish) {
            assert_eq!(store.assign(&wish).as_ref(), Ok(&addresses));
            assert!(addresses.iter().all(|address| seen.insert(*address)), "{addresses:?} given twice");
        }
        check(store);
    }
    for handle in 0..HANDLES {
        store.release(&name(handle));
        check(store);
    }
    assert_eq!(store.blocks().map(Block::used).sum::<u32>(), 0, "lost");
    assert_eq!(store.handles().count(), 0);
}

fn tasks() -> impl Strategy<Value = Task> {
    prop_oneof![
        5 => (0..HANDLES).prop_map(Task::Assign),
        3 => (0..HANDLES).prop_map(Task::Release),
        1 => (0..4usize).prop_map(Task::Unclaim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Five planners on three nodes, so that a node also has two at once, as when an agent is replaced.
    #[test]
    fn nothing_is_given_twice_or_lost(
        steps in prop::collection::vec((0..5usize, 0..100u8, tasks()), 1..400),
    ) {
        let mut store = Store::new(&[("10.0.0.0/29", 31), ("fd00::/126", 127)]);
        let mut planners: Vec<Planner> = (0..5).map(|_| Planner::default()).collect();
        for (index, luck, task) in steps {
            let planner = &mut planners[index];
            if luck < 3 {
                *planner = Planner::default();
            } else if planner.task.is_none() {
                *planner = Planner { task: Some(task), ..Planner::default() };
            } else {
                let before = store.writes;
                planner.step(NODES[index % NODES.len()], &mut store);
                if store.writes != before {
                    check(&store);
                }
            }
        }
        recover(&mut store);
    }
}
