//! Pods are attached and detached while the datastore is away, and agents are killed meanwhile; when it is back, all of that
//! is so there, and nothing else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, ensure};
use integration::eventually::eventually;
use integration::fleet::Backend;
use integration::lab::Lab;
use integration::node::Node;
use integration::pod::cni::{self, Answer, Attachment, PodIdentity};
use integration::pod::{Pod, PodSpec};
use rusqlite::Connection;

use crate::world::{
    NEVER, PATIENCE, QUICK, World, allocations, assigned, await_clean, fabricctl, names, wish,
};

const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/24, blockSize: 27 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: \"fd00:42::/120\", blockSize: 123 }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 1 }
";

/// Addresses of each family that each node keeps ready.
const COUNT: u32 = 4;

/// A container that a runtime attaches without anybody having written an object for it, as nobody can.
struct Container {
    attachment: Attachment,
    addresses: BTreeSet<IpAddr>,
}

fn attachment(lab: &Lab, name: &str) -> Attachment {
    Attachment {
        container_id: format!("{}-{name}", lab.id()),
        netns: lab.namespace(name).unwrap().path(),
        interface: "eth0".to_owned(),
        pod: Some(PodIdentity { namespace: "shop".into(), name: name.into(), uid: format!("uid-{name}") }),
    }
}

fn add(node: &Node, attachment: &Attachment) -> Result<BTreeSet<IpAddr>> {
    match cni::call(node, "ADD", attachment, &cni::config(node))? {
        Answer::Success(result) => {
            Ok(cni::decode_addresses(&result)?.into_iter().map(|network| network.ip()).collect())
        }
        Answer::Failure(failure) => anyhow::bail!("{failure}"),
    }
}

fn delete(node: &Node, attachment: &Attachment) -> Result<()> {
    match cni::call(node, "DEL", attachment, &cni::config(node))? {
        Answer::Success(_) => Ok(()),
        Answer::Failure(failure) => anyhow::bail!("{failure}"),
    }
}

#[track_caller]
fn attach(world: &World, node: usize, name: &str) -> Container {
    let attachment = attachment(&world.fleet.lab, name);
    let addresses = add(world.node(node), &attachment).unwrap();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    Container { attachment, addresses }
}

/// How many of each family a node has to promise.
fn ready(node: &Node) -> Result<(u64, u64)> {
    let standby = node.status()?.standby.unwrap_or_default();
    Ok((standby.ipv4_ready, standby.ipv6_ready))
}

#[track_caller]
fn await_ready(node: &Node) {
    eventually("addresses are kept ready", PATIENCE, || {
        let ready = ready(node)?;
        ensure!(ready == (COUNT.into(), COUNT.into()), "{ready:?}");
        Ok(())
    })
    .unwrap();
}

#[track_caller]
fn await_away(node: &Node) {
    eventually("the agent says that the datastore is away", PATIENCE, || {
        let status = node.status()?;
        ensure!(status.standby.unwrap_or_default().away_ms > 0 && !status.ready, "{:?}", status.problems);
        Ok(())
    })
    .unwrap();
}

/// Until everybody knows of exactly these, beside what is kept ready, and of nothing wrong.
#[track_caller]
fn await_settled(world: &World, containers: &[&Container]) {
    for node in &world.fleet.nodes {
        eventually("what was promised is so", PATIENCE, || {
            let status = node.status()?;
            ensure!(status.problems.is_empty(), "{:?}", status.problems);
            ensure!(status.standby.unwrap_or_default().unsettled == 0);
            let known = allocations(node)?;
            for Container { attachment, addresses } in containers {
                let handle = format!("fabric.{}.eth0", attachment.container_id);
                let of_it = known.iter().filter(|allocation| allocation.handle == handle);
                let held: BTreeSet<IpAddr> =
                    of_it.map(|allocation| allocation.address.parse().unwrap()).collect();
                ensure!(held == *addresses, "{handle} was told {addresses:?} and has {held:?}");
            }
            let pods = known.iter().filter(|allocation| !allocation.handle.starts_with("standby:")).count();
            ensure!(pods == 2 * containers.len(), "{known:?}");
            ensure!(names(node, "weps")?.len() == containers.len());
            Ok(())
        })
        .unwrap();
        await_ready(node);
    }
    await_clean(world.node(1));
}

/// Two nodes that have had a pod each, and have addresses ready.
fn world(backend: Backend) -> (World, Vec<Container>) {
    let world = World::with_standby(backend, 2, NEVER, COUNT);
    world.apply(MANIFEST);
    let first = vec![attach(&world, 1, "first"), attach(&world, 2, "second")];
    world.fleet.nodes.iter().for_each(|node| await_ready(node));
    (world, first)
}

#[test]
fn pods_come_and_go_while_etcd_is_dead_and_so_do_agents() {
    let (mut world, mut running) = world(Backend::Etcd);
    world.fleet.etcd.as_mut().unwrap().kill().unwrap();
    for node in 1..=2 {
        running.push(attach(&world, node, &format!("meanwhile-{node}")));
        await_away(world.node(node));
    }
    // Asked again, the same; one that comes and goes; and one from before that goes.
    let again = add(world.node(1), &running[2].attachment).unwrap();
    assert_eq!(again, running[2].addresses);
    let brief = attach(&world, 1, "brief");
    delete(world.node(1), &brief.attachment).unwrap();
    delete(world.node(1), &brief.attachment).unwrap();
    delete(world.node(2), &running[1].attachment).unwrap();
    let endpoints = world.node(1).endpoints().unwrap();
    let here = endpoints.iter().find(|endpoint| endpoint.name == "meanwhile-1").unwrap();
    assert_eq!(here.state, "ready", "{here:?}");
    assert!(endpoints.iter().all(|endpoint| endpoint.name != "brief"), "{endpoints:?}");
    let status = fabricctl(world.node(1), &["node", "status"]).done().stdout;
    assert!(status.contains("2 of 4 IPv4, 2 of 4 IPv6") && status.contains("has been away for"), "{status}");

    // The machine's power fails, on one of the nodes; its agent cannot start before etcd is there.
    world.node_mut(1).kill_agent().unwrap();
    assert!(world.node_mut(1).start_agent().is_err());
    world.fleet.etcd.as_mut().unwrap().restart().unwrap();
    world.node_mut(1).start_agent().unwrap();
    running.remove(1);
    await_settled(&world, &running.iter().collect::<Vec<_>>());

    // The same once more: nothing of the first outage is left in the way.
    world.fleet.etcd.as_mut().unwrap().kill().unwrap();
    running.push(attach(&world, 1, "again"));
    delete(world.node(2), &running[2].attachment).unwrap();
    running.remove(2);
    world.fleet.etcd.as_mut().unwrap().restart().unwrap();
    await_settled(&world, &running.iter().collect::<Vec<_>>());
    for container in &running {
        let node = if container.attachment.container_id.ends_with('2') { 2 } else { 1 };
        delete(world.node(node), &container.attachment).unwrap();
    }
    await_settled(&world, &[]);
}

/// It takes what it is sent, and does it when nobody waits for it any more.
#[test]
fn pods_are_attached_while_etcd_stands_still() {
    let (mut world, mut running) = world(Backend::Etcd);
    world.fleet.etcd.as_ref().unwrap().process().freeze().unwrap();
    running.push(attach(&world, 1, "a"));
    running.push(attach(&world, 2, "b"));
    running.push(attach(&world, 2, "c"));
    world.node_mut(2).kill_agent().unwrap();
    world.fleet.etcd.as_ref().unwrap().process().thaw().unwrap();
    world.node_mut(2).start_agent().unwrap();
    await_settled(&world, &running.iter().collect::<Vec<_>>());
}

/// Another program has the file locked for writing: what is there can be read, and nothing be written.
#[test]
fn pods_are_attached_while_sqlite_is_locked() {
    let (mut world, mut running) = world(Backend::Sqlite);
    let path = world.file("datastore/fabric.db");
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    running.push(attach(&world, 1, "a"));
    running.push(attach(&world, 1, "b"));
    running.push(attach(&world, 2, "c"));
    delete(world.node(1), &running[0].attachment).unwrap();
    world.node_mut(1).kill_agent().unwrap();
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    world.node_mut(1).start_agent().unwrap();
    running.remove(0);
    await_settled(&world, &running.iter().collect::<Vec<_>>());
}

/// Used up; asked for by itself; asked for by hand: each says why not, and what would help.
#[test]
fn what_cannot_be_had_without_the_datastore_says_so() {
    let (mut world, _running) = world(Backend::Etcd);
    world.fleet.etcd.as_mut().unwrap().kill().unwrap();
    for number in 0..COUNT {
        attach(&world, 1, &format!("p{number}"));
    }
    let late = attachment(&world.fleet.lab, "late");
    let refused = add(world.node(1), &late).unwrap_err().to_string();
    for part in ["no IPv4 address is left", "ipam.standby (here 4)", "bring the datastore back"] {
        assert!(refused.contains(part), "{refused}");
    }
    let by_hand = fabricctl(world.node(2), &["ipam", "assign", "--handle", "x", "--ipv4", "1"]);
    by_hand.assert_refused(3, &["datastore is unavailable"]);
    let released = fabricctl(world.node(2), &["ipam", "release", "--handle", "standby:node2:0"]);
    released.assert_refused(1, &["keeps ready for its next pods"]);
    let problems = world.node(1).status().unwrap().problems;
    let said = problems.iter().any(|problem| {
        problem.contains("0 of 4 IPv4 standby addresses and 0 of 4 IPv6 standby addresses are left")
    });
    assert!(said, "{problems:?}");
    // What failed is no different from what never was.
    delete(world.node(1), &late).unwrap();
    world.fleet.etcd.as_mut().unwrap().restart().unwrap();
    await_ready(world.node(1));
    add(world.node(1), &late).unwrap();
    await_clean(world.node(1));
}

/// They are in use as long as their node is there, and collected with it.
#[test]
fn what_a_node_that_is_gone_kept_ready_is_collected() {
    let mut world = World::with_standby(Backend::Sqlite, 2, QUICK, COUNT);
    world.apply(MANIFEST);
    let pod = Pod::attach(&world.fleet.lab, world.node(2), PodSpec::new("shop", "web")).unwrap();
    assigned(world.node(1), wish("stays", 1, 0));
    await_ready(world.node(2));
    let shown = fabricctl(world.node(1), &["ipam", "show", "--node", "node2"]).done().stdout;
    assert!(shown.contains("(standby)"), "{shown}");
    let check = fabricctl(world.node(1), &["ipam", "check"]).done().stdout;
    assert!(check.contains("of them standby"), "{check}");
    // The other node may be still about to make its own ready.
    let of_node2 = || -> Vec<_> {
        let all = allocations(world.node(1)).unwrap();
        all.into_iter().filter(|allocation| allocation.node == "node2").collect()
    };
    let before = of_node2();
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(of_node2(), before, "what is kept ready is no garbage");
    pod.detach(&world.fleet.lab, world.node(2)).unwrap();
    world.node_mut(2).kill_agent().unwrap();
    fabricctl(world.node(1), &["delete", "node", "node2"]).done();
    eventually("all that it had is collected", PATIENCE, || {
        let left = allocations(world.node(1))?;
        ensure!(left.iter().all(|allocation| allocation.node == "node1"), "{left:?}");
        let blocks = names(world.node(1), "affinities")?;
        ensure!(blocks.iter().all(|name| name.starts_with("node1.")), "{blocks:?}");
        Ok(())
    })
    .unwrap();
    world.node_mut(2).start_agent().unwrap();
    attach(&world, 2, "new");
    await_ready(world.node(2));
    await_clean(world.node(1));
}
