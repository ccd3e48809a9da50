use super::*;

#[test]
fn the_configuration_names_every_session_once() {
    let uplink = |t| Uplink {
        name: format!("tor{t}"),
        asn: addresses::tor_asn(t),
        gateways: addresses::link(t, 2).tor.map(|address| address.ip()),
    };
    let text =
        render_config(2, Path::new("/lab/agent.sock"), Path::new("/lab/fabric.db"), &[uplink(1), uplink(2)]);
    let expected = "node:\n  name: node2\n  addresses: [\"10.255.0.2\", \"fd00:ff::2\"]\n\
        datastore:\n  sqlite: { path: /lab/fabric.db }\n\
        api: { socket: /lab/agent.sock }\n\
        bgp:\n  localAS: 65002\n  routerID: 10.255.0.2\n";
    assert!(text.starts_with(expected), "{text}");
    for address in ["10.1.1.2", "10.1.2.2", "fd00:1:1::2", "fd00:1:2::2"] {
        assert_eq!(text.matches(&format!("    - address: \"{address}\"\n")).count(), 1, "{text}");
    }
    assert_eq!(text.matches("families: [ipv6-unicast]").count(), 2);
    // Routers are in other ASes: without a word nothing passes (RFC 8212).
    assert_eq!(text.matches("import: all\n      export: originated\n").count(), 4);
}
