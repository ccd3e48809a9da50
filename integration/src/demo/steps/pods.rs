//! Step 2: pools, two Kubernetes namespaces, and pods attached by the CNI plugin.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::demo::scene::{PORT, Scene};
use crate::demo::stage::Stage;
use crate::node::Node;
use crate::pod::{Pod, PodSpec, serve};
use crate::topology::addresses;

/// Namespace, name, number of the node.
const PODS: [(&str, &str, usize); 5] = [
    ("shop", "backend", 0),
    ("shop", "frontend", 1),
    ("shop", "cart", 2),
    ("guest", "visitor", 2),
    ("guest", "batch", 0),
];

/// Attaches them.
///
/// # Errors
/// When an object is refused, or a pod not attached.
pub fn play(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    let first = &scene.fabric.nodes[0];
    let manifest = manifest();
    let applied = first.apply("pools-and-namespaces.yaml", &manifest)?;
    stage.show(first.name(), "fabricctl apply -f pools-and-namespaces.yaml", &applied);

    for (namespace, name, on) in PODS {
        let node = &scene.fabric.nodes[on];
        let spec = PodSpec::new(namespace, name).label("app", name).port("http", PORT);
        let pod = Pod::attach(&scene.fabric.lab, node, spec)?;
        let addresses: Vec<String> = pod.addresses().iter().map(ToString::to_string).collect();
        stage.say(&format!("{:14} on {}: {}", pod.full_name(), node.name(), addresses.join(", ")));
        scene.servers.push(pod.serve(&scene.fabric.lab.directory(), PORT)?);
        scene.pods.push(pod);
    }
    for node in &scene.fabric.nodes {
        scene.servers.push(serve(node.namespace(), &scene.fabric.lab.directory(), PORT)?);
    }

    stage.check(
        "every pod has one IPv4 and one IPv6 address of its own, from the pools",
        check_addresses(scene),
    );
    stage.check("ADD asked again for the same pod answers the same addresses", check_repeat(scene));
    for node in &scene.fabric.nodes {
        stage.check(&format!("{} has its pods ready", node.name()), check_endpoints(scene, node));
    }
    Ok(())
}

fn manifest() -> String {
    let [v4, v6] = addresses::pod_pools();
    let pool = |name: &str, cidr| {
        format!(
            "apiVersion: fabric.rs/v1\nkind: IPPool\nmetadata: {{ name: {name} }}\nspec: {{ cidr: \"{cidr}\" }}\n"
        )
    };
    let namespace = |name: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ team: {name} }} }}\n")
    };
    [pool("pods-v4", v4), pool("pods-v6", v6), namespace("shop"), namespace("guest")].join("---\n")
}

fn check_addresses(scene: &Scene) -> Result<String> {
    let pools = addresses::pod_pools();
    let mut seen = BTreeSet::new();
    for pod in &scene.pods {
        ensure!(pod.addresses().len() == pools.len(), "{} has {:?}", pod.full_name(), pod.addresses());
        for pool in pools {
            let address = pod.address_like(pool.ip())?;
            ensure!(pool.contains(address), "{address} of {} is not of {pool}", pod.full_name());
            ensure!(seen.insert(address), "{address} was given out twice");
        }
    }
    Ok(format!("{} pods, {} addresses", scene.pods.len(), seen.len()))
}

fn check_repeat(scene: &Scene) -> Result<String> {
    let pod = scene.pod("shop/backend")?;
    let again: Vec<_> = pod.add(scene.node(pod.node())?)?.into_iter().map(|network| network.ip()).collect();
    ensure!(again == pod.addresses(), "first {:?}, then {again:?}", pod.addresses());
    Ok(again.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn check_endpoints(scene: &Scene, node: &Node) -> Result<String> {
    let expected: BTreeSet<String> =
        scene.pods.iter().filter(|pod| pod.node() == node.name()).map(Pod::full_name).collect();
    let endpoints = node.endpoints()?;
    for endpoint in &endpoints {
        ensure!(endpoint.state == "ready", "{}/{} is {}", endpoint.namespace, endpoint.name, endpoint.state);
    }
    let known: BTreeSet<String> =
        endpoints.iter().map(|endpoint| format!("{}/{}", endpoint.namespace, endpoint.name)).collect();
    ensure!(known == expected, "it knows {known:?}, attached are {expected:?}");
    Ok(known.into_iter().collect::<Vec<_>>().join(", "))
}
