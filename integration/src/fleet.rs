//! Nodes without routers: agents that have nothing in common but the datastore.
//!
//! ```text
//!   node1   node2   node3        a namespace and an agent each
//!       ╲     │     ╱
//!           store                where etcd runs; not there with SQLite, whose file all nodes can open
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ipnetwork::IpNetwork;

use crate::etcd::{self, Etcd};
use crate::lab::Lab;
use crate::link::{self, End};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::node::settings::{Datastore, Settings};

/// What datastore a fleet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file on the machine.
    Sqlite,
    /// One member of etcd.
    Etcd,
}

/// Below which etcd has all keys of a fleet.
pub const PREFIX: &str = "/fabric";

/// Nodes and their datastore.
#[derive(Debug)]
pub struct Fleet {
    /// `node1` first. Their agents are not started yet.
    pub nodes: Vec<Node>,
    /// The etcd, if it is one.
    pub etcd: Option<Etcd>,
    /// The file, if it is one.
    file: PathBuf,
    store: Arc<Namespace>,
    /// What all of it is part of. Last, so that it goes last.
    pub lab: Lab,
}

impl Fleet {
    /// Makes it in an empty lab, and starts etcd if it is to have one. The datastore's files go into `directory`, which is
    /// there; `settings` makes an agent's out of where the datastore is.
    ///
    /// # Errors
    /// When something cannot be made, or a package is missing.
    pub fn build(
        lab: Lab,
        backend: Backend,
        directory: &Path,
        nodes: u8,
        settings: impl Fn(Datastore) -> Settings,
    ) -> Result<Self> {
        let store = lab.namespace("store")?;
        let etcd = match backend {
            Backend::Sqlite => None,
            Backend::Etcd => Some(Etcd::start(&store, directory)?),
        };
        let mut fleet = Self { nodes: Vec::new(), etcd, file: directory.join("fabric.db"), store, lab };
        for number in 1..=nodes {
            let name = format!("node{number}");
            let namespace = fleet.lab.namespace(&name)?;
            let [here, there] = link_ends(number)?;
            link::connect(
                End { namespace: &fleet.store, interface: &name, addresses: &[here] },
                End { namespace: &namespace, interface: "store", addresses: &[there] },
            )?;
            let directory = fleet.lab.make_directory(&name)?;
            let settings = settings(fleet.datastore(here.ip()));
            fleet.nodes.push(Node::new(number, namespace, directory, settings, Vec::new())?);
        }
        Ok(fleet)
    }

    /// The datastore as the node of this number reaches it.
    ///
    /// # Errors
    /// None for numbers from 1 to 127.
    pub fn datastore_of(&self, number: u8) -> Result<Datastore> {
        Ok(self.datastore(link_ends(number)?[0].ip()))
    }

    /// The datastore as [`Fleet::store`] reaches it.
    #[must_use]
    pub fn datastore_beside(&self) -> Datastore {
        self.datastore(Ipv4Addr::LOCALHOST.into())
    }

    /// Where etcd is, and whoever wants to reach it without being a node.
    #[must_use]
    pub fn store(&self) -> &Arc<Namespace> {
        &self.store
    }

    fn datastore(&self, address: IpAddr) -> Datastore {
        match &self.etcd {
            None => Datastore::Sqlite(self.file.clone()),
            Some(_) => Datastore::Etcd { endpoints: vec![etcd::url(address)], prefix: PREFIX.to_owned() },
        }
    }
}

/// Both ends of a node's link, the store's first.
fn link_ends(number: u8) -> Result<[IpNetwork; 2]> {
    let last = number.checked_mul(2).with_context(|| format!("there is no link {number}"))?;
    let end = |last| IpNetwork::new(Ipv4Addr::new(10, 97, 0, last).into(), 31);
    Ok([end(last)?, end(last | 1)?])
}
