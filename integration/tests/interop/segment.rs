//! A link that everybody shares: a bridge, and a namespace on it for each member.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use integration::lab::Lab;
use integration::link::{self, End};
use integration::namespace::Namespace;
use integration::router::{Kind, Neighbour, Network, Router, Spec};
use ipnetwork::IpNetwork;

/// Whoever is on the link, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member(pub u8);

impl Member {
    pub fn v4(self) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, self.0).into()
    }

    pub fn v6(self) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, self.0.into()).into()
    }

    /// Its address for sessions over IPv6 or IPv4.
    pub fn address(self, over_v6: bool) -> IpAddr {
        if over_v6 { self.v6() } else { self.v4() }
    }

    pub fn router_id(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 255, 0, self.0)
    }

    /// What it originates in most tests, one of each family.
    pub fn networks(self) -> [IpNetwork; 2] {
        let n = self.0;
        [format!("198.51.{n}.0/24"), format!("2001:db8:{n}::/48")].map(|text| text.parse().unwrap())
    }

    /// The same, as a router is told.
    pub fn originated(self) -> Vec<Network> {
        self.networks().map(Network::new).into()
    }
}

/// The link and its lab.
pub struct Segment {
    switch: Arc<Namespace>,
    lab: Lab,
}

impl Segment {
    pub fn new() -> Self {
        let lab = Lab::new("test").unwrap();
        let switch = lab.namespace("switch").unwrap();
        // A switch: it has no address on the link, and no say.
        switch.set_sysctl("net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        switch.output("ip", &["link", "add", "bridge", "type", "bridge"]).unwrap();
        link::set_up(&switch, "bridge").unwrap();
        Self { switch, lab }
    }

    /// A namespace on the link, with the member's addresses on its interface `link`.
    pub fn join(&self, member: Member) -> Arc<Namespace> {
        let namespace = self.lab.namespace(&format!("m{}", member.0)).unwrap();
        let port = format!("port{}", member.0);
        let addresses = [format!("{}/24", member.v4()), format!("{}/64", member.v6())];
        let addresses = addresses.map(|text| text.parse().unwrap());
        link::connect(
            End { namespace: &namespace, interface: "link", addresses: &addresses },
            End { namespace: &self.switch, interface: &port, addresses: &[] },
        )
        .unwrap();
        self.mend(member);
        namespace
    }

    /// Takes the member off the link; its interface does not notice.
    pub fn cut(&self, member: Member) {
        self.switch.output("ip", &["link", "set", &format!("port{}", member.0), "nomaster"]).unwrap();
    }

    /// Puts it on the link (again).
    pub fn mend(&self, member: Member) {
        let port = format!("port{}", member.0);
        self.switch.output("ip", &["link", "set", &port, "master", "bridge"]).unwrap();
    }

    /// A router on the link.
    pub fn router(
        &self,
        kind: Kind,
        member: Member,
        asn: u32,
        neighbours: Vec<Neighbour>,
        networks: Vec<Network>,
    ) -> Router {
        let namespace = self.join(member);
        self.router_in(kind, namespace, member, asn, neighbours, networks)
    }

    /// A router in a namespace that has joined before.
    pub fn router_in(
        &self,
        kind: Kind,
        namespace: Arc<Namespace>,
        member: Member,
        asn: u32,
        neighbours: Vec<Neighbour>,
        networks: Vec<Network>,
    ) -> Router {
        let name = format!("{kind}{}", member.0);
        let directory = self.lab.make_directory(&name).unwrap();
        let spec = Spec { name, asn, router_id: member.router_id(), neighbours, networks };
        Router::start(kind, namespace, directory, spec).unwrap()
    }
}
