//! What is said when there is no address, and that nothing is written then.

use super::*;

/// A store in which most things are refused for one reason or another.
fn store() -> Store {
    let mut store =
        Store::new(&[("10.0.0.0/28", 30), ("10.1.0.0/24", 26), ("10.2.0.0/24", 26), ("10.3.0.0/24", 26)]);
    store.pools.push(Pool::new("racked", "10.4.0.0/24".parse().unwrap()));
    store.pools.push(Pool::new("teams", "10.5.0.0/24".parse().unwrap()));
    store.pools.push(Pool::new("services", "10.6.0.0/24".parse().unwrap()));
    store.pools.push(Pool::new("shadow", "10.0.0.0/20".parse().unwrap()));
    store.pools[1].disabled = true;
    store.pools[2].deleting = true;
    store.pools[3].assignment_mode = AssignmentMode::Manual;
    store.pools[4].node_selector = Some("rack == 'a'".parse().unwrap());
    store.pools[5].namespace_selector = Some("has(team)".parse().unwrap());
    store.pools[6].allowed_uses = BTreeSet::from([Use::LoadBalancer]);
    store.reserve("routers", &["10.0.0.0/31"]);
    store
}

const PASSED_OVER: &str = "pool pool1 is disabled, pool pool2 is being deleted, \
    pool pool3 is manual, and must be asked for by name, \
    pool racked has a nodeSelector `rack == 'a'` that does not select node n1, \
    pool services is for LoadBalancer (allowedUses), not for Workload, \
    pool shadow overlaps pool pool0 (10.0.0.0/28); delete one of the two, \
    pool teams has a namespaceSelector `has(team)` that does not select namespace shop";

#[track_caller]
fn check(store: &mut Store, request: &Request, complaint: &str) {
    let before = store.records.clone();
    assert_eq!(store.assign(request).unwrap_err().to_string(), complaint);
    assert_eq!(store.records, before);
    // A view that may be outdated refuses nothing.
    let mut part = store.snapshot();
    part.scope = Scope::Part;
    assert_eq!(assign(&part, request), Ok(Assignment::ReadAll));
}

#[test]
fn of_a_family() {
    let mut store = store();
    check(
        &mut store,
        &request("n1", "b", &[V6]),
        "no pool gives out IPv6 addresses here (there is none of that family); apply an enabled IPPool with an IPv6 cidr \
         that serves this node and namespace",
    );
    check(
        &mut store,
        &Request { pools: vec!["nowhere".into()], ..request("n1", "b", &[V4]) },
        "there is no pool nowhere; ask for one of pool0, pool1, pool2, pool3, racked, services, shadow, teams, or apply it \
         first",
    );
    check(
        &mut store,
        &Request {
            pools: vec!["teams".into()],
            attributes: Attributes::default(),
            ..request("n1", "b", &[V4])
        },
        "no pool gives out IPv4 addresses here (pool teams has a namespaceSelector `has(team)` that does not select what is \
         in no namespace); apply an enabled IPPool with an IPv4 cidr that serves this node and namespace",
    );
    for index in 0..14 {
        store.assign(&request("n1", &format!("h{index}"), &[V4])).unwrap();
    }
    check(
        &mut store,
        &request("n1", "b", &[V4]),
        &format!(
            "no free IPv4 address: pool pool0 (10.0.0.0/28) has 14 of 16 addresses in use, 2 reserved ({PASSED_OVER}); \
             delete pods that are no longer needed, or apply another IPPool"
        ),
    );
    store.configuration.ip_cooldown_seconds = 30;
    store.release("h3");
    check(
        &mut store,
        &request("n1", "b", &[V4]),
        &format!(
            "no free IPv4 address: pool pool0 (10.0.0.0/28) has 13 of 16 addresses in use, 1 resting, 2 reserved \
             ({PASSED_OVER}); wait for what rests (ipCooldownSeconds), delete pods that are no longer needed, or apply \
             another IPPool"
        ),
    );
    store.pools[0].disabled = true;
    check(
        &mut store,
        &request("n1", "b", &[V4]),
        &format!(
            "no pool gives out IPv4 addresses here (pool pool0 is disabled, {PASSED_OVER}); apply an enabled IPPool with an \
             IPv4 cidr that serves this node and namespace"
        ),
    );
}

#[test]
fn of_a_certain_address() {
    let mut store = store();
    store.configuration.ip_cooldown_seconds = 30;
    store.assign(&request("n1", "a", &[this("10.0.0.7")])).unwrap();
    store.assign(&request("n1", "x", &[this("10.0.0.6")])).unwrap();
    store.release("x");
    store.pass(12);
    for (wanted, complaint) in [
        ("10.0.0.7", "10.0.0.7 is in use by pod shop/a; ask for another, or delete that first"),
        (
            "10.0.0.6",
            "10.0.0.6 was given back lately, and rests for another 18 s (ipCooldownSeconds); ask again then",
        ),
        (
            "10.0.0.1",
            "10.0.0.1 is reserved by IPReservation routers; ask for another, or take it out of that",
        ),
        (
            "10.1.0.1",
            "10.1.0.1 lies in pool pool1, which is disabled; ask for an address of another pool, or change this one",
        ),
        (
            "10.4.0.1",
            "10.4.0.1 lies in pool racked, which has a nodeSelector `rack == 'a'` that does not select node n1; ask for an \
             address of another pool, or change this one",
        ),
        (
            "10.0.3.1",
            "10.0.3.1 lies in pool shadow, which overlaps pool pool0 (10.0.0.0/28); delete one of the two; ask for an \
             address of another pool, or change this one",
        ),
    ] {
        let request = Request { now: store.now, ..request("n1", "b", &[this(wanted)]) };
        check(&mut store, &request, complaint);
    }
    check(
        &mut store,
        &Request { pools: vec!["pool0".into()], ..request("n1", "b", &[this("10.3.0.1")]) },
        "10.3.0.1 lies in pool pool3, which is not among the pools asked for (pool0); ask for an address of another pool, or \
         change this one",
    );
    check(
        &mut store,
        &request("n1", "b", &[this("10.0.0.5"), this("10.0.0.5")]),
        "10.0.0.5 was asked for twice; ask for it once",
    );
    let mut small = Store::new(&[("10.0.0.0/28", 30)]);
    check(
        &mut small,
        &request("n1", "b", &[this("192.0.2.1")]),
        "192.0.2.1 lies in no pool; ask for one within pool pool0 (10.0.0.0/28) has 0 of 16 addresses in use",
    );
    check(
        &mut small,
        &request("n1", "b", &[this("fd00::1")]),
        "fd00::1 lies in no pool; apply an IPPool that has it (there is no pool of this family)",
    );
    small.pools.clear();
    check(
        &mut small,
        &Request { pools: vec!["p".into()], ..request("n1", "b", &[V4]) },
        "there is no pool p; apply it first (there is no pool at all)",
    );
}

#[test]
fn of_more_than_a_handle_holds() {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("fd00::/64", 122)]);
    store.assign(&request("n1", "a", &[this("10.0.0.7")])).unwrap();
    for (wanted, complaint) in [
        (&[this("10.0.0.8")][..], "10.0.0.8 was asked for, but a holds 10.0.0.7 already; release that first"),
        (
            &[V4, V4],
            "2 IPv4 addresses were asked for, but a holds its addresses already, 1 of that family; release those first, or \
             ask for more by another handle",
        ),
        (
            &[V4, V6],
            "1 IPv6 addresses were asked for, but a holds its addresses already, 0 of that family; release those first, or \
             ask for more by another handle",
        ),
    ] {
        check(&mut store, &request("n1", "a", wanted), complaint);
    }
}

#[test]
fn by_what_holds_for_all_nodes() {
    let mut store = Store::new(&[("10.0.0.0/28", 30)]);
    store.configuration.strict_affinity = true;
    store.configuration.max_blocks_per_host = 1;
    for index in 0..4 {
        store.assign(&request("n1", &format!("a{index}"), &[V4])).unwrap();
    }
    let budget = "it has 1 blocks of the 1 that a node may have of a family; raise maxBlocksPerHost";
    check(
        &mut store,
        &request("n1", "b", &[V4]),
        &format!(
            "no free IPv4 address in the blocks of n1, and {budget}, or let nodes borrow (strictAffinity: false)"
        ),
    );
    store.assign(&request("n2", "c", &[V4])).unwrap();
    let lent: IpNetwork = store.blocks_of("n2")[0].parse().unwrap();
    let (lent_free, unowned) = (lent.iter().nth(2).unwrap(), store.snapshot());
    let unowned = walk::blocks(&store.pools[0], "n1").find(|cidr| unowned.block(cidr).is_none()).unwrap();
    check(
        &mut store,
        &request("n1", "b", &[Wanted::Address(lent_free)]),
        &format!(
            "{lent_free} lies in block {lent} of n2, from which n1 is not to borrow (strictAffinity: true); ask for one of \
             its own, or set that to false"
        ),
    );
    let address = unowned.network();
    check(
        &mut store,
        &request("n1", "b", &[Wanted::Address(address)]),
        &format!("{address} lies in block {unowned}, which nobody has, and {budget}"),
    );
    store.configuration.auto_allocate_blocks = false;
    let off = "nodes do not claim blocks (autoAllocateBlocks: false); set that to true";
    check(
        &mut store,
        &request("n1", "b", &[Wanted::Address(address)]),
        &format!("{address} lies in block {unowned}, which nobody has, and {off}"),
    );
    store.configuration.strict_affinity = false;
    // Borrowing is what is left.
    for index in 0..3 {
        store.assign(&request("n1", &format!("b{index}"), &[V4])).unwrap();
    }
    check(
        &mut store,
        &request("n1", "d", &[V4]),
        &format!("no free IPv4 address in the blocks of n1, and {off}, or delete pods"),
    );
}

#[test]
fn because_what_is_free_is_not_to_be_borrowed() {
    let mut store = Store::new(&[("10.0.0.0/30", 31)]);
    store.configuration.strict_affinity = true;
    for (node, handle) in [("n1", "a"), ("n2", "b"), ("n1", "c")] {
        store.assign(&request(node, handle, &[V4])).unwrap();
    }
    check(
        &mut store,
        &request("n1", "d", &[V4]),
        "no free IPv4 address in the blocks of n1, and 1 are free in those of other nodes, which is not to borrow \
         (strictAffinity: true): set that to false, or apply another IPPool",
    );
}

#[test]
fn beside_a_block_of_another_size() {
    let mut store = Store::new(&[("10.0.0.0/24", 30)]);
    store.assign(&request("n1", "a", &[this("10.0.0.1")])).unwrap();
    store.pools[0].block_size = 26;
    check(
        &mut store,
        &request("n1", "b", &[this("10.0.0.9")]),
        "10.0.0.9 cannot be given while there is block 10.0.0.0/30 beside it, which is from another block size; release what \
         that holds, or ask for an address in it",
    );
    // Other blocks of the pool are not concerned.
    assert!(store.assign(&request("n1", "b", &[this("10.0.0.99")])).is_ok());
    store.pools[0].block_size = 35;
    check(
        &mut store,
        &request("n1", "c", &[V4]),
        "no pool gives out IPv4 addresses here (pool pool0 cannot be cut into blocks of /35; delete it and apply it anew); \
         apply an enabled IPPool with an IPv4 cidr that serves this node and namespace",
    );
}
