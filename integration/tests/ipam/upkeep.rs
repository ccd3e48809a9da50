//! What one agent does for all: whichever it is, and when it is killed, another.

use anyhow::{Context as _, ensure};
use datastore::{Key, Kind, Precondition};
use integration::eventually::eventually;
use integration::fleet::Backend;
use integration::pod::{Pod, PodSpec};
use serde_json::Value;

use crate::world::{PATIENCE, QUICK, World, allocations, assigned, await_clean, fabricctl, names, wish};

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

/// The number of the node whose agent holds the lease.
fn leader(world: &World, asked: usize) -> anyhow::Result<usize> {
    let text = world.node(asked).fabricctl(&["get", "lease", "ipam", "-n", "fabric-system", "-o", "json"])?;
    let answer: Value = serde_json::from_str(&text)?;
    let holder = answer["spec"]["holderIdentity"].as_str();
    let holder =
        holder.filter(|holder| !holder.is_empty()).with_context(|| format!("nobody leads: {text}"))?;
    let number = holder.strip_prefix("node").and_then(|rest| rest.split('_').next());
    number.and_then(|number| number.parse().ok()).with_context(|| format!("{holder} is none of the nodes"))
}

#[test]
fn another_agent_collects_when_the_leader_is_killed() {
    let mut world = World::new(Backend::Sqlite, 3, QUICK);
    world.apply(MANIFEST);
    let first = eventually("somebody leads", PATIENCE, || leader(&world, 1)).unwrap();
    let other = first % 3 + 1;
    let pod = Pod::attach(&world.fleet.lab, world.node(other), PodSpec::new("shop", "web")).unwrap();
    assigned(world.node(other), wish("kept", 1, 0));
    world.node_mut(first).kill_agent().unwrap();
    world.in_store(|store| async move {
        let endpoint = Key::namespaced(Kind::WorkloadEndpoint, "shop", "web");
        Ok(store.delete(&endpoint, Precondition::None).await?)
    });
    let leaked = pod.addresses()[0].to_string();
    eventually("the leak is collected", PATIENCE, || {
        let left = allocations(world.node(other))?;
        ensure!(left.iter().all(|allocation| allocation.address != leaked), "{left:?}");
        ensure!(left.len() == 1 && left[0].handle == "kept", "{left:?}");
        Ok(())
    })
    .unwrap();
    let second = leader(&world, other).unwrap();
    assert_ne!(second, first);
    // The first comes back, and is no leader by that.
    world.node_mut(first).start_agent().unwrap();
    await_clean(world.node(first));
    assert_eq!(names(world.node(first), "handles").unwrap(), ["kept"]);
}

#[test]
fn a_frozen_leader_that_wakes_up_does_no_harm() {
    let mut world = World::new(Backend::Etcd, 2, QUICK);
    world.apply(MANIFEST);
    let first = eventually("somebody leads", PATIENCE, || leader(&world, 1)).unwrap();
    let other = first % 2 + 1;
    world.node_mut(first).agent().unwrap().freeze().unwrap();
    eventually("the other leads", PATIENCE, || {
        let now = leader(&world, other)?;
        ensure!(now == other, "{now} leads");
        Ok(())
    })
    .unwrap();
    assigned(world.node(other), wish("kept", 1, 0));
    world.node_mut(first).agent().unwrap().thaw().unwrap();
    eventually("the first knows what it missed", PATIENCE, || {
        let left = allocations(world.node(first))?;
        ensure!(left.len() == 1 && left[0].handle == "kept", "{left:?}");
        Ok(())
    })
    .unwrap();
    await_clean(world.node(first));
    assert_eq!(leader(&world, first).unwrap(), other);
}

#[test]
fn what_a_deleted_node_had_is_freed() {
    let mut world = World::new(Backend::Sqlite, 2, QUICK);
    world.apply(MANIFEST);
    assigned(world.node(1), wish("stays", 1, 0));
    assigned(world.node(2), wish("goes", 3, 0));
    Pod::attach(&world.fleet.lab, world.node(2), PodSpec::new("shop", "web")).unwrap();
    let refused = fabricctl(world.node(2), &["delete", "node", "node2"]);
    refused.assert_refused(1, &["node2", "stop its agent"]);
    world.node_mut(2).kill_agent().unwrap();
    // A node that is only off keeps what it has.
    let before = allocations(world.node(1)).unwrap();
    assert_eq!(before.len(), 5, "{before:?}");
    fabricctl(world.node(1), &["delete", "node", "node2"]).done();
    eventually("its addresses and blocks are free", PATIENCE, || {
        let left = allocations(world.node(1))?;
        ensure!(left.len() == 1 && left[0].handle == "stays", "{left:?}");
        let (claims, blocks) = (names(world.node(1), "affinities")?, names(world.node(1), "blocks")?);
        ensure!(claims.iter().all(|name| name.starts_with("node1.")), "{claims:?}");
        ensure!(blocks.len() == claims.len(), "{blocks:?}, {claims:?}");
        ensure!(names(world.node(1), "handles")? == ["stays"]);
        ensure!(names(world.node(1), "weps")?.is_empty());
        Ok(())
    })
    .unwrap();
    await_clean(world.node(1));
    // A new machine of that name begins with nothing.
    world.node_mut(2).start_agent().unwrap();
    assigned(world.node(2), wish("new", 1, 0));
    await_clean(world.node(2));
}
