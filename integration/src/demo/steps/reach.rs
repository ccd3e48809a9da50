//! Step 3: what agents and kernels know, and that it works: pods and nodes reach each other under their own addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use crate::demo::scene::{Scene, connect_as};
use crate::demo::stage::Stage;
use crate::eventually::eventually;
use crate::kernel;
use crate::node::Node;
use crate::pod::Pod;
use crate::topology::addresses;

/// From attaching the first pod of a block, or losing a router, until every kernel has the ways that there are.
const ROUTE_PATIENCE: Duration = Duration::from_secs(15);

/// Shows and checks it.
///
/// # Errors
/// When something cannot be asked.
pub fn play(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    stage.check(
        "every kernel has an ECMP route over both routers to every other node's blocks",
        check_ecmp(scene),
    );
    let node = &scene.fabric.nodes[0];
    for question in [
        &["peers"][..],
        &["routes"],
        &["ipam", "show"],
        &["ipam", "show", "--blocks"],
        &["endpoints", "--all-nodes"],
    ] {
        let shown = stage.fabricctl(node, question);
        stage.check(
            &format!("fabricctl {} answers with what is there", question.join(" ")),
            shown.and_then(|shown| check_shown(scene, question, &shown)),
        );
    }
    show_kernel_routes(scene, stage)?;
    for (claim, check) in [
        (
            "pods on different nodes connect over TCP, seen under their own addresses",
            check_pods as fn(&Scene) -> _,
        ),
        ("nodes reach pods, local and remote, and are seen under their own addresses", check_node_to_pod),
        ("pods reach nodes, local and remote, and are seen under their own addresses", check_pod_to_node),
    ] {
        stage.check(claim, check(scene));
    }
    Ok(())
}

/// The blocks of a node that its pods' addresses lie in.
fn blocks(scene: &Scene, node: &Node) -> Result<BTreeSet<IpNetwork>> {
    let own = scene.pods.iter().filter(|pod| pod.node() == node.name()).flat_map(Pod::addresses);
    own.map(|address| node.block_of(*address)).collect()
}

fn check_ecmp(scene: &Scene) -> Result<String> {
    let tors: Vec<u8> = (1..).zip(&scene.fabric.tors).map(|(t, _)| t).collect();
    let routes = await_routes(scene, &tors)?;
    Ok(format!("{routes} routes, each with {} next hops", tors.len()))
}

/// Waits until every kernel goes by exactly these routers to every other node's blocks, and returns how many routes that
/// are.
///
/// # Errors
/// When that does not come about.
pub(super) fn await_routes(scene: &Scene, tors: &[u8]) -> Result<usize> {
    let mut routes = 0;
    for owner in &scene.fabric.nodes {
        for block in blocks(scene, owner)? {
            for (n, other) in (1..).zip(&scene.fabric.nodes).filter(|(_, other)| other.name() != owner.name())
            {
                let expected = gateways(tors, n, block.ip());
                eventually("the route is in the kernel", ROUTE_PATIENCE, || {
                    let gateways = kernel::gateways(other.namespace(), block)?;
                    ensure!(
                        gateways == expected,
                        "{}: {block} via {gateways:?}, not {expected:?}",
                        other.name()
                    );
                    Ok(())
                })?;
                routes += 1;
            }
        }
    }
    Ok(routes)
}

fn gateways(tors: &[u8], n: u8, like: IpAddr) -> BTreeSet<IpAddr> {
    let gateways = tors.iter().flat_map(|t| addresses::link(*t, n).tor).map(|end| end.ip());
    gateways.filter(|gateway| gateway.is_ipv4() == like.is_ipv4()).collect()
}

fn check_shown(scene: &Scene, question: &[&str], shown: &str) -> Result<String> {
    let expected: Vec<String> = match question {
        ["peers"] => {
            let tors = (1..).zip(&scene.fabric.tors);
            tors.flat_map(|(t, _)| addresses::link(t, 1).tor).map(|end| end.ip().to_string()).collect()
        }
        ["endpoints", ..] => scene.pods.iter().flat_map(Pod::addresses).map(ToString::to_string).collect(),
        ["ipam", "show"] => addresses::pod_pools().iter().map(ToString::to_string).collect(),
        _ => {
            let mut all = Vec::new();
            for node in &scene.fabric.nodes {
                all.extend(blocks(scene, node)?.iter().map(ToString::to_string));
            }
            all
        }
    };
    for item in &expected {
        ensure!(shown.contains(item), "it does not show {item}");
    }
    Ok(format!("it shows {} that should be there", expected.len()))
}

fn show_kernel_routes(scene: &Scene, stage: &Stage) -> Result<()> {
    let (near, far) = (&scene.fabric.nodes[0], &scene.fabric.nodes[1]);
    for block in blocks(scene, far)? {
        let shown = kernel::show_route(near.namespace(), block)?;
        let version = if block.is_ipv4() { 4 } else { 6 };
        stage.show(near.name(), &format!("ip -{version} route show {block}"), &shown);
    }
    Ok(())
}

fn check_pods(scene: &Scene) -> Result<String> {
    let mut connections = 0;
    for client in &scene.pods {
        for server in scene.pods.iter().filter(|server| server.node() != client.node()) {
            for address in server.addresses() {
                connect_as(client.namespace(), client.address_like(*address)?, *address)
                    .with_context(|| format!("{} to {}", client.full_name(), server.full_name()))?;
                connections += 1;
            }
        }
    }
    Ok(format!("{connections} connections"))
}

fn check_node_to_pod(scene: &Scene) -> Result<String> {
    let mut connections = 0;
    for node in &scene.fabric.nodes {
        for pod in &scene.pods {
            for own in node.addresses() {
                connect_as(node.namespace(), own, pod.address_like(own)?)
                    .with_context(|| format!("{} to {}", node.name(), pod.full_name()))?;
                connections += 1;
            }
        }
    }
    Ok(format!("{connections} connections"))
}

fn check_pod_to_node(scene: &Scene) -> Result<String> {
    let mut connections = 0;
    for pod in &scene.pods {
        for node in &scene.fabric.nodes {
            for address in node.addresses() {
                connect_as(pod.namespace(), pod.address_like(address)?, address)
                    .with_context(|| format!("{} to {}", pod.full_name(), node.name()))?;
                connections += 1;
            }
        }
    }
    Ok(format!("{connections} connections"))
}
