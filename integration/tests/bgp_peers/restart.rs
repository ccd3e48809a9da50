//! Graceful restart (RFC 4724) with BIRD and FRR, of either side.

use anyhow::ensure;
use integration::tor::Tor;

use crate::PATIENCE;
use crate::agent;
use crate::routers::{OF_BIRD, OF_FRR, Plan, Routers, SHARED, prefix};
use crate::vigil::Vigil;
use crate::wait_until;

fn vigils(routers: &Routers) -> [Vigil; 3] {
    [routers.bird.namespace(), routers.frr.namespace(), routers.node.namespace()]
        .map(|namespace| Vigil::begin(&routers.lab, namespace))
}

fn assert_nothing_lost(vigils: &[Vigil]) {
    for vigil in vigils {
        assert_eq!(vigil.lost(), Vec::<String>::new());
    }
}

fn wait_kept_stale(routers: &Routers) {
    wait_until("both routers keep the node's routes as stale", || {
        routers.both().into_iter().try_for_each(|tor| routers.ensure_kept(tor, true))
    });
}

#[test]
fn routers_keep_the_routes_of_a_killed_agent_until_it_is_back() {
    let mut routers = Routers::start(&Plan::default());
    let vigils = vigils(&routers);
    routers.node.kill_agent().unwrap();
    wait_kept_stale(&routers);
    routers.node.start_agent().unwrap();
    // Fresh: BIRD and FRR drop the mark when a route is announced again, and what is still marked at End-of-RIB.
    routers.settle();
    assert_nothing_lost(&vigils);
}

#[test]
fn routers_keep_the_routes_of_an_agent_that_was_told_to_end() {
    let mut routers = Routers::start(&Plan { over_v6: true, ..Plan::default() });
    let vigils = vigils(&routers);
    routers.node.stop_agent(PATIENCE).unwrap();
    wait_kept_stale(&routers);
    routers.node.start_agent().unwrap();
    routers.settle();
    assert_nothing_lost(&vigils);
}

/// Waits until the node has marked all that came from the router; its kernel goes on as before.
fn wait_marked(routers: &Routers, tor: &Tor, own: [&str; 2]) {
    let peer = routers.address_of(tor);
    wait_until("the router's routes are stale", || {
        for text in own.into_iter().chain(SHARED) {
            let paths = agent::received(&routers.node, peer, prefix(text))?;
            ensure!(matches!(&paths[..], [path] if path.used && path.stale), "{text}: {paths:?}");
        }
        ensure!(agent::peer(&routers.node, peer)?.stale, "{peer} is not shown as restarting");
        Ok(())
    });
}

#[test]
fn the_node_keeps_the_routes_of_routers_that_restart() {
    let mut routers = Routers::start(&Plan::default());
    let vigil = Vigil::begin(&routers.lab, routers.node.namespace());
    routers.bird.kill().unwrap();
    wait_marked(&routers, &routers.bird, OF_BIRD);
    routers.bird.restart().unwrap();
    routers.settle();
    routers.frr.kill().unwrap();
    wait_marked(&routers, &routers.frr, OF_FRR);
    routers.frr.restart().unwrap();
    routers.settle();
    for tor in routers.both() {
        let peer = routers.address_of(tor);
        wait_until("nothing is stale any more", || {
            ensure!(!agent::peer(&routers.node, peer)?.stale, "{peer} is shown as restarting");
            for text in SHARED {
                let paths = agent::received(&routers.node, peer, prefix(text))?;
                ensure!(matches!(&paths[..], [path] if path.used && !path.stale), "{text}: {paths:?}");
            }
            Ok(())
        });
    }
    assert_eq!(vigil.lost(), Vec::<String>::new());
}

#[test]
fn the_routes_of_routers_that_do_not_return_go_when_their_time_is_over() {
    let mut routers = Routers::start(&Plan { restart_secs: 4, ..Plan::default() });
    let flaps = routers.flaps();
    routers.bird.kill().unwrap();
    wait_marked(&routers, &routers.bird, OF_BIRD);
    routers.ensure_routed(OF_BIRD, &[&routers.bird]).unwrap();
    wait_until("BIRD's routes are gone", || {
        routers.ensure_routed(OF_BIRD, &[])?;
        routers.ensure_routed(SHARED, &[&routers.frr])
    });
    routers.frr.kill().unwrap();
    wait_marked(&routers, &routers.frr, OF_FRR);
    routers.ensure_routed(OF_FRR, &[&routers.frr]).unwrap();
    wait_until("FRR's routes are gone", || {
        routers.ensure_routed(OF_FRR, &[])?;
        routers.ensure_routed(SHARED, &[])
    });
    for tor in routers.both() {
        let peer = agent::peer(&routers.node, routers.address_of(tor)).unwrap();
        assert!(!peer.stale, "{peer:?}");
    }
    assert_eq!(routers.flaps(), flaps.map(|before| before + 1));
}
