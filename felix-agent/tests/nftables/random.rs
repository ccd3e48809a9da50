//! Random programs, small enough that everything meets everything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{
    Action, Direction, EndpointProgram, Family, Match, PolicyId, PolicyKind, Profile, ProfileId, Program,
    Protocol, Rule, RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::fabric::{NODE, OUTSIDE, POD_A, POD_B};
use crate::programs::endpoint_id;

/// The ports that probes come from and go to.
pub const PORTS: [u16; 4] = [1001, 1002, 1003, 1004];
/// ICMP's echo and timestamp requests, ICMPv6's echo request, and codes.
pub const ICMP_TYPES: [u8; 3] = [8, 13, 128];
pub const ICMP_CODES: [u8; 2] = [0, 1];

const ADDRESS_SETS: [&str; 2] = ["s1", "s2"];
const NETWORK_SETS: [&str; 2] = ["s3", "s4"];
const PORT_SETS: [&str; 2] = ["s5", "s6"];
const MISSING_SET: &str = "s9";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn known_addresses() -> Vec<IpAddr> {
    [POD_A, POD_B, OUTSIDE, NODE].concat().into_iter().map(address).collect()
}

/// Programs of the pods a and b with both directions each, isolated or not.
pub fn programs() -> impl Strategy<Value = Program> {
    let sets = (
        ADDRESS_SETS.map(|_| addresses()),
        NETWORK_SETS.map(|_| networks()),
        PORT_SETS.map(|_| address_ports()),
    );
    let profile = |direction| proptest::option::weighted(0.8, profile(direction));
    let ends = [Direction::Ingress, Direction::Egress, Direction::Ingress, Direction::Egress].map(profile);
    (sets, ends).prop_map(|((addresses, networks, ports), ends)| {
        let named =
            |names: [&str; 2], sets: [Set; 2]| names.map(|name| SetId(name.to_owned())).into_iter().zip(sets);
        let sets = named(ADDRESS_SETS, addresses)
            .chain(named(NETWORK_SETS, networks))
            .chain(named(PORT_SETS, ports))
            .collect();
        let mut profiles = BTreeMap::new();
        let [a_in, a_out, b_in, b_out] = ends.map(|profile| {
            // Equal content has an equal name, and its length tells little enough apart.
            let profile = profile?;
            let name = ProfileId(name_of(&profile));
            profiles.insert(name.clone(), profile);
            Some(name)
        });
        let endpoint = |addresses: [&str; 2], ingress, egress| EndpointProgram {
            addresses: addresses.into_iter().map(address).collect(),
            ingress,
            egress,
        };
        let endpoints = BTreeMap::from([
            (endpoint_id("a"), endpoint(POD_A, a_in, a_out)),
            (endpoint_id("b"), endpoint(POD_B, b_in, b_out)),
        ]);
        Program { sets, profiles, endpoints }
    })
}

/// FNV-1a of the content.
fn name_of(profile: &Profile) -> String {
    let hash = format!("{profile:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("p{hash:016x}")
}

fn addresses() -> impl Strategy<Value = Set> {
    btree_set(select(known_addresses()), 0..4).prop_map(Set::Addresses)
}

fn networks() -> impl Strategy<Value = Set> {
    let networks =
        ["10.1.0.0/24", "10.1.0.2/32", "192.0.2.0/30", "0.0.0.0/1", "fd00:1::/64", "2001:db8::2/128"];
    // Disjoint ones only: of those that overlap, the first.
    btree_set(select(networks.to_vec()), 0..3).prop_map(|texts| {
        let mut all: BTreeSet<ipnetwork::IpNetwork> = BTreeSet::new();
        for network in texts.into_iter().map(|text| text.parse::<ipnetwork::IpNetwork>().unwrap()) {
            if !all.iter().any(|other| other.contains(network.ip()) || network.contains(other.ip())) {
                all.insert(network);
            }
        }
        Set::Networks(all)
    })
}

fn protocols() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Udp, Protocol::Udp, Protocol::Tcp, Protocol::Sctp])
}

fn address_ports() -> impl Strategy<Value = Set> {
    let member = (select(known_addresses()), protocols(), select(PORTS.to_vec()));
    btree_set(member, 0..6).prop_map(Set::AddressPorts)
}

fn profile(direction: Direction) -> impl Strategy<Value = Profile> {
    let fallback = select(vec![Verdict::Allow, Verdict::Deny]);
    (vec(tier(), 1..4), fallback).prop_map(move |(tiers, fallback)| {
        let numbered = tiers.into_iter().enumerate().map(|(at, (rules, end))| {
            let policy = PolicyId::global(PolicyKind::GlobalNetworkPolicy, format!("t{at}"));
            let rules = rules.into_iter().zip(0..).map(|((matches, action), rule)| Rule {
                origin: RuleOrigin { policy: policy.clone(), rule, name: Some(format!("rule {rule}")) },
                matches,
                action,
            });
            Tier { name: format!("tier{at}"), policies: vec![policy.clone()], rules: rules.collect(), end }
        });
        Profile { direction, tiers: numbered.collect(), fallback }
    })
}

fn tier() -> impl Strategy<Value = (Vec<(Vec<Match>, Action)>, TierEnd)> {
    let action = select(vec![Action::Allow, Action::Allow, Action::Deny, Action::Pass, Action::Log]);
    (vec((matches(), action), 0..4), select(vec![TierEnd::Deny, TierEnd::Pass]))
}

fn matches() -> impl Strategy<Value = Vec<Match>> {
    let ends = vec(ends(), 0..3);
    (ends, proptest::option::weighted(0.5, above_ip())).prop_map(|(ends, above)| {
        let mut all: Vec<Match> = ends.into_iter().chain(above.into_iter().flatten()).collect();
        all.sort();
        all
    })
}

fn sides() -> impl Strategy<Value = Side> {
    select(vec![Side::Source, Side::Destination])
}

/// Asks an address, or an address and a port, or the family.
fn ends() -> impl Strategy<Value = Match> {
    let set = |names: Vec<&'static str>| select(names).prop_map(|name| SetId(name.to_owned()));
    let hosts = set([&ADDRESS_SETS[..], &NETWORK_SETS, &[MISSING_SET]].concat());
    let ports = set(PORT_SETS.to_vec());
    prop_oneof![
        5 => (sides(), hosts, any::<bool>())
            .prop_map(|(side, set, negated)| Match::Address { side, set, negated }),
        2 => (sides(), ports, any::<bool>())
            .prop_map(|(side, set, negated)| Match::AddressPort { side, set, negated }),
        1 => select(vec![Family::V4, Family::V6]).prop_map(Match::Family),
    ]
}

/// Asks the protocol, and what it has.
fn above_ip() -> impl Strategy<Value = Vec<Match>> {
    let protocol = (select(vec![1_u8, 6, 17, 58, 132]), any::<bool>())
        .prop_map(|(number, negated)| vec![Match::Protocol { number, negated }]);
    let icmp = (
        select(vec![Family::V4, Family::V6]),
        select(ICMP_TYPES.to_vec()),
        proptest::option::of(select(ICMP_CODES.to_vec())),
        any::<bool>(),
    )
        .prop_map(|(family, kind, code, negated)| vec![Match::Icmp { family, kind, code, negated }]);
    let range = || {
        let bounds = btree_set(1000..1006_u16, 2..4);
        bounds.prop_map(|bounds| {
            let bounds: Vec<u16> = bounds.into_iter().collect();
            let mut ranges = vec![(bounds[0], bounds[1] - 1)];
            ranges.extend(bounds.get(2).filter(|last| **last > bounds[1]).map(|last| (*last, *last)));
            ranges
        })
    };
    let ports = (sides(), range(), any::<bool>()).prop_map(|(side, ranges, negated)| Match::Ports {
        side,
        ranges,
        negated,
    });
    let with_ports = (protocols(), vec(ports, 1..3)).prop_map(|(protocol, ports)| {
        let mut all = vec![Match::Protocol { number: protocol.number(), negated: false }];
        all.extend(ports);
        all
    });
    prop_oneof![1 => protocol, 1 => icmp, 2 => with_ports]
}
