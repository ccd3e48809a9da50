//! BIRD and FRR come up in a lab, peer with each other over both families, and exchange routes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

use std::net::Ipv4Addr;
use std::time::Duration;

use integration::eventually::eventually;
use integration::lab::Lab;
use integration::link::{self, End};
use integration::tor::{Kind, Neighbour, Spec, Tor};

const PATIENCE: Duration = Duration::from_secs(30);

fn spec(number: u8, kind: Kind, locals: [&str; 2], remotes: [&str; 2]) -> Spec {
    let other = 3 - number;
    let session = |index: usize| Neighbour {
        name: format!("tor{other}"),
        local: locals[index].parse().unwrap(),
        remote: remotes[index].parse().unwrap(),
        asn: 65_100 + u32::from(other),
        // One waits for the other.
        passive: number == 2,
    };
    Spec {
        name: format!("tor{number}"),
        kind,
        asn: 65_100 + u32::from(number),
        router_id: Ipv4Addr::new(10, 255, 1, number),
        loopbacks: vec![
            format!("10.255.1.{number}/32").parse().unwrap(),
            format!("fd00:ff:1::{number}/128").parse().unwrap(),
        ],
        fabric: vec!["10.255.1.0/24".parse().unwrap(), "fd00:ff:1::/64".parse().unwrap()],
        neighbours: vec![session(0), session(1)],
    }
}

#[test]
fn bird_and_frr_peer_and_exchange_routes() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = (lab.namespace("tor1").unwrap(), lab.namespace("tor2").unwrap());
    let (v4, v6) = (["10.1.1.0", "10.1.1.1"], ["fd00:1:1::", "fd00:1:1::1"]);
    let addresses =
        |i: usize| [format!("{}/31", v4[i]).parse().unwrap(), format!("{}/127", v6[i]).parse().unwrap()];
    link::connect(
        End { namespace: &a, interface: "tor2", addresses: &addresses(0) },
        End { namespace: &b, interface: "tor1", addresses: &addresses(1) },
    )
    .unwrap();
    let bird = spec(1, Kind::Bird, [v4[0], v6[0]], [v4[1], v6[1]]);
    let frr = spec(2, Kind::Frr, [v4[1], v6[1]], [v4[0], v6[0]]);
    let bird = Tor::start(a, lab.make_directory("tor1").unwrap(), bird).unwrap();
    let mut frr = Tor::start(b, lab.make_directory("tor2").unwrap(), frr).unwrap();
    for tor in [&bird, &frr] {
        eventually("all sessions are established", PATIENCE, || tor.ensure_established()).unwrap();
    }

    for (tor, other, asn, next_hops) in
        [(&bird, &frr, 65_102, [v4[1], v6[1]]), (&frr, &bird, 65_101, [v4[0], v6[0]])]
    {
        for (prefix, next_hop) in other.spec().loopbacks.iter().zip(next_hops) {
            let paths = eventually("the other's loopback is known", PATIENCE, || {
                let paths = tor.paths(*prefix)?;
                anyhow::ensure!(!paths.is_empty(), "no path to {prefix}");
                Ok(paths)
            })
            .unwrap();
            assert_eq!(paths.len(), 1, "{paths:?}");
            assert_eq!(paths[0].as_path, [asn]);
            assert_eq!(paths[0].next_hop.to_string(), next_hop);
            assert!(paths[0].best && !paths[0].stale);
            // And in the kernel: it answers over the loopbacks.
            let family = if prefix.is_ipv4() { "-4" } else { "-6" };
            eventually("the kernel has the route", PATIENCE, || {
                let routes =
                    tor.namespace().output("ip", &[family, "route", "show", &prefix.ip().to_string()])?;
                anyhow::ensure!(routes.contains("proto bird") || routes.contains("proto bgp"), "{routes:?}");
                Ok(())
            })
            .unwrap();
        }
    }

    // Killed, FRR says nothing, and BIRD keeps its route as stale: it is a graceful restart helper. Restarted, it is back.
    let prefix = frr.spec().loopbacks[0];
    frr.kill().unwrap();
    assert!(frr.sessions().is_err(), "a killed router does not answer");
    frr.restart().unwrap();
    eventually("the session is established again", PATIENCE, || {
        frr.ensure_established()?;
        bird.ensure_established()
    })
    .unwrap();
    eventually("its route is fresh again", PATIENCE, || {
        let paths = bird.paths(prefix)?;
        anyhow::ensure!(paths.iter().any(|path| path.best && !path.stale), "{paths:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_router_without_power_is_gone_for_its_neighbour() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = (lab.namespace("tor1").unwrap(), lab.namespace("tor2").unwrap());
    link::connect(
        End { namespace: &a, interface: "tor2", addresses: &["10.1.1.0/31".parse().unwrap()] },
        End { namespace: &b, interface: "tor1", addresses: &["10.1.1.1/31".parse().unwrap()] },
    )
    .unwrap();
    let mut one = spec(1, Kind::Bird, ["10.1.1.0", "::"], ["10.1.1.1", "::"]);
    let mut two = spec(2, Kind::Bird, ["10.1.1.1", "::"], ["10.1.1.0", "::"]);
    one.neighbours.truncate(1);
    two.neighbours.truncate(1);
    let one = Tor::start(a, lab.make_directory("tor1").unwrap(), one).unwrap();
    let mut two = Tor::start(b, lab.make_directory("tor2").unwrap(), two).unwrap();
    eventually("the session is established", PATIENCE, || one.ensure_established()).unwrap();
    two.pull_the_plug().unwrap();
    eventually("the session is down", PATIENCE, || {
        anyhow::ensure!(one.ensure_established().is_err(), "it is up");
        Ok(())
    })
    .unwrap();
    assert!(
        one.namespace().output("ip", &["link", "show", "tor2"]).is_err(),
        "the link is gone at both ends"
    );
}
