//! Two pods on one node, and the world outside, in namespaces of their own.
//!
//! ```text
//!  pod a ── fab-a ┐
//!                 node ── uplink ── outside
//!  pod b ── fab-b ┘
//! ```
//!
//! That something is dropped is seen by an answer that does not come within [`SILENCE`]; that something passes is waited
//! for much longer, so a slow machine fails no test.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use felix_agent::dataplane::enforce::{Enforced, Enforcer, World};
use felix_agent::dataplane::nftables::{Options, Scope, lower};

use crate::namespace::Namespace;
use crate::programs::{Builder, Interfaces, endpoint_id};

pub const SILENCE: Duration = Duration::from_millis(250);
pub const PATIENCE: Duration = Duration::from_secs(10);

pub const POD_A: [&str; 2] = ["10.1.0.1", "fd00:1::1"];
pub const POD_B: [&str; 2] = ["10.1.0.2", "fd00:1::2"];
pub const NODE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// Of the node's ends of both links.
const GATEWAYS: [&str; 2] = ["169.254.1.1", "fe80::1"];
pub const OUTSIDE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
pub const OTHER_OUTSIDE: &str = "192.0.2.3";

pub struct Fabric {
    pub a: Namespace,
    pub b: Namespace,
    pub node: Namespace,
    pub outside: Namespace,
    pub enforcer: Enforcer,
    pub options: Options,
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
        let enforcer = open(&node);
        Fabric { a, b, node, outside, enforcer, options: Options::default() }
    }

    /// Makes the node enforce this, as the agent would.
    pub fn enforce(&mut self, policy: &Builder) -> Enforced {
        let interfaces = Interfaces::from([
            (endpoint_id("a"), "fab-a".to_owned()),
            (endpoint_id("b"), "fab-b".to_owned()),
        ]);
        let lowered = lower(&policy.0, &interfaces, &self.options);
        let own = NODE.iter().chain(&GATEWAYS).map(|address| address.parse().unwrap()).collect();
        let own: &BTreeSet<IpAddr> = &own;
        let world = World { program: &policy.0, delta: None, lives: &|_| true, own };
        self.enforcer.apply(&lowered, Scope::Everywhere, &world).unwrap()
    }

    /// The kernel forgets every connection.
    pub fn forget_connections(&mut self) {
        self.node.command("conntrack", &["-F"]);
    }

    /// The agent starts anew, and finds what it left.
    pub fn restart(&mut self) {
        self.enforcer = open(&self.node);
    }
}

fn open(node: &Namespace) -> Enforcer {
    node.run(|| Enforcer::open(Duration::ZERO).unwrap())
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

pub fn socket_address(address: &str, port: u16) -> SocketAddr {
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
pub fn open_pods() -> Builder {
    Builder::default().endpoint("a", &POD_A, None, None).endpoint("b", &POD_B, None, None)
}
