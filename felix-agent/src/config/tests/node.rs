//! The node's labels, and how it goes about addresses.

use std::time::Duration;

use super::super::Config;
use super::{GOOD, overrides, parse};

fn with(labels: &str) -> String {
    GOOD.replace("name: node1", &format!("name: node1\n  labels: {labels}"))
}

#[test]
fn labels_are_read_and_overruled() {
    let text = with("{ rack: a, topology.kubernetes.io/zone: west, empty: '' }");
    let labels = parse(&text).expect("good").node.labels;
    assert_eq!(labels.len(), 3);
    let given = overrides(&[("FABRIC_NODE_LABELS", "rack=b, example.com/disk=ssd")]);
    let labels = Config::parse("agent.yaml", &text, &given).expect("good").config.node.labels;
    let labels: Vec<(&str, &str)> =
        labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("example.com/disk", "ssd"), ("rack", "b")]);
    let given = overrides(&[("FABRIC_NODE_LABELS", "rack")]);
    assert_eq!(
        Config::parse("agent.yaml", &text, &given).expect_err("wrong").0,
        ["environment: FABRIC_NODE_LABELS: \"rack\" has no '='; write key=value, and ',' between several"]
    );
}

#[test]
fn labels_that_kubernetes_would_not_take_are_named() {
    for (labels, wrong) in [
        ("{ -rack: a }", "node.labels.-rack: is no name of a label"),
        ("{ UP/rack: a }", "node.labels.UP/rack: is no name of a label"),
        ("{ rack: a b }", "node.labels.rack: \"a b\" is no value of a label"),
        (&format!("{{ rack: {} }}", "x".repeat(64)), "is no value of a label"),
    ] {
        let errors = parse(&with(labels)).expect_err(labels);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(wrong), "{errors:?}");
    }
}

#[test]
fn garbage_is_collected_every_minute_after_a_quarter_of_an_hour_unless_it_is_said() {
    let collection = parse(GOOD).expect("good").ipam.garbage_collection;
    assert_eq!(
        (collection.interval(), collection.grace_period()),
        (Duration::from_secs(60), Duration::from_secs(900))
    );
    let text = format!("{GOOD}ipam: {{ garbageCollection: {{ intervalSecs: 0 }} }}\n");
    let errors = parse(&text).expect_err("wrong");
    assert!(
        errors[0].ends_with("ipam.garbageCollection.intervalSecs: 0 would leave no pause; give at least 1")
    );
}

#[test]
fn what_is_kept_ready_has_bounds_and_the_journal_a_place() {
    let with = |ipam: &str| parse(&format!("{GOOD}ipam: {{ {ipam} }}\n"));
    let path = |ipam: &str| {
        let config = with(ipam).expect(ipam);
        config.ipam.journal(&config.node.name, &config.datastore).display().to_string()
    };
    assert_eq!(path("standby: 256"), "/var/lib/fabric/node1.journal");
    assert_eq!(path("journal: /run/j"), "/run/j");
    assert_eq!(parse(GOOD).expect("good").ipam.standby, 8);
    let wrong = with("standby: 257, journal: j").unwrap_err().join("\n");
    assert!(
        wrong.contains("ipam.standby: 257 are too many to keep from others; give at most 256"),
        "{wrong}"
    );
    assert!(wrong.contains("ipam.journal: is no absolute path; start it with '/'"), "{wrong}");
}
