//! What a new file may change while the agent runs.

use super::super::reload::{Reload, select};
use super::{GOOD, parse};

#[test]
fn what_can_change_changes_and_the_rest_is_named() {
    let current = parse(GOOD).expect("valid");
    let new = GOOD
        .replace("node1", "node2")
        .replace("fabric.db", "other.db")
        .replace("10.255.0.1", "10.255.0.9")
        .replace("localAS: 65001", "localAS: 65009\n  listen: { port: 1179 }")
        + "api: { socket: /other.sock }\nmetrics: { listen: \"127.0.0.1:1\" }\nlog: { level: debug }\npolicy: { connectionMarkShift: 4, requireSyn: false }\n";
    let new = parse(&new).expect("valid");
    let Reload { config, refused, changed } = select(&current, new.clone());
    let named: Vec<&str> = refused.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        named,
        [
            "node.name",
            "datastore",
            "api.socket",
            "bgp.listen",
            "metrics.listen",
            "policy.connectionMarkShift",
            "log"
        ]
    );
    assert_eq!((config.policy.connection_mark_shift, config.policy.require_syn), (0, false));
    assert!(changed);
    assert_eq!((config.node.name.as_str(), config.bgp.listen.port), ("node1", 179));
    assert_eq!(
        (&config.datastore, &config.api, &config.log),
        (&current.datastore, &current.api, &current.log)
    );
    assert_eq!((config.bgp.local_as, &config.node.addresses), (65009, &new.node.addresses));
}

#[test]
fn the_same_file_changes_nothing() {
    let current = parse(GOOD).expect("valid");
    let Reload { config, refused, changed } = select(&current, current.clone());
    assert_eq!((config, refused, changed), (current, Vec::new(), false));
}
