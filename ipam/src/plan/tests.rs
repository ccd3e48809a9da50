//! Plans against a store in memory: tables of single cases here, interleavings in `model`.

mod model;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::*;
use crate::{
    Affinity, AffinityState, AssignmentMode, Attributes, Block, Configuration, Family, Handle, Key, Pool,
    Record, Revision, Snapshot, Timestamp, Write,
};

/// A store that can compare and swap.
#[derive(Default)]
struct Store {
    pools: Vec<Pool>,
    records: BTreeMap<Key, (Revision, Record)>,
    writes: u64,
}

#[derive(Debug)]
struct Conflict;

impl Store {
    fn new(pools: &[(&str, u8)]) -> Self {
        let pool = |(index, (cidr, block_size)): (usize, &(&str, u8))| Pool {
            block_size: *block_size,
            ..Pool::new(format!("pool{index}"), cidr.parse().unwrap())
        };
        Self { pools: pools.iter().enumerate().map(pool).collect(), ..Self::default() }
    }

    fn commit(&mut self, write: &Write) -> Result<Revision, Conflict> {
        if self.records.get(&write.key).map(|(revision, _)| *revision) != write.expected {
            return Err(Conflict);
        }
        self.writes += 1;
        let revision = Revision(self.writes);
        match &write.value {
            Some(record) => {
                assert_eq!(record.key(), write.key);
                self.records.insert(write.key.clone(), (revision, record.clone()));
            }
            None => drop(self.records.remove(&write.key)),
        }
        Ok(revision)
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::all();
        snapshot.set_pools(self.pools.iter().cloned());
        snapshot.set_configuration(Configuration { ip_cooldown_seconds: 0, ..Configuration::default() });
        for (revision, record) in self.records.values() {
            snapshot.put(record.clone(), *revision);
        }
        snapshot
    }

    /// Alone, from start to end.
    fn assign(&mut self, request: &Request) -> Result<Vec<IpAddr>, AssignError> {
        for _ in 0..20 {
            match assign(&self.snapshot(), request)? {
                Assignment::Done(addresses) => return Ok(addresses),
                Assignment::Commit { writes, addresses } => {
                    self.commit_all(&writes);
                    return Ok(addresses);
                }
                Assignment::Prepare(writes) => self.commit_all(&writes),
                Assignment::ReadAll => panic!("everything was read"),
            }
        }
        panic!("{request:?} makes no progress");
    }

    fn release(&mut self, handle: &str) -> Vec<IpAddr> {
        match release(&self.snapshot(), handle, Timestamp(0)) {
            Release::Nothing => Vec::new(),
            Release::Commit { writes, addresses } => {
                self.commit_all(&writes);
                addresses
            }
        }
    }

    fn commit_all(&mut self, writes: &[Write]) {
        for write in writes {
            self.commit(write).unwrap();
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Block(block) => Some(block),
            Record::Affinity(_) | Record::Handle(_) => None,
        })
    }

    fn affinities(&self) -> impl Iterator<Item = &Affinity> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Affinity(affinity) => Some(affinity),
            Record::Block(_) | Record::Handle(_) => None,
        })
    }

    fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Handle(handle) => Some(handle),
            Record::Block(_) | Record::Affinity(_) => None,
        })
    }
}

fn request(node: &str, handle: &str, wanted: &[Wanted]) -> Request {
    let attributes =
        Attributes { node: node.into(), pod: handle.into(), namespace: "shop".into(), ..Default::default() };
    Request {
        node: node.into(),
        handle: handle.into(),
        attributes,
        wanted: wanted.to_vec(),
        ..Request::default()
    }
}

const V4: Wanted = Wanted::Any(Family::V4);
const V6: Wanted = Wanted::Any(Family::V6);

fn this(address: &str) -> Wanted {
    Wanted::Address(address.parse().unwrap())
}

#[test]
fn a_node_claims_one_block_and_stays_in_it() {
    let mut store = Store::new(&[("10.0.0.0/16", 26), ("fd00::/64", 122)]);
    let first = store.assign(&request("n1", "a", &[V4, V6])).unwrap();
    let second = store.assign(&request("n1", "b", &[V6, V4])).unwrap();
    assert_eq!(first.iter().map(|a| Family::of(*a)).collect::<Vec<_>>(), [Family::V4, Family::V6]);
    assert_eq!(second.iter().map(|a| Family::of(*a)).collect::<Vec<_>>(), [Family::V6, Family::V4]);
    assert_eq!(store.blocks().count(), 2);
    assert!(store.affinities().all(|affinity| affinity.state == AffinityState::Confirmed));
    assert_eq!(store.assign(&request("n1", "a", &[V4, V6])).unwrap(), first);
    assert_eq!(store.blocks().map(Block::used).sum::<u32>(), 4);
    assert_eq!(store.release("a").len(), 2);
    assert_eq!(store.release("a"), Vec::<IpAddr>::new());
    assert_eq!(store.handles().map(|handle| handle.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_ordinary_assignment_is_one_commit_from_what_a_node_has_in_memory() {
    let mut store = Store::new(&[("10.0.0.0/16", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let mut cached = store.snapshot();
    cached.scope = crate::Scope::Part;
    let Ok(Assignment::Commit { writes, .. }) = assign(&cached, &request("n1", "b", &[V4])) else {
        panic!("needs no more than that")
    };
    assert_eq!(writes.len(), 2);
    assert_eq!(assign(&cached, &request("n2", "c", &[V4])), Ok(Assignment::ReadAll));
}

#[test]
fn nodes_start_at_different_blocks_and_borrow_only_when_none_is_left() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    for node in ["n1", "n2", "n3", "n4"] {
        store.assign(&request(node, node, &[V4])).unwrap();
    }
    assert_eq!(store.blocks().count(), 4);
    // A fifth node finds no block left, and borrows.
    store.assign(&request("n5", "n5", &[V4])).unwrap();
    assert_eq!(store.blocks().count(), 4);
    assert!(store.affinities().all(|affinity| affinity.node != "n5"));
    for index in 5..256 {
        store.assign(&request("n5", &format!("h{index}"), &[V4])).unwrap();
    }
    let error = store.assign(&request("n1", "late", &[V4])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no free IPv4 address: pool pool0 (10.0.0.0/24) has 256 of 256 addresses in use; \
         delete pods that are no longer needed, or apply another IPPool"
    );
    store.release("n3");
    assert!(store.assign(&request("n1", "late", &[V4])).is_ok());
}

#[test]
fn requested_addresses() {
    let mut store = Store::new(&[("10.0.0.0/16", 26), ("10.1.0.0/16", 26)]);
    store.pools[1].disabled = true;
    let asked = store.assign(&request("n1", "a", &[this("10.0.3.7")])).unwrap();
    assert_eq!(asked, ["10.0.3.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(store.assign(&request("n1", "a", &[this("10.0.3.7")])).unwrap(), asked);
    assert_eq!(store.assign(&request("n1", "a", &[V4])).unwrap(), asked);
    for (handle, wanted, complaint) in [
        ("b", this("10.0.3.7"), "10.0.3.7 is in use by pod shop/a; ask for another, or delete that first"),
        ("a", this("10.0.3.8"), "10.0.3.8 was asked for, but a holds 10.0.3.7 already; release that first"),
        (
            "b",
            this("10.1.0.1"),
            "10.1.0.1 lies in pool pool1, which is disabled; enable it, or ask for an address of another pool",
        ),
        (
            "b",
            this("192.0.2.1"),
            "192.0.2.1 lies in no pool; ask for one within pool pool0 (10.0.0.0/16) has 1 of 65536 addresses in use, \
             pool pool1 (10.1.0.0/16) has 0 of 65536 addresses in use",
        ),
        (
            "b",
            V6,
            "no pool gives out IPv6 addresses (there is none of that family); apply an enabled IPPool with an IPv6 cidr",
        ),
    ] {
        let before = store.writes;
        assert_eq!(store.assign(&request("n2", handle, &[wanted])).unwrap_err().to_string(), complaint);
        assert_eq!(store.writes, before);
    }
}

#[test]
fn both_families_or_none() {
    let mut store = Store::new(&[("10.0.0.0/16", 26), ("fd00::/128", 128)]);
    store.assign(&request("n1", "a", &[V4, V6])).unwrap();
    let before = store.writes;
    assert!(matches!(
        store.assign(&request("n2", "b", &[V4, V6])),
        Err(AssignError::Full { family: Family::V6, .. })
    ));
    assert_eq!(store.writes, before);
    assert_eq!(
        store.assign(&request("n1", "c", &[V4, this("10.0.0.1")])),
        Err(AssignError::TwoOfFamily { family: Family::V4 })
    );
}

#[test]
fn manual_pools_give_only_what_is_asked_for() {
    let mut store = Store::new(&[("10.0.0.0/16", 26)]);
    store.pools[0].assignment_mode = AssignmentMode::Manual;
    let error = store.assign(&request("n1", "a", &[V4])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no pool gives out IPv4 addresses (disabled or manual: pool0); apply an enabled IPPool with an IPv4 cidr"
    );
    assert!(store.assign(&request("n1", "a", &[this("10.0.0.9")])).is_ok());
}

#[test]
fn a_block_goes_back_when_it_is_empty() {
    let mut store = Store::new(&[("10.0.0.0/16", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let cidr = store.blocks().next().unwrap().cidr();
    assert_eq!(unclaim(&store.snapshot(), "n1", cidr), Err(BlockInUse { block: cidr, used: 1 }));
    store.release("a");
    for _ in 0..2 {
        let writes = unclaim(&store.snapshot(), "n1", cidr).unwrap();
        assert!(!writes.is_empty());
        store.commit_all(&writes);
    }
    assert!(store.records.is_empty());
    assert_eq!(unclaim(&store.snapshot(), "n1", cidr), Ok(Vec::new()));
}

#[test]
fn the_walk_of_a_node_reaches_every_block_once() {
    let store = Store::new(&[("10.0.0.0/20", 26)]);
    for node in ["n1", "n2", "worker-17.example"] {
        let mut blocks: Vec<_> = walk::blocks(&store.pools[0], node).collect();
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!(blocks.len(), 64);
        assert!(blocks.iter().all(|block| block.ip() == block.network() && block.prefix() == 26));
    }
    let first = |node| walk::blocks(&store.pools[0], node).next();
    assert_ne!(first("n1"), first("n2"));
}
