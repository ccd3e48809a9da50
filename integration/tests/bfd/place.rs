//! Two ends, and what is between them: a link, or a router.

use std::net::IpAddr;
use std::sync::Arc;

use integration::lab::Lab;
use integration::link::{self, End};
use integration::namespace::Namespace;
use ipnetwork::IpNetwork;

/// The name of both ends' interface.
pub const INTERFACE: &str = "wire";

/// A way from one address to another.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub ours: IpAddr,
    pub theirs: IpAddr,
    pub multihop: bool,
}

impl Way {
    fn new(ours: &str, theirs: &str, multihop: bool) -> Self {
        Self { ours: ours.parse().unwrap(), theirs: theirs.parse().unwrap(), multihop }
    }

    /// The interface, where the way is a link.
    pub fn interface(&self) -> Option<&'static str> {
        (!self.multihop).then_some(INTERFACE)
    }
}

/// Everything in its lab.
pub struct Place {
    pub node: Arc<Namespace>,
    pub peer: Arc<Namespace>,
    pub ways: Vec<Way>,
    /// Where packets can be dropped.
    middle: Arc<Namespace>,
    pub lab: Lab,
}

impl Place {
    /// A link: IPv4, IPv6 and link-local.
    pub fn link() -> Self {
        let lab = Lab::new("test").unwrap();
        let (node, peer) = (lab.namespace("node").unwrap(), lab.namespace("peer").unwrap());
        connect(
            (&node, INTERFACE, &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"]),
            (&peer, INTERFACE, &["192.0.2.2/24", "2001:db8::2/64", "fe80::2/64"]),
        );
        let ways = vec![
            Way::new("192.0.2.1", "192.0.2.2", false),
            Way::new("2001:db8::1", "2001:db8::2", false),
            Way::new("fe80::1", "fe80::2", false),
        ];
        Self { middle: Arc::clone(&peer), node, peer, ways, lab }
    }

    /// A router between the two: IPv4 and IPv6.
    pub fn routed() -> Self {
        let lab = Lab::new("test").unwrap();
        let (node, peer) = (lab.namespace("node").unwrap(), lab.namespace("peer").unwrap());
        let router = lab.namespace("router").unwrap();
        router.set_sysctl("net/ipv4/ip_forward", "1").unwrap();
        router.set_sysctl("net/ipv6/conf/all/forwarding", "1").unwrap();
        for (end, interface, network) in [(&node, "node", 1), (&peer, "peer", 2)] {
            let addresses =
                |host| [format!("10.0.{network}.{host}/24"), format!("2001:db8:{network}::{host}/64")];
            let (theirs, ours) = (addresses(1), addresses(254));
            connect((end, INTERFACE, &[&theirs[0], &theirs[1]]), (&router, interface, &[&ours[0], &ours[1]]));
            for (family, gateway) in
                [("-4", format!("10.0.{network}.254")), ("-6", format!("2001:db8:{network}::254"))]
            {
                end.output("ip", &[family, "route", "add", "default", "via", &gateway]).unwrap();
            }
        }
        let ways =
            vec![Way::new("10.0.1.1", "10.0.2.1", true), Way::new("2001:db8:1::1", "2001:db8:2::1", true)];
        Self { node, peer, ways, middle: router, lab }
    }

    /// Drops all BFD packets on the way, both ways.
    pub fn cut(&self) {
        let chains: String = ["input", "forward", "output"]
            .iter()
            .map(|hook| {
                format!(
                    "add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}\n\
                     add rule inet cut {hook} udp dport {{ 3784, 4784 }} drop\n"
                )
            })
            .collect();
        let script = self.lab.directory().join("cut.nft");
        std::fs::write(&script, format!("add table inet cut\n{chains}")).unwrap();
        self.middle.output("nft", &["-f", script.to_str().unwrap()]).unwrap();
    }

    /// Takes back a [`cut`](Self::cut).
    pub fn mend(&self) {
        self.middle.output("nft", &["delete", "table", "inet", "cut"]).unwrap();
    }
}

fn connect(one: (&Namespace, &str, &[&str]), other: (&Namespace, &str, &[&str])) {
    let networks =
        |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNetwork>>();
    let (ones, others) = (networks(one.2), networks(other.2));
    link::connect(
        End { namespace: one.0, interface: one.1, addresses: &ones },
        End { namespace: other.0, interface: other.1, addresses: &others },
    )
    .unwrap();
}
