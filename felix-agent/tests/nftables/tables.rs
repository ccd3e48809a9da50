//! Random tables that the kernel would take.
//!
//! Few names, so that two tables have much in common; chains only call chains with a higher number, so there are no
//! circles; sets are used with the key that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::table::{
    Bits, COMMENT_MAX_BYTES, Chain, ConntrackState, Datatype, Elements, Family, Field, Hook, HookPoint,
    Limit, Log, Rule, Set, Side, Statement, Table, Value, Verdict,
};
use ipnetwork::IpNetwork;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

const SETS: [&str; 5] = ["s1", "s2", "s3", "m1", "m2"];
const CHAINS: usize = 5;

/// A whole table.
pub fn table() -> impl Strategy<Value = Table> {
    let sets = SETS.map(|name| (Just(name), proptest::option::weighted(0.7, set(name))));
    (sets, vec(proptest::bool::weighted(0.7), CHAINS))
        .prop_flat_map(|(sets, present)| {
            let leaves: Vec<String> = (0..CHAINS).filter(|at| present[*at]).map(chain_name).collect();
            let sets: BTreeMap<String, Set> = sets
                .into_iter()
                .filter_map(|(name, set)| Some((name.to_owned(), within(set?, &leaves))))
                .collect();
            let regular: Vec<_> =
                (0..CHAINS).filter(|at| present[*at]).map(|at| regular_chain(at, &leaves, &sets)).collect();
            (Just(sets.clone()), regular, proptest::option::weighted(0.8, base_chain(leaves, sets)))
        })
        .prop_map(|(sets, regular, base)| {
            let base = base.map(|chain| ("base".to_owned(), chain));
            Table { sets, chains: regular.into_iter().chain(base).collect() }
        })
}

fn chain_name(at: usize) -> String {
    format!("c{at}")
}

/// Elements of maps may only name chains that exist.
fn within(mut set: Set, chains: &[String]) -> Set {
    if let Elements::Verdicts(verdicts) = &mut set.elements {
        verdicts.retain(|_, verdict| {
            verdict.target().is_none_or(|name| chains.iter().any(|chain| chain == name))
        });
    }
    set
}

fn set(name: &'static str) -> impl Strategy<Value = Set> {
    let name_key = select(vec![vec![Datatype::Interface]]);
    let plain = select(vec![
        vec![Datatype::Ipv4Address],
        vec![Datatype::Ipv6Address],
        vec![Datatype::Interface, Datatype::Ipv4Address],
        vec![Datatype::Interface, Datatype::Ipv6Address],
        vec![Datatype::Ipv4Address, Datatype::Protocol, Datatype::Port],
        vec![Datatype::Ipv6Address, Datatype::Protocol, Datatype::Port],
        vec![Datatype::Number, Datatype::Number, Datatype::Ipv6Address],
    ]);
    match name {
        "m1" | "m2" => name_key
            .prop_flat_map(|key| (Just(key.clone()), btree_map(values(key), leaf_verdict(), 0..6)))
            .prop_map(|(key, verdicts)| Set { key, elements: Elements::Verdicts(verdicts) })
            .boxed(),
        "s3" => prop_oneof![Just(Family::V4), Just(Family::V6)]
            .prop_flat_map(|family| (Just(family), ranges(family)))
            .prop_map(|(family, ranges)| Set {
                key: vec![family.datatype()],
                elements: Elements::Ranges(ranges),
            })
            .boxed(),
        // Its type changes now and then.
        "s2" => plain.prop_flat_map(keys).boxed(),
        _ => keys(vec![Datatype::Ipv4Address]).boxed(),
    }
}

fn keys(key: Vec<Datatype>) -> impl Strategy<Value = Set> {
    btree_set(values(key.clone()), 0..8)
        .prop_map(move |keys| Set { key: key.clone(), elements: Elements::Keys(keys) })
}

fn values(key: Vec<Datatype>) -> Vec<BoxedStrategy<Value>> {
    key.into_iter().map(value).collect()
}

fn value(datatype: Datatype) -> BoxedStrategy<Value> {
    match datatype {
        Datatype::Ipv4Address => (0..12_u32).prop_map(|n| Value::Address(v4(0x0a00_0000 + n))).boxed(),
        Datatype::Ipv6Address => (0..12_u128).prop_map(|n| Value::Address(v6(0xfd << 120 | n))).boxed(),
        Datatype::Protocol => select(vec![6, 17, 132]).prop_map(Value::Protocol).boxed(),
        Datatype::Port => (1..5_u16).prop_map(Value::Port).boxed(),
        Datatype::Number => select(vec![0, 1, 0x0123_4567, u32::MAX]).prop_map(Value::Number).boxed(),
        Datatype::Interface => select(vec!["fab1", "fab2", "fab123456789012"])
            .prop_map(|name| Value::Interface(name.to_owned()))
            .boxed(),
    }
}

fn v4(bits: u32) -> IpAddr {
    Ipv4Addr::from_bits(bits).into()
}

fn v6(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).into()
}

/// Disjoint and apart from each other; now and then with the first and the last address of all.
fn ranges(family: Family) -> impl Strategy<Value = BTreeSet<(IpAddr, IpAddr)>> {
    let address = move |n: u32| match family {
        Family::V4 => v4(n),
        Family::V6 => v6(u128::from(n) << 96 | if n == u32::MAX { (1 << 96) - 1 } else { 0 }),
    };
    (btree_set(0..60_u32, 0..10), any::<bool>()).prop_map(move |(bounds, to_the_end)| {
        let bounds: Vec<u32> = bounds.into_iter().collect();
        let pairs = bounds.chunks_exact(2);
        let mut ranges: BTreeSet<_> =
            pairs.map(|pair| (address(pair[0] * 16), address(pair[1] * 16 - 8))).collect();
        if to_the_end {
            ranges.insert((address(0xe000_0000), address(u32::MAX)));
        }
        ranges
    })
}

/// For elements of maps: to the last chain at most, which calls no other.
fn leaf_verdict() -> impl Strategy<Value = Verdict> {
    let last = chain_name(CHAINS - 1);
    select(vec![
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Return,
        Verdict::Goto(last.clone()),
        Verdict::Jump(last),
    ])
}

fn base_chain(leaves: Vec<String>, sets: BTreeMap<String, Set>) -> impl Strategy<Value = Chain> {
    let hooks = [
        HookPoint::Prerouting,
        HookPoint::Input,
        HookPoint::Forward,
        HookPoint::Forward,
        HookPoint::Output,
        HookPoint::Postrouting,
    ];
    let hook = (select(hooks.to_vec()), select(vec![0, 0, 0, -300, 17]));
    (hook, vec(rule(&leaves, &sets, true), 0..5))
        .prop_map(|((point, priority), rules)| Chain { hook: Some(Hook { point, priority }), rules })
}

fn regular_chain(
    at: usize,
    all: &[String],
    sets: &BTreeMap<String, Set>,
) -> impl Strategy<Value = (String, Chain)> + use<> {
    let name = chain_name(at);
    let later: Vec<String> = all.iter().filter(|other| **other > name).cloned().collect();
    let calls = at + 1 < CHAINS;
    vec(rule(&later, sets, calls), 0..4).prop_map(move |rules| (name.clone(), Chain { hook: None, rules }))
}

fn rule(
    targets: &[String],
    sets: &BTreeMap<String, Set>,
    calls: bool,
) -> impl Strategy<Value = Rule> + use<> {
    let comment = prop_oneof![Just(String::new()), "[a-z/# 0-9.-]{1,20}", "[a-z]{127}"];
    let mut ends: Vec<Statement> =
        [Verdict::Accept, Verdict::Drop, Verdict::Return].map(Statement::Verdict).to_vec();
    ends.extend(targets.iter().map(|chain| Statement::Verdict(Verdict::Goto(chain.clone()))));
    ends.extend(targets.iter().map(|chain| Statement::Verdict(Verdict::Jump(chain.clone()))));
    let maps = sets.iter().filter(|(_, set)| matches!(set.elements, Elements::Verdicts(_)));
    let maps = maps.filter(|_| calls).flat_map(|(name, set)| fields(&set.key).map(|f| (f, name.clone())));
    ends.extend(maps.map(|(fields, name)| Statement::VerdictMap(fields, name)));
    (vec(condition(sets), 0..4), any::<bool>(), select(ends), comment).prop_map(
        |(conditions, counted, end, comment)| {
            let counter = counted.then_some(Statement::Counter);
            let statements = conditions.into_iter().flatten().chain(counter).chain([end]).collect();
            assert!(comment.len() <= COMMENT_MAX_BYTES);
            Rule { comment, statements }
        },
    )
}

/// The ways to look up a key.
fn fields(key: &[Datatype]) -> impl Iterator<Item = Vec<Field>> {
    [Side::Source, Side::Destination].into_iter().map(|side| {
        let field = |datatype: &Datatype| match datatype {
            Datatype::Ipv4Address => Field::Address(side, Family::V4),
            Datatype::Ipv6Address => Field::Address(side, Family::V6),
            Datatype::Protocol => Field::Protocol,
            Datatype::Port => Field::Port(side),
            Datatype::Interface => Field::Interface(side),
            Datatype::Number => Field::Number(0x0123_4567),
        };
        key.iter().map(field).collect()
    })
}

/// With the conditions that must precede it.
fn condition(sets: &BTreeMap<String, Set>) -> impl Strategy<Value = Vec<Statement>> + use<> {
    let side = || select(vec![Side::Source, Side::Destination]);
    let family = || select(vec![Family::V4, Family::V6]);
    let mut lookups = vec![vec![Statement::Counter]];
    for (name, set) in sets.iter().filter(|(_, set)| !matches!(set.elements, Elements::Verdicts(_))) {
        for fields in fields(&set.key) {
            let family = fields.iter().find_map(|field| match field {
                Field::Address(_, family) => Some(Statement::Family(*family)),
                Field::Interface(_) | Field::Protocol | Field::Port(_) | Field::Number(_) => None,
            });
            let asked =
                [Statement::InSet(fields.clone(), name.clone()), Statement::NotInSet(fields, name.clone())];
            lookups.extend(asked.map(|asked| family.clone().into_iter().chain([asked]).collect()));
        }
    }
    prop_oneof![
        select(lookups),
        of_connection(),
        above_ip(),
        told(),
        family().prop_map(|family| vec![Statement::Family(family)]),
        (side(), "[a-z]{1,15}").prop_map(|(side, name)| vec![Statement::InterfaceIs(side, name)]),
        (side(), "[a-z]{1,15}").prop_map(|(side, name)| vec![Statement::InterfaceBegins(side, name)]),
        (side(), any::<u32>(), 1..=32_u8).prop_map(|(side, bits, length)| address_in(side, v4(bits), length)),
        (side(), any::<u128>(), 1..=128_u8).prop_map(|(side, bits, length)| address_in(
            side,
            v6(bits),
            length
        )),
    ]
}

/// Looks into a transport header.
fn above_ip() -> impl Strategy<Value = Vec<Statement>> {
    let side = || select(vec![Side::Source, Side::Destination]);
    let ports = (side(), any::<u16>(), any::<u16>(), any::<bool>()).prop_map(|(side, a, b, within)| {
        let (first, last) = (a.min(b), a.max(b));
        let ports = match within {
            true => Statement::PortIn(side, first, last),
            false => Statement::PortNotIn(side, first, last),
        };
        vec![Statement::Protocol(6), ports]
    });
    let icmp = (any::<bool>(), any::<u8>(), any::<u8>(), 0..4).prop_map(|(v6, a, b, which)| {
        let (family, protocol) = if v6 { (Family::V6, 58) } else { (Family::V4, 1) };
        let asked = match which {
            0 => Statement::IcmpTypeIn(a.min(b), a.max(b)),
            1 => Statement::IcmpTypeIsNot(a),
            2 => Statement::IcmpCodeIs(a),
            _ => Statement::IcmpCodeIsNot(a),
        };
        vec![Statement::Family(family), Statement::Protocol(protocol), asked]
    });
    prop_oneof![
        any::<u8>().prop_map(|protocol| vec![Statement::Protocol(protocol)]),
        any::<u8>().prop_map(|protocol| vec![Statement::NotProtocol(protocol)]),
        ports,
        icmp,
        Just(vec![Statement::Protocol(6), Statement::NotPlainSyn]),
    ]
}

/// Asks connection tracking, or tells it.
fn of_connection() -> impl Strategy<Value = Vec<Statement>> {
    let states =
        [ConntrackState::Invalid, ConntrackState::Established, ConntrackState::Related, ConntrackState::New];
    let bits = || {
        let bits = (1..=u32::MAX, any::<u32>());
        bits.prop_map(|(mask, value)| Bits { mask, value: value & mask })
    };
    prop_oneof![
        btree_set(select(states.to_vec()), 1..4).prop_map(|states| vec![Statement::ConntrackState(states)]),
        Just(vec![Statement::IsReply]),
        bits().prop_map(|bits| vec![Statement::MarkIs(bits)]),
        bits().prop_map(|bits| vec![Statement::SetMark(bits)]),
    ]
}

/// What listeners hear, now and then only so often.
fn told() -> impl Strategy<Value = Vec<Statement>> {
    let limit = (1..2000_u32, 1..100_u32).prop_map(|(per_second, burst)| Limit { per_second, burst });
    let log = ("[a-z|# 0-9]{1,127}", any::<u16>(), 1..2000_u32)
        .prop_map(|(prefix, group, snaplen)| Statement::Log(Log { prefix, group, snaplen }));
    (proptest::option::of(limit), log)
        .prop_map(|(limit, log)| limit.map(Statement::Limit).into_iter().chain([log]).collect())
}

fn address_in(side: Side, address: IpAddr, length: u8) -> Vec<Statement> {
    let network = IpNetwork::new(address, length).unwrap();
    let network = IpNetwork::new(network.network(), length).unwrap();
    vec![Statement::Family(Family::of(&address)), Statement::AddressIn(side, network)]
}
