use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::config::{PeerKey, SendPaths};
use crate::filter::{Action, Filter, Rule, Then};
use crate::wire::{AsPath, Codec};

fn rules(kind: Kind) -> Export {
    let external = kind == Kind::External;
    Export {
        family: Family::Ipv4Unicast,
        kind,
        prepend: if external { vec![65000] } else { vec![] },
        override_as: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(8, 8, 8, 8),
        client_to_client: true,
        own_next_hop: Some(v4("10.0.0.254")),
        shared_link: vec!["192.0.2.0/24".parse().expect("a network")],
        next_hop: NextHopMode::Usual,
        role: None,
        local_as: 65000,
        graceful_shutdown: false,
        long_lived: false,
        add_path: SendPaths::Best,
        policy: Policy::Accept,
        codec: Codec { external, ..Codec::default() },
    }
}

fn v4(text: &str) -> NextHop {
    NextHop::V4(text.parse().expect("an address"))
}

fn v6(text: &str) -> NextHop {
    NextHop::V6 { global: text.parse().expect("an address"), link_local: None }
}

fn from(kind: Kind) -> Neighbour {
    let address = "10.0.0.7".parse().expect("an address");
    let (router_id, asn) = (Ipv4Addr::new(7, 7, 7, 7), if kind == Kind::External { 65007 } else { 65000 });
    Neighbour { key: PeerKey::Address(address), address, interface: None, router_id, asn, kind, cost: 0 }
}

fn attributes() -> Attributes {
    Attributes { as_path: AsPath::sequence([65007, 65008]), med: Some(5), ..Attributes::default() }
}

fn told(
    rules: &Export,
    source: Option<Kind>,
    attributes: &Attributes,
    next_hop: NextHop,
) -> Result<Outgoing, Withheld> {
    let prefix = "10.1.0.0/16".parse().expect("a prefix");
    let from = source.map(from);
    let origination = source.is_none().then_some(config::Source::Block);
    let next_hop = source.map(|_| next_hop);
    let attributes = attributes.clone();
    export(rules, Leaving { prefix: &prefix, attributes, next_hop, from: from.as_ref(), origination })
}

fn usual(rules: &Export, source: Option<Kind>) -> Outgoing {
    told(rules, source, &attributes(), v4("10.0.0.7")).expect("told")
}

#[test]
fn who_is_told_whose_routes() {
    let kinds = [Kind::External, Kind::Internal, Kind::Client];
    for source in [None, Some(Kind::External), Some(Kind::Internal), Some(Kind::Client)] {
        for kind in kinds {
            let outcome = told(&rules(kind), source, &attributes(), v4("10.0.0.7"));
            let reflected_nowhere = source == Some(Kind::Internal) && kind == Kind::Internal;
            assert_eq!(
                outcome.err(),
                reflected_nowhere.then_some(Withheld::Internal),
                "{source:?} to {kind:?}"
            );
            // Where clients have sessions with each other, only that is different.
            let meshed = Export { client_to_client: false, ..rules(kind) };
            let outcome = told(&meshed, source, &attributes(), v4("10.0.0.7"));
            let withheld = match (source, kind) {
                (Some(Kind::Internal), Kind::Internal) => Some(Withheld::Internal),
                (Some(Kind::Client), Kind::Client) => Some(Withheld::BetweenClients),
                (None | Some(_), _) => None,
            };
            assert_eq!(outcome.err(), withheld, "{source:?} to {kind:?}, clients meshed");
        }
    }
}

#[test]
fn policies_without_a_filter() {
    let with = |policy: Policy, kind| Export { policy, ..rules(kind) };
    let learned = Some(Kind::External);
    let cases = [
        (Policy::Unset, Kind::External, None, Err(Withheld::NoPolicy)),
        (Policy::Unset, Kind::Internal, learned, Ok(())),
        (Policy::Reject, Kind::Internal, None, Err(Withheld::Policy)),
        (Policy::Originated, Kind::External, None, Ok(())),
        (Policy::Originated, Kind::External, learned, Err(Withheld::Policy)),
    ];
    for (policy, kind, source, outcome) in cases {
        let got = told(&with(policy.clone(), kind), source, &attributes(), v4("10.0.0.7")).map(|_| ());
        assert_eq!(got, outcome, "{policy:?} {kind:?} {source:?}");
    }
    let nowhere = Export { own_next_hop: None, ..rules(Kind::External) };
    assert_eq!(told(&nowhere, None, &attributes(), v4("10.0.0.7")), Err(Withheld::NoNextHop));
}

#[test]
fn attributes_to_external_peers() {
    let attributes = Attributes {
        local_pref: Some(300),
        originator_id: Some(Ipv4Addr::new(1, 1, 1, 1)),
        cluster_list: vec![Ipv4Addr::new(2, 2, 2, 2)],
        // The first is transitive, the second is not.
        extended_communities: vec![
            ExtendedCommunity(0x0002_fde8_0000_0001),
            ExtendedCommunity(0x4002_fde8_0000_0001),
        ],
        ..attributes()
    };
    let outgoing =
        told(&rules(Kind::External), Some(Kind::Client), &attributes, v4("10.0.0.7")).expect("told");
    let expected = Attributes {
        as_path: AsPath::sequence([65000, 65007, 65008]),
        extended_communities: vec![ExtendedCommunity(0x0002_fde8_0000_0001)],
        ..Attributes::default()
    };
    assert_eq!(outgoing, Outgoing { attributes: expected, next_hop: v4("10.0.0.254") });
    // Our own MED is ours to tell.
    assert_eq!(usual(&rules(Kind::External), None).attributes.med, Some(5));

    let pretending =
        Export { prepend: vec![64999, 65000], override_as: Some(65008), ..rules(Kind::External) };
    let path = usual(&pretending, Some(Kind::External)).attributes.as_path;
    assert_eq!(path, AsPath::sequence([64999, 65000, 65007, 64999]));
}

#[test]
fn attributes_to_internal_peers() {
    let learned = usual(&rules(Kind::Internal), Some(Kind::External));
    assert_eq!(learned.attributes, Attributes { local_pref: Some(100), ..attributes() });
    assert_eq!(learned.next_hop, v4("10.0.0.7"), "as received");

    let reflected = usual(&rules(Kind::Client), Some(Kind::Internal)).attributes;
    assert_eq!(reflected.originator_id, Some(Ipv4Addr::new(7, 7, 7, 7)));
    assert_eq!(reflected.cluster_list, [Ipv4Addr::new(8, 8, 8, 8)]);
    let again = Attributes {
        originator_id: Some(Ipv4Addr::new(3, 3, 3, 3)),
        cluster_list: vec![Ipv4Addr::new(4, 4, 4, 4)],
        ..attributes()
    };
    let again =
        told(&rules(Kind::Internal), Some(Kind::Client), &again, v4("10.0.0.7")).expect("told").attributes;
    assert_eq!(again.originator_id, Some(Ipv4Addr::new(3, 3, 3, 3)), "the first one's stays");
    assert_eq!(again.cluster_list, [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(4, 4, 4, 4)]);
}

#[test]
fn next_hops() {
    let mode = |kind, next_hop| Export { next_hop, ..rules(kind) };
    let learned = Some(Kind::External);
    let cases = [
        (mode(Kind::External, NextHopMode::Usual), "10.0.0.7", "10.0.0.254"),
        (mode(Kind::External, NextHopMode::Usual), "192.0.2.7", "192.0.2.7"),
        (mode(Kind::External, NextHopMode::Itself), "192.0.2.7", "10.0.0.254"),
        (mode(Kind::External, NextHopMode::Unchanged), "10.0.0.7", "10.0.0.7"),
        (mode(Kind::Internal, NextHopMode::Itself), "10.0.0.7", "10.0.0.254"),
    ];
    for (rules, received, expected) in cases {
        let outgoing = told(&rules, learned, &attributes(), v4(received)).expect("told");
        assert_eq!(outgoing.next_hop, v4(expected), "{rules:?}");
    }
    // An IPv6 next hop of an IPv4 route is passed on where that is spoken, and one of a link nowhere.
    let internal = rules(Kind::Internal);
    let speaks = Export { codec: Codec { extended_next_hop: true, ..internal.codec }, ..internal.clone() };
    let told_by =
        |rules: &Export, received| told(rules, learned, &attributes(), received).expect("told").next_hop;
    assert_eq!(told_by(&speaks, v6("2001:db8::7")), v6("2001:db8::7"));
    assert_eq!(told_by(&internal, v6("2001:db8::7")), v4("10.0.0.254"));
    assert_eq!(told_by(&speaks, v6("fe80::7")), v4("10.0.0.254"));
    // Own routes have ourselves, whatever the mode.
    assert_eq!(usual(&mode(Kind::Internal, NextHopMode::Unchanged), None).next_hop, v4("10.0.0.254"));
}

#[test]
fn well_known_communities_are_obeyed() {
    let cases = [
        (Community::NO_ADVERTISE, Kind::Internal, false),
        (Community::NO_EXPORT, Kind::External, false),
        (Community::NO_EXPORT, Kind::Client, true),
        (Community::NO_EXPORT_SUBCONFED, Kind::External, false),
        (Community(65000 << 16), Kind::External, true),
    ];
    for (community, kind, passes) in cases {
        let attributes = Attributes { communities: vec![community], ..attributes() };
        let outcome = told(&rules(kind), None, &attributes, v4("10.0.0.7"));
        let expected = (!passes).then_some(Withheld::Community(community));
        assert_eq!(outcome.err(), expected, "{community} to {kind:?}");
    }
    let stale = Attributes { communities: vec![Community::LLGR_STALE], ..attributes() };
    assert_eq!(
        told(&rules(Kind::Internal), None, &stale, v4("10.0.0.7")).err(),
        Some(Withheld::LongLivedStale)
    );
    let speaks = Export { long_lived: true, ..rules(Kind::Internal) };
    assert!(told(&speaks, None, &stale, v4("10.0.0.7")).is_ok());
}

#[test]
fn leaks_are_stopped_and_marked_by_role() {
    let as_role = |role| Export { role: Some(role), ..rules(Kind::External) };
    let marked = Attributes { only_to_customer: Some(65007), ..attributes() };
    for role in [Role::Customer, Role::Peer, Role::RouteServerClient] {
        let outcome = told(&as_role(role), Some(Kind::External), &marked, v4("10.0.0.7"));
        assert_eq!(outcome.err(), Some(Withheld::OnlyToCustomer), "{role}");
    }
    for (role, mark) in [(Role::Provider, Some(65000)), (Role::Peer, Some(65000)), (Role::Customer, None)] {
        assert_eq!(usual(&as_role(role), Some(Kind::External)).attributes.only_to_customer, mark, "{role}");
    }
    let kept = told(&as_role(Role::Provider), Some(Kind::External), &marked, v4("10.0.0.7")).expect("told");
    assert_eq!(kept.attributes.only_to_customer, Some(65007));
}

#[test]
fn on_the_way_out_everything_says_so() {
    let leaving = |kind| Export { graceful_shutdown: true, ..rules(kind) };
    let external = usual(&leaving(Kind::External), None).attributes;
    assert_eq!((external.communities, external.local_pref), (vec![Community::GRACEFUL_SHUTDOWN], None));
    let internal = usual(&leaving(Kind::Internal), None).attributes;
    assert_eq!((internal.communities, internal.local_pref), (vec![Community::GRACEFUL_SHUTDOWN], Some(0)));
}

#[test]
fn filters_change_what_is_told() {
    let filter = |actions, then| {
        let rule = Rule { name: "all".to_owned(), conditions: vec![], actions, then };
        Policy::Filter(Arc::new(Filter {
            name: "out".to_owned(),
            rules: vec![rule],
            otherwise: Decision::Reject,
        }))
    };
    let with = |policy| Export { policy, ..rules(Kind::External) };
    let set = with(filter(vec![Action::SetMed(Some(50)), Action::Prepend(65000, 2)], Then::Accept));
    let outgoing = usual(&set, Some(Kind::External)).attributes;
    assert_eq!(outgoing.med, Some(50), "set here, hence ours to tell");
    let as_it_was = with(filter(vec![Action::SetMed(attributes().med)], Then::Accept));
    assert_eq!(usual(&as_it_was, Some(Kind::External)).attributes.med, attributes().med);
    assert_eq!(outgoing.as_path, AsPath::sequence([65000, 65000, 65000, 65007, 65008]));

    let next_hop =
        |text: &str| with(filter(vec![Action::SetNextHop(text.parse().expect("an address"))], Then::Accept));
    assert_eq!(usual(&next_hop("192.0.2.1"), None).next_hop, v4("192.0.2.1"));
    let unfit = told(&next_hop("2001:db8::1"), None, &attributes(), v4("10.0.0.7"));
    assert_eq!(unfit.err(), Some(Withheld::NoNextHop));

    let refused = told(&with(filter(vec![], Then::Reject)), None, &attributes(), v4("10.0.0.7"));
    assert_eq!(refused.err(), Some(Withheld::Filter("filter out, rule 1 (all)".to_owned())));
}
