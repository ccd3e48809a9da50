//! Real packets against the compiled program: what a connection needs to begin.

use policy::program::{Direction, Protocol, Side};

use crate::fabric::{
    Fabric, NODE, OTHER_OUTSIDE, OUTSIDE, PATIENCE, POD_A, POD_B, SILENCE, datagram_passes, is_dropped,
    listen, open_pods, passes,
};
use crate::namespace::Namespace;
use crate::programs::{Builder, addresses, and, is_in, named_port, networks, port, ports, tuples};

#[test]
fn without_policy_everything_passes_both_families() {
    let mut fabric = Fabric::new();
    fabric.enforce(&open_pods());
    for family in 0..2 {
        let _servers = [
            listen(&fabric.b, POD_B[family], 80),
            listen(&fabric.outside, OUTSIDE[family], 80),
            listen(&fabric.node, NODE[family], 80),
        ];
        passes(&fabric.a, POD_B[family], 80);
        passes(&fabric.outside, POD_B[family], 80);
        passes(&fabric.node, POD_B[family], 80);
        passes(&fabric.a, OUTSIDE[family], 80);
        passes(&fabric.a, NODE[family], 80);
        assert!(datagram_passes((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]), 53, PATIENCE));
    }
}

#[test]
fn ingress_lets_in_the_allowed_peer_at_the_allowed_port_only() {
    let mut fabric = Fabric::new();
    fabric.enforce(
        &Builder::default()
            .set("s1", addresses(&POD_A))
            .profile(
                "p1",
                Direction::Ingress,
                vec![
                    and(is_in(Side::Source, "s1"), ports(Protocol::Tcp, &[(80, 80), (8000, 8010)])),
                    and(is_in(Side::Source, "s1"), port(Protocol::Udp, 53)),
                ],
            )
            .endpoint("a", &POD_A, None, None)
            .endpoint("b", &POD_B, Some("p1"), None),
    );
    for family in 0..2 {
        let b = POD_B[family];
        let _servers = [80, 81, 8005, 8011].map(|port| listen(&fabric.b, b, port));
        passes(&fabric.a, b, 80);
        passes(&fabric.a, b, 8005);
        is_dropped(&fabric.a, b, 81);
        is_dropped(&fabric.a, b, 8011);
        is_dropped(&fabric.outside, b, 80);
        // The own node, the kubelet's probes for instance, always gets in.
        passes(&fabric.node, b, 81);
        assert!(datagram_passes((&fabric.a, POD_A[family]), (&fabric.b, b), 53, PATIENCE));
        assert!(!datagram_passes((&fabric.a, POD_A[family]), (&fabric.b, b), 54, SILENCE));
        assert!(!datagram_passes((&fabric.outside, OUTSIDE[family]), (&fabric.b, b), 53, SILENCE));
    }
    // Replies come back through the isolated pod's own connections.
    let _server = listen(&fabric.outside, OUTSIDE[0], 443);
    passes(&fabric.b, OUTSIDE[0], 443);
}

#[test]
fn both_ends_must_agree() {
    let mut fabric = Fabric::new();
    let _servers = [80, 81].map(|port| listen(&fabric.b, POD_B[0], port));
    let to_80 = |fabric: &mut Fabric, ingress: u16, egress: u16| {
        fabric.enforce(
            &Builder::default()
                .profile("p1", Direction::Ingress, vec![port(Protocol::Tcp, ingress)])
                .profile("p2", Direction::Egress, vec![port(Protocol::Tcp, egress)])
                .endpoint("a", &POD_A, None, Some("p2"))
                .endpoint("b", &POD_B, Some("p1"), None),
        );
    };
    to_80(&mut fabric, 80, 80);
    passes(&fabric.a, POD_B[0], 80);
    is_dropped(&fabric.a, POD_B[0], 81);
    to_80(&mut fabric, 81, 80);
    is_dropped(&fabric.a, POD_B[0], 80);
    is_dropped(&fabric.a, POD_B[0], 81);
}

#[test]
fn egress_is_judged_towards_the_node_too() {
    let mut fabric = Fabric::new();
    let _servers = [80, 81].map(|port| listen(&fabric.node, NODE[0], port));
    let _servers_v6 = [80, 81].map(|port| listen(&fabric.node, NODE[1], port));
    let _pod = listen(&fabric.a, POD_A[0], 9000);
    fabric.enforce(
        &Builder::default().profile("p1", Direction::Egress, vec![port(Protocol::Tcp, 80)]).endpoint(
            "a",
            &POD_A,
            None,
            Some("p1"),
        ),
    );
    for node in NODE {
        passes(&fabric.a, node, 80);
        is_dropped(&fabric.a, node, 81);
    }
    // What the node asks for, the pod may answer.
    passes(&fabric.node, POD_A[0], 9000);
}

#[test]
fn named_ports_differ_from_pod_to_pod() {
    let mut fabric = Fabric::new();
    fabric.enforce(
        &Builder::default()
            .set("s1", tuples(&[(POD_B[0], Protocol::Tcp, 8080), (POD_B[1], Protocol::Tcp, 9090)]))
            .profile("p1", Direction::Egress, vec![vec![named_port("s1")]])
            .endpoint("a", &POD_A, None, Some("p1"))
            .endpoint("b", &POD_B, None, None),
    );
    for (family, named, other) in [(0, 8080, 9090), (1, 9090, 8080)] {
        let _servers = [named, other].map(|port| listen(&fabric.b, POD_B[family], port));
        passes(&fabric.a, POD_B[family], named);
        is_dropped(&fabric.a, POD_B[family], other);
        let (a, b) = ((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]));
        assert!(!datagram_passes(a, b, named, SILENCE));
    }
}

#[test]
fn a_network_excludes_its_exceptions_and_the_other_family() {
    let mut fabric = Fabric::new();
    // 192.0.2.0/24 except 192.0.2.3/32
    let without_three = [
        "192.0.2.0/31",
        "192.0.2.2/32",
        "192.0.2.4/30",
        "192.0.2.8/29",
        "192.0.2.16/28",
        "192.0.2.32/27",
        "192.0.2.64/26",
        "192.0.2.128/25",
    ];
    fabric.enforce(
        &Builder::default()
            .set("s1", networks(&without_three))
            .profile("p1", Direction::Egress, vec![vec![is_in(Side::Destination, "s1")]])
            .endpoint("a", &POD_A, None, Some("p1")),
    );
    let _servers =
        [OUTSIDE[0], OTHER_OUTSIDE, OUTSIDE[1]].map(|address| listen(&fabric.outside, address, 80));
    passes(&fabric.a, OUTSIDE[0], 80);
    is_dropped(&fabric.a, OTHER_OUTSIDE, 80);
    is_dropped(&fabric.a, OUTSIDE[1], 80);
}

#[test]
fn a_pod_cannot_speak_with_anothers_address() {
    let mut fabric = Fabric::new();
    fabric.enforce(&open_pods());
    for (family, stolen, length) in [(0, "10.1.0.9", 32), (1, "fd00:1::9", 128)] {
        let nodad = if family == 1 { " nodad" } else { "" };
        fabric.a.ip(&format!("addr add {stolen}/{length} dev eth0{nodad}"));
        fabric.node.ip(&format!("route add {stolen} dev fab-a"));
        for (target, address) in
            [(&fabric.b, POD_B[family]), (&fabric.outside, OUTSIDE[family]), (&fabric.node, NODE[family])]
        {
            assert!(
                datagram_passes((&fabric.a, POD_A[family]), (target, address), 53, PATIENCE),
                "{address}"
            );
            assert!(!datagram_passes((&fabric.a, stolen), (target, address), 53, SILENCE), "{address}");
        }
    }
}

#[test]
fn an_interface_of_ours_that_nobody_knows_is_closed() {
    let mut fabric = Fabric::new();
    let _servers = [
        listen(&fabric.a, POD_A[0], 80),
        listen(&fabric.b, POD_B[0], 80),
        listen(&fabric.outside, OUTSIDE[0], 80),
        listen(&fabric.node, NODE[0], 80),
    ];
    fabric.enforce(&Builder::default().endpoint("a", &POD_A, None, None));
    is_dropped(&fabric.a, POD_B[0], 80);
    is_dropped(&fabric.outside, POD_B[0], 80);
    is_dropped(&fabric.b, POD_A[0], 80);
    is_dropped(&fabric.b, NODE[0], 80);
    passes(&fabric.a, OUTSIDE[0], 80);
    fabric.enforce(&open_pods());
    passes(&fabric.a, POD_B[0], 80);
    passes(&fabric.b, NODE[0], 80);
}

/// The node is also a router between interfaces that are not ours.
#[test]
fn foreign_traffic_falls_through() {
    let mut fabric = Fabric::new();
    let foreign = Namespace::new();
    fabric.node.ip(&format!("link add lan type veth peer name lan netns {}", foreign.path()));
    for (namespace, address) in [(&fabric.node, "198.51.100.1/24"), (&foreign, "198.51.100.2/24")] {
        namespace.ip("link set lan up");
        namespace.ip(&format!("addr add {address} dev lan"));
    }
    foreign.ip("route add default via 198.51.100.1");
    fabric.outside.ip("route add 198.51.100.0/24 via 192.0.2.1");
    fabric.enforce(&Builder::default());
    let _server = listen(&fabric.outside, OUTSIDE[0], 80);
    passes(&foreign, OUTSIDE[0], 80);
    assert!(datagram_passes((&fabric.outside, OUTSIDE[0]), (&foreign, "198.51.100.2"), 53, PATIENCE));
}
