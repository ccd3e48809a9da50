//! Real packets: two pods on one node, and the world outside.
//!
//! ```text
//!  pod a ── fab-a ┐
//!                 node ── uplink ── outside
//!  pod b ── fab-b ┘
//! ```
//!
//! Each test has a fabric of its own. That something is dropped is seen by an answer that does not come within
//! [`SILENCE`]; that something passes is waited for much longer, so a slow machine fails no test.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use felix_agent::dataplane::nftables::{Nftables, lower};
use policy::program::{Direction, Protocol, Side};

use crate::namespace::Namespace;
use crate::programs::{
    Builder, Interfaces, addresses, and, endpoint_id, is_in, named_port, networks, port, ports, tuples,
};

pub const SILENCE: Duration = Duration::from_millis(250);
pub const PATIENCE: Duration = Duration::from_secs(10);

pub const POD_A: [&str; 2] = ["10.1.0.1", "fd00:1::1"];
pub const POD_B: [&str; 2] = ["10.1.0.2", "fd00:1::2"];
pub const NODE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
pub const OUTSIDE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
const OTHER_OUTSIDE: &str = "192.0.2.3";

pub struct Fabric {
    pub a: Namespace,
    pub b: Namespace,
    pub node: Namespace,
    pub outside: Namespace,
    nftables: Nftables,
}

impl Fabric {
    pub fn new() -> Fabric {
        let [a, b, node, outside] = std::array::from_fn(|_| Namespace::new());
        node.sysctl("ipv4/ip_forward", "1");
        node.sysctl("ipv6/conf/all/forwarding", "1");
        plug(&node, "fab-a", &a, POD_A);
        plug(&node, "fab-b", &b, POD_B);
        node.ip(&format!("link add uplink type veth peer name uplink netns {}", outside.path()));
        for (namespace, addresses) in [(&node, NODE), (&outside, OUTSIDE)] {
            namespace.ip("link set uplink up");
            namespace.ip(&format!("addr add {}/24 dev uplink", addresses[0]));
            namespace.ip(&format!("addr add {}/64 dev uplink nodad", addresses[1]));
        }
        outside.ip(&format!("addr add {OTHER_OUTSIDE}/24 dev uplink"));
        outside.ip("route add 10.1.0.0/24 via 192.0.2.1");
        outside.ip("route add fd00:1::/64 via 2001:db8::1");
        let nftables = node.run(|| Nftables::open().unwrap());
        Fabric { a, b, node, outside, nftables }
    }

    pub fn enforce(&mut self, policy: Builder) {
        let interfaces = Interfaces::from([
            (endpoint_id("a"), "fab-a".to_owned()),
            (endpoint_id("b"), "fab-b".to_owned()),
        ]);
        self.nftables.apply(&lower(&policy.0, &interfaces)).unwrap();
    }
}

/// A pod's link: its gateways are addresses of the node's end, as a CNI plugin would set it up.
fn plug(node: &Namespace, host_end: &str, pod: &Namespace, addresses: [&str; 2]) {
    node.ip(&format!("link add {host_end} type veth peer name eth0 netns {}", pod.path()));
    node.ip(&format!("addr add 169.254.1.1/32 dev {host_end}"));
    node.ip(&format!("link set {host_end} addrgenmode none up"));
    node.ip(&format!("addr add fe80::1/64 dev {host_end} nodad"));
    pod.ip("link set eth0 addrgenmode none up");
    pod.ip("addr add fe80::2/64 dev eth0 nodad");
    pod.ip(&format!("addr add {}/32 dev eth0", addresses[0]));
    pod.ip(&format!("addr add {}/128 dev eth0 nodad", addresses[1]));
    pod.ip("route add 169.254.1.1 dev eth0 scope link");
    pod.ip("route add default via 169.254.1.1 dev eth0");
    pod.ip("route add default via fe80::1 dev eth0");
    for address in addresses {
        node.ip(&format!("route add {address} dev {host_end}"));
    }
}

fn socket_address(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

/// Takes connections without being looked after.
pub fn listen(namespace: &Namespace, address: &str, port: u16) -> TcpListener {
    namespace.run(|| TcpListener::bind(socket_address(address, port)).unwrap())
}

pub fn connect(from: &Namespace, to: &str, port: u16, patience: Duration) -> std::io::Result<TcpStream> {
    from.run(|| TcpStream::connect_timeout(&socket_address(to, port), patience))
}

#[track_caller]
pub fn passes(from: &Namespace, to: &str, port: u16) {
    connect(from, to, port, PATIENCE).unwrap_or_else(|error| panic!("to {to} port {port}: {error}"));
}

#[track_caller]
pub fn is_dropped(from: &Namespace, to: &str, port: u16) {
    let error = connect(from, to, port, SILENCE).expect_err("no connection");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "to {to} port {port}: {error}");
}

/// Whether a datagram from one socket reaches the other.
pub fn datagram_passes(
    from: (&Namespace, &str),
    to: (&Namespace, &str),
    port: u16,
    patience: Duration,
) -> bool {
    let receiver = to.0.run(|| UdpSocket::bind(socket_address(to.1, port)).unwrap());
    let sender = from.0.run(|| UdpSocket::bind(socket_address(from.1, 0)).unwrap());
    receiver.set_read_timeout(Some(patience)).unwrap();
    sender.send_to(b"?", socket_address(to.1, port)).unwrap();
    let mut buffer = [0; 8];
    match receiver.recv_from(&mut buffer) {
        Ok((_, source)) => {
            assert_eq!(source.ip(), from.1.parse::<IpAddr>().unwrap());
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Both pods, open in both directions.
fn open_pods() -> Builder {
    Builder::default().endpoint("a", &POD_A, None, None).endpoint("b", &POD_B, None, None)
}

#[test]
fn without_policy_everything_passes_both_families() {
    let mut fabric = Fabric::new();
    fabric.enforce(open_pods());
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
        Builder::default()
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
            Builder::default()
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
        Builder::default().profile("p1", Direction::Egress, vec![port(Protocol::Tcp, 80)]).endpoint(
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
        Builder::default()
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
        Builder::default()
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
    fabric.enforce(open_pods());
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
    fabric.enforce(Builder::default().endpoint("a", &POD_A, None, None));
    is_dropped(&fabric.a, POD_B[0], 80);
    is_dropped(&fabric.outside, POD_B[0], 80);
    is_dropped(&fabric.b, POD_A[0], 80);
    is_dropped(&fabric.b, NODE[0], 80);
    passes(&fabric.a, OUTSIDE[0], 80);
    fabric.enforce(open_pods());
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
    fabric.enforce(Builder::default());
    let _server = listen(&fabric.outside, OUTSIDE[0], 80);
    passes(&foreign, OUTSIDE[0], 80);
    assert!(datagram_passes((&fabric.outside, OUTSIDE[0]), (&foreign, "198.51.100.2"), 53, PATIENCE));
}

#[test]
fn what_is_established_survives_changes_and_replacement_of_the_table() {
    let mut fabric = Fabric::new();
    fabric.enforce(open_pods());
    let server = listen(&fabric.b, POD_B[0], 80);
    let mut client = connect(&fabric.a, POD_B[0], 80, PATIENCE).unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    for stream in [&client, &accepted] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut both_ways = || {
        let mut byte = [0];
        client.write_all(b"?").unwrap();
        accepted.read_exact(&mut byte).unwrap();
        accepted.write_all(b"!").unwrap();
        client.read_exact(&mut byte).unwrap();
    };
    both_ways();
    let isolated = Builder::default()
        .set("s1", addresses(&[]))
        .profile("p1", Direction::Ingress, vec![vec![is_in(Side::Source, "s1")]])
        .endpoint("a", &POD_A, None, None)
        .endpoint("b", &POD_B, Some("p1"), None);
    fabric.enforce(isolated.clone());
    both_ways();
    fabric.node.nft("delete table inet fabric");
    fabric.enforce(isolated);
    both_ways();
    is_dropped(&fabric.a, POD_B[0], 80);
}
