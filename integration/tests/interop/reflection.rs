//! Route reflection (RFC 4456): ours between clients of each kind, theirs with two of ours as clients.

use anyhow::Context as _;
use bgp::config::PeerKey;
use bgp::speaker::Table;
use integration::router::{Kind, Neighbour, Router};
use integration::speaker::Speaker;

use crate::pair::{self, OURS, Pair, THEIRS};
use crate::segment::{Member, Segment};
use crate::wait_until;

const ASN: u32 = 65_001;
const CLIENTS: [Member; 2] = [Member(3), Member(4)];

/// Both clients are of this kind, and one more router is none: it hears of both, and both of it.
fn ours(kind: Kind) {
    let segment = Segment::new();
    let namespace = segment.join(OURS);
    let other = Member(5);
    let mut peers = std::collections::BTreeMap::new();
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
        Speaker::start(&namespace, config, pair::originated(member.networks())).unwrap()
    });
    let router = segment.router(kind, THEIRS, ASN, neighbours.into(), Vec::new());
    for (speaker, of) in [(&speakers[0], CLIENTS[1]), (&speakers[1], CLIENTS[0])] {
        let path = wait_until("the other's prefix is there", || {
            let route = speaker.route(Table::LocRib, Some(key.clone()), of.networks()[0])?;
            let mut paths = route.context("none")?.paths;
            // OpenBGPD may tell it once before it counts as reflected.
            paths.retain(|path| path.attributes.originator_id.is_some());
            paths.pop().context("a reflected path")
        });
        assert_eq!(path.attributes.originator_id, Some(of.router_id()), "{path:?}");
        assert_eq!(path.attributes.cluster_list, [router.spec().router_id], "{path:?}");
        assert_eq!(path.next_hop.map(|hop| hop.address()), Some(of.v4()), "{path:?}");
        assert!(path.best, "{path:?}");
        wait_until("it is used", || pair::ensure_used(speaker, of.networks()[0]));
    }
}

with_each!(theirs: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// Our own prefix, which the router reflects to others, does not come back to us.
#[test]
fn our_own_prefix_does_not_come_back() {
    let pair = Pair::met(Kind::Bird, [ASN, ASN], false);
    let route = pair.ours().route(Table::AdjRibIn, Some(pair.key()), OURS.networks()[0]).unwrap();
    assert!(route.is_none(), "{route:?}");
}
