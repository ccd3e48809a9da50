//! The fabric that the tests and the demo stand on: top-of-rack routers, nodes, and a link from every node to every
//! router.
//!
//! ```text
//!   tor1 (BIRD, AS 65101)      tor2 (FRR, AS 65102)
//!     │  ╲  ╲                    ╱  ╱  │
//!   node1 (AS 65001)   node2 (AS 65002)   node3 (AS 65003)
//! ```
//!
//! Routers are not linked to each other: what one loses, it loses. Who has which address is [`addresses`]' business.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::lab::Lab;
use crate::link::{self, End};
use crate::namespace::Namespace;
use crate::node::{Node, Uplink};
use crate::tor::{Kind, Neighbour, Spec, Tor};

pub mod addresses;

/// A fabric and the lab it stands in.
#[derive(Debug)]
pub struct Fabric {
    /// The routers, `tor1` first.
    pub tors: Vec<Tor>,
    /// The nodes, `node1` first. Their agents are not started yet.
    pub nodes: Vec<Node>,
    /// What all of it is part of. Last, so that it goes last.
    pub lab: Lab,
}

impl Fabric {
    /// Builds it in an empty lab: links, addresses, running routers, nodes with a configuration each. All nodes' agents
    /// will share one SQLite file.
    ///
    /// # Errors
    /// When something cannot be made, or a router's package is missing.
    pub fn build(lab: Lab, tors: &[Kind], nodes: u8) -> Result<Self> {
        let datastore = lab.make_directory("datastore")?.join("fabric.db");
        let numbered_tors: Vec<(u8, Kind)> = (1..).zip(tors.iter().copied()).collect();
        let tor_namespaces: Vec<_> =
            numbered_tors.iter().map(|(t, _)| lab.namespace(&tor_name(*t))).collect::<Result<_>>()?;

        let mut fabric = Self { tors: Vec::new(), nodes: Vec::new(), lab };
        for n in 1..=nodes {
            let namespace = fabric.lab.namespace(&node_name(n))?;
            for ((t, _), tor) in numbered_tors.iter().zip(&tor_namespaces) {
                connect(*t, tor, n, &namespace)?;
            }
            let directory = fabric.lab.make_directory(&node_name(n))?;
            let uplinks = numbered_tors.iter().map(|(t, _)| uplink(*t, n)).collect();
            fabric.nodes.push(Node::new(n, namespace, directory, datastore.clone(), uplinks)?);
        }
        for ((t, kind), namespace) in numbered_tors.into_iter().zip(tor_namespaces) {
            let directory: PathBuf = fabric.lab.make_directory(&tor_name(t))?;
            let tor = Tor::start(namespace, directory, tor_spec(t, kind, nodes))
                .with_context(|| format!("starting {}", tor_name(t)))?;
            fabric.tors.push(tor);
        }
        Ok(fabric)
    }

    /// Leaves everything running when this process ends, until [`Lab::remove_kept`].
    ///
    /// # Errors
    /// When the lab's manifest cannot be written.
    pub fn keep(self) -> Result<()> {
        self.tors.into_iter().for_each(Tor::detach);
        self.nodes.into_iter().for_each(Node::detach);
        self.lab.keep()
    }
}

fn tor_name(t: u8) -> String {
    format!("tor{t}")
}

fn node_name(n: u8) -> String {
    format!("node{n}")
}

fn connect(t: u8, tor: &Namespace, n: u8, node: &Namespace) -> Result<()> {
    let ends = addresses::link(t, n);
    link::connect(
        End { namespace: tor, interface: &node_name(n), addresses: &ends.tor },
        End { namespace: node, interface: &tor_name(t), addresses: &ends.node },
    )
}

fn uplink(t: u8, n: u8) -> Uplink {
    let ends = addresses::link(t, n);
    Uplink { name: tor_name(t), asn: addresses::tor_asn(t), gateways: ends.tor.map(|address| address.ip()) }
}

fn tor_spec(t: u8, kind: Kind, nodes: u8) -> Spec {
    let neighbours = (1..=nodes).flat_map(|n| {
        let ends = addresses::link(t, n);
        ends.tor.into_iter().zip(ends.node).map(move |(local, remote)| Neighbour {
            name: node_name(n),
            local: local.ip(),
            remote: remote.ip(),
            asn: addresses::node_asn(n),
            passive: false,
        })
    });
    Spec {
        name: tor_name(t),
        kind,
        asn: addresses::tor_asn(t),
        router_id: addresses::tor_router_id(t),
        loopbacks: addresses::tor_loopbacks(t).to_vec(),
        fabric: addresses::fabric(),
        neighbours: neighbours.collect(),
    }
}
