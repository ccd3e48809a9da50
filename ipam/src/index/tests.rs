//! Against a plain map of records, after any sequence of changes; and the forms that people or programs see.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index as Pick;

use super::*;
use crate::{AffinityState, Attributes, Timestamp, usage};

const NODES: [&str; 3] = ["n0", "n1", "n2"];
const HANDLES: [&str; 4] = ["h0", "h1", "h2", "h3"];
/// Some of them overlap, as they must not in a store.
const BLOCKS: [&str; 6] =
    ["10.0.0.0/28", "10.0.0.8/29", "10.0.0.16/28", "10.0.1.0/28", "fd00::/126", "fd00::4/126"];
const POOLS: [(&str, &str); 3] = [("p0", "10.0.0.0/24"), ("p1", "10.0.1.0/24"), ("p2", "fd00::/64")];
const RESERVED: [&str; 3] = ["10.0.0.0/29", "10.0.0.4/30", "fd00::2/127"];

#[derive(Debug, Clone)]
enum Step {
    /// Block, owner, and who takes the ordinals from 0, `None` leaving one free.
    Block(usize, usize, Vec<Option<(usize, usize)>>),
    Affinity(usize, usize, AffinityState),
    Handle(usize, Vec<(usize, u32)>),
    Remove(Pick),
    Pool(usize, bool),
    Reservation(usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let holder = prop::option::of((0..HANDLES.len(), 0..NODES.len()));
    let state = prop::sample::select(vec![
        AffinityState::Pending,
        AffinityState::Confirmed,
        AffinityState::PendingDeletion,
    ]);
    let step = prop_oneof![
        6 => (0..BLOCKS.len(), 0..NODES.len(), prop::collection::vec(holder, 0..5))
            .prop_map(|(block, node, holders)| Step::Block(block, node, holders)),
        2 => (0..NODES.len(), 0..BLOCKS.len(), state)
            .prop_map(|(node, block, state)| Step::Affinity(node, block, state)),
        2 => (0..HANDLES.len(), prop::collection::vec((0..BLOCKS.len(), 0..3u32), 0..3))
            .prop_map(|(handle, blocks)| Step::Handle(handle, blocks)),
        3 => any::<Pick>().prop_map(Step::Remove),
        1 => (0..POOLS.len(), any::<bool>()).prop_map(|(pool, there)| Step::Pool(pool, there)),
        1 => (0..RESERVED.len(), any::<bool>()).prop_map(|(which, there)| Step::Reservation(which, there)),
    ];
    prop::collection::vec(step, 0..40)
}

/// The records as they are, and nothing else.
#[derive(Default, Clone)]
struct Plain {
    records: BTreeMap<Key, (Revision, Record)>,
    pools: BTreeMap<String, Pool>,
    reservations: BTreeMap<String, Reservation>,
    changes: u64,
}

impl Plain {
    fn index(&self) -> Index {
        let mut index = Index::default();
        self.pools.values().for_each(|pool| index.put_pool(pool.clone()));
        self.reservations.values().for_each(|reservation| index.put_reservation(reservation.clone()));
        for (revision, record) in self.records.values() {
            index.put(record.clone(), *revision);
        }
        index
    }

    fn step(&mut self, index: &mut Index, step: &Step) {
        self.changes += 1;
        match step {
            Step::Block(block, owner, holders) => {
                let mut block = Block::new(cidr(*block), NODES[*owner], Timestamp(self.changes)).unwrap();
                for (ordinal, holder) in holders.iter().enumerate() {
                    let Some((handle, node)) = holder else { continue };
                    let attributes = Attributes { node: NODES[*node].into(), ..Attributes::default() };
                    let address = block.cidr().iter().nth(ordinal);
                    if let Some(address) = address {
                        let taken = block.taking(
                            address,
                            HANDLES[*handle],
                            &attributes,
                            Timestamp(0),
                            Duration::ZERO,
                        );
                        block = taken.unwrap_or(block);
                    }
                }
                self.put(index, Record::Block(block));
            }
            Step::Affinity(node, block, state) => {
                let affinity = Affinity { node: NODES[*node].into(), cidr: cidr(*block), state: *state };
                self.put(index, Record::Affinity(affinity));
            }
            Step::Handle(handle, blocks) => {
                let blocks = blocks.iter().map(|(block, count)| (cidr(*block), *count)).collect();
                self.put(index, Record::Handle(Handle { id: HANDLES[*handle].into(), blocks }));
            }
            Step::Remove(which) => {
                let keys: Vec<Key> = self.records.keys().cloned().collect();
                if !keys.is_empty() {
                    let key = which.get(&keys);
                    let former = self.records.remove(key).and_then(|(_, record)| block_in(record));
                    assert_eq!(index.remove(key), former);
                }
            }
            Step::Pool(which, there) => {
                let (name, cidr) = POOLS[*which];
                if *there {
                    let pool = Pool { block_size: 28, ..Pool::new(name, cidr.parse().unwrap()) };
                    index.put_pool(pool.clone());
                    self.pools.insert(name.into(), pool);
                } else {
                    index.remove_pool(name);
                    self.pools.remove(name);
                }
            }
            Step::Reservation(which, there) => {
                let name = format!("r{which}");
                if *there {
                    let reserved_cidrs = vec![RESERVED[*which].parse().unwrap()];
                    index.put_reservation(Reservation {
                        name: name.clone(),
                        reserved_cidrs: reserved_cidrs.clone(),
                    });
                    self.reservations.insert(name.clone(), Reservation { name, reserved_cidrs });
                } else {
                    index.remove_reservation(&name);
                    self.reservations.remove(&name);
                }
            }
        }
    }

    fn put(&mut self, index: &mut Index, record: Record) {
        let revision = Revision(self.changes);
        let former = self.records.insert(record.key(), (revision, record.clone()));
        assert_eq!(index.put(record, revision), former.and_then(|(_, record)| block_in(record)));
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Block(block) => Some(block),
            Record::Affinity(_) | Record::Handle(_) => None,
        })
    }

    fn holdings(&self) -> impl Iterator<Item = Holding<'_>> {
        self.blocks().flat_map(|block| {
            block.allocations().map(move |(address, allocation)| Holding { address, allocation, block })
        })
    }

    fn is_of(&self, pool: &str, block: &Block) -> bool {
        self.pools.get(pool).is_some_and(|pool| usage::holds(pool, block))
    }
}

fn block_in(record: Record) -> Option<Block> {
    match record {
        Record::Block(block) => Some(block),
        Record::Affinity(_) | Record::Handle(_) => None,
    }
}

fn cidr(number: usize) -> IpNetwork {
    BLOCKS[number].parse().unwrap()
}

/// Lists agree, in one go and in pages, whatever is filtered.
fn lists(index: &Index, plain: &Plain, page: usize) {
    let some = |names: &[&'static str]| -> Vec<Option<&'static str>> {
        [None, Some("nobody")].into_iter().chain(names.iter().copied().map(Some)).collect()
    };
    let pools = POOLS.map(|(name, _)| name);
    for node in some(&NODES) {
        for pool in some(&pools) {
            let is_of_pool = |block: &Block| pool.is_none_or(|pool| plain.is_of(pool, block));
            let blocks = plain.blocks().filter(|block| is_of_pool(block));
            let blocks: Vec<&Block> =
                blocks.filter(|block| node.is_none_or(|node| block.node() == node)).collect();
            let mut found: Vec<&Block> = Vec::new();
            loop {
                let after = found.last().map(|block| block.cidr());
                let before = found.len();
                found.extend(index.blocks(node, pool, after).take(page).map(|block| &block.value));
                if found.len() == before {
                    break;
                }
            }
            assert_eq!(found, blocks);
            for handle in some(&HANDLES) {
                let expected = plain.holdings().filter(|holding| {
                    is_of_pool(holding.block)
                        && node.is_none_or(|node| holding.allocation.attributes.node == node)
                        && handle.is_none_or(|handle| holding.allocation.handle == handle)
                });
                let filter = Filter { node, pool, handle, namespace: None };
                let mut found: Vec<Holding<'_>> = Vec::new();
                loop {
                    // As it comes back from a client.
                    let after = found.last().map(|holding| holding.cursor().to_string().parse().unwrap());
                    let before = found.len();
                    found.extend(index.allocations(filter, after).take(page));
                    if found.len() == before {
                        break;
                    }
                }
                assert_eq!(found, expected.collect::<Vec<_>>());
            }
        }
    }
}

fn utilisation(index: &Index, plain: &Plain) {
    for pool in plain.pools.values() {
        let of_pool = || plain.blocks().filter(|block| usage::holds(pool, block));
        let mut nodes: BTreeMap<&str, NodeUtilisation<'_>> = BTreeMap::new();
        for node in NODES {
            let own = || of_pool().filter(|block| block.node() == node);
            let used = || {
                plain.holdings().filter(|holding| {
                    usage::holds(pool, holding.block) && holding.allocation.attributes.node == node
                })
            };
            let borrowed = used().filter(|holding| holding.borrowed_from().is_some()).count();
            let utilisation = NodeUtilisation {
                node,
                blocks: own().count() as u64,
                addresses_total: own().map(|block| u64::from(block.size())).sum(),
                addresses_used: used().count() as u64,
                addresses_borrowed: borrowed as u64,
                addresses_standby: used()
                    .filter(|holding| crate::standby::is_handle(&holding.allocation.handle))
                    .count() as u64,
            };
            if utilisation.blocks + utilisation.addresses_used > 0 {
                nodes.insert(node, utilisation);
            }
        }
        let reserved: BTreeSet<IpAddr> = plain
            .reservations
            .values()
            .flat_map(|reservation| reservation.reserved_cidrs.iter().flat_map(IpNetwork::iter))
            .filter(|address| pool.cidr.contains(*address))
            .collect();
        let held: BTreeSet<IpAddr> =
            of_pool().flat_map(Block::allocations).map(|(address, _)| address).collect();
        let found = index.utilisation(&pool.name, Timestamp(0)).unwrap();
        assert_eq!(found.nodes, nodes.into_values().collect::<Vec<_>>());
        assert_eq!(found.usage, usage::pool_usage(pool, plain.blocks()));
        assert_eq!(found.reserved, reserved.difference(&held).count() as u128);
    }
    assert_eq!(index.utilisation("nobody", Timestamp(0)), None);
}

/// What was told, applied to what was, is what is.
fn told(before: &Plain, before_index: &Index, after: &Plain, after_index: &Index) {
    let what = |holding: &Holding<'_>| (holding.cursor(), holding.allocation.clone());
    let mut state: BTreeMap<_, _> = before.holdings().map(|holding| what(&holding)).collect();
    for change in after_index.changes_since(before_index) {
        match change {
            Change::Released(holding) => {
                let (at, allocation) = what(&holding);
                assert_eq!(state.remove(&at), Some(allocation), "released what was not in use");
            }
            Change::Assigned(holding) => {
                let (at, allocation) = what(&holding);
                state.insert(at, allocation);
            }
        }
    }
    assert_eq!(state, after.holdings().map(|holding| what(&holding)).collect());
    assert_eq!(after_index.changes_since(after_index), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn is_what_the_records_say(first in steps(), second in steps(), page in 1..5usize) {
        let (mut plain, mut index) = (Plain::default(), Index::default());
        first.iter().for_each(|step| plain.step(&mut index, step));
        let (before, before_index) = (plain.clone(), index.clone());
        second.iter().for_each(|step| plain.step(&mut index, step));
        prop_assert_eq!(&index, &plain.index());
        told(&before, &before_index, &plain, &index);
        lists(&index, &plain, page);
        // Where blocks overlap, an address may have several holders.
        if !plain.records.contains_key(&Key::Block(cidr(1))) {
            utilisation(&index, &plain);
            let all = BLOCKS.iter().flat_map(|block| block.parse::<IpNetwork>().unwrap().iter());
            for address in all {
                let holder = plain.holdings().find(|holding| holding.address == address);
                prop_assert_eq!(index.who_has(address), holder);
                let block = plain.blocks().find(|block| block.cidr().contains(address));
                prop_assert_eq!(index.block_of(address).map(|block| &block.value), block);
            }
        }
        for key in plain.records.keys() {
            index.remove(key);
        }
        for (name, _) in POOLS {
            index.remove_pool(name);
        }
        for which in 0..RESERVED.len() {
            index.remove_reservation(&format!("r{which}"));
        }
        prop_assert_eq!(index, Index::default(), "something is left of what is gone");
    }
}

#[test]
fn an_overlapping_block_hides_nobody() {
    let (mut plain, mut index) = (Plain::default(), Index::default());
    plain.step(&mut index, &Step::Block(0, 0, vec![None; 1]));
    let mut inner = Block::new(cidr(1), "n1", Timestamp(0)).unwrap();
    let address: IpAddr = "10.0.0.9".parse().unwrap();
    inner = inner.taking(address, "h", &Attributes::default(), Timestamp(0), Duration::ZERO).unwrap();
    index.put(Record::Block(inner), Revision(9));
    assert_eq!(index.who_has(address).map(|holding| holding.block.cidr()), Some(cidr(1)));
    assert_eq!(index.block_of(address).map(|block| block.value.cidr()), Some(cidr(0)));
}

#[test]
fn a_snapshot_is_good_for_planning() {
    let (mut plain, mut index) = (Plain::default(), Index::default());
    plain.step(&mut index, &Step::Pool(0, true));
    plain.step(&mut index, &Step::Reservation(0, true));
    plain.step(&mut index, &Step::Block(0, 0, vec![Some((0, 1))]));
    plain.step(&mut index, &Step::Affinity(0, 0, AffinityState::Confirmed));
    plain.step(&mut index, &Step::Handle(0, vec![(0, 1)]));
    plain.step(&mut index, &Step::Handle(1, vec![]));
    index.set_configuration(Configuration { strict_affinity: true, ..Configuration::default() });
    let snapshot = index.snapshot(Scope::All, ["h0", "nobody"]);
    assert_eq!(snapshot.scope, Scope::All);
    assert_eq!(snapshot.pools().collect::<Vec<_>>(), index.pools().collect::<Vec<_>>());
    assert_eq!(snapshot.blocks().collect::<Vec<_>>(), index.blocks(None, None, None).collect::<Vec<_>>());
    assert_eq!(snapshot.affinities().collect::<Vec<_>>(), index.affinities().collect::<Vec<_>>());
    assert_eq!(snapshot.handles().map(|handle| handle.value.id.as_str()).collect::<Vec<_>>(), ["h0"]);
    assert_eq!(snapshot.handle("h0"), index.handle("h0").as_ref());
    assert_eq!(snapshot.reserved(), index.reserved());
    assert_eq!(snapshot.configuration(), index.configuration());
}

#[test]
fn a_change_of_hands_is_both_told_and_a_change_of_use_once() {
    let block = Block::new(cidr(0), "n0", Timestamp(0)).unwrap();
    let address: IpAddr = "10.0.0.3".parse().unwrap();
    let take = |block: &Block, handle: &str, node: &str| {
        let attributes = Attributes { node: node.into(), ..Attributes::default() };
        block.taking(address, handle, &attributes, Timestamp(0), Duration::ZERO).unwrap()
    };
    let first = take(&block, "a", "n0");
    let again = take(&first.releasing("a", Timestamp(0)).0, "a", "n0");
    fn told(before: Option<&Block>, after: Option<&Block>) -> Vec<(bool, String)> {
        let told = changes(before, after).into_iter().map(|change| match change {
            Change::Assigned(holding) => (true, holding.allocation.handle.clone()),
            Change::Released(holding) => (false, holding.allocation.handle.clone()),
        });
        told.collect()
    }
    assert_eq!(told(None, Some(&first)), [(true, "a".into())]);
    assert_eq!(told(Some(&first), Some(&first.touched(Timestamp(0)))), []);
    assert_eq!(told(Some(&first), Some(&again)), [(false, "a".into()), (true, "a".into())]);
    assert_eq!(told(Some(&first), Some(&take(&block, "a", "n1"))), [(true, "a".into())]);
    assert_eq!(told(Some(&first), None), [(false, "a".into())]);
}

#[test]
fn what_is_no_cursor_is_told() {
    let error = "10.0.0.1".parse::<Cursor>().unwrap_err();
    assert_eq!(error.to_string(), "`10.0.0.1` is no place in a list of allocations; begin the list again");
    assert!("10.0.0.1@10.0.0.0/33".parse::<Cursor>().is_err());
}
