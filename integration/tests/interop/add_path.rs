//! Several paths to a prefix (RFC 7911), told and taken.

use anyhow::{Context as _, ensure};
use bgp::config::SendPaths;
use bgp::speaker::Table;
use integration::router::{AddPath, Feature, Kind, Neighbour, Network};
use ipnetwork::IpNetwork;

use crate::pair::{self, EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::segment::Member;
use crate::wait_until;

const SOURCES: [Member; 2] = [Member(3), Member(4)];
const SHARED: &str = "203.0.113.0/24";

fn shared() -> IpNetwork {
    SHARED.parse().unwrap()
}

/// Two others announce the same to us; the router is told both ways.
fn told(kind: Kind) {
    assert!(kind.supports(Feature::AddPathReceive));
    let mut setting = Setting::new(kind, [65_001, 65_001], false);
    setting.networks = Vec::new();
    setting.neighbour.add_path.receive = true;
    for family in setting.peer.families.values_mut() {
        family.add_path_send = SendPaths::All;
    }
    let mut pair = Pair::start(setting);
    let _sources = SOURCES.map(|member| {
        let neighbour = Neighbour::new(member.v4(), OURS.v4(), EXTERNAL[0]);
        pair.config.peers.insert(member.v4().into(), pair::peer());
        let asn = 65_000 + u32::from(member.0);
        pair.segment.router(Kind::Bird, member, asn, vec![neighbour], vec![Network::new(shared())])
    });
    pair.configure();
    let mut paths = wait_until("the router has both ways", || {
        let paths = pair.router.paths(shared())?;
        ensure!(paths.len() == 2, "{paths:?}");
        Ok(paths)
    });
    paths.sort_by_key(|path| path.as_path.clone());
    for (path, source) in paths.iter().zip(SOURCES) {
        assert_eq!(path.as_path, [65_000 + u32::from(source.0)], "{path:?}");
        assert_eq!(path.next_hop, Some(source.v4()), "{path:?}");
    }
    // One goes, and only that.
    pair.config.peers.remove(&SOURCES[0].v4().into());
    pair.configure();
    let left = wait_until("one way is left", || pair.theirs(shared()));
    assert_eq!(left.as_path, [65_000 + u32::from(SOURCES[1].0)], "{left:?}");
}

with_each!(told: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// Two others announce the same to the router; it tells us both ways.
fn taken(kind: Kind) {
    assert!(kind.supports(Feature::AddPathSend));
    let segment = crate::segment::Segment::new();
    let namespace = segment.join(OURS);
    let mut to_us = Neighbour::new(THEIRS.v4(), OURS.v4(), 65_002);
    to_us.add_path = AddPath { receive: false, send: true };
    let mut neighbours = vec![to_us];
    neighbours
        .extend(SOURCES.map(|member| Neighbour::new(THEIRS.v4(), member.v4(), 65_000 + u32::from(member.0))));
    let _router = segment.router(kind, THEIRS, 65_002, neighbours, Vec::new());
    let mut sources = SOURCES.map(|member| {
        let neighbour = Neighbour::new(member.v4(), THEIRS.v4(), 65_002);
        let asn = 65_000 + u32::from(member.0);
        segment.router(Kind::Bird, member, asn, vec![neighbour], vec![Network::new(shared())])
    });
    let key = bgp::config::PeerKey::Address(THEIRS.v4());
    let mut peer = pair::peer();
    for family in peer.families.values_mut() {
        family.add_path_receive = true;
    }
    let config = pair::config(65_002, [(key.clone(), peer)].into());
    let speaker = integration::speaker::Speaker::start(&namespace, config, [].into()).unwrap();
    let paths = |count: usize| {
        wait_until("we have so many ways", || {
            let route = speaker.route(Table::LocRib, Some(key.clone()), shared())?;
            let paths = route.context("none")?.paths;
            ensure!(paths.len() == count, "{paths:?}");
            Ok(paths)
        })
    };
    let both = paths(2);
    assert_ne!(both[0].path_id, both[1].path_id);
    let mut seen: Vec<_> = both.iter().map(|path| path.attributes.as_path.to_string()).collect();
    seen.sort();
    assert_eq!(seen, ["65003", "65004"]);
    sources[0].kill().unwrap();
    let [left] = &paths(1)[..] else { panic!() };
    assert_eq!(left.attributes.as_path.to_string(), "65004");
}

with_each!(taken: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);
