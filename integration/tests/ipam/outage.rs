//! The datastore is away and comes back: what is known is told meanwhile, nothing is promised that is not written.

use std::thread;

use anyhow::ensure;
use integration::eventually::eventually;
use integration::fleet::Backend;

use crate::world::{NEVER, PATIENCE, World, allocations, assign, assigned, await_clean, fabricctl, wish};

const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/24, blockSize: 28 }
";

#[test]
fn an_etcd_that_is_away_is_told_and_nothing_is_lost() {
    let mut world = World::new(Backend::Etcd, 2, NEVER);
    world.apply(MANIFEST);
    let held = assigned(world.node(1), wish("before", 1, 0)).remove(0).address;
    world.fleet.etcd.as_mut().unwrap().kill().unwrap();

    let node = world.node(1);
    let who = fabricctl(node, &["ipam", "show", "--ip", &held, "-o", "json"]).done().json();
    assert_eq!(who["allocations"][0]["handle"], "before", "{who}");
    let refused = fabricctl(node, &["ipam", "assign", "--handle", "meanwhile", "--ipv4", "1"]);
    refused.assert_refused(3, &["datastore is unavailable", "try again"]);
    let check = fabricctl(node, &["ipam", "check"]);
    assert!(check.status == Some(3) && check.stdout.is_empty(), "{check:?}");
    eventually("the agent says so", PATIENCE, || {
        let status = node.status()?;
        ensure!(status.problems.iter().any(|problem| problem.contains("datastore")), "{status:?}");
        Ok(())
    })
    .unwrap();

    world.fleet.etcd.as_mut().unwrap().restart().unwrap();
    let node = world.node(1);
    eventually("addresses are assigned again", PATIENCE, || {
        let said = fabricctl(node, &["ipam", "assign", "--handle", "after", "--ipv4", "1"]);
        ensure!(said.status == Some(0), "{said:?}");
        Ok(())
    })
    .unwrap();
    for node in &world.fleet.nodes {
        eventually("all know what is there, and of no problem", PATIENCE, || {
            let known = allocations(node)?;
            let handles: Vec<&str> = known.iter().map(|allocation| allocation.handle.as_str()).collect();
            ensure!(handles == ["after", "before"] || handles == ["before", "after"], "{handles:?}");
            let problems = node.status()?.problems;
            ensure!(problems.is_empty(), "{problems:?}");
            Ok(())
        })
        .unwrap();
    }
    await_clean(node);
}

/// An etcd that takes requests and answers none: whoever waited is answered in the end, once.
#[test]
fn an_etcd_that_stands_still_keeps_nobody_waiting_for_ever() {
    let world = World::new(Backend::Etcd, 1, NEVER);
    world.apply(MANIFEST);
    let etcd = world.fleet.etcd.as_ref().unwrap();
    etcd.process().freeze().unwrap();
    let socket = world.node(1).socket();
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let (socket, request) = (socket.clone(), wish(&format!("waits-{number}"), 1, 0));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(assign(&socket, request))
            })
        })
        .collect();
    let answers: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
    for answer in answers {
        let refused = answer.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    }
    etcd.process().thaw().unwrap();
    // Asked again, each has one, whatever became of the first attempt.
    for number in 0..4 {
        let request = wish(&format!("waits-{number}"), 1, 0);
        let answer = eventually("it is assigned", PATIENCE, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(assign(&socket, request.clone()))?)
        });
        assert_eq!(answer.unwrap().allocations.len(), 1);
    }
    assert_eq!(allocations(world.node(1)).unwrap().len(), 4);
    await_clean(world.node(1));
}
