//! Keeping addresses ready, promising them, handing them over, one case at a time; interleavings in `outage`.

use super::*;
use crate::standby::{handle, is_handle};

const NOTHING: BTreeSet<String> = BTreeSet::new();

fn wish<'a>(
    count: u32,
    labels: &'a BTreeMap<String, String>,
    spoken_for: &'a BTreeSet<String>,
) -> Replenish<'a> {
    Replenish { node: "n1", node_labels: labels, count, spoken_for, now: NOW }
}

/// Replenishes until nothing is left to do, and says what is kept ready.
fn keep_ready(store: &mut Store, count: u32) -> Vec<String> {
    let labels = BTreeMap::new();
    for _ in 0..50 {
        let writes = replenish(&store.snapshot(), &wish(count, &labels, &NOTHING));
        if writes.is_empty() {
            return slots(store).into_iter().map(|slot| slot.address.to_string()).collect();
        }
        store.commit_all(&writes);
    }
    panic!("no end");
}

fn slots(store: &Store) -> Vec<Slot> {
    store.blocks().flat_map(|block| super::super::slots::slots(block, "n1")).collect()
}

fn promise(store: &Store, wanted: &[Wanted], spoken_for: &BTreeSet<String>) -> Result<Vec<Slot>, Shortage> {
    take_standby(&store.snapshot(), &request("n1", "pod", wanted), spoken_for)
}

fn hand_over(store: &Store, handle: &str, slots: &[Slot]) -> Result<Vec<Write>, Lost> {
    let attributes = Attributes { node: "n1".into(), interface: "eth0".into(), ..Attributes::default() };
    let (handle, slots, now) = (handle.to_owned(), slots.to_vec(), NOW);
    super::super::transfer(&store.snapshot(), &Transfer { handle, attributes, slots, now })
}

#[test]
fn addresses_are_kept_ready_where_there_is_a_block_and_room() {
    let mut store = Store::new(&[("10.0.0.0/24", 28), ("fd00::/120", 126)]);
    assert!(keep_ready(&mut store, 8).is_empty(), "no block is claimed for it");
    store.assign(&request("n1", "first", &[V4, V6])).unwrap();
    let ready = keep_ready(&mut store, 8);
    let v6 = ready.iter().filter(|address| address.contains(':')).count();
    assert_eq!((ready.len() - v6, v6), (4, 1), "a quarter of a block");
    assert_eq!(store.blocks().count(), 2);
    for index in 0..8 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    assert_eq!(store.blocks().count(), 2, "pods have the rest");
    assert_eq!(keep_ready(&mut store, 2).iter().filter(|address| !address.contains(':')).count(), 2);
    assert!(keep_ready(&mut store, 0).is_empty());
    assert!(store.handles().all(|handle| !is_handle(&handle.id)));
    // What nobody used need not rest.
    store.configuration.ip_cooldown_seconds = 3600;
    keep_ready(&mut store, 1);
    keep_ready(&mut store, 0);
    assert!(store.blocks().all(|block| block.cooling(NOW, Duration::from_secs(3600)) == 0));
}

#[test]
fn none_are_taken_when_pods_are_about_to_need_them() {
    let mut store = Store::new(&[("10.0.0.0/28", 28)]);
    for index in 0..12 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    assert!(keep_ready(&mut store, 4).is_empty());
    store.release("h0");
    assert_eq!(keep_ready(&mut store, 4).len(), 1);
}

#[test]
fn what_is_of_no_use_is_given_back() {
    let mut store = Store::new(&[("10.0.0.0/24", 28)]);
    store.assign(&request("n1", "first", &[V4])).unwrap();
    let ready = keep_ready(&mut store, 3);
    store.reserve("r", &[&ready[0]]);
    let others = keep_ready(&mut store, 3);
    assert!(others.len() == 3 && !others.contains(&ready[0]), "{others:?}");
    store.pools[0].deleting = true;
    assert!(keep_ready(&mut store, 3).is_empty());
    assert_eq!(store.used(), 1);
}

#[test]
fn a_block_that_has_nothing_else_empties() {
    let mut store = Store::new(&[("10.0.0.0/24", 29)]);
    for index in 0..9 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    let [full, other] =
        <[IpNetwork; 2]>::try_from(store.blocks().map(Block::cidr).collect::<Vec<_>>()).unwrap();
    let of = |store: &Store, cidr: IpNetwork| slots(store).iter().filter(|slot| slot.block == cidr).count();
    let with_one = if store.blocks().next().unwrap().used() == 1 { full } else { other };
    keep_ready(&mut store, 2);
    assert_eq!(of(&store, with_one), 2, "only there is room");
    store.release("h8");
    for index in 0..3 {
        store.release(&format!("h{index}"));
    }
    keep_ready(&mut store, 2);
    assert_eq!(of(&store, with_one), 0);
    assert_eq!(slots(&store).len(), 2);
    store.unclaim("n1", with_one).unwrap();
}

#[test]
fn what_is_promised_serves_the_pod_and_is_promised_once() {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26), ("fd00::/112", 122)]);
    store.pools[1].namespace_selector = Some("team == 'red'".parse().unwrap());
    let red = Request { namespace_labels: labels(&[("team", "red")]), ..request("n1", "red", &[V4]) };
    store.assign(&request("n1", "first", &[V4, V6])).unwrap();
    let both = Request { pools: vec!["pool1".into()], ..red.clone() };
    store.assign(&both).unwrap();
    assert_eq!(keep_ready(&mut store, 2).len(), 6);
    let mut spoken_for = BTreeSet::new();
    for _ in 0..2 {
        let slots = promise(&store, &[V6, V4], &spoken_for).unwrap();
        assert!(slots[0].address.is_ipv6() && slots[1].address.to_string().starts_with("10.0.0."));
        spoken_for.extend(slots.into_iter().map(|slot| slot.handle));
    }
    assert_eq!(spoken_for.len(), 4);
    assert_eq!(promise(&store, &[V4], &spoken_for), Err(Shortage::UsedUp(Family::V4)));
    assert_eq!(ready(&store.snapshot(), "n1", Family::V4, &spoken_for), 2);
    let red =
        take_standby(&store.snapshot(), &Request { handle: "other".into(), ..red }, &spoken_for).unwrap();
    assert!(red[0].address.to_string().starts_with("10.1.0."), "{red:?}");
    // What only the store can say is not promised.
    assert_eq!(promise(&store, &[this("10.0.0.9")], &NOTHING), Err(Shortage::Particular));
    assert_eq!(take_standby(&store.snapshot(), &both, &NOTHING), Err(Shortage::Particular));
    store.pools[2].disabled = true;
    assert_eq!(promise(&store, &[V6], &NOTHING), Err(Shortage::UsedUp(Family::V6)));
}

#[test]
fn a_promise_is_kept_whatever_was_done_of_an_attempt_before() {
    let mut store = Store::new(&[("10.0.0.0/24", 28), ("fd00::/112", 122)]);
    store.assign(&request("n1", "first", &[V4, V6])).unwrap();
    keep_ready(&mut store, 2);
    // The answer was lost, and so was half of it.
    let Ok(Assignment::Commit { writes: attempt, .. }) =
        assign(&store.snapshot(), &request("n1", "pod", &[V4, V6]))
    else {
        panic!("there is room")
    };
    for done in 0..=attempt.len() {
        let mut store = store.clone();
        for write in &attempt[..done] {
            store.commit(write).unwrap();
        }
        let slots = promise(&store, &[V4, V6], &NOTHING).unwrap();
        let writes = hand_over(&store, "pod", &slots).unwrap();
        // Cut short anywhere, it is continued; and the attempt is too late.
        for cut in 0..=writes.len() {
            let mut store = store.clone();
            for write in &writes[..cut] {
                store.commit(write).unwrap();
                model::check_invariants(&store);
            }
            let rest = hand_over(&store, "pod", &slots).unwrap();
            assert_eq!(rest.is_empty(), cut == writes.len());
            for write in rest {
                store.commit(&write).unwrap();
                model::check_invariants(&store);
            }
            let late = attempt[done..].iter().filter(|write| store.commit(write).is_ok()).count();
            let held: Vec<IpAddr> = store.blocks().flat_map(|block| block.held_by("pod")).collect();
            let promised: Vec<IpAddr> = slots.iter().map(|slot| slot.address).collect();
            assert_eq!((held, late), (promised.clone(), 0), "{done} done, cut at {cut}");
            assert_eq!(store.assign(&request("n1", "pod", &[V4, V6])).unwrap(), promised);
            assert_eq!(store.release("pod").len(), 2);
        }
    }
}

#[test]
fn what_was_given_to_others_meanwhile_is_lost_and_said_to_be() {
    let mut store = Store::new(&[("10.0.0.0/24", 28)]);
    store.assign(&request("n1", "first", &[V4])).unwrap();
    keep_ready(&mut store, 2);
    let slots = promise(&store, &[V4], &NOTHING).unwrap();
    // The node was declared gone, and its addresses collected.
    store.release(&slots[0].handle);
    let lost = hand_over(&store, "pod", &slots).unwrap_err();
    assert_eq!(lost, Lost { address: slots[0].address, holder: None });
    store.assign(&request("n1", "thief", &[Wanted::Address(slots[0].address)])).unwrap();
    let lost = hand_over(&store, "pod", &slots).unwrap_err().to_string();
    assert!(lost.ends_with("is no standby address of this node any more: thief holds it"), "{lost}");
    assert!(abandon(&store.snapshot(), "pod", &slots, NOW).is_empty(), "nothing of the thief's is touched");
    store.release("thief");
    // The same number once more is another promise.
    keep_ready(&mut store, 2);
    assert!(hand_over(&store, "pod", &slots).is_err());
}

#[test]
fn what_was_promised_to_who_is_gone_is_given_back_and_rests() {
    let mut store = Store::new(&[("10.0.0.0/24", 28), ("fd00::/112", 122)]);
    store.configuration.ip_cooldown_seconds = 60;
    store.assign(&request("n1", "first", &[V4, V6])).unwrap();
    keep_ready(&mut store, 2);
    let slots = promise(&store, &[V4, V6], &NOTHING).unwrap();
    let half = hand_over(&store, "pod", &slots).unwrap();
    for done in 0..=half.len() {
        let mut store = store.clone();
        for write in &half[..done] {
            store.commit(write).unwrap();
        }
        let writes = abandon(&store.snapshot(), "pod", &slots, NOW);
        store.commit_all(&writes);
        model::check_invariants(&store);
        assert!(abandon(&store.snapshot(), "pod", &slots, NOW).is_empty());
        for slot in &slots {
            let block = store.blocks().find(|block| block.cidr() == slot.block).unwrap();
            assert_eq!(block.allocation(slot.address), None, "{done} done");
            assert!(block.rests_until(slot.address, NOW, Duration::from_secs(60)).is_some());
        }
        assert!(store.handles().all(|handle| handle.id != "pod"));
    }
}

#[test]
fn who_asks_again_for_what_it_holds_may_have_it_written_once_more() {
    let mut store = Store::new(&[("10.0.0.0/24", 28)]);
    let first = store.assign(&request("n1", "pod", &[V4])).unwrap();
    let again = Request { rewrite: true, ..request("n1", "pod", &[V4]) };
    // A collection that was planned before comes too late.
    let Release::Commit { writes: collection, .. } = release(&store.snapshot(), "pod", NOW) else { panic!() };
    let Ok(Assignment::Commit { writes, addresses }) = assign(&store.snapshot(), &again) else {
        panic!("nothing would be written")
    };
    assert_eq!(addresses, first);
    store.commit_all(&writes);
    assert!(collection.iter().all(|write| store.commit(write).is_err()));
    assert_eq!(store.used(), 1);
    assert_eq!(handle("n1", 0), "standby:n1:0");
}
