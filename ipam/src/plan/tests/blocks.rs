//! Claiming, giving back, taking back, claiming ahead.

use super::*;

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// Plans and commits until enough is claimed ahead; how many steps that took.
fn prefetch_all(store: &mut Store, node: &str, family: Family) -> usize {
    for steps in 0.. {
        match prefetch(&store.snapshot(), node, &none(), family, store.now) {
            Prefetch::Enough => return steps,
            Prefetch::Commit(writes) => store.commit_all(&writes),
            Prefetch::ReadAll => panic!("everything was read"),
        }
    }
    unreachable!()
}

#[test]
fn the_budget_is_of_a_family_and_then_a_node_borrows() {
    let mut store = Store::new(&[("10.0.0.0/24", 31), ("fd00::/64", 127)]);
    store.configuration.max_blocks_per_host = 2;
    store.assign(&request("n2", "other", &[V4, V6])).unwrap();
    for index in 0..4 {
        store.assign(&request("n1", &format!("h{index}"), &[V4, V6])).unwrap();
    }
    assert_eq!(store.blocks_of("n1").len(), 4);
    store.assign(&request("n1", "borrower", &[V4])).unwrap();
    assert_eq!(store.blocks_of("n1").len(), 4);
    let default = Store { configuration: Configuration::default(), ..Store::new(&[("10.0.0.0/24", 32)]) };
    let mut store =
        Store { configuration: Configuration { strict_affinity: true, ..default.configuration }, ..default };
    for index in 0..20 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    assert!(matches!(store.assign(&request("n1", "late", &[V4])), Err(AssignError::NoBlock { .. })));
}

#[test]
fn an_idle_block_goes_to_who_needs_it_a_minute_after_its_claim() {
    let mut store = Store::new(&[("10.0.0.0/29", 30)]);
    store.configuration.strict_affinity = true;
    store.configuration.ip_cooldown_seconds = 50;
    for node in ["n1", "n2"] {
        store.assign(&request(node, node, &[V4])).unwrap();
    }
    store.pass(20);
    store.release("n2");
    let wish = |store: &Store| Request { now: store.now, ..request("n1", "many", &[V4; 4]) };
    // At first it is young, then what it gave back rests.
    for wait in [0, 20, 29] {
        store.pass(wait);
        assert!(store.assign(&wish(&store)).is_err(), "after {wait}");
    }
    store.pass(1);
    let mut states = Vec::new();
    loop {
        match assign(&store.snapshot(), &wish(&store)).unwrap() {
            Assignment::Prepare(writes) => {
                for write in &writes {
                    store.commit(write).unwrap();
                    model::check_invariants(&store);
                }
                states.push(writes.iter().map(|write| write.key.to_string()).collect::<Vec<_>>());
            }
            Assignment::Commit { writes, .. } => {
                store.commit_all(&writes);
                break;
            }
            other @ (Assignment::Done(_) | Assignment::ReadAll) => panic!("{other:?}"),
        }
    }
    assert_eq!(store.blocks_of("n1").len(), 2);
    let taken = states[0][1].clone();
    assert_eq!(states[0], [taken.replace("block", "affinity of n2 to"), taken.clone()]);
    assert_eq!(states[1], [taken.replace("block", "affinity of n1 to"), taken.clone()]);
    // The node that lost it drops what is left of its claim.
    store.settle("n2");
    assert!(store.affinities().all(|affinity| affinity.node == "n1"));
}

#[test]
fn a_block_that_came_into_use_again_is_confirmed_again() {
    let mut store = Store::new(&[("10.0.0.0/30", 30)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    store.release("a");
    store.pass(60);
    let strict = Configuration { strict_affinity: true, ..store.configuration.clone() };
    store.configuration = strict;
    let late = Request { now: store.now, ..request("n2", "b", &[V4]) };
    let Ok(Assignment::Prepare(taking)) = assign(&store.snapshot(), &late) else { panic!("n2 takes it") };
    store.commit(&taking[0]).unwrap();
    // Meanwhile its node uses it, by what it remembers.
    let Ok(Assignment::Prepare(_)) = assign(&store.snapshot(), &request("n1", "c", &[V4])) else {
        panic!("n1 confirms first")
    };
    store.assign(&request("n1", "c", &[V4])).unwrap();
    assert!(store.commit(&taking[1]).is_err());
    assert!(store.affinities().all(|affinity| affinity.state == AffinityState::Confirmed));
    // Nobody asks, but the mark is there: settling does it.
    let cidr = store.blocks().next().unwrap().cidr();
    let key = Key::Affinity("n1".into(), cidr);
    let mark = Affinity { node: "n1".into(), cidr, state: AffinityState::PendingDeletion };
    let expected = store.records.get(&key).map(|(revision, _)| *revision);
    store.commit(&Write { key, expected, value: Some(Record::Affinity(mark)) }).unwrap();
    store.settle("n1");
    assert!(store.affinities().all(|affinity| affinity.state == AffinityState::Confirmed));
}

#[test]
fn settling_ends_what_was_half_done() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    let cidr = |text: &str| text.parse::<IpNetwork>().unwrap();
    let claim = |text: &str, state| Record::Affinity(Affinity { node: "n1".into(), cidr: cidr(text), state });
    let block = |text: &str, node: &str| Record::Block(Block::new(cidr(text), node, NOW).unwrap());
    for record in [
        claim("10.0.0.0/26", AffinityState::Pending),
        claim("10.0.0.64/26", AffinityState::Pending),
        block("10.0.0.64/26", "n1"),
        block("10.0.0.128/26", "n1"),
        claim("10.0.0.192/26", AffinityState::Pending),
        block("10.0.0.192/26", "n2"),
    ] {
        store.commit(&Write { key: record.key(), expected: None, value: Some(record) }).unwrap();
    }
    store.settle("n1");
    let found: Vec<String> =
        store.affinities().map(|affinity| format!("{} {}", affinity.cidr, affinity.state.name())).collect();
    assert_eq!(found, ["10.0.0.64/26 confirmed", "10.0.0.128/26 confirmed"]);
    model::check_invariants(&store);
}

#[test]
fn a_clock_that_was_ahead_locks_nothing_for_longer_than_a_cooldown() {
    let mut store = Store::new(&[("10.0.0.0/30", 30)]);
    store.configuration.ip_cooldown_seconds = 30;
    let given = store.assign(&request("n1", "a", &[V4; 4])).unwrap();
    let ahead = NOW.after(Duration::from_secs(100_000));
    let Release::Commit { writes, .. } = release(&store.snapshot(), "a", ahead) else { panic!("it holds") };
    store.commit_all(&writes);
    let cidr = store.blocks().next().unwrap().cidr();
    // Asking does it where nothing else is free, by family or by address; so does giving the block back.
    for ask in [&request("n1", "b", &[V4]), &request("n2", "b", &[Wanted::Address(given[0])])] {
        let mut store = store.clone();
        store.assign(ask).unwrap_err();
        store.pass(29);
        store.assign(ask).unwrap_err();
        store.pass(1);
        store.assign(ask).unwrap();
    }
    let mut other = store.clone();
    assert_eq!(
        other.unclaim("n1", cidr).unwrap_err().to_string(),
        "block 10.0.0.0/30 still has 4 addresses that were given back lately; try again in 30 s"
    );
    other.pass(30);
    other.unclaim("n1", cidr).unwrap();
    store.settle("n1");
    store.pass(30);
    assert!(store.assign(&request("n1", "b", &[V4; 4])).is_ok());
}

#[test]
fn the_next_block_is_claimed_before_the_last_is_full() {
    let mut store = Store::new(&[("10.0.0.0/22", 26), ("10.9.0.0/16", 26), ("fd00::/64", 122)]);
    store.pools[1].namespace_selector = Some("has(team)".parse().unwrap());
    assert_eq!(prefetch_all(&mut store, "n1", Family::V4), 0);
    for index in 0..48 {
        assert_eq!(prefetch_all(&mut store, "n1", Family::V4), 0, "{index}");
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    // 16 are left.
    let mut part = store.snapshot();
    part.scope = Scope::Part;
    assert_eq!(prefetch(&part, "n1", &none(), Family::V4, NOW), Prefetch::ReadAll);
    assert_eq!(prefetch_all(&mut store, "n1", Family::V4), 2);
    assert_eq!((store.blocks_of("n1").len(), store.blocks().count()), (2, 2));
    assert!(store.affinities().all(|affinity| affinity.state == AffinityState::Confirmed));
    assert_eq!(prefetch_all(&mut store, "n1", Family::V6), 0);
    // What rests is not free.
    for index in 48..100 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    store.configuration.ip_cooldown_seconds = 30;
    for index in 0..40 {
        store.release(&format!("h{index}"));
    }
    store.assign(&request("n1", "last", &[V4; 12])).unwrap();
    for (max_blocks_per_host, auto, claimed) in [(2, true, false), (0, false, false), (0, true, true)] {
        store.configuration.max_blocks_per_host = max_blocks_per_host;
        store.configuration.auto_allocate_blocks = auto;
        assert_eq!(prefetch_all(&mut store, "n1", Family::V4) > 0, claimed);
    }
}

#[test]
fn blocks_of_no_use_are_surplus_when_they_are_empty_and_rested() {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    store.configuration.ip_cooldown_seconds = 30;
    let rack = |name| labels(&[("rack", name)]);
    store.pools[1].node_selector = Some("rack == 'a'".parse().unwrap());
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let racked = Request { node_labels: rack("a"), pools: vec!["pool1".into()], ..request("n1", "b", &[V4]) };
    store.assign(&racked).unwrap();
    let [mine, racked]: [IpNetwork; 2] =
        store.blocks().map(Block::cidr).collect::<Vec<_>>().try_into().unwrap();
    let at = |store: &Store, name, seconds| {
        surplus(&store.snapshot(), "n1", &rack(name), store.now.after(Duration::from_secs(seconds)))
    };
    assert_eq!(at(&store, "b", 0), []);
    store.release("b");
    assert_eq!(
        (at(&store, "b", 29), at(&store, "b", 30), at(&store, "a", 30)),
        (vec![], vec![racked], vec![])
    );
    store.release("a");
    store.pools[0].deleting = true;
    assert_eq!(at(&store, "a", 30), [mine]);
    store.pools.remove(0);
    assert_eq!(at(&store, "b", 30), [mine, racked]);
    store.pools[0].node_selector = None;
    store.reserve("r", &["10.1.0.0/24"]);
    assert_eq!(at(&store, "a", 30), [mine, racked]);
    store.pass(30);
    for cidr in [mine, racked] {
        store.unclaim("n1", cidr).unwrap();
    }
    assert_eq!(store.records.len(), 0);
}

#[test]
fn what_a_block_of_another_size_lies_in_is_not_claimed() {
    let mut store = Store::new(&[("10.0.0.0/26", 30)]);
    let first = store.assign(&request("n1", "a", &[V4])).unwrap();
    store.pools[0].block_size = 26;
    let second = store.assign(&request("n2", "b", &[V4])).unwrap();
    assert_eq!(store.blocks().count(), 1);
    assert_eq!(store.blocks().next().map(|block| block.allocation(second[0]).is_some()), Some(true));
    assert_ne!(first, second);
}
