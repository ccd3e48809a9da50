//! Attributes both ways: communities of every kind, MED, and what nobody knows.

use anyhow::ensure;
use bgp::config::{Origination, Policy};
use bgp::filter::{Action, AnyCommunity, Decision, Filter, Rule, Then};
use bgp::wire::{Community, ExtendedCommunity, LargeCommunity};
use integration::router::{Kind, Neighbour, Network};

use crate::pair::{EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::segment::Member;
use crate::wait_until;

/// Type 0x00, subtype 0x02: a route target of a two-octet AS (RFC 4360 §4).
fn route_target(asn: u16, number: u32) -> ExtendedCommunity {
    ExtendedCommunity(2 << 48 | u64::from(asn) << 32 | u64::from(number))
}

fn community(high: u16, low: u16) -> Community {
    Community(u32::from(high) << 16 | u32::from(low))
}

/// An export policy that puts these on everything.
fn adding(communities: Vec<AnyCommunity>) -> Policy {
    let rule = Rule {
        name: "decorate".to_owned(),
        conditions: Vec::new(),
        actions: vec![Action::AddCommunities(communities), Action::SetMed(Some(9))],
        then: Then::Accept,
    };
    Policy::Filter(Filter { name: "out".to_owned(), rules: vec![rule], otherwise: Decision::Reject }.into())
}

fn communities(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, true);
    for network in &mut setting.networks {
        network.med = Some(7);
        network.communities = vec![(65_002, 1), (65_002, 2)];
        network.large_communities = vec![(65_002, 1, 2), (4_200_000_000, 3, 4)];
        network.route_targets = vec![(65_002, 3)];
    }
    let large = LargeCommunity { global: 65_001, local_1: 5, local_2: 4_294_967_295 };
    let export = adding(vec![AnyCommunity::Large(large), AnyCommunity::Extended(route_target(65_001, 6))]);
    setting.peer = setting.peer.with_policy(&Policy::Accept, &export);
    let [_, prefix] = OURS.networks();
    let communities = [community(65_001, 1), community(65_001, 2)].into();
    setting.originated.insert(prefix, Origination { communities, ..Origination::default() });
    let pair = Pair::start(setting);
    pair.wait_exchanged();

    let theirs = pair.theirs(prefix).unwrap();
    assert_eq!(theirs.communities, [(65_001, 1), (65_001, 2)], "{theirs:?}");
    assert_eq!(theirs.large_communities, [(65_001, 5, 4_294_967_295)], "{theirs:?}");
    assert_eq!(theirs.route_targets, [(65_001, 6)], "{theirs:?}");
    assert_eq!(theirs.med, Some(9), "{theirs:?}");
    let ours = pair.path(THEIRS.networks()[1]).unwrap().attributes;
    assert_eq!(ours.communities, [community(65_002, 1), community(65_002, 2)], "{ours:?}");
    let large = |global, local_1, local_2| LargeCommunity { global, local_1, local_2 };
    assert_eq!(ours.large_communities, [large(65_002, 1, 2), large(4_200_000_000, 3, 4)], "{ours:?}");
    assert_eq!(ours.extended_communities, [route_target(65_002, 3)], "{ours:?}");
    assert_eq!(ours.med, Some(7), "{ours:?}");
}

with_each!(communities: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// RFC 4271 §5: ExaBGP says one, we pass it on to the router, with the partial bit, which OpenBGPD shows.
fn unknown_transitive(kind: Kind) {
    let third = Member(3);
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.networks = Vec::new();
    let mut pair = Pair::start(setting);
    let mut networks = third.originated();
    for network in &mut networks {
        network.raw = vec![(0xc0, 0x99, vec![0xde, 0xad, 0xbe, 0xef])];
    }
    let mut exabgp = Neighbour::new(third.v4(), OURS.v4(), EXTERNAL[0]);
    exabgp.passive = true;
    let _exabgp = pair.segment.router(Kind::ExaBgp, third, 65_003, vec![exabgp], networks);
    pair.config.peers.insert(third.v4().into(), crate::pair::peer());
    pair.configure();
    let path = wait_until("it came through", || pair.theirs(third.networks()[0]));
    assert_eq!(path.as_path, [65_001, 65_003], "{path:?}");
    if kind != Kind::Frr {
        assert_eq!(path.unknown.get(&0x99), Some(&vec![0xde, 0xad, 0xbe, 0xef]), "{path:?}");
    }
    if kind == Kind::OpenBgpd {
        // The only one that shows flags. We do not know the attribute either, so we say that it is partial.
        let answer =
            pair.router.ask(&["-j", "show", "rib", "detail", &third.networks()[0].to_string()]).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["rib"][0]["attributes"][0]["flags"]["partial"], true, "{answer}");
    }
    let key = third.v4().into();
    let route =
        pair.ours().route(bgp::speaker::Table::LocRib, Some(key), third.networks()[0]).unwrap().unwrap();
    let unknown = &route.paths[0].attributes.unknown_transitive;
    assert!(
        matches!(&unknown[..], [one] if one.code == 0x99 && one.value[..] == [0xde, 0xad, 0xbe, 0xef]),
        "{unknown:?}"
    );
}

with_each!(unknown_transitive: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// RFC 1997: what came with NO_EXPORT stays inside the AS, with NO_ADVERTISE with us.
fn well_known_communities(kind: Kind) {
    let [inside, outside] = [Member(3), Member(4)];
    let mut setting = Setting::new(kind, EXTERNAL, false);
    let prefixes =
        ["203.0.113.0/26", "203.0.113.64/26", "203.0.113.128/26"].map(|text| text.parse().unwrap());
    let [no_export, no_advertise, plain] = prefixes;
    setting.networks = prefixes.map(Network::new).into();
    setting.networks[0].communities = vec![(0xffff, 0xff01)];
    setting.networks[1].communities = vec![(0xffff, 0xff02)];
    let mut pair = Pair::start(setting);
    let mut join = |member: Member, asn| {
        let neighbour = Neighbour::new(member.v4(), OURS.v4(), EXTERNAL[0]);
        pair.config.peers.insert(member.v4().into(), crate::pair::peer());
        pair.segment.router(Kind::Bird, member, asn, vec![neighbour], Vec::new())
    };
    let (inside, outside) = (join(inside, EXTERNAL[0]), join(outside, 65_004));
    pair.configure();
    for (router, has_no_export) in [(&inside, true), (&outside, false)] {
        wait_until("what goes to all is there", || {
            ensure!(!router.paths(plain)?.is_empty(), "it is not");
            Ok(())
        });
        // They went in one breath, and in order.
        wait_until("what may is there", || {
            ensure!(router.paths(no_export)?.is_empty() != has_no_export, "it is not");
            Ok(())
        });
        assert_eq!(router.paths(no_advertise).unwrap(), []);
    }
    assert!(pair.path(no_advertise).unwrap().best, "we use it ourselves");
}

// FRR and OpenBGPD obey these for what they originate, too, and do not even tell us.
with_each!(well_known_communities: bird Bird, gobgp Gobgp, exabgp ExaBgp);

/// RFC 8654: an attribute that no message of 4,096 octets can hold, both ways.
fn extended_messages(kind: Kind) {
    // Enough for that; and FRR shows no more than 8,192 characters of them.
    const MANY: u16 = 1_100;
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.neighbour.extended_messages = true;
    // FRR's configuration has no lines that long.
    let theirs = if kind == Kind::Frr { 1 } else { MANY };
    setting.networks[0].communities = (0..theirs).map(|low| (2, low)).collect();
    let communities = (0..MANY).map(|low| community(1, low)).collect();
    let [prefix, _] = OURS.networks();
    setting.originated.insert(prefix, Origination { communities, ..Origination::default() });
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    assert_eq!(pair.theirs(prefix).unwrap().communities.len(), usize::from(MANY));
    let ours = pair.path(THEIRS.networks()[0]).unwrap();
    assert_eq!(ours.attributes.communities.len(), usize::from(theirs));
}

with_each!(extended_messages: bird Bird, frr Frr, exabgp ExaBgp);

/// Two sites of the same AS reach each other by us if we put our AS in the place of theirs, and not otherwise.
fn as_override(kind: Kind) {
    let other = Member(3);
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.networks = Vec::new();
    let mut pair = Pair::start(setting);
    let neighbour = Neighbour::new(other.v4(), OURS.v4(), EXTERNAL[0]);
    pair.config.peers.insert(other.v4().into(), crate::pair::peer());
    let _other = pair.segment.router(Kind::Bird, other, EXTERNAL[1], vec![neighbour], other.originated());
    pair.configure();
    let [prefix, _] = other.networks();
    wait_until("we have it", || pair.ensure_used(prefix));
    pair.wait_established();
    pair.peer_config().as_override = true;
    pair.configure();
    let path = wait_until("the other site's prefix is there", || pair.theirs(prefix));
    assert_eq!(path.as_path, [EXTERNAL[0], EXTERNAL[0]], "{path:?}");
    pair.peer_config().as_override = false;
    pair.configure();
    if kind == Kind::Gobgp {
        // 3.10 ignores an announcement with its own AS in it, and goes on with what it was told before.
        return;
    }
    // It is told with its own AS again, and does not take it.
    wait_until("and is not", || {
        let paths = pair.router.paths(prefix)?;
        ensure!(paths.iter().all(|path| !path.best), "{paths:?}");
        Ok(())
    });
}

with_each!(as_override: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);
