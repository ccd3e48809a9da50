use super::*;

#[test]
fn the_configuration_names_every_session_once() {
    let uplink = |t| Uplink {
        name: format!("tor{t}"),
        asn: addresses::tor_asn(t),
        gateways: addresses::link(t, 2).tor.map(|address| address.ip()),
    };
    let settings = Settings::from(PathBuf::from("/lab/fabric.db"));
    let text = settings.render(2, Path::new("/lab/agent.sock"), &[uplink(1), uplink(2)]);
    let expected = "node:\n  name: node2\n  addresses: [\"10.255.0.2\", \"fd00:ff::2\"]\n\
        datastore:\n  sqlite: { path: /lab/fabric.db }\n\
        api: { socket: /lab/agent.sock }\n\
        ipam:\n  standby: 0\n  journal: /lab/agent.journal\n\
        bgp:\n  localAS: 65002\n  routerID: 10.255.0.2\n";
    assert!(text.starts_with(expected), "{text}");
    for address in ["10.1.1.2", "10.1.2.2", "fd00:1:1::2", "fd00:1:2::2"] {
        assert_eq!(text.matches(&format!("    - address: \"{address}\"\n")).count(), 1, "{text}");
    }
    assert_eq!(text.matches("families: [ipv6-unicast]").count(), 2);
    // Routers are in other ASes: without a word nothing passes (RFC 8212).
    assert_eq!(text.matches("import: all\n      export: originated\n").count(), 4);
}

#[test]
fn the_configuration_says_what_is_set_and_nothing_else() {
    let etcd = Datastore::Etcd { endpoints: vec!["http://10.0.0.1:2379".into()], prefix: "/lab".into() };
    let settings = Settings {
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        collection: Some(Collection { interval_secs: 1, grace_period_secs: 3 }),
        standby: 4,
        ..Settings::from(etcd)
    };
    let text = settings.render(1, Path::new("/lab/agent.sock"), &[]);
    let expected = "node:\n  name: node1\n  addresses: [\"10.255.0.1\", \"fd00:ff::1\"]\n  labels:\n    zone: \"a\"\n\
        datastore:\n  etcd: { endpoints: [\"http://10.0.0.1:2379\"], prefix: \"/lab\" }\n\
        api: { socket: /lab/agent.sock }\n\
        ipam:\n  standby: 4\n  journal: /lab/agent.journal\n  garbageCollection: { intervalSecs: 1, gracePeriodSecs: 3 }\n\
        bgp:\n  localAS: 65001\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("  peers: []\nlog: { format: text, level: info }\n"), "{text}");
}
