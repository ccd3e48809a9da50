//! A node's agent, configured for these tests, and what `fabricctl` says about it.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration::lab::Lab;
use integration::namespace::Namespace;
use integration::node::Node;
use ipnetwork::IpNetwork;
use serde_json::Value;

/// A neighbour in the agent's configuration.
pub struct Neighbour {
    pub address: IpAddr,
    pub asn: u32,
    pub passive: bool,
    pub hold_time_secs: u16,
}

/// The node's AS in most tests.
pub const ASN: u32 = 65_001;

/// Makes `node1` of this namespace; its agent is not started.
pub fn make(lab: &Lab, namespace: Arc<Namespace>, asn: u32, neighbours: &[Neighbour]) -> Node {
    let datastore = lab.make_directory("datastore").unwrap().join("fabric.db");
    let directory = lab.make_directory("node1").unwrap();
    let node = Node::new(1, namespace, directory, datastore.clone(), Vec::new()).unwrap();
    let [v4, v6] = node.addresses();
    let mut text = format!(
        "node: {{ name: node1, addresses: [\"{v4}\", \"{v6}\"] }}\n\
         datastore: {{ sqlite: {{ path: {} }} }}\n\
         api: {{ socket: {} }}\n\
         log: {{ level: debug }}\n\
         bgp:\n  \
           localAS: {asn}\n  \
           routerID: 10.255.0.1\n  \
           gracefulRestart: {{ restartTimeSecs: 60, deferralTimeSecs: 300 }}\n  \
           peers:\n",
        datastore.display(),
        node.socket().display(),
    );
    for Neighbour { address, asn, passive, hold_time_secs } in neighbours {
        let _ = writeln!(
            text,
            "    - {{ address: \"{address}\", remoteAS: {asn}, passive: {passive}, \
             holdTimeSecs: {hold_time_secs}, connectRetrySecs: 1, \
             import: all, export: originated }}",
        );
    }
    fs::write(node.config(), text).unwrap();
    node
}

/// The prefixes that the node announces.
pub fn announced(node: &Node) -> [IpNetwork; 2] {
    node.addresses().map(IpNetwork::from)
}

/// A peer, as `fabricctl peers -o json` shows it.
#[derive(Debug)]
pub struct Peer {
    pub state: String,
    pub reason: String,
    pub flaps: u64,
    pub stale: bool,
    pub capabilities: Vec<String>,
    pub messages_received: u64,
    pub updates_received: u64,
    pub updates_sent: u64,
}

/// Asks about one peer.
pub fn peer(node: &Node, address: IpAddr) -> Result<Peer> {
    let answer: Value = serde_json::from_str(&node.fabricctl(&["peers", "-o", "json"])?)?;
    let peers = answer["peers"].as_array().context("peers")?;
    let peer = peers
        .iter()
        .find(|peer| peer["address"] == address.to_string())
        .with_context(|| format!("{address} is not among {answer}"))?;
    let number = |key: &str| peer[key].as_u64().with_context(|| format!("{key} in {peer}"));
    let string =
        |key: &str| peer[key].as_str().map(str::to_owned).with_context(|| format!("{key} in {peer}"));
    Ok(Peer {
        state: string("state")?,
        reason: string("lastDownReason")?,
        flaps: number("flaps")?,
        stale: peer["stale"].as_bool().context("stale")?,
        capabilities: peer["capabilities"]
            .as_array()
            .context("capabilities")?
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        messages_received: number("messagesReceived")?,
        updates_received: number("updatesReceived")?,
        updates_sent: number("updatesSent")?,
    })
}

/// A path, as `fabricctl routes -o json` shows it.
#[derive(Debug)]
pub struct Path {
    pub next_hop: String,
    pub as_path: String,
    pub used: bool,
    pub stale: bool,
    pub reason: String,
}

/// The paths to this prefix that came from this peer.
pub fn received(node: &Node, peer: IpAddr, prefix: IpNetwork) -> Result<Vec<Path>> {
    let answer = node.fabricctl(&["routes", "--received", &peer.to_string(), "-o", "json"])?;
    let answer: Value = serde_json::from_str(&answer)?;
    let routes = answer["routes"].as_array().context("routes")?;
    let paths = routes
        .iter()
        .filter(|route| route["prefix"] == prefix.to_string())
        .flat_map(|route| route["paths"].as_array().into_iter().flatten());
    let string = |path: &Value, key: &str| path[key].as_str().unwrap_or_default().to_owned();
    Ok(paths
        .map(|path| Path {
            next_hop: string(path, "nextHop"),
            as_path: string(path, "asPath"),
            used: path["best"] == true || path["multipath"] == true,
            stale: path["stale"] == true,
            reason: string(path, "reason"),
        })
        .collect())
}

/// Fails unless the session stands.
pub fn ensure_established(node: &Node, address: IpAddr) -> Result<Peer> {
    let peer = peer(node, address)?;
    ensure!(peer.state == "Established", "{address}: {peer:?}");
    Ok(peer)
}
