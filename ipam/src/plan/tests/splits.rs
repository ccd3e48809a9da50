//! Pools in equal parts.

use super::*;

#[test]
fn parts_are_as_the_pool_is_and_have_its_blocks() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    store.pools[0].node_selector = Some("rack == 'a'".parse().unwrap());
    store.pools[0].deleting = true;
    let parts = split(&store.pools[0], 4, &store.pools).unwrap();
    let found: Vec<(String, String)> =
        parts.iter().map(|part| (part.name.clone(), part.cidr.to_string())).collect();
    let expected =
        ["pool0-0 10.0.0.0/26", "pool0-1 10.0.0.64/26", "pool0-2 10.0.0.128/26", "pool0-3 10.0.0.192/26"];
    assert_eq!(found.iter().map(|(name, cidr)| format!("{name} {cidr}")).collect::<Vec<_>>(), expected);
    assert!(parts.iter().all(|part| Pool {
        name: "pool0".into(),
        cidr: store.pools[0].cidr,
        ..part.clone()
    } == store.pools[0]));
    let six = Pool::new("six", "fd00::/64".parse().unwrap());
    let parts = split(&six, 2, [&six]).unwrap();
    assert_eq!(parts[1].cidr.to_string(), "fd00::8000:0:0:0/65");
}

#[test]
fn a_split_cut_short_anywhere_gives_no_address_twice_and_can_be_done_again() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let before: Vec<Block> = store.blocks().cloned().collect();
    for part in split(&store.pools[0], 2, &store.pools.clone()).unwrap() {
        store.pools.push(part);
        assert_eq!(split(&store.pools[0], 2, &store.pools).unwrap().len(), 2);
        // The pool itself is in force until it is gone.
        let snapshot = store.snapshot();
        assert_eq!(snapshot.overlapped_by("pool0"), None);
        assert_eq!(snapshot.overlapped_by("pool0-0").map(|pool| pool.name.as_str()), Some("pool0"));
        let Ok(Assignment::Commit { addresses, .. }) = assign(&snapshot, &request("n1", "b", &[V4])) else {
            panic!("the node has a block")
        };
        assert!(before[0].cidr().contains(addresses[0]));
    }
    store.pools.remove(0);
    store.assign(&request("n1", "b", &[V4])).unwrap();
    assert_eq!(store.blocks().map(Block::used).collect::<Vec<_>>(), [2]);
}

#[test]
fn what_cannot_be_split() {
    let pool = Pool::new("p", "10.0.0.0/24".parse().unwrap());
    let part = Pool::new("p-1", "10.9.0.0/24".parse().unwrap());
    let beside = Pool::new("q", "10.0.0.64/26".parse().unwrap());
    let long = Pool { name: "p".repeat(252), ..pool.clone() };
    let broken = Pool { block_size: 14, ..pool.clone() };
    for (pool, parts, others, complaints) in [
        (&pool, 3, vec![], &["a pool cannot be cut into 3 parts; ask for a power of two from 2 to 1024"][..]),
        (&pool, 0, vec![], &["a pool cannot be cut into 0 parts; ask for a power of two from 2 to 1024"]),
        (&pool, 1, vec![], &["a pool cannot be cut into 1 parts; ask for a power of two from 2 to 1024"]),
        (
            &pool,
            2048,
            vec![],
            &["a pool cannot be cut into 2048 parts; ask for a power of two from 2 to 1024"],
        ),
        (
            &pool,
            8,
            vec![],
            &["pool p (10.0.0.0/24) has only 4 blocks of /26, too few for 8 parts; ask for at most 4"],
        ),
        (
            &pool,
            2,
            vec![&part, &beside, &pool],
            &[
                "there is a pool p-1 already, with another cidr (10.9.0.0/24); delete that first",
                "pool p cannot be cut as it is: 10.0.0.0/24 overlaps pool q (10.0.0.64/26); choose a prefix outside of it",
            ],
        ),
        (
            &long,
            2,
            vec![],
            &[&format!("the parts of pool {} would have names of more than 253 characters", long.name)],
        ),
        (
            &broken,
            2,
            vec![],
            &[
                "pool p cannot be cut as it is: /14 is no block size for IPv4; it must be between 20 and 32 (default 26)",
            ],
        ),
    ] {
        let errors = split(pool, parts, others).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), complaints);
    }
}
