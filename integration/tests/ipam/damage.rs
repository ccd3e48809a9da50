//! One record that nobody can understand: it is told, nobody takes it for absent, and everything else works on.

use anyhow::ensure;
use integration::eventually::eventually;
use integration::fleet::Backend;
use rusqlite::{Connection, params};

use crate::world::{PATIENCE, QUICK, World, allocations, assigned, await_clean, fabricctl, wish};

const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/24, blockSize: 28 }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 1 }
";

/// Gives a record another value, as another program would that has no business there; returns the one that it had.
fn overwrite(database: &Connection, kind: &str, name: &str, value: &str) -> String {
    let had = "SELECT value FROM resources WHERE kind = ?1 AND name = ?2";
    let had: String = database.query_row(had, params![kind, name], |row| row.get(0)).unwrap();
    database.execute("UPDATE store SET revision = revision + 1", []).unwrap();
    let write = "UPDATE resources SET value = ?3, revision = (SELECT revision FROM store) WHERE kind = ?1 AND name = ?2";
    assert_eq!(database.execute(write, params![kind, name, value]).unwrap(), 1);
    had
}

#[test]
fn a_block_that_cannot_be_read_is_taken_and_hinders_nobody() {
    let world = World::new(Backend::Sqlite, 2, QUICK);
    world.apply(MANIFEST);
    let (one, two) = (world.node(1), world.node(2));
    let held = assigned(one, wish("before", 1, 0)).remove(0);
    assigned(two, wish("others", 1, 0));
    let name = held.block.replace(['.', '/'], "-");
    let database = Connection::open(world.file("datastore/fabric.db")).unwrap();
    let had = overwrite(&database, "IPAMBlock", &name, "{\"spec\": 7");
    for node in [one, two] {
        eventually("the agent says so", PATIENCE, || {
            let problems = node.status()?.problems;
            let said = format!("IPAMBlock {name} in the datastore cannot be understood");
            ensure!(problems.iter().any(|problem| problem.starts_with(&said)), "{problems:?}");
            Ok(())
        })
        .unwrap();
    }
    let check = fabricctl(two, &["ipam", "check"]);
    assert!(check.status == Some(1) && check.stdout.contains("corruptBlock"), "{check:?}");

    // Its node has another one now, and the others know nothing of it at all.
    let cidr: ipnetwork::IpNetwork = held.block.parse().unwrap();
    for (node, handle) in [(one, "after"), (two, "more")] {
        let given = assigned(node, wish(handle, 3, 0));
        assert!(given.iter().all(|one| !cidr.contains(one.address.parse().unwrap())), "{given:?}");
    }
    let beside =
        cidr.iter().map(|address| address.to_string()).find(|address| *address != held.address).unwrap();
    let refused = fabricctl(two, &["ipam", "assign", "--handle", "x", &beside]);
    refused.assert_refused(1, &[&held.block, "cannot be understood"]);
    // What it may hold is neither given back nor collected.
    let refused = fabricctl(one, &["ipam", "release", "--handle", "before"]);
    refused.assert_refused(1, &["cannot be understood"]);
    fabricctl(two, &["ipam", "release", "--handle", "others"]).done();
    std::thread::sleep(std::time::Duration::from_secs(6));

    overwrite(&database, "IPAMBlock", &name, &had);
    eventually("the address is held as before", PATIENCE, || {
        let known = allocations(two)?;
        ensure!(known.iter().any(|one| one.address == held.address && one.handle == "before"), "{known:?}");
        Ok(())
    })
    .unwrap();
    await_clean(one);
    fabricctl(one, &["ipam", "release", "--handle", "before"]).done();
    await_clean(two);
}

#[test]
fn an_endpoint_that_cannot_be_read_keeps_its_address_and_its_pod() {
    use integration::pod::{Pod, PodSpec};
    let mut world = World::new(Backend::Sqlite, 2, QUICK);
    world.apply(MANIFEST);
    let pod = Pod::attach(&world.fleet.lab, world.node(1), PodSpec::new("shop", "web")).unwrap();
    let address = pod.addresses()[0].to_string();
    let database = Connection::open(world.file("datastore/fabric.db")).unwrap();
    let had = overwrite(&database, "WorkloadEndpoint", "web", "[]");
    // One agent has known it, the other never did.
    world.node_mut(2).kill_agent().unwrap();
    world.node_mut(2).start_agent().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(8));
    for node in &world.fleet.nodes {
        let known = allocations(node).unwrap();
        assert!(known.iter().any(|one| one.address == address), "{known:?}");
    }
    let endpoints = world.node(1).endpoints().unwrap();
    assert!(endpoints.len() == 1 && endpoints[0].state == "ready", "{endpoints:?}");
    let check = fabricctl(world.node(2), &["ipam", "check"]);
    assert!(check.status == Some(1) && check.stdout.contains("WorkloadEndpoint shop/web"), "{check:?}");
    overwrite(&database, "WorkloadEndpoint", "web", &had);
    await_clean(world.node(2));
    pod.detach(&world.fleet.lab, world.node(1)).unwrap();
    await_clean(world.node(1));
}
