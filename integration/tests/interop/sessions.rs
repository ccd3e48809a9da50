//! Sessions: external and internal, over IPv4 and IPv6, dialled by us and by them, in 2- and 4-octet ASes.

use anyhow::ensure;
use bgp::config::{ListenRange, RemoteAs};
use integration::router::{Family, Kind};

use crate::pair::{EXTERNAL, INTERNAL, OURS, Pair, Setting, THEIRS};
use crate::wait_until;

/// Beyond two octets.
const LARGE: [u32; 2] = [4_200_000_001, 4_200_000_002];

#[derive(Clone, Copy)]
enum Dials {
    We,
    They,
}

fn assert_exchanged(kind: Kind, asns: [u32; 2], over_v6: bool, dials: Dials) {
    let mut setting = Setting::new(kind, asns, over_v6);
    match dials {
        Dials::We => {}
        Dials::They => {
            setting.neighbour.passive = false;
            setting.peer.passive = true;
        }
    }
    setting.peer.remote_as = if asns[0] == asns[1] { RemoteAs::Internal } else { RemoteAs::Is(asns[1]) };
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    let family = usize::from(over_v6);
    let external = asns[0] != asns[1];
    let seen = |asn: u32| if external { vec![asn] } else { Vec::new() };

    let theirs = pair.theirs(OURS.networks()[family]).unwrap();
    assert_eq!(theirs.next_hop, Some(OURS.address(over_v6)), "{theirs:?}");
    assert_eq!(theirs.as_path, seen(asns[0]), "{theirs:?}");
    assert!(theirs.best && !theirs.stale, "{theirs:?}");
    let ours = pair.path(THEIRS.networks()[family]).unwrap();
    assert_eq!(ours.next_hop.map(|hop| hop.address()), Some(THEIRS.address(over_v6)), "{ours:?}");
    assert_eq!(
        ours.attributes.as_path.to_string(),
        seen(asns[1]).first().map_or(String::new(), u32::to_string)
    );
    assert!(ours.best && !ours.stale && !ours.unusable, "{ours:?}");
    let peer = pair.ours().ensure_established(&pair.key()).unwrap();
    assert_eq!(peer.remote_as, Some(asns[1]));
    assert_eq!(peer.router_id, Some(THEIRS.router_id()));
    assert_eq!(peer.counters.update_errors, 0, "{peer:?}");
    assert_eq!(peer.counters.flaps, 0, "{peer:?}");

    // And gone again.
    pair.ours().originate([].into()).unwrap();
    wait_until("our prefix is gone", || pair.ensure_theirs_not(OURS.networks()[family]));
}

fn external_over_v4(kind: Kind) {
    assert_exchanged(kind, EXTERNAL, false, Dials::We);
}

fn external_over_v6(kind: Kind) {
    assert_exchanged(kind, LARGE, true, Dials::They);
}

fn internal_over_v4(kind: Kind) {
    assert_exchanged(kind, [LARGE[0]; 2], false, Dials::They);
}

fn internal_over_v6(kind: Kind) {
    assert_exchanged(kind, INTERNAL, true, Dials::We);
}

with_each!(external_over_v4: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
with_each!(external_over_v6: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
with_each!(internal_over_v4: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
with_each!(internal_over_v6: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// Both families in one session.
fn both_families(kind: Kind) {
    for over_v6 in [false, true] {
        let mut setting = Setting::new(kind, EXTERNAL, over_v6);
        setting.neighbour.families = Family::ALL.into();
        let pair = Pair::start(setting);
        for family in 0..2 {
            let theirs = wait_until("the router has both", || pair.theirs(OURS.networks()[family]));
            assert_eq!(theirs.next_hop, Some(OURS.address(family == 1)), "{theirs:?}");
            let ours = wait_until("we have both", || pair.path(THEIRS.networks()[family]));
            assert_eq!(ours.next_hop.map(|hop| hop.address()), Some(THEIRS.address(family == 1)), "{ours:?}");
        }
    }
}

with_each!(both_families: bird Bird, frr Frr);

/// A peer that we know by its network only.
fn dynamic_neighbour(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.neighbour.passive = false;
    setting.peer.passive = true;
    let mut pair = Pair::start(setting);
    let peer = std::mem::take(&mut pair.config.peers).into_values().next().unwrap();
    pair.config.listen_ranges =
        vec![ListenRange { network: "192.0.2.0/24".parse().unwrap(), limit: 2, peer }];
    pair.configure();
    pair.wait_exchanged();
    assert!(pair.ours().peer(&pair.key()).unwrap().dynamic);
}

with_each!(dynamic_neighbour: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// Both dial at once, and one connection is left (RFC 4271 §6.8).
fn both_dial(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, true);
    setting.neighbour.passive = false;
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    wait_until("there is one connection", || {
        let text = pair.namespace.output("ss", &["-Htn", "state", "established"])?;
        ensure!(text.lines().count() == 1, "{text}");
        Ok(())
    });
    // Whatever became of it while the two were at it, it stays now.
    let before = pair.ours().ensure_established(&pair.key()).unwrap();
    wait_until("it has seen a few keepalives", || {
        let now = pair.ours().ensure_established(&pair.key())?;
        ensure!(now.counters.messages_received >= before.counters.messages_received + 2, "{now:?}");
        assert_eq!(now.counters.flaps, before.counters.flaps);
        Ok(())
    });
}

with_each!(both_dial: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
