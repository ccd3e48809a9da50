//! Next hops: IPv6 ones for IPv4 prefixes (RFC 8950), links without addresses, and third parties.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, ensure};
use bgp::config::{NextHopMode, PeerKey};
use bgp::speaker::Table;
use bgp::wire::NextHop;
use integration::router::{Family, Kind, Neighbour};
use integration::speaker::Speaker;

use crate::pair::{self, EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::segment::{Member, Segment};
use crate::wait_until;

/// IPv4 prefixes over a session that has only IPv6 addresses.
fn extended(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, true);
    setting.neighbour.families = Family::ALL.into();
    setting.neighbour.extended_next_hop = true;
    setting.peer.extended_next_hop = true;
    let segment = Segment::new();
    let (namespace, router_namespace) = (segment.join(OURS), segment.join(THEIRS));
    for (namespace, member) in [(&namespace, OURS), (&router_namespace, THEIRS)] {
        namespace.output("ip", &["address", "del", &format!("{}/24", member.v4()), "dev", "link"]).unwrap();
    }
    let router = segment.router_in(
        kind,
        router_namespace,
        THEIRS,
        EXTERNAL[1],
        vec![setting.neighbour],
        setting.networks,
    );
    let key = PeerKey::Address(THEIRS.v6());
    let config = pair::config(EXTERNAL[0], [(key.clone(), setting.peer)].into());
    let speaker = Speaker::start(&namespace, config, setting.originated).unwrap();
    let [ours, _] = OURS.networks();
    let [theirs, _] = THEIRS.networks();
    let path = wait_until("the router has our IPv4 prefix", || pair::only_path(&router, ours));
    assert_eq!(path.next_hop, Some(OURS.v6()), "{path:?}");
    let route = wait_until("we have the router's", || {
        speaker.route(Table::LocRib, Some(key.clone()), theirs)?.context("we do not")
    });
    let path = &route.paths[0];
    assert_eq!(path.next_hop.map(|hop| hop.address()), Some(THEIRS.v6()), "{path:?}");
    assert!(path.best, "{path:?}");
}

with_each!(extended: bird Bird, frr Frr, gobgp Gobgp);

/// A link without addresses: each finds the other by router advertisements.
fn unnumbered(kind: Kind) {
    let segment = Segment::new();
    let (namespace, router_namespace) = (segment.join(OURS), segment.join(THEIRS));
    for namespace in [&namespace, &router_namespace] {
        namespace.output("ip", &["address", "flush", "dev", "link", "scope", "global"]).unwrap();
        namespace.set_sysctl("net/ipv6/conf/all/forwarding", "1").unwrap();
        namespace.set_sysctl("net/ipv6/conf/link/accept_ra", "2").unwrap();
    }
    let mut neighbour =
        Neighbour::new(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into(), EXTERNAL[0]);
    neighbour.interface = Some("link".to_owned());
    neighbour.families = Family::ALL.into();
    neighbour.extended_next_hop = true;
    let key = PeerKey::Interface("link".into());
    let mut peer = pair::peer();
    peer.extended_next_hop = true;
    let config = pair::config(EXTERNAL[0], [(key.clone(), peer)].into());
    let speaker = Speaker::start(&namespace, config, pair::originated(OURS.networks())).unwrap();
    // GoBGP looks for its neighbour once, among those that the kernel knows.
    wait_until("our advertisement was heard", || {
        let text = router_namespace.output("ip", &["-6", "neighbour", "show", "dev", "link"])?;
        ensure!(text.contains("fe80::"), "{text:?}");
        Ok(())
    });
    let router =
        segment.router_in(kind, router_namespace, THEIRS, EXTERNAL[1], vec![neighbour], THEIRS.originated());
    let is_link_local = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    for prefix in OURS.networks() {
        let path = wait_until("the router has our prefix", || pair::only_path(&router, prefix));
        assert!(path.next_hop.is_some_and(is_link_local), "{path:?}");
    }
    for prefix in THEIRS.networks() {
        let route = wait_until("we have the router's prefix", || {
            speaker.route(Table::LocRib, Some(key.clone()), prefix)?.context("we do not")
        });
        let path = &route.paths[0];
        let link_local = match path.next_hop.unwrap() {
            NextHop::V6 { link_local: Some(address), .. } => address.into(),
            hop @ (NextHop::V4(_) | NextHop::V6 { .. }) => hop.address(),
        };
        assert!(is_link_local(link_local) && path.best, "{path:?}");
        wait_until("we use it", || pair::ensure_used(&speaker, prefix));
    }
}

with_each!(unnumbered: frr Frr, gobgp Gobgp);

/// RFC 4271 §5.1.3: a next hop on the link that all share is left alone, unless we are told to put ourselves there.
fn third_party(kind: Kind) {
    let third = Member(3);
    let mut pair = Pair::met(kind, EXTERNAL, false);
    let neighbour = Neighbour::new(third.v4(), OURS.v4(), EXTERNAL[0]);
    pair.config.peers.insert(third.v4().into(), pair::peer());
    let _third = pair.segment.router(Kind::Bird, third, 65_003, vec![neighbour], third.originated());
    pair.configure();
    let [prefix, _] = third.networks();
    let path = wait_until("the router has the third's prefix", || pair.theirs(prefix));
    assert_eq!(path.next_hop, Some(third.v4()), "{path:?}");
    pair.peer_config().next_hop = NextHopMode::Itself;
    pair.configure();
    wait_until("we are its next hop", || {
        let path = pair.theirs(prefix)?;
        ensure!(path.next_hop == Some(OURS.v4()), "{path:?}");
        Ok(())
    });
    assert_eq!(pair.ours().peer(&pair.key()).unwrap().counters.flaps, 0);
}

with_each!(third_party: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);
