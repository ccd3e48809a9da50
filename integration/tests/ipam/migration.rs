//! From one kind of datastore to another, with nothing lost.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use integration::eventually::eventually;
use integration::fleet::Backend;
use integration::node::Node;
use integration::pod::{Pod, PodSpec};
use proto::v1::Allocation;

use crate::world::{NEVER, PATIENCE, World, allocations, assigned, await_clean, fabricctl, wish};

const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/20 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: \"fd00:42::/64\", nodeSelector: \"has(nothing) || all()\" }
---
apiVersion: fabric.rs/v1
kind: IPReservation
metadata: { name: infra }
spec: { reservedCIDRs: [10.42.1.0/28] }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 60, maxBlocksPerHost: 4 }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: blue } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: nobody, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress] }
";

/// An export without its first line, which names the revision.
fn objects(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let (header, objects) = text.split_once('\n').unwrap();
    assert!(header.contains("\"fabricExport\":1"), "{header}");
    objects.lines().map(str::to_owned).collect()
}

/// So many, once the agent has been told of all of them.
fn await_allocations(node: &Node, count: usize) -> Vec<Allocation> {
    eventually("the agent knows them all", PATIENCE, || {
        let found = allocations(node)?;
        ensure!(found.len() == count, "{found:?}");
        Ok(found)
    })
    .unwrap()
}

#[test]
fn from_sqlite_to_etcd_and_back() {
    let old = World::new(Backend::Sqlite, 2, NEVER);
    old.apply(MANIFEST);
    assigned(old.node(1), wish("web", 2, 1));
    assigned(old.node(2), wish("db", 1, 1));
    let pod = Pod::attach(&old.fleet.lab, old.node(2), PodSpec::new("shop", "pod")).unwrap();
    let held = await_allocations(old.node(2), 7);
    fabricctl(old.node(1), &["ipam", "release", "--handle", "db"]).done();

    let first = old.file("first.jsonl");
    let path = first.to_str().unwrap();
    fabricctl(old.node(1), &["datastore", "export", path]).done();
    fabricctl(old.node(1), &["datastore", "export", path]).assert_refused(1, &["first.jsonl"]);

    let new = World::new(Backend::Etcd, 2, NEVER);
    let before = fabricctl(new.node(1), &["datastore", "import", path, "--dry-run"]).done().stdout;
    assert!(before.contains("would be created"), "{before}");
    assert_eq!(allocations(new.node(1)).unwrap(), []);
    fabricctl(new.node(1), &["datastore", "import", path]).done();
    let second = new.file("second.jsonl");
    fabricctl(new.node(2), &["datastore", "export", second.to_str().unwrap()]).done();
    assert_eq!(objects(&second), objects(&first));
    let again = fabricctl(new.node(1), &["datastore", "import", path, "-o", "json"]).done().json();
    assert_eq!((&again["created"], &again["replaced"]), (&0.into(), &0.into()), "{again}");

    // What was held is held, by the same handles, and nobody else gets it.
    assert_eq!(held.iter().filter(|held| held.handle != "db").count(), 5, "{held:?}");
    let now = await_allocations(new.node(1), 5);
    assert_eq!(now, held.into_iter().filter(|held| held.handle != "db").collect::<Vec<_>>());
    assigned(new.node(1), wish("more", 40, 0));
    let now = allocations(new.node(1)).unwrap();
    assert_eq!(now.iter().filter(|held| held.pod_name == pod.spec().name).count(), 2);
    assert_eq!(now.len(), 45);

    // Back where it came from: what differs is not replaced unasked.
    let third = new.file("third.jsonl");
    fabricctl(new.node(1), &["datastore", "export", third.to_str().unwrap()]).done();
    let refused = fabricctl(old.node(1), &["datastore", "import", third.to_str().unwrap()]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert_eq!(allocations(old.node(1)).unwrap().len(), 5);
    fabricctl(old.node(1), &["datastore", "import", third.to_str().unwrap(), "--overwrite"]).done();
    await_clean(old.node(1));
}

#[test]
fn what_is_no_export_is_refused_as_a_whole() {
    let world = World::new(Backend::Sqlite, 1, NEVER);
    world.apply(MANIFEST);
    let node = world.node(1);
    let export = world.file("export.jsonl");
    fabricctl(node, &["datastore", "export", export.to_str().unwrap()]).done();
    let text = fs::read_to_string(&export).unwrap();
    let damaged = world.file("damaged.jsonl");
    let path = damaged.to_str().unwrap();
    let import = |text: &str| {
        fs::write(&damaged, text).unwrap();
        fabricctl(node, &["datastore", "import", path, "--overwrite"])
    };
    let (all_but_last, _) = text.trim_end().rsplit_once('\n').unwrap();
    import(all_but_last).assert_refused(1, &["damaged.jsonl", "cut off"]);
    import("").assert_refused(1, &["damaged.jsonl", "empty"]);
    import(&text.replace("10.42.0.0/20", "10.42.0.1/20"))
        .assert_refused(1, &["damaged.jsonl", "10.42.0.1/20"]);
    import(&text.replace("\"kind\":\"IPPool\"", "\"kind\":\"Cauldron\"")).assert_refused(1, &["Cauldron"]);
    let after = world.file("after.jsonl");
    fabricctl(node, &["datastore", "export", after.to_str().unwrap()]).done();
    assert_eq!(objects(&after), objects(&export));
}
