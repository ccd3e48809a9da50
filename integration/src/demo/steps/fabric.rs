//! Step 1: routers, nodes and agents, and all sessions between them.

use std::time::Duration;

use anyhow::Result;

use crate::demo::stage::Stage;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::topology::Fabric;
use crate::tor::Kind;

/// What it shows.
pub const TITLE: &str = "Two ToR routers (BIRD and FRR), three nodes with an agent each";

const NODES: u8 = 3;

/// From starting the agents until every session is up.
const PEERING_PATIENCE: Duration = Duration::from_secs(30);

/// Makes the fabric.
///
/// # Errors
/// When it does not come up.
pub fn play(lab: Lab, stage: &mut Stage) -> Result<Fabric> {
    stage.say(&format!(
        "everything stands in namespaces {}-*; files in {}",
        lab.id(),
        lab.directory().display()
    ));
    let mut fabric = Fabric::build(lab, &[Kind::Bird, Kind::Frr], NODES)?;
    for node in &mut fabric.nodes {
        node.start_agent()?;
    }
    stage.say("routers and agents run; waiting for their sessions");
    for tor in &fabric.tors {
        let sessions = tor.spec().neighbours.len();
        let up = eventually("all sessions are up", PEERING_PATIENCE, || tor.ensure_established());
        let claim =
            format!("{} ({:?}) peers with every node, IPv4 and IPv6", tor.spec().name, tor.spec().kind);
        stage.check(&claim, up.map(|()| format!("{sessions} sessions Established")));
    }
    for node in &fabric.nodes {
        let up = eventually("all sessions are up", PEERING_PATIENCE, || node.ensure_established());
        let count = up.and_then(|()| node.peers());
        stage.check(
            &format!("{} peers with both routers", node.name()),
            count.map(|peers| format!("{} sessions Established, all routes received", peers.len())),
        );
    }
    Ok(fabric)
}
