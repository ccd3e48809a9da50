//! What an operator does about addresses, by `fabricctl`, from one end to the other.

use anyhow::ensure;
use datastore::{Key, Kind, Precondition};
use integration::eventually::eventually;
use integration::fleet::Backend;
use integration::pod::{Pod, PodSpec};
use serde_json::{Value, json};

use crate::world::{
    NEVER, PATIENCE, QUICK, World, allocations, assigned, await_clean, fabricctl, names, wish,
};

/// Nodes find room for a block of 16 each in it, and in each half of it.
const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods }
spec: { cidr: 10.42.0.0/24, blockSize: 28 }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 1 }
";

#[test]
fn what_is_there_is_shown() {
    let world = World::new(Backend::Sqlite, 2, NEVER);
    world.apply(MANIFEST);
    let (one, two) = (world.node(1), world.node(2));
    let held = assigned(one, wish("web", 1, 0));
    assigned(two, wish("db", 3, 0));
    eventually("both agents know", PATIENCE, || {
        ensure!(allocations(one)?.len() == 4 && allocations(two)?.len() == 4);
        Ok(())
    })
    .unwrap();

    let table = fabricctl(one, &["ipam", "show"]).done().stdout;
    assert!(table.contains("10.42.0.0/24") && table.contains("4/256") && table.contains('['), "{table}");
    let pools = fabricctl(one, &["ipam", "show", "-o", "json"]).done().json();
    assert_eq!(pools["pools"][0]["addressesUsed"], json!(4), "{pools}");
    let of_two = fabricctl(one, &["ipam", "show", "--node", "node2", "-o", "json"]).done().json();
    let handles: Vec<&Value> =
        of_two["allocations"].as_array().unwrap().iter().map(|a| &a["handle"]).collect();
    assert_eq!(handles, ["db"; 3], "{of_two}");
    assert!(of_two["blocks"].as_array().unwrap().iter().all(|block| block["node"] == "node2"), "{of_two}");
    let who = fabricctl(two, &["ipam", "show", "--ip", &held[0].address, "-o", "yaml"]).done().stdout;
    assert!(who.contains("handle: web") && who.contains("node: node1"), "{who}");
    fabricctl(one, &["ipam", "show", "--ip", "10.42.0.255"]).assert_refused(1, &["10.42.0.255"]);
    fabricctl(one, &["ipam", "show", "--ip", "192.0.2.1"]).assert_refused(1, &["192.0.2.1"]);
    await_clean(one);
}

#[test]
fn what_is_reserved_is_not_given_out() {
    let world = World::new(Backend::Sqlite, 1, NEVER);
    world.apply(MANIFEST);
    let node = world.node(1);
    let held = assigned(node, wish("web", 1, 0)).remove(0).address;

    let kept =
        fabricctl(node, &["ipam", "reserve", "infra", "10.42.0.240/28", &format!("{held}/32"), "-o", "json"]);
    let kept = kept.done().json();
    assert_eq!(kept["inUse"][0]["handle"], "web", "{kept}");
    let refused = fabricctl(node, &["ipam", "assign", "--handle", "late", "10.42.0.241"]);
    refused.assert_refused(1, &["10.42.0.241", "reserved"]);
    let left = fabricctl(node, &["ipam", "unreserve", "infra", "10.42.0.240/28", "-o", "json"]).done().json();
    assert_eq!(left["cidrs"], json!([format!("{held}/32")]), "{left}");
    fabricctl(node, &["ipam", "assign", "--handle", "late", "10.42.0.241"]).done();
    fabricctl(node, &["ipam", "unreserve", "infra"]).done();
    assert_eq!(names(node, "reservations").unwrap(), Vec::<String>::new());
    await_clean(node);
}

#[test]
fn a_pool_is_cut_and_its_parts_go_when_they_are_empty() {
    let world = World::new(Backend::Sqlite, 2, QUICK);
    world.apply(MANIFEST);
    let (one, two) = (world.node(1), world.node(2));
    fabricctl(one, &["ipam", "assign", "--handle", "low", "10.42.0.7"]).done();
    fabricctl(two, &["ipam", "assign", "--handle", "high", "10.42.0.200"]).done();

    fabricctl(one, &["ipam", "split", "pods", "3"]).assert_refused(2, &["3"]);
    let foreseen = fabricctl(one, &["ipam", "split", "pods", "2", "--dry-run", "-o", "json"]).done().json();
    assert_eq!(names(one, "pools").unwrap(), ["pods"]);
    let parts = fabricctl(one, &["ipam", "split", "pods", "2", "-o", "json"]).done().json();
    let cidrs = |pools: &Value| -> Vec<Value> {
        pools["pools"].as_array().unwrap().iter().map(|pool| pool["cidr"].clone()).collect()
    };
    assert_eq!(cidrs(&parts), [json!("10.42.0.0/25"), json!("10.42.0.128/25")], "{parts}");
    assert_eq!(cidrs(&foreseen), cidrs(&parts));
    await_clean(one);
    let [low, high] = <[String; 2]>::try_from(names(one, "pools").unwrap()).unwrap();

    // In use: it is marked, gives out no more, and goes with its last address.
    let said = fabricctl(one, &["delete", "pool", &high]).done().stdout;
    assert!(said.contains("1 of its addresses in use"), "{said}");
    let late = fabricctl(two, &["ipam", "assign", "--handle", "late", "--ipv4", "1", "--pool", &high]);
    late.assert_refused(1, &[&high, "being deleted"]);
    fabricctl(two, &["ipam", "assign", "--handle", "elsewhere", "--ipv4", "1"]).done();
    assert_eq!(names(one, "pools").unwrap(), [low.clone(), high]);
    fabricctl(one, &["ipam", "release", "--handle", "high"]).done();
    eventually("the emptied pool goes", PATIENCE, || {
        let left = names(one, "pools")?;
        ensure!(left == [low.clone()], "{left:?}");
        Ok(())
    })
    .unwrap();
    await_clean(two);
}

/// A pod's endpoint is lost: a leak, that a check finds and a report mends; and nothing but that.
#[test]
fn a_leak_is_found_and_mended() {
    let world = World::new(Backend::Sqlite, 2, NEVER);
    world.apply(MANIFEST);
    let (one, two) = (world.node(1), world.node(2));
    assigned(one, wish("kept", 1, 0));
    let pod = Pod::attach(&world.fleet.lab, one, PodSpec::new("shop", "web")).unwrap();
    let address = pod.addresses()[0].to_string();
    fabricctl(two, &["ipam", "check"]).done();
    world.in_store(|store| async move {
        let endpoint = Key::namespaced(Kind::WorkloadEndpoint, "shop", "web");
        Ok(store.delete(&endpoint, Precondition::None).await?)
    });

    let report = world.file("report.json");
    let report = report.to_str().unwrap();
    let found = fabricctl(two, &["ipam", "check", "--report", report]);
    assert_eq!(found.status, Some(1), "{found:?}");
    assert!(found.stdout.contains("leakedAddress") && found.stdout.contains(&address), "{found:?}");
    let found = fabricctl(two, &["ipam", "check", "-o", "json"]).json();
    assert_eq!(found["problems"][0]["release"]["address"], json!(address), "{found}");
    assert_eq!(found["problems"].as_array().unwrap().len(), 1, "{found}");

    let foreseen = fabricctl(two, &["ipam", "release", "--from-report", report, "--dry-run"]).done().stdout;
    assert!(foreseen.contains(&address), "{foreseen}");
    assert!(fabricctl(two, &["ipam", "show", "--ip", &address]).status == Some(0));
    fabricctl(two, &["ipam", "release", "--from-report", report]).done();
    fabricctl(two, &["ipam", "check"]).done();

    // Given out again, it is not what the report saw.
    eventually("the address has rested", PATIENCE, || {
        let said = fabricctl(one, &["ipam", "assign", "--handle", "next", &address]);
        ensure!(said.status == Some(0), "{said:?}");
        Ok(())
    })
    .unwrap();
    let again = fabricctl(two, &["ipam", "release", "--from-report", report]);
    assert_eq!(again.status, Some(1), "{again:?}");
    let holder = fabricctl(one, &["ipam", "show", "--ip", &address, "-o", "json"]).done().json();
    assert_eq!(holder["allocations"][0]["handle"], "next", "{holder}");
    // The plugin comes for the pod at last: nothing of anybody else's goes.
    pod.detach(&world.fleet.lab, one).unwrap();
    fabricctl(two, &["ipam", "check"]).done();
    assert_eq!(allocations(one).unwrap().len(), 2);
}

#[test]
fn a_full_pool_says_how_full_it_is() {
    let world = World::new(Backend::Sqlite, 1, NEVER);
    world.apply(
        "apiVersion: fabric.rs/v1\nkind: IPPool\nmetadata: { name: tiny }\nspec: { cidr: 10.42.9.0/30, blockSize: 30 }\n",
    );
    let node = world.node(1);
    fabricctl(node, &["ipam", "assign", "--handle", "a", "--ipv4", "3"]).done();
    // All or none.
    let refused = fabricctl(node, &["ipam", "assign", "--handle", "b", "--ipv4", "2"]);
    refused.assert_refused(1, &["tiny", "3 of 4"]);
    assert_eq!(allocations(node).unwrap().len(), 3);
    fabricctl(node, &["ipam", "assign", "--handle", "b", "--ipv4", "1"]).done();
    let other = fabricctl(node, &["ipam", "release", "10.42.9.77"]);
    other.assert_refused(1, &["1 of 1 addresses were not released"]);
    let outside = fabricctl(node, &["ipam", "assign", "--handle", "c", "192.0.2.1"]);
    outside.assert_refused(1, &["192.0.2.1", "10.42.9.0/30"]);
    await_clean(node);
}
