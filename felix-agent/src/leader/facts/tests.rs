use std::collections::BTreeSet;

use ipam::{Attributes, Block, Record, Timestamp};

use super::*;

fn node(name: &str) -> (Key, Versioned) {
    let mut node = k8s_openapi::api::core::v1::Node::default();
    node.metadata.name = Some(name.to_owned());
    versioned(Resource::Node(Box::new(node)), 1)
}

fn endpoint(name: &str, node: &str, address: &str) -> (Key, Versioned) {
    let endpoint = WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container_id: format!("c-{name}"),
        interface: "eth0".to_owned(),
        host_interface: "fab0".to_owned(),
        mac: String::new(),
        addresses: vec![address.parse().unwrap()],
        labels: BTreeMap::new(),
        netns: String::new(),
    };
    versioned(Resource::WorkloadEndpoint(Box::new(endpoint)), 7)
}

/// A block of n1, of which these handles hold an address each, from the first on.
fn block(handles: &[&str]) -> (Key, Versioned) {
    let cidr = "10.0.0.0/26".parse().unwrap();
    let mut block = Block::new(cidr, "n1", Timestamp(0)).unwrap();
    for (number, handle) in handles.iter().enumerate() {
        let attributes = Attributes { node: "n1".to_owned(), ..Attributes::default() };
        let address = format!("10.0.0.{number}").parse().unwrap();
        block = block.taking(address, handle, &attributes, Timestamp(0), Default::default()).unwrap();
    }
    versioned(Resource::from(Record::Block(block)), 3)
}

fn versioned(resource: Resource, revision: u64) -> (Key, Versioned) {
    (resource.key(), Versioned { revision: Revision(revision), resource })
}

#[test]
fn an_endpoints_handle_is_that_of_who_holds_its_addresses() {
    let items = [
        node("n1"),
        block(&["net.c-web.eth0", "c-db.eth0", "somebody", "xc-odd.eth0"]),
        endpoint("web", "n1", "10.0.0.0"),
        endpoint("db", "n1", "10.0.0.1"),
        endpoint("robbed", "n1", "10.0.0.2"),
        endpoint("odd", "n1", "10.0.0.3"),
        endpoint("lost", "n1", "10.0.0.9"),
    ];
    let gathered = gather(items.into(), &Unreadable::new());
    let handles: BTreeSet<&str> = gathered.facts.endpoints.keys().map(String::as_str).collect();
    let expected = ["net.c-web.eth0", "c-db.eth0", "c-robbed.eth0", "c-odd.eth0", "c-lost.eth0"];
    assert_eq!(handles, expected.into());
    assert_eq!(gathered.facts.endpoints["net.c-web.eth0"].name, "shop/web");
    assert!(gathered.stranded.is_empty());
    assert_eq!(gathered.index.blocks(None, None, None).count(), 1);
}

#[test]
fn endpoints_of_nodes_that_are_gone_are_stranded() {
    let (key, stranded) = endpoint("web", "n2", "10.0.0.1");
    let items = [node("n1"), endpoint("db", "n1", "10.0.0.2"), (key.clone(), stranded)];
    let gathered = gather(items.into(), &Unreadable::new());
    assert_eq!(gathered.stranded, BTreeMap::from([(key, Revision(7))]));
    assert_eq!(gathered.facts.nodes, BTreeSet::from(["n1".to_owned()]));
    assert_eq!(gathered.facts.holders, BTreeSet::new());
}
