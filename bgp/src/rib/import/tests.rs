use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::config::PeerKey;
use crate::filter::{Action, Condition, Rule, Then};
use crate::wire::AsPath;

fn import() -> Import {
    Import {
        own_as: vec![65000],
        allow_own_as: 0,
        prepend: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(8, 8, 8, 8),
        addresses: vec!["10.0.0.254".parse().expect("an address")],
        role: None,
        policy: Policy::Accept,
    }
}

fn from(kind: Kind) -> Neighbour {
    let address = "10.0.0.7".parse().expect("an address");
    let asn = if kind == Kind::External { 65007 } else { 65000 };
    let router_id = Ipv4Addr::new(7, 7, 7, 7);
    Neighbour { key: PeerKey::Address(address), address, interface: None, router_id, asn, kind, cost: 0 }
}

fn path(asns: &[u32]) -> Attributes {
    Attributes { as_path: AsPath::sequence(asns.iter().copied()), ..Attributes::default() }
}

fn via(text: &str) -> NextHop {
    NextHop::V4(text.parse().expect("an address"))
}

fn judge(
    import: &Import,
    kind: Kind,
    attributes: &Attributes,
    next_hop: &str,
) -> (Attributes, Option<Reason>) {
    let mut paths = Paths::default();
    let mut judge = Judge::new(import, &from(kind), attributes, via(next_hop), &mut paths);
    let (path, reason) = judge.judge(&"10.1.0.0/16".parse().expect("a prefix"), &mut paths);
    assert_eq!(paths.attributes(judge.received()), *attributes, "what was received is kept");
    (paths.attributes(path), reason)
}

#[test]
fn loops() {
    let originator = |id: [u8; 4]| Attributes { originator_id: Some(Ipv4Addr::from(id)), ..path(&[1]) };
    let cluster =
        |id: [u8; 4]| Attributes { cluster_list: vec![[1, 1, 1, 1].into(), id.into()], ..path(&[1]) };
    let cases = [
        (Kind::External, path(&[65007, 65000]), "10.0.0.7", Some(Reason::OwnAs)),
        (Kind::External, path(&[65007, 65001]), "10.0.0.7", None),
        (Kind::Internal, originator([9, 9, 9, 9]), "10.0.0.7", Some(Reason::OwnOriginatorId)),
        (Kind::Client, originator([9, 9, 9, 8]), "10.0.0.7", None),
        (Kind::Client, cluster([8, 8, 8, 8]), "10.0.0.7", Some(Reason::OwnClusterId)),
        (Kind::Internal, cluster([8, 8, 8, 9]), "10.0.0.7", None),
        (Kind::External, path(&[65007]), "10.0.0.254", Some(Reason::OwnNextHop)),
    ];
    for (kind, attributes, next_hop, reason) in cases {
        assert_eq!(judge(&import(), kind, &attributes, next_hop).1, reason, "{attributes:?}");
    }
    let twice = path(&[65007, 65000, 65000]);
    for (allowed, reason) in [(1, Some(Reason::OwnAs)), (2, None)] {
        let import = Import { allow_own_as: allowed, ..import() };
        assert_eq!(judge(&import, Kind::External, &twice, "10.0.0.7").1, reason);
    }
    let two = Import { own_as: vec![65000, 64999], ..import() };
    assert_eq!(judge(&two, Kind::External, &path(&[65007, 64999]), "10.0.0.7").1, Some(Reason::OwnAs));
}

#[test]
fn leaks() {
    let marked = |asn| Attributes { only_to_customer: Some(asn), ..path(&[65007]) };
    let cases = [
        (Role::Provider, marked(65001), Some(Reason::RouteLeak)),
        (Role::RouteServer, marked(65001), Some(Reason::RouteLeak)),
        (Role::Peer, marked(65001), Some(Reason::RouteLeak)),
        (Role::Peer, marked(65007), None),
        (Role::Customer, marked(65001), None),
        (Role::Provider, path(&[65007]), None),
    ];
    for (role, attributes, reason) in cases {
        let import = Import { role: Some(role), ..import() };
        assert_eq!(judge(&import, Kind::External, &attributes, "10.0.0.7").1, reason, "{role}");
    }
    // What comes from a provider or a peer is for customers.
    for (role, mark) in [(Role::Customer, Some(65007)), (Role::Peer, Some(65007)), (Role::Provider, None)] {
        let import = Import { role: Some(role), ..import() };
        assert_eq!(
            judge(&import, Kind::External, &path(&[65007]), "10.0.0.7").0.only_to_customer,
            mark,
            "{role}"
        );
    }
}

#[test]
fn paths_are_adapted_before_policy() {
    let leaving = Attributes { communities: vec![Community::GRACEFUL_SHUTDOWN], ..path(&[65007]) };
    assert_eq!(judge(&import(), Kind::External, &leaving, "10.0.0.7").0.local_pref, Some(0));
    assert_eq!(judge(&import(), Kind::Internal, &leaving, "10.0.0.7").0.local_pref, None);
    let pretending = Import { prepend: Some(64999), ..import() };
    let adapted = judge(&pretending, Kind::External, &path(&[65007]), "10.0.0.7").0;
    assert_eq!(adapted.as_path, AsPath::sequence([64999, 65007]));
}

#[test]
fn policies() {
    let cases = [
        (Policy::Unset, Kind::External, Some(Reason::NoPolicy)),
        (Policy::Unset, Kind::Internal, None),
        (Policy::Reject, Kind::Internal, Some(Reason::Rejected)),
        (Policy::Accept, Kind::External, None),
    ];
    for (policy, kind, reason) in cases {
        let import = Import { policy, ..import() };
        assert_eq!(judge(&import, kind, &path(&[65007]), "10.0.0.7").1, reason, "{kind:?}");
    }
}

#[test]
fn a_filter_is_asked_for_each_prefix_and_its_words_are_kept() {
    let inside = Condition::Prefix(vec!["10.1.0.0/16 le 32".parse().expect("a pattern")].into());
    let set = vec![Action::SetLocalPref(300), Action::SetNextHop("10.0.0.8".parse().expect("an address"))];
    let rule = Rule { name: String::new(), conditions: vec![inside], actions: set, then: Then::Accept };
    let filter = Filter { name: "in".to_owned(), rules: vec![rule], otherwise: Decision::Reject };
    let import = Import { policy: Policy::Filter(Arc::new(filter)), ..import() };
    let mut paths = Paths::default();
    let neighbour = from(Kind::External);
    let received = path(&[65007]);
    let mut judge = Judge::new(&import, &neighbour, &received, via("10.0.0.7"), &mut paths);
    let prefixes = ["10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/16"].map(|text| text.parse().expect("a prefix"));
    let outcomes = prefixes.map(|prefix| judge.judge(&prefix, &mut paths));
    let [(one, None), (two, None), (_, Some(Reason::Rejected))] = outcomes else { panic!("{outcomes:?}") };
    assert_eq!(one, two, "the same path for both");
    assert_eq!(paths.attributes(one).local_pref, Some(300));
    assert_eq!(paths.next_hop_of(one), Some(via("10.0.0.8")));

    let words =
        |prefix, reason| explain(&import, &neighbour, prefix, &path(&[65007]), via("10.0.0.7"), reason);
    assert_eq!(words(&prefixes[0], None), (None, "filter in, rule 1".to_owned()));
    let rejected = Unusable::Rejected("filter in, no rule applied".to_owned());
    assert_eq!(words(&prefixes[2], Some(Reason::Rejected)), (Some(rejected), String::new()));
}

#[test]
fn no_filter_prefers_who_is_about_to_go() {
    let rule = Rule {
        name: String::new(),
        conditions: vec![],
        actions: vec![Action::SetLocalPref(300)],
        then: Then::Accept,
    };
    let filter = Filter { name: "in".to_owned(), rules: vec![rule], otherwise: Decision::Reject };
    let import = Import { policy: Policy::Filter(Arc::new(filter)), ..import() };
    let leaving = Attributes { communities: vec![Community::GRACEFUL_SHUTDOWN], ..path(&[65007]) };
    assert_eq!(judge(&import, Kind::External, &leaving, "10.0.0.7").0.local_pref, Some(0));
    assert_eq!(judge(&import, Kind::External, &path(&[65007]), "10.0.0.7").0.local_pref, Some(300));
}
