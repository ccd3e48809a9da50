//! When things are collected, and when not, one at a time; random histories in `history`.

mod history;

use std::time::Duration;

use super::*;
use crate::audit::tests::fabric::{Fabric, V4, V6};
use crate::{Affinity, AffinityState, Block, Handle, Key, Pool, Record, Timestamp};

const MINUTE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_mins(15);

/// A collector and the time.
struct Watch {
    collector: Collector,
    now: Duration,
}

impl Watch {
    fn new() -> Self {
        Self { collector: Collector::new(GRACE, 100), now: Duration::from_secs(12345) }
    }

    fn look(&mut self, fabric: &Fabric) -> Vec<Collect> {
        self.collector.observe(&fabric.index, &fabric.facts, self.now)
    }

    /// Looks each minute; what the last of those looks collects. The others must collect nothing.
    fn minutes(&mut self, fabric: &mut Fabric, minutes: u64) -> Vec<Collect> {
        for _ in 1..minutes {
            self.pass(fabric, MINUTE);
            assert_eq!(self.look(fabric), []);
        }
        self.pass(fabric, MINUTE);
        self.look(fabric)
    }

    fn pass(&mut self, fabric: &mut Fabric, time: Duration) {
        self.now += time;
        fabric.clock += time.as_secs();
    }
}

/// A pod on each of two nodes, and one that leaked.
fn leaking() -> Fabric {
    let mut fabric = Fabric::new(2, &[("10.0.0.0/24", 26), ("fd00::/120", 122)]);
    fabric.start("n0", "a", &[V4, V6]);
    fabric.start("n1", "b", &[V4, V6]);
    fabric.start("n0", "leaked", &[V4, V6]);
    fabric.facts.endpoints.remove("leaked");
    fabric
}

fn handles(collect: &[Collect]) -> Vec<&str> {
    let handles = collect.iter().filter_map(|collect| match collect {
        Collect::Handle { handle, .. } | Collect::Address { handle, .. } => Some(handle.as_str()),
        Collect::Unclaim(_) | Collect::Finish(_) => None,
    });
    handles.collect()
}

#[test]
fn a_leak_is_collected_after_the_grace_and_not_before() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    assert_eq!(watch.look(&fabric), []);
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(handles(&collect), ["leaked"]);
    assert_eq!(watch.collector.suspects(), 1);
    assert!(fabric.collect(&collect[0]));
    assert_eq!(fabric.problems(), []);
    assert_eq!(watch.look(&fabric), []);
    assert_eq!(watch.collector.suspects(), 0);
    // A second time there is nothing left of it, nor is it taken from whoever has the handle then.
    assert!(!fabric.collect(&collect[0]));
    fabric.start("n0", "leaked", &[V4]);
    assert_eq!(collect[0].next(&fabric.snapshot(), fabric.now()), Ok(Vec::new()));
    assert_eq!(collect[0].plan(&fabric.snapshot(), fabric.now()), Err(Changed));
}

#[test]
fn a_change_or_a_life_sign_begins_the_grace_anew() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    watch.look(&fabric);
    watch.minutes(&mut fabric, 14);
    // The same handle is written once more, as an assignment does first.
    fabric.put(Record::Handle(fabric.index.handle("leaked").unwrap().value));
    assert_eq!(watch.look(&fabric), []);
    watch.minutes(&mut fabric, 14);
    fabric.attach("n0", "leaked", Vec::new());
    assert_eq!(watch.minutes(&mut fabric, 1), []);
    fabric.facts.endpoints.remove("leaked");
    assert_eq!(watch.minutes(&mut fabric, 1), []);
    assert_eq!(handles(&watch.minutes(&mut fabric, 15)), ["leaked"]);
}

#[test]
fn a_handle_with_one_live_address_is_left_alone() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    let held = fabric.index.handle("leaked").unwrap().value;
    assert_eq!(held.blocks.len(), 2);
    let of_leaked = crate::index::Filter { handle: Some("leaked"), ..Default::default() };
    let used = fabric.index.allocations(of_leaked, None).next().unwrap().address;
    // Somebody uses one of the addresses, under another name.
    fabric.attach("n1", "other", vec![used]);
    watch.look(&fabric);
    assert_eq!(watch.minutes(&mut fabric, 60), []);
    fabric.facts.endpoints.remove("other");
    fabric.facts.holders.insert("leaked".into());
    assert_eq!(watch.minutes(&mut fabric, 60), []);
    fabric.facts.holders.clear();
    watch.look(&fabric);
    assert_eq!(handles(&watch.minutes(&mut fabric, 15)), ["leaked"]);
}

#[test]
fn only_what_was_observed_is_released() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    watch.look(&fabric);
    let collect = watch.minutes(&mut fabric, 15).remove(0);
    let plan = |fabric: &Fabric| collect.plan(&fabric.snapshot(), fabric.now());
    assert!(plan(&fabric).is_ok());
    // Others may write the same blocks meanwhile.
    fabric.start("n0", "new", &[V4, V6]);
    assert!(plan(&fabric).is_ok());
    let mut touched = fabric.clone();
    touched.put(Record::Handle(fabric.index.handle("leaked").unwrap().value));
    assert_eq!(plan(&touched), Err(Changed));
    // An assignment that wrote the handle long ago takes its address only now.
    let block = fabric.index.blocks(Some("n0"), None, None).next().unwrap().value.clone();
    let free = block.next_free(fabric.now(), Duration::ZERO, |_| false).unwrap();
    let attributes = crate::Attributes::default();
    let late = block.taking(free, "leaked", &attributes, fabric.now(), Duration::ZERO).unwrap();
    let mut taken = fabric.clone();
    taken.put(Record::Block(late));
    assert_eq!(plan(&taken), Err(Changed));
    // Released and taken again by the same handle, with the record as it was.
    let again = block.releasing("leaked", fabric.now()).0;
    let address = block.held_by("leaked").next().unwrap();
    fabric.put(Record::Block(
        again.taking(address, "leaked", &attributes, fabric.now(), Duration::ZERO).unwrap(),
    ));
    assert_eq!(plan(&fabric), Err(Changed));
}

#[test]
fn time_that_jumps_neither_shortens_the_grace_nor_counts_whole() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    watch.look(&fabric);
    // Backwards.
    watch.now -= Duration::from_hours(3);
    assert_eq!(watch.look(&fabric), []);
    assert_eq!(watch.minutes(&mut fabric, 14), []);
    // Forwards: whatever happened in these ten hours may not have been heard of yet.
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    watch.look(&fabric);
    for _ in 0..2 {
        watch.pass(&mut fabric, Duration::from_hours(10));
        assert_eq!(watch.look(&fabric), []);
    }
    watch.pass(&mut fabric, Duration::from_hours(10));
    assert_eq!(handles(&watch.look(&fabric)), ["leaked"]);
    // Without any grace, two looks are needed all the same.
    let mut hasty = Collector::new(Duration::ZERO, 100);
    assert_eq!(hasty.observe(&fabric.index, &fabric.facts, MINUTE), []);
    assert_eq!(handles(&hasty.observe(&fabric.index, &fabric.facts, MINUTE)), ["leaked"]);
}

#[test]
fn a_round_is_bounded_and_what_fails_does_not_keep_others_waiting() {
    let mut fabric = Fabric::new(1, &[("10.0.0.0/24", 26)]);
    for number in 0..10 {
        fabric.assign("n0", &format!("leaked{number}"), &[V4], usize::MAX);
    }
    let mut watch = Watch::new();
    watch.collector = Collector::new(GRACE, 4);
    watch.look(&fabric);
    let mut seen = watch.minutes(&mut fabric, 15);
    assert_eq!(seen.len(), 4);
    // None of them is written, and yet the others come first.
    seen.extend(watch.look(&fabric));
    seen.extend(watch.look(&fabric));
    let mut handles = handles(&seen);
    handles.sort_unstable();
    handles.dedup();
    assert_eq!((seen.len(), handles.len()), (10, 10));
    assert_eq!(watch.minutes(&mut fabric, 15).len(), 4);
}

#[test]
fn facts_without_nodes_are_not_believed() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    fabric.facts = Facts::default();
    watch.look(&fabric);
    assert_eq!(watch.minutes(&mut fabric, 60), []);
    assert_eq!(watch.collector.suspects(), 0);
}

#[test]
fn what_has_no_record_is_released_address_by_address_and_what_holds_nothing_is_dropped() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    fabric.erase(&Key::Handle("leaked".into()));
    fabric.put(Record::Handle(Handle { id: "empty".into(), blocks: [].into() }));
    // This one lives, and must lose nothing.
    fabric.erase(&Key::Handle("a".into()));
    watch.look(&fabric);
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(handles(&collect), ["empty", "leaked", "leaked"]);
    assert!(collect.iter().all(|collect| fabric.collect(collect)));
    assert!(fabric.problems().iter().all(|problem| problem.what.contains("held by a, of which")));
    assert_eq!(fabric.index.handle("empty"), None);
}

#[test]
fn a_node_that_is_gone_loses_addresses_first_and_blocks_then() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    fabric.facts.endpoints.remove("a");
    fabric.release("a", usize::MAX);
    fabric.facts.nodes.remove("n1");
    watch.look(&fabric);
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(handles(&collect), ["b", "leaked"]);
    assert_eq!(collect.len(), 2, "blocks in use stay");
    assert!(collect.iter().all(|collect| fabric.collect(collect)));
    watch.look(&fabric);
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(collect.len(), 2);
    assert!(collect.iter().all(|collect| fabric.collect(collect)));
    assert_eq!(fabric.problems(), []);
    assert_eq!(fabric.index.blocks(Some("n1"), None, None).count(), 0);
    // Of each family the live node keeps its empty block.
    assert_eq!(fabric.index.blocks(Some("n0"), None, None).count(), 2);
}

#[test]
fn half_claims_are_ended_or_finished() {
    let (mut fabric, mut watch) = (leaking(), Watch::new());
    let of = |fabric: &Fabric, node: &str| {
        fabric.index.blocks(Some(node), Some("pool0"), None).next().unwrap().value.cidr()
    };
    let (used, theirs) = (of(&fabric, "n0"), of(&fabric, "n1"));
    let empty = "10.0.0.0/24".parse::<ipnetwork::IpNetwork>().unwrap();
    let empty = (0..4).map(|quarter: u32| {
        ipnetwork::IpNetwork::new(empty.iter().nth(usize::try_from(quarter).unwrap() * 64).unwrap(), 26)
            .unwrap()
    });
    let empty: Vec<_> = empty.filter(|cidr| *cidr != used && *cidr != theirs).collect();
    let claim = |cidr, state| Record::Affinity(Affinity { node: "n0".into(), cidr, state });
    fabric.put(claim(used, AffinityState::PendingDeletion));
    fabric.put(claim(theirs, AffinityState::Pending));
    fabric.put(claim(empty[0], AffinityState::Pending));
    fabric.put(Record::Block(Block::new(empty[0], "n0", Timestamp(0)).unwrap()));
    fabric.put(claim(empty[1], AffinityState::Confirmed));
    fabric.erase(&Key::Affinity("n1".into(), theirs));
    fabric.release("leaked", usize::MAX);
    watch.look(&fabric);
    watch.minutes(&mut fabric, 7);
    // A block in use may be as busy as it likes.
    fabric.put(Record::Block(fabric.index.block(&used).unwrap().value.touched(fabric.now())));
    let collect = watch.minutes(&mut fabric, 8);
    assert!(collect.iter().all(|collect| fabric.collect(collect)));
    assert_eq!(fabric.problems(), []);
    let state = |node: &str, cidr| fabric.index.affinity(node, &cidr).map(|affinity| affinity.value.state);
    assert_eq!(state("n0", used), Some(AffinityState::Confirmed));
    assert_eq!(state("n1", theirs), Some(AffinityState::Confirmed));
    assert_eq!((state("n0", theirs), state("n0", empty[0]), state("n0", empty[1])), (None, None, None));
    assert_eq!(fabric.index.blocks(None, Some("pool0"), None).count(), 2);
}

#[test]
fn of_empty_blocks_a_node_keeps_one_unless_the_pool_goes() {
    let mut fabric = Fabric::new(1, &[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    let block = |fabric: &mut Fabric, cidr: &str| {
        let cidr = cidr.parse().unwrap();
        fabric.put(Record::Block(Block::new(cidr, "n0", Timestamp(0)).unwrap()));
        fabric.put(Record::Affinity(Affinity { node: "n0".into(), cidr, state: AffinityState::Confirmed }));
    };
    for cidr in ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26", "10.1.0.0/26", "10.9.0.0/26"] {
        block(&mut fabric, cidr);
    }
    let mut watch = Watch::new();
    watch.look(&fabric);
    let unclaimed = |collect: &[Collect]| -> Vec<String> {
        let claims = collect.iter().map(|collect| match collect {
            Collect::Unclaim(claim) => claim.cidr.to_string(),
            Collect::Finish(_) | Collect::Handle { .. } | Collect::Address { .. } => panic!("{collect:?}"),
        });
        claims.collect()
    };
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(unclaimed(&collect), ["10.0.0.64/26", "10.0.0.128/26", "10.9.0.0/26"]);
    assert!(collect.iter().all(|collect| fabric.collect(collect)));
    let pool = Pool { deleting: true, ..fabric.index.pool("pool1").unwrap().clone() };
    fabric.index.put_pool(pool);
    watch.look(&fabric);
    assert_eq!(unclaimed(&watch.minutes(&mut fabric, 15)), ["10.1.0.0/26"]);
}

#[test]
fn a_block_is_kept_while_its_addresses_rest() {
    let mut fabric = Fabric::new(1, &[("10.0.0.0/24", 26)]);
    let cooldown = crate::Configuration { ip_cooldown_seconds: 1200, ..crate::Configuration::default() };
    fabric.index.set_configuration(cooldown);
    fabric.start("n0", "a", &[V4]);
    fabric.facts.endpoints.clear();
    fabric.release("a", usize::MAX);
    fabric.facts.nodes = ["other".to_owned()].into();
    let mut watch = Watch::new();
    watch.look(&fabric);
    let collect = watch.minutes(&mut fabric, 15);
    assert_eq!(collect.len(), 1);
    assert!(!fabric.collect(&collect[0]));
    watch.pass(&mut fabric, 5 * MINUTE);
    assert!(fabric.collect(&collect[0]));
    assert!(fabric.records.is_empty());
}
