use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rib::Counts;

fn prefix(number: u8) -> IpNetwork {
    if number < 128 {
        format!("10.{number}.0.0/16").parse().expect("a prefix")
    } else {
        format!("2001:db8:{number}::/48").parse().expect("a prefix")
    }
}

#[derive(Debug, Clone)]
enum Op {
    Put(u8, u16, u32),
    Take(u8, u16, u32),
    First(u8, u16, u32),
    Stale(u8, u16, u32, bool),
}

fn op(family: Family) -> impl Strategy<Value = Op> {
    let prefixes = match family {
        Family::Ipv4Unicast => 0..6u8,
        Family::Ipv6Unicast => 128..134u8,
    };
    (0..4u8, prefixes, 1..4u16, 0..2u32, any::<bool>()).prop_map(|(op, prefix, source, path_id, on)| match op
    {
        0 => Op::Put(prefix, source, path_id),
        1 => Op::Take(prefix, source, path_id),
        2 => Op::First(prefix, source, path_id),
        _ => Op::Stale(prefix, source, path_id, on),
    })
}

fn route(dest: DestId, source: u16, path_id: u32) -> NewRoute {
    let (received, path) = (PathId(0), PathId(0));
    NewRoute { dest, received, path, path_id, since: 0, source: SourceId(source), state: State::default() }
}

fn run(family: Family, ops: &[Op]) {
    let mut table = Table::new(family);
    // Which routes there are, stale or not: what a map would say.
    let mut model: BTreeMap<(u8, u16, u32), bool> = BTreeMap::new();
    for op in ops {
        let (Op::Put(number, source, path_id)
        | Op::Take(number, source, path_id)
        | Op::First(number, source, path_id)
        | Op::Stale(number, source, path_id, _)) = *op;
        let key = (number, source, path_id);
        let dest = table.find_or_insert(&prefix(number));
        let known = table.route_of(dest, SourceId(source), path_id);
        assert_eq!(known.is_some(), model.contains_key(&key));
        match (op, known) {
            (Op::Put(..), None) => {
                table.insert(route(dest, source, path_id));
                model.insert(key, false);
            }
            (Op::Take(..), Some(id)) => {
                table.take(id);
                model.remove(&key);
            }
            (Op::First(..), Some(id)) => {
                table.put_first(id);
                assert_eq!(table.routes_to(dest).next(), Some(id));
            }
            (Op::Stale(.., on), Some(id)) => {
                let mut state = table.route(id).state;
                state.set_stale(*on);
                table.set_state(id, state);
                model.insert(key, *on);
            }
            _ => {}
        }
        if table.is_bare(dest) {
            table.remove(dest);
            assert_eq!(table.find(&prefix(number)), None);
        }
        check(&table, &model);
    }
}

fn check(table: &Table, model: &BTreeMap<(u8, u16, u32), bool>) {
    let mut by_dest = Vec::new();
    for dest in table.destinations() {
        assert_eq!(table.find(&table.prefix(dest)), Some(dest));
        by_dest.extend(table.routes_to(dest));
    }
    by_dest.sort_unstable();
    let mut by_source: Vec<_> = (1..4).flat_map(|source| table.routes_of(SourceId(source))).collect();
    by_source.sort_unstable();
    assert_eq!(by_dest, by_source, "both lists have the same routes");
    assert_eq!(by_dest.len(), model.len());
    for source in 1..4 {
        let of_source = || model.iter().filter(|((_, owner, _), _)| *owner == source);
        let received = u32::try_from(of_source().count()).expect("few");
        let stale = u32::try_from(of_source().filter(|(_, stale)| **stale).count()).expect("few");
        assert_eq!(table.counts(SourceId(source)), Counts { received, accepted: received, stale });
    }
    for (number, source, path_id) in model.keys() {
        let dest = table.find(&prefix(*number)).expect("a destination");
        let id = table.route_of(dest, SourceId(*source), *path_id).expect("a route");
        assert_eq!(table.prefix(table.route(id).dest), prefix(*number));
    }
}

proptest! {
    #[test]
    fn it_holds_what_a_map_would_hold(
        v4 in prop::collection::vec(op(Family::Ipv4Unicast), 0..80),
        v6 in prop::collection::vec(op(Family::Ipv6Unicast), 0..80),
    ) {
        run(Family::Ipv4Unicast, &v4);
        run(Family::Ipv6Unicast, &v6);
    }
}

#[test]
fn a_prefix_of_the_other_family_is_not_there() {
    let mut table = Table::new(Family::Ipv4Unicast);
    table.find_or_insert(&prefix(1));
    assert_eq!(table.find(&prefix(200)), None);
    // Same octets, another length.
    assert_eq!(table.find(&"10.1.0.0/17".parse().expect("a prefix")), None);
}
