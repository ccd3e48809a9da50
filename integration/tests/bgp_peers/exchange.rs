//! Routes both ways with BIRD and FRR: families, AS numbers, refresh, equal paths, withdrawal.

use anyhow::{Result, ensure};
use integration::kernel;

use crate::agent;
use crate::routers::{OF_BIRD, OF_FRR, Plan, Routers, SHARED, prefix};
use crate::wait_until;

/// Every route that a router sent is there with this AS path, and leads to the router's end of the link.
fn assert_received(routers: &Routers, as_paths: [&str; 2]) {
    for ((tor, own), as_path) in routers.both().into_iter().zip([OF_BIRD, OF_FRR]).zip(as_paths) {
        let peer = routers.address_of(tor);
        let capabilities = agent::peer(&routers.node, peer).unwrap().capabilities;
        for capability in [
            "multiprotocol ipv4-unicast",
            "multiprotocol ipv6-unicast",
            "route-refresh",
            "graceful-restart",
            "four-octet-as",
        ] {
            assert!(capabilities.iter().any(|name| name == capability), "{capability}: {capabilities:?}");
        }
        for prefixes in [own, SHARED] {
            for text in prefixes {
                let paths = agent::received(&routers.node, peer, prefix(text)).unwrap();
                assert_eq!(paths.len(), 1, "{paths:?}");
                assert!(paths[0].used && !paths[0].stale && paths[0].reason.is_empty(), "{paths:?}");
                assert_eq!(paths[0].as_path, as_path, "{paths:?}");
                let gateways = kernel::gateways(routers.node.namespace(), prefix(text)).unwrap();
                // For IPv6 there may be a link-local one behind the global one.
                let global = paths[0].next_hop.split_whitespace().next().unwrap();
                let next_hop = global.parse().unwrap();
                assert!(gateways.contains(&next_hop), "{text} by {next_hop}: {gateways:?}");
            }
        }
    }
}

/// What the routers know of the node: next hops were checked when all settled.
fn assert_announced(routers: &Routers, as_paths: [&[u32]; 2]) {
    for (tor, as_path) in routers.both().into_iter().zip(as_paths) {
        for prefix in agent::announced(&routers.node) {
            assert_eq!(tor.paths(prefix).unwrap()[0].as_path, as_path, "{}: {prefix}", tor.spec().name);
        }
    }
}

#[test]
fn external_sessions_carry_both_families_and_four_octet_ases() {
    let routers = Routers::start(&Plan {
        node_asn: 4_200_000_001,
        router_asns: [4_200_000_101, 4_200_000_102],
        ..Plan::default()
    });
    // ECMP over both routers, in both families, is part of having settled.
    assert_received(&routers, ["4200000101", "4200000102"]);
    assert_announced(&routers, [&[4_200_000_001], &[4_200_000_001]]);
}

#[test]
fn internal_sessions_carry_both_families_over_ipv6() {
    let asn = 4_200_000_001;
    let routers =
        Routers::start(&Plan { node_asn: asn, router_asns: [asn, asn], over_v6: true, ..Plan::default() });
    assert_received(&routers, ["", ""]);
    assert_announced(&routers, [&[], &[]]);
}

/// Does `ask`, then waits until `count` has grown.
fn assert_grows(what: &str, count: impl Fn() -> Result<u64>, ask: impl FnOnce()) {
    let before = count().unwrap();
    ask();
    wait_until(what, || {
        let now = count()?;
        ensure!(now > before, "{now}, as before");
        Ok(())
    });
}

#[test]
fn routes_are_sent_again_when_asked_for() {
    let routers = Routers::start(&Plan::default());
    let flaps = routers.flaps();
    let [bird, frr] = routers.both();
    let protocol = routers.protocol();
    let sent = |tor| Ok(agent::peer(&routers.node, routers.address_of(tor))?.updates_sent);
    let received = |tor| Ok(agent::peer(&routers.node, routers.address_of(tor))?.updates_received);
    // "Import updates:  received rejected filtered ignored accepted", once for each family.
    let imported = || {
        let text = bird.ask(&format!("show protocols all {protocol}"))?;
        let counts = text.lines().filter_map(|line| line.trim().strip_prefix("Import updates:"));
        Ok(counts.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum())
    };
    let node = routers.near(frr)[0];
    let refreshes = || {
        let text = frr.ask(&format!("show bgp neighbors {node} json"))?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        answer[node.to_string()]["messageStats"]["routeRefreshSent"]
            .as_u64()
            .ok_or_else(|| anyhow::anyhow!("no counter in {text}"))
    };

    assert_grows("BIRD has routes again", imported, || {
        assert_grows(
            "we sent to BIRD",
            || sent(bird),
            || drop(bird.ask(&format!("reload in {protocol}")).unwrap()),
        );
    });
    assert_grows("FRR has asked", refreshes, || {
        let soft = format!("clear bgp {node} soft in");
        assert_grows("we sent to FRR", || sent(frr), || drop(frr.ask(&soft).unwrap()));
    });
    // And unasked: what they send again is taken.
    assert_grows(
        "BIRD sent",
        || received(bird),
        || drop(bird.ask(&format!("reload out {protocol}")).unwrap()),
    );
    let soft = format!("clear bgp {node} soft out");
    assert_grows("FRR sent", || received(frr), || drop(frr.ask(&soft).unwrap()));
    routers.settle();
    assert_eq!(routers.flaps(), flaps);
}

#[test]
fn what_a_router_withdraws_and_what_it_ends_is_gone() {
    let routers = Routers::start(&Plan::default());
    let [of_bird, of_frr] = routers.flaps();
    let [bird, frr] = routers.both();
    for name in ["own_ipv4", "own_ipv6", "shared_ipv4", "shared_ipv6"] {
        bird.ask(&format!("disable {name}")).unwrap();
    }
    wait_until("BIRD's routes are gone, the shared ones go over FRR", || {
        routers.ensure_routed(OF_BIRD, &[])?;
        routers.ensure_routed(SHARED, &[frr])
    });
    for name in ["own_ipv4", "own_ipv6", "shared_ipv4", "shared_ipv6"] {
        bird.ask(&format!("enable {name}")).unwrap();
    }
    routers.settle();
    let [own_v4, own_v6] = OF_FRR;
    frr.ask(&format!(
        "configure terminal\nrouter bgp\naddress-family ipv4 unicast\nno network {own_v4}\nexit-address-family\n\
         address-family ipv6 unicast\nno network {own_v6}"
    ))
    .unwrap();
    wait_until("FRR's own routes are gone", || routers.ensure_routed(OF_FRR, &[]));
    routers.ensure_routed(SHARED, &[bird, frr]).unwrap();

    // A session that ends with a NOTIFICATION takes its routes along, at both ends.
    bird.ask(&format!("disable {}", routers.protocol())).unwrap();
    wait_until("BIRD's routes are gone with the session", || {
        routers.ensure_routed(OF_BIRD, &[])?;
        routers.ensure_routed(SHARED, &[frr])
    });
    let peer = agent::peer(&routers.node, routers.address_of(bird)).unwrap();
    assert!(peer.reason.contains("Cease") && peer.flaps == of_bird + 1 && !peer.stale, "{peer:?}");
    let other = agent::peer(&routers.node, routers.address_of(frr)).unwrap();
    assert!(other.state == "Established" && other.flaps == of_frr, "{other:?}");
    frr.ask(&format!("configure terminal\nrouter bgp\nneighbor {} shutdown", routers.near(frr)[0])).unwrap();
    wait_until("nothing is left", || routers.ensure_routed(SHARED, &[]));
}
