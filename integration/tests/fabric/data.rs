//! Manifests, pools and addresses through `fabricctl`: what is wrong is refused with its place, and nothing is half
//! written.

use std::fs;

use integration::node::Node;
use integration::pod::PodSpec;
use integration::tor::Kind;

use crate::world::{POOLS, Said, World, fabricctl};

fn pool(name: &str, spec: &str) -> String {
    format!("apiVersion: fabric.rs/v1\nkind: IPPool\nmetadata:\n  name: {name}\nspec:\n{spec}")
}

/// Applies a manifest from a file of this name and returns what came of it, with the file's path.
fn apply(node: &Node, name: &str, manifest: &str) -> (Said, String) {
    let path = node.directory().join(name);
    fs::write(&path, manifest).unwrap();
    let path = path.display().to_string();
    (fabricctl(node, &["apply", "-f", &path]), path)
}

fn stored(node: &Node) -> String {
    ["ippools", "namespaces", "netpol", "pods"]
        .map(|kind| node.fabricctl(&["get", kind, "-o", "yaml"]).unwrap())
        .join("---\n")
}

/// Asserts that a manifest is refused at this `line:column`, that the message has these words, and that the
/// datastore is as it was.
#[track_caller]
fn assert_refused(node: &Node, manifest: &str, place: &str, words: &[&str]) {
    let before = stored(node);
    let (said, path) = apply(node, "refused.yaml", manifest);
    let place = if place.is_empty() { path } else { format!("{path}:{place}: ") };
    said.assert_refused(&[&[place.as_str()], words].concat());
    assert_eq!(stored(node), before);
}

#[test]
fn what_is_wrong_is_refused_and_nothing_is_half_written() {
    let mut world = World::empty(&[Kind::Bird], 1);
    world.apply(POOLS);
    let node = world.node(1);
    pools(node);
    documents(node);
    outcomes(node);
    world.attach(1, PodSpec::new("default", "one"));
    addresses(&world);
}

fn pools(node: &Node) {
    assert_refused(
        node,
        &pool("more", "  cidr: 10.42.8.0/24\n"),
        "6:9",
        &["spec.cidr", "10.42.8.0/24 overlaps pool pods-v4 (10.42.0.0/20)"],
    );
    assert_refused(
        node,
        &pool("small", "  cidr: 10.43.0.0/27\n"),
        "",
        &["10.43.0.0/27 is too small for one block of /26", "blockSize to 27"],
    );
    assert_refused(node, &pool("host", "  cidr: 10.43.0.1/16\n"), "6:9", &["write 10.43.0.0/16"]);
    assert_refused(
        node,
        &pool("pods-v4", "  cidr: 10.44.0.0/16\n"),
        "6:9",
        &["the prefix of pool pods-v4 cannot change from 10.42.0.0/20 to 10.44.0.0/16"],
    );
    // One of two that would do alone, if the other were not there.
    let both = [pool("a", "  cidr: 10.50.0.0/16\n"), pool("b", "  cidr: 10.50.128.0/17\n")].join("---\n");
    assert_refused(node, &both, "13:9", &["10.50.128.0/17 overlaps pool a (10.50.0.0/16)"]);
}

fn documents(node: &Node) {
    let good = "apiVersion: v1\nkind: Namespace\nmetadata: { name: good }\n";
    assert_refused(node, "apiVersion: v1\nkind: [\n", "", &["refused.yaml:"]);
    assert_refused(
        node,
        &format!("{good}---\n{}", pool("p", "  cidr: 10.60.0.0/16\n  blocksize: 26\n")),
        "11:3",
        &["spec.blocksize", "blockSize"],
    );
    assert_refused(
        node,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\nspec:\n  podSelecter: {}\n",
        "6:3",
        &["spec.podSelecter", "podSelector"],
    );
    assert_refused(
        node,
        &format!("{good}---\napiVersion: v1\nkind: Nonsense\nmetadata: {{ name: x }}\n"),
        "6:7",
        &["Nonsense"],
    );
    let many = format!(
        "{good}---\n{}---\n{}",
        pool("ok", "  cidr: 10.61.0.0/16\n"),
        pool("bad", "  cidr: nonsense\n")
    );
    assert_refused(node, &many, "17:9", &["spec.cidr", "nonsense"]);
    fabricctl(node, &["apply", "-f", "/there/is/none.yaml"]).assert_refused(&["/there/is/none.yaml"]);
}

fn outcomes(node: &Node) {
    let manifest = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";
    let ok = |said: Said| {
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""), "{said:?}");
        said.stdout
    };
    assert!(ok(apply(node, "ns.yaml", manifest).0).contains("created"));
    assert!(ok(apply(node, "ns.yaml", manifest).0).contains("unchanged"));
    let (said, path) = apply(node, "ns.yaml", &format!("{manifest}  labels: {{ team: a }}\n"));
    assert!(ok(said).contains("configured"));
    let shown = ok(fabricctl(node, &["get", "namespace", "shop", "-o", "yaml"]));
    assert!(shown.contains("team: a"), "{shown}");
    assert!(ok(fabricctl(node, &["delete", "-f", &path])).contains("deleted"));
    assert!(ok(fabricctl(node, &["delete", "-f", &path])).contains("absent"));
    fabricctl(node, &["delete", "namespace", "shop"]).assert_refused(&["there is no", "shop"]);
    fabricctl(node, &["get", "namespace", "shop"]).assert_refused(&["there is no", "shop"]);
    fabricctl(node, &["get", "nonsense"]).assert_refused(&["nonsense"]);
    fabricctl(node, &["delete", "ipamblock", "x"]).assert_refused(&["written by agents only"]);
}

fn addresses(world: &World) {
    let node = world.node(1);
    for address in world.pod("default/one").addresses() {
        let shown = node.fabricctl(&["ipam", "show", "--ip", &address.to_string()]).unwrap();
        assert!(shown.contains("default/one") && shown.contains("node1"), "{shown}");
    }
    fabricctl(node, &["ipam", "show", "--ip", "192.0.2.1"]).assert_refused(&["192.0.2.1 lies in no pool"]);
    fabricctl(node, &["ipam", "show", "--ip", "10.42.15.7"]).assert_refused(&["10.42.15.7", "pods-v4"]);
    // A pool in use goes with its last address, and stays if it is applied again.
    let said = fabricctl(node, &["delete", "ippool", "pods-v4"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("IPPool pods-v4 deleting: 1 of its addresses in use"), "{said:?}");
    let state = || node.fabricctl(&["ipam", "show", "--pool", "pods-v4"]).unwrap();
    assert!(state().contains("deleting"), "{}", state());
    world.apply(POOLS);
    assert!(!state().contains("deleting"), "{}", state());
}
