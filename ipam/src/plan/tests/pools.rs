//! Which pool serves whom.

use super::*;

fn given(store: &mut Store, request: &Request) -> String {
    let addresses = store.assign(request).unwrap_or_else(|error| panic!("{error}"));
    let text = texts(&addresses).join(" ");
    store.release(&request.handle);
    text
}

#[test]
fn by_selectors_uses_and_names() {
    let mut store =
        Store::new(&[("10.0.0.0/24", 32), ("10.1.0.0/24", 32), ("10.2.0.0/24", 32), ("10.3.0.0/24", 32)]);
    store.pools[0].node_selector = Some("rack == 'a'".parse().unwrap());
    store.pools[1].namespace_selector = Some("team in {'x', 'y'}".parse().unwrap());
    store.pools[2].allowed_uses = BTreeSet::from([Use::Tunnel]);
    store.pools[3].assignment_mode = AssignmentMode::Manual;
    let plain = request("n1", "a", &[V4]);
    let racked = Request { node_labels: labels(&[("rack", "a")]), ..plain.clone() };
    let team = Request { namespace_labels: labels(&[("team", "y")]), ..plain.clone() };
    let tunnel = Request { usage: Use::Tunnel, ..plain.clone() };
    let manual = Request { pools: vec!["pool3".into()], ..plain.clone() };
    let both = Request { pools: vec!["pool3".into(), "pool0".into()], ..racked.clone() };
    for (request, begin) in [
        (&racked, "10.0.0."),
        (&team, "10.1.0."),
        (&tunnel, "10.2.0."),
        (&manual, "10.3.0."),
        // In the order asked for.
        (&both, "10.3.0."),
    ] {
        let given = given(&mut store, request);
        assert!(given.starts_with(begin), "{given}");
    }
    assert!(matches!(store.assign(&plain), Err(AssignError::NoPool { .. })));
    let certain = Request { wanted: vec![this("10.3.0.9")], ..plain };
    assert_eq!(given(&mut store, &certain), "10.3.0.9");
}

#[test]
fn what_is_reserved_is_given_to_nobody_and_stays_with_whom_it_is() {
    let mut store = Store::new(&[("10.0.0.0/29", 30)]);
    let first = store.assign(&request("n1", "a", &[V4])).unwrap();
    store.reserve("all-of-a-block", &["10.0.0.0/30"]);
    store.reserve("some", &["10.0.0.4/31"]);
    assert_eq!(store.assign(&request("n1", "a", &[V4])).unwrap(), first);
    let others = store.assign(&request("n1", "b", &[V4, V4])).unwrap();
    assert_eq!(texts(&others), ["10.0.0.6", "10.0.0.7"]);
    assert!(matches!(store.assign(&request("n1", "c", &[V4])), Err(AssignError::Full { .. })));
}

#[test]
fn a_block_that_is_all_reserved_is_not_claimed_however_large_the_pool() {
    let mut store = Store::new(&[("fd00::/48", 122)]);
    // Half of 2^74 blocks: nobody can try them one by one.
    store.reserve("half", &["fd00::/49"]);
    for node in 0..20 {
        let given = store.assign(&request(&format!("n{node}"), &format!("h{node}"), &[V6])).unwrap();
        assert!(given[0] >= ip("fd00:0:0:8000::"), "{given:?}");
    }
    store.reserve("a quarter", &["fd00:0:0:8000::/50"]);
    let given = store.assign(&request("new", "new", &[V6])).unwrap();
    assert!(given[0] >= ip("fd00:0:0:c000::"), "{given:?}");
    store.reserve("the rest", &["fd00:0:0:c000::/50"]);
    assert!(matches!(store.assign(&request("newer", "newer", &[V6])), Err(AssignError::Full { .. })));
}

#[test]
fn of_pools_that_overlap_the_first_by_name_gives_addresses() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    store.pools.push(Pool { block_size: 28, ..Pool::new("a-later-one", "10.0.0.0/26".parse().unwrap()) });
    store.assign(&request("n1", "a", &[V4])).unwrap();
    assert_eq!(store.blocks().map(|block| block.cidr().prefix()).collect::<Vec<_>>(), [28]);
    assert_eq!(store.snapshot().overlapped_by("pool0").map(|pool| pool.name.as_str()), Some("a-later-one"));
}
