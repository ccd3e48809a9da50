//! A node on a segment with raw peers, and on a link with a BIRD: the bystander.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, ensure};
use integration::kernel;
use integration::lab::Lab;
use integration::link::{self, End};
use integration::namespace::Namespace;
use integration::node::Node;
use integration::topology::addresses;
use integration::tor::{self, Kind, Spec, Tor};
use tokio::net::TcpSocket;

use crate::agent::{self, Neighbour, Peer};
use crate::routers::{OF_BIRD, prefix, render_bird};
use crate::wire::{Open, Wire};
use crate::{PATIENCE, wait_until};

/// The node on the segment.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The raw peer.
pub const RAW: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
/// Its AS, where it is an external one.
pub const RAW_ASN: u32 = 65_201;

/// Everything in its lab. The agent runs, and has a session with the bystander.
pub struct Segment {
    node: Node,
    bystander: Tor,
    raw: Arc<Namespace>,
    _lab: Lab,
}

impl Segment {
    /// The node waits for the raw peer, an external one.
    pub fn start() -> Self {
        Self::with(Neighbour { address: RAW.into(), asn: RAW_ASN, passive: true, hold_time_secs: 9 })
    }

    /// As the neighbour says.
    pub fn with(neighbour: Neighbour) -> Self {
        let lab = Lab::new("test").unwrap();
        let namespace = lab.namespace("node1").unwrap();
        let raw = lab.namespace("raw").unwrap();
        link::connect(
            End { namespace: &raw, interface: "node1", addresses: &[network(RAW)] },
            End { namespace: &namespace, interface: "raw", addresses: &[network(NODE)] },
        )
        .unwrap();
        let bystander = bystander(&lab, &namespace);
        let neighbours = [
            neighbour,
            Neighbour {
                address: addresses::link(1, 1).tor[0].ip(),
                asn: bystander.spec().asn,
                passive: false,
                hold_time_secs: 9,
            },
        ];
        let mut node = agent::make(&lab, namespace, agent::ASN, &neighbours);
        node.start_agent().unwrap();
        let segment = Self { node, bystander, raw, _lab: lab };
        wait_until("the bystander is served", || segment.bystander_is_served());
        segment
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    pub fn raw(&self) -> &Namespace {
        &self.raw
    }

    /// Dials the node as the raw peer, until it is listened to.
    pub fn dial(&self) -> Wire {
        wait_until("the node takes a connection", || {
            let wire = self.connect_from(RAW)?;
            // It hangs up at once while it rests (RFC 4271 §8.2.2, Idle): its first words say that it does not.
            let mut first = [0; 1];
            ensure!(matches!(wire.0.peek(&mut first), Ok(1)), "hung up");
            Ok(wire)
        })
    }

    /// Connects to the node from this address of the raw namespace.
    pub fn connect_from(&self, address: Ipv4Addr) -> Result<Wire> {
        let stream = self.raw.run_async(|| async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((address, 0)))?;
            Ok(socket.connect(SocketAddr::from((NODE, 179))).await?.into_std()?)
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Wire(stream))
    }

    /// Dials the node and establishes a session.
    pub fn establish(&self, open: &Open) -> Wire {
        let mut wire = self.dial();
        wire.establish(open);
        wait_until("the session stands", || agent::ensure_established(&self.node, RAW.into()));
        wire
    }

    /// What the agent shows of the raw peer.
    pub fn peer(&self) -> Peer {
        agent::peer(&self.node, RAW.into()).unwrap()
    }

    /// Waits for the raw peer to be shown as down for a reason with these words in it; all else must be untouched.
    pub fn ensure_refused(&self, words: &str) {
        wait_until("the peer is shown as down, and why", || {
            let peer = self.peer();
            ensure!(peer.state != "Established" && peer.reason.contains(words), "{peer:?}, not {words:?}");
            Ok(())
        });
        self.ensure_untouched();
    }

    /// Fails unless the bystander has noticed nothing.
    pub fn ensure_untouched(&self) {
        self.bystander_is_served().unwrap();
    }

    fn bystander_is_served(&self) -> Result<()> {
        let address = self.bystander.spec().neighbours[0].local;
        let peer = agent::ensure_established(&self.node, address)?;
        ensure!(peer.flaps == 0 && peer.reason.is_empty(), "{peer:?}");
        self.bystander.ensure_established()?;
        for of_bird in OF_BIRD {
            ensure!(!kernel::gateways(self.node.namespace(), prefix(of_bird))?.is_empty(), "no {of_bird}");
        }
        for announced in agent::announced(&self.node) {
            let ways = self.bystander.paths(announced)?;
            ensure!(matches!(&ways[..], [way] if way.best && !way.stale), "{announced}: {ways:?}");
        }
        Ok(())
    }

    /// Whether the node's kernel leads a /24 to the raw peer.
    pub fn is_routed(&self, address: Ipv4Addr) -> bool {
        let prefix = prefix(&format!("{address}/24"));
        kernel::gateways(self.node.namespace(), prefix).unwrap().contains(&IpAddr::from(RAW))
    }

    pub fn wait_routed(&self, address: Ipv4Addr, wanted: bool) {
        wait_until("the kernel has the route or has it no more", || {
            ensure!(self.is_routed(address) == wanted, "{address}/24, wanted: {wanted}");
            Ok(())
        });
    }
}

fn network(address: Ipv4Addr) -> ipnetwork::IpNetwork {
    prefix(&format!("{address}/24"))
}

fn bystander(lab: &Lab, node: &Namespace) -> Tor {
    let ends = addresses::link(1, 1);
    let namespace = lab.namespace("tor1").unwrap();
    link::connect(
        End { namespace: &namespace, interface: "node1", addresses: &ends.tor },
        End { namespace: node, interface: "tor1", addresses: &ends.node },
    )
    .unwrap();
    let spec = Spec {
        name: "tor1".to_owned(),
        kind: Kind::Bird,
        asn: 65_101,
        router_id: Ipv4Addr::new(10, 255, 1, 1),
        loopbacks: Vec::new(),
        fabric: Vec::new(),
        neighbours: vec![tor::Neighbour {
            name: "node1".to_owned(),
            local: ends.tor[0].ip(),
            remote: ends.node[0].ip(),
            asn: agent::ASN,
            // Where both dial, a session may fall for the other connection's sake: it would have noticed something.
            passive: true,
        }],
    };
    let config = render_bird(&spec, OF_BIRD, 60);
    Tor::start_configured(namespace, lab.make_directory("tor1").unwrap(), spec, config).unwrap()
}
