//! Giving single addresses back.

use super::*;

fn store() -> Store {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("fd00::/64", 122)]);
    store.assign(&request("n1", "a", &[V4, V6, V4])).unwrap();
    store
}

fn items(store: &Store) -> Vec<ReleaseItem> {
    let item = |(address, held): (IpAddr, &crate::Allocation)| ReleaseItem {
        address,
        handle: held.handle.clone(),
        sequence: Some(held.sequence),
    };
    store.blocks().flat_map(Block::allocations).map(item).collect()
}

fn commit(store: &mut Store, items: &[ReleaseItem]) -> Vec<IpAddr> {
    match release_addresses(&store.snapshot(), items, store.now) {
        Ok(Release::Commit { writes, addresses }) => {
            store.commit_all(&writes);
            addresses
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_handle_keeps_the_rest_and_goes_with_the_last() {
    let mut store = store();
    let all = items(&store);
    assert_eq!(commit(&mut store, &all[..1]), [all[0].address]);
    assert_eq!(store.handles().next().unwrap().blocks.values().sum::<u32>(), 2);
    // It was not to hold more than that any longer.
    let error = store.assign(&request("n1", "a", &[V4, V6, V4])).unwrap_err();
    assert!(matches!(error, AssignError::HoldsFewer { held: 1, asked: 2, .. }), "{error}");
    assert_eq!(store.assign(&request("n1", "a", &[V4, V6])).unwrap(), [all[1].address, all[2].address]);
    assert_eq!(commit(&mut store, &all[1..]).len(), 2);
    assert_eq!((store.used(), store.handles().count()), (0, 0));
}

#[test]
fn what_is_not_as_it_was_is_not_touched_nor_is_the_rest() {
    let mut store = store();
    let before = items(&store);
    store.release("a");
    store.assign(&request("n1", "a", &[V4, V6, V4])).unwrap();
    store.release("b");
    store.assign(&request("n1", "b", &[V4])).unwrap();
    let now = items(&store);
    let find = |handle: &str| now.iter().find(|item| item.handle == handle).unwrap().clone();
    let (mine, other) = (find("a"), find("b"));
    let v6 = before.iter().find(|item| item.address.is_ipv6()).unwrap().clone();
    // IPv6 has given out `::0` and then `::1`.
    let v6_now = now.iter().find(|item| item.address.is_ipv6()).unwrap().clone();
    assert_ne!(v6.address, v6_now.address);
    for (item, complaint) in [
        (v6.clone(), format!("{} is not in use", v6.address)),
        (
            ReleaseItem { handle: "a".into(), ..other.clone() },
            format!("{} is held by b, not by a; look again before releasing it", other.address),
        ),
        (
            ReleaseItem { sequence: Some(5), ..mine.clone() },
            format!(
                "{} was released and given out again to a since (its sequence is {}, not 5); look again before releasing it",
                mine.address,
                mine.sequence.unwrap()
            ),
        ),
    ] {
        let snapshot = store.snapshot();
        let error = release_addresses(&snapshot, &[v6_now.clone(), item.clone()], store.now).unwrap_err();
        assert_eq!(error.to_string(), complaint);
        let mut part = snapshot.clone();
        part.scope = Scope::Part;
        assert_eq!(release_addresses(&part, &[item], store.now), Ok(Release::ReadAll));
    }
    // Who does not know the number does not compare it.
    let whichever = release_address(&store.snapshot(), mine.address, "a", None, store.now);
    assert!(matches!(whichever, Ok(Release::Commit { addresses, .. }) if addresses == [mine.address]));
}

#[test]
fn what_was_given_back_rests_before_anyone_else_has_it() {
    let mut store = Store::new(&[("10.0.0.0/31", 31)]);
    store.configuration.ip_cooldown_seconds = 30;
    let given = store.assign(&request("n1", "a", &[V4, V4])).unwrap();
    commit(&mut store, &[ReleaseItem { address: given[0], handle: "a".into(), sequence: None }]);
    store.pass(29);
    assert!(matches!(store.assign(&request("n1", "b", &[V4])), Err(AssignError::Full { .. })));
    store.pass(1);
    assert_eq!(store.assign(&request("n1", "b", &[V4])).unwrap(), given[..1]);
}
