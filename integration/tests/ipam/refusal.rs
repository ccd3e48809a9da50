//! A datastore that cannot be used: the agent says why, with the place in its configuration, and ends with status 1.

use std::fs;

use integration::fleet::Backend;
use integration::node::settings::Settings;

use crate::world::{NEVER, World, refused};

/// The agent's complaint with `from` replaced in its configuration.
fn complaint(world: &mut World, from: &str, to: &str) -> String {
    let datastore = world.fleet.datastore_of(1).unwrap();
    let node = world.node_mut(1);
    node.configure(&Settings::from(datastore)).unwrap();
    let text = fs::read_to_string(node.config()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(node.config(), text.replace(from, to)).unwrap();
    refused(node)
}

#[track_caller]
fn assert_says(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "{part:?} is not in {complaint}");
    }
}

#[test]
fn an_etcd_that_is_not_there_or_not_understood() {
    let mut world = World::idle(Backend::Etcd, 1, NEVER);
    let url = "http://10.97.0.2:2379";
    assert_says(&complaint(&mut world, url, "http://10.97.0.2:9"), &["http://10.97.0.2:9", "retry later"]);
    assert_says(
        &complaint(&mut world, url, "10.97.0.2:2379"),
        &["datastore.etcd.endpoints[0]", "\"10.97.0.2:2379\" is no URL", "felix-agent.yaml:5:"],
    );
    assert_says(
        &complaint(&mut world, url, "https://10.97.0.2:2379"),
        &["datastore.etcd.endpoints[0]", "caFile"],
    );
    assert_says(&complaint(&mut world, "\"/fabric\"", "\"/fa bric\""), &["datastore.etcd.prefix"]);
    assert_says(
        &complaint(&mut world, "prefix:", "passwordFile: /nowhere, username: fabric, prefix:"),
        &["datastore.etcd.passwordFile", "/nowhere"],
    );
    assert_says(&complaint(&mut world, "prefix:", "username: fabric, prefix:"), &["has no password"]);
    assert_says(
        &complaint(&mut world, "  etcd:", "  sqlite: { path: /var/lib/fabric.db }\n  etcd:"),
        &["datastore", "sqlite and etcd"],
    );
}

#[test]
fn an_etcd_that_knows_us_not() {
    let mut world = World::idle(Backend::Etcd, 1, NEVER);
    let etcd = world.fleet.etcd.as_ref().unwrap();
    for arguments in [
        &["user", "add", "root:secret"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "fabric:right"],
        &["role", "add", "fabric"],
        &["role", "grant-permission", "fabric", "--prefix=true", "readwrite", "/fabric/"],
        &["user", "grant-role", "fabric", "fabric"],
        &["auth", "enable"],
    ] {
        etcd.control(arguments).unwrap();
    }
    let password = world.file("password");
    let with = |prefix: &str| {
        format!("username: fabric, passwordFile: {}, prefix: \"{prefix}\" }}", password.display())
    };
    let plain = "prefix: \"/fabric\" }";
    assert_says(&complaint(&mut world, plain, plain), &["http://10.97.0.2:2379", "user"]);
    fs::write(&password, "wrong\n").unwrap();
    assert_says(&complaint(&mut world, plain, &with("/fabric")), &["http://10.97.0.2:2379", "password"]);
    fs::write(&password, "right\n").unwrap();
    assert_says(&complaint(&mut world, plain, &with("/other")), &["http://10.97.0.2:2379", "permission"]);

    // With all of it right, it runs.
    let node = world.node_mut(1);
    let text = fs::read_to_string(node.config()).unwrap();
    fs::write(node.config(), text.replace("\"/other\"", "\"/fabric\"")).unwrap();
    node.start_agent().unwrap();
}
