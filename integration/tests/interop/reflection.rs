//! Route reflection (RFC 4456): ours between clients of each kind, theirs with two of ours as clients.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bgp::config::PeerKey;
use bgp::speaker::Table;
use integration::router::{Kind, Neighbour, Network, Router};
use integration::speaker::Speaker;

use crate::pair::{self, OURS, Pair, Setting, THEIRS};
use crate::segment::{Member, Segment};
use crate::wait_until;

const ASN: u32 = 65_001;
const CLIENTS: [Member; 2] = [Member(3), Member(4)];

/// Both clients are of this kind, and one more router is none: it hears of both, and both of it.
fn ours(kind: Kind) {
    let segment = Segment::new();
    let namespace = segment.join(OURS);
    let other = Member(5);
    let mut peers = BTreeMap::new();
    for member in CLIENTS {
        let mut peer = pair::peer();
        peer.route_reflector_client = true;
        peers.insert(PeerKey::Address(member.v6()), peer);
    }
    peers.insert(PeerKey::Address(other.v6()), pair::peer());
    let mut config = pair::config(ASN, peers);
    config.cluster_id = Some("10.9.9.9".parse().unwrap());
    let speaker = Speaker::start(&namespace, config, pair::originated(OURS.networks())).unwrap();
    let join = |kind, member: Member| {
        let mut neighbour = Neighbour::new(member.v6(), OURS.v6(), ASN);
        neighbour.passive = true;
        segment.router(kind, member, ASN, vec![neighbour], member.originated())
    };
    let clients = CLIENTS.map(|member| join(kind, member));
    let bystander = join(Kind::Bird, other);
    let pairs: [(&Router, Member); 4] = [
        (&clients[0], CLIENTS[1]),
        (&clients[1], CLIENTS[0]),
        (&clients[0], other),
        (&bystander, CLIENTS[0]),
    ];
    for (router, of) in pairs {
        let path = wait_until("the other's prefix is there", || pair::only_path(router, of.networks()[1]));
        assert_eq!(path.originator, Some(of.router_id()), "{path:?}");
        assert_eq!(path.cluster_list, ["10.9.9.9".parse::<std::net::Ipv4Addr>().unwrap()], "{path:?}");
        assert_eq!(path.next_hop, Some(of.v6()), "{path:?}");
        assert_eq!(path.as_path, [0_u32; 0], "{path:?}");
        assert_eq!(path.local_pref, Some(100), "{path:?}");
    }
    // Our own is nobody's: it is not reflected.
    let path = wait_until("ours is there", || pair::only_path(&clients[0], OURS.networks()[1]));
    assert_eq!((path.originator, path.cluster_list.len()), (None, 0));
    for peer in speaker.view().unwrap().peers {
        assert_eq!(peer.counters.update_errors, 0, "{peer:?}");
        assert_eq!(peer.counters.flaps, 0, "{peer:?}");
    }
}

with_each!(ours: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// Two speakers of ours hear of each other through the router.
fn theirs(kind: Kind) {
    let segment = Segment::new();
    let neighbours = CLIENTS.map(|member| {
        let mut neighbour = Neighbour::new(THEIRS.v4(), member.v4(), ASN);
        neighbour.reflector_client = true;
        neighbour
    });
    let key = PeerKey::Address(THEIRS.v4());
    let speakers = CLIENTS.map(|member| {
        let namespace = segment.join(member);
        let mut config = pair::config(ASN, [(key.clone(), pair::peer())].into());
        config.router_id = member.router_id();
        Speaker::start(&namespace, config, BTreeMap::new()).unwrap()
    });
    let router = segment.router(kind, THEIRS, ASN, neighbours.into(), Vec::new());
    // What OpenBGPD hears while it starts it passes on as it came, for good.
    for speaker in &speakers {
        wait_until("the session stands", || speaker.ensure_established(&key));
    }
    for (speaker, member) in speakers.iter().zip(CLIENTS) {
        speaker.originate(pair::originated(member.networks())).unwrap();
    }
    for (speaker, of) in [(&speakers[0], CLIENTS[1]), (&speakers[1], CLIENTS[0])] {
        let path = wait_until("the other's prefix is there", || {
            let route = speaker.route(Table::LocRib, Some(key.clone()), of.networks()[0])?;
            route.and_then(|mut route| route.paths.pop()).context("none")
        });
        assert_eq!(path.attributes.originator_id, Some(of.router_id()), "{path:?}");
        assert_eq!(path.attributes.cluster_list, [router.spec().router_id], "{path:?}");
        assert_eq!(path.next_hop.map(|hop| hop.address()), Some(of.v4()), "{path:?}");
        assert!(path.best, "{path:?}");
        wait_until("it is used", || pair::ensure_used(speaker, of.networks()[0]));
    }
}

with_each!(theirs: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// RFC 4456 §8: what we originated, and what passed our cluster before, is known and not used, whoever reflects it.
#[test]
fn what_comes_back_is_not_used() {
    const CLUSTER: [u8; 4] = [10, 9, 9, 9];
    const OTHER: [u8; 4] = [10, 8, 8, 8];
    let (ours, other) = (OURS.router_id().octets(), Member(9).router_id().octets());
    let mut setting = Setting::new(Kind::ExaBgp, [ASN, ASN], false);
    let reflected = [
        ("203.0.113.0/26", ours, OTHER, "own router ID as originator"),
        ("203.0.113.64/26", other, CLUSTER, "own cluster ID in cluster list"),
        ("203.0.113.128/26", other, OTHER, ""),
    ]
    .map(|(prefix, originator, cluster, reason)| {
        let mut network = Network::new(prefix.parse().unwrap());
        network.raw = vec![
            (0x80, 9, originator.into()),
            // It passed two clusters.
            (0x80, 10, [[10, 7, 7, 7], cluster].concat()),
        ];
        (network, reason)
    });
    setting.networks = reflected.iter().map(|(network, _)| network.clone()).collect();
    setting.cluster_id = Some(CLUSTER.into());
    let pair = Pair::start(setting);
    for (network, reason) in &reflected {
        let heard = wait_until("it is heard", || {
            let route = pair.ours().route(Table::AdjRibIn, Some(pair.key()), network.prefix)?;
            route.and_then(|mut route| route.paths.pop()).context("not yet")
        });
        assert_eq!((heard.unusable, heard.reason.as_str()), (!reason.is_empty(), *reason), "{heard:?}");
        assert_eq!(heard.attributes.cluster_list.len(), 2, "{heard:?}");
    }
    let [own, passed, usable] = reflected.map(|(network, _)| network.prefix);
    wait_until("what is nobody's of ours is used", || pair.ensure_used(usable));
    for prefix in [own, passed] {
        pair.ensure_unused(prefix).unwrap();
    }
}
