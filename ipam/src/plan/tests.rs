//! Plans against a store in memory: single cases here and beside, interleavings in `model` and `crowd`.

mod blocks;
mod crowd;
mod model;
mod outage;
mod pools;
mod refusals;
mod releases;
mod sharing;
mod splits;
mod standby;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::*;
use crate::{
    Affinity, AffinityState, AssignmentMode, Attributes, Block, Configuration, Family, Handle, Key, Pool,
    Record, Reservation, Revision, Scope, Snapshot, Timestamp, Use, Write,
};
use store::{NOW, Store, V4, V6, ip, labels, request, texts, this};

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
    assert_eq!(store.used(), 4);
    assert_eq!(store.release("a").len(), 2);
    assert_eq!(store.release("a"), Vec::<IpAddr>::new());
    assert_eq!(store.handles().map(|handle| handle.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_ordinary_assignment_is_one_commit_from_what_a_node_has_in_memory() {
    let mut store = Store::new(&[("10.0.0.0/16", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let mut cached = store.snapshot();
    cached.scope = Scope::Part;
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
fn both_families_or_none() {
    let mut store = Store::new(&[("10.0.0.0/16", 26), ("fd00::/128", 128)]);
    store.assign(&request("n1", "a", &[V4, V6])).unwrap();
    let before = store.writes;
    assert!(matches!(
        store.assign(&request("n2", "b", &[V4, V6])),
        Err(AssignError::Full { family: Family::V6, .. })
    ));
    assert_eq!(store.writes, before);
}

#[test]
fn several_of_a_family_across_blocks_or_none() {
    let mut store = Store::new(&[("10.0.0.0/29", 31), ("fd00::/126", 127)]);
    let wanted = [V4, V6, V4, V4, V6];
    let first = store.assign(&request("n1", "a", &wanted)).unwrap();
    assert_eq!(first.iter().map(|a| a.is_ipv4()).collect::<Vec<_>>(), [true, false, true, true, false]);
    assert!(first[0] < first[2] && first[2] < first[3] && first[1] < first[4]);
    assert_eq!(store.assign(&request("n1", "a", &wanted)).unwrap(), first);
    assert_eq!(store.used(), 5);
    // Six more than there are: none of them.
    assert!(matches!(store.assign(&request("n1", "b", &[V4; 6])), Err(AssignError::Full { .. })));
    assert_eq!(store.used(), 5);
    assert_eq!(store.assign(&request("n1", "c", &[V4; 5])).unwrap().len(), 5);
    // Fewer than it holds are its first.
    assert_eq!(store.assign(&request("n1", "a", &[V4])).unwrap(), first[..1]);
    let last = Wanted::Address(first[3]);
    assert_eq!(store.assign(&request("n1", "a", &[V4, last])).unwrap(), [first[0], first[3]]);
}

#[test]
fn a_request_cut_short_between_its_blocks_is_completed_and_never_exceeded() {
    let wanted = [V4, V4, V4];
    let mut whole = Store::new(&[("10.0.0.0/28", 32)]);
    for index in 0..3 {
        whole.assign(&request("n1", &format!("x{index}"), &[V4])).unwrap();
    }
    for index in 0..3 {
        whole.release(&format!("x{index}"));
    }
    let Ok(Assignment::Commit { writes, .. }) = assign(&whole.snapshot(), &request("n1", "a", &wanted))
    else {
        panic!("the node has three blocks")
    };
    assert_eq!(writes.len(), 4);
    for cut in 0..=4 {
        let mut store = whole.clone();
        for write in writes.iter().take(cut) {
            store.commit(write).unwrap();
        }
        let given = store.assign(&request("n1", "a", &wanted)).unwrap();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 3, "after {cut} writes");
        // What the first attempt has left to do comes too late.
        let late = writes.iter().skip(cut).filter(|write| store.commit(write).is_ok()).count();
        assert_eq!((late, store.used()), (0, 3), "after {cut} writes");
        store.release("a");
        assert_eq!((store.used(), store.handles().count()), (0, 0));
    }
}

#[test]
fn services_have_blocks_of_a_node_that_is_none() {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    store.pools[1].allowed_uses = BTreeSet::from([Use::LoadBalancer]);
    // What bounds nodes does not bound services.
    store.configuration.max_blocks_per_host = 1;
    store.configuration.auto_allocate_blocks = false;
    for index in 0..65 {
        let service = Request { usage: Use::LoadBalancer, ..request("n1", &format!("lb-{index}"), &[V4]) };
        let given = store.assign(&service).unwrap();
        assert!(texts(&given)[0].starts_with("10.1.0."), "{given:?}");
    }
    assert_eq!(store.blocks_of("virtual:load-balancer").len(), 2);
    assert_eq!(store.blocks().count(), 2);
    store.configuration.auto_allocate_blocks = true;
    let tunnel = Request { usage: Use::Tunnel, ..request("n1", "tunnel-n1", &[V4]) };
    assert!(texts(&store.assign(&tunnel).unwrap())[0].starts_with("10.0.0."));
    assert_eq!(store.blocks_of("n1").len(), 1);
}

#[test]
fn a_block_goes_back_when_it_is_empty() {
    let mut store = Store::new(&[("10.0.0.0/16", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let cidr = store.blocks().next().unwrap().cidr();
    let error = store.unclaim("n1", cidr).unwrap_err().to_string();
    assert_eq!(error, format!("block {cidr} still has 1 addresses in use; release those first"));
    store.release("a");
    let mut steps = 0;
    loop {
        let writes = unclaim(&store.snapshot(), "n1", cidr, NOW).unwrap();
        if writes.is_empty() {
            break;
        }
        store.commit_all(&writes);
        steps += 1;
    }
    assert_eq!(steps, 2);
    assert!(store.records.is_empty());
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
