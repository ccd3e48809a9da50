use super::*;

#[test]
fn names_are_subdomains_and_tell_everything_apart() {
    let cidr = |text: &str| text.parse::<IpNetwork>().unwrap();
    for (key, name) in [
        (Key::Block(cidr("10.244.0.64/26")), "10-244-0-64-26"),
        (Key::Block(cidr("fd00::40/122")), "fd00-0-0-0-0-0-0-40-122"),
        (Key::Affinity("n1".into(), cidr("10.244.0.64/26")), "n1.10-244-0-64-26"),
        (
            Key::Affinity(LOAD_BALANCER_NODE.into(), cidr("10.244.0.64/26")),
            "10-244-0-64-26.virtual-load-balancer",
        ),
        (Key::Handle("c1.eth0".into()), "c1.eth0"),
    ] {
        assert_eq!(key.name(), name);
    }
}

#[test]
fn a_node_keeps_what_is_its_own_and_what_people_wrote() {
    let mut snapshot = Snapshot::all();
    snapshot.set_pools([Pool::new("p", "10.0.0.0/24".parse().unwrap())]);
    snapshot.set_configuration(Configuration { strict_affinity: true, ..Configuration::default() });
    let state = crate::AffinityState::Confirmed;
    for (node, text) in [("n1", "10.0.0.0/26"), ("n2", "10.0.0.64/26")] {
        let cidr = text.parse().unwrap();
        let block = Block::new(cidr, node, crate::Timestamp(0)).unwrap();
        snapshot.put(Record::Block(block), Revision(1));
        snapshot.put(Record::Affinity(Affinity { node: node.into(), cidr, state }), Revision(2));
        snapshot.put(Record::Handle(Handle { id: node.into(), blocks: BTreeMap::new() }), Revision(3));
    }
    assert_eq!(snapshot.affinities().count(), 2);
    snapshot.keep_own("n2");
    assert_eq!(snapshot.scope, Scope::Part);
    assert_eq!(snapshot.affinities().map(|a| a.value.node.as_str()).collect::<Vec<_>>(), ["n2"]);
    assert_eq!(snapshot.blocks().map(|block| block.value.node()).collect::<Vec<_>>(), ["n2"]);
    assert_eq!((snapshot.handles().count(), snapshot.pools().count()), (0, 1));
    assert!(snapshot.configuration().strict_affinity);
}
