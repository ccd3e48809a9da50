//! A good file, and for each kind of mistake the line that a person reads.

use super::value::RemoteAs;
use super::{Config, Overrides};

mod bgp;
mod datastore;
mod documentation;
mod filter;
mod node;
mod policy;
mod reload;

const GOOD: &str = r#"
node:
  name: node1
  addresses: [10.255.0.1, "fd00:ff::1"]
datastore: { sqlite: { path: /var/lib/fabric/fabric.db } }
bgp:
  localAS: 65001
  peers:
    - address: 10.1.1.0
      remoteAS: 65101
      families: [ipv4-unicast]
"#;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse("agent.yaml", text, &Overrides::default())
        .map(|reading| reading.config)
        .map_err(|invalid| invalid.0)
}

fn overrides(variables: &[(&str, &str)]) -> Overrides {
    Overrides::from_environment(
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

#[test]
fn a_good_file_is_read_and_the_rest_has_defaults() {
    let config = parse(GOOD).expect("good");
    assert_eq!(config.node.name, "node1");
    assert_eq!(config.bgp.peers[0].remote_as, RemoteAs::Is(65101));
    assert_eq!(config.bgp.peers[0].hold_time_secs, 9);
    assert_eq!(config.bgp.listen.port, 179);
    assert_eq!(config.router_id(), Some("10.255.0.1".parse().expect("address")));
    assert!(config.bgp.graceful_restart.enabled);
}

#[test]
fn the_environment_overrules_the_file_and_a_flag_overrules_the_environment() {
    let mut given =
        overrides(&[("FABRIC_NODE_NAME", "from-env"), ("FABRIC_LOCAL_AS", "4200000001"), ("HOME", "/root")]);
    given.set("FABRIC_NODE_NAME", Some("from-flag".to_owned()));
    given.set("FABRIC_SOCKET", Some("/run/other.sock".to_owned()));
    given.set("FABRIC_LOG_LEVEL", None);
    let config = Config::parse("agent.yaml", GOOD, &given).expect("good").config;
    assert_eq!(config.node.name, "from-flag");
    assert_eq!(config.bgp.local_as, 4_200_000_001);
    assert_eq!(config.api.socket.to_str(), Some("/run/other.sock"));
}

#[test]
fn a_wrong_variable_is_named_with_the_nearest_right_one() {
    let invalid =
        Config::parse("agent.yaml", GOOD, &overrides(&[("FABRIC_NODENAME", "x")])).expect_err("wrong");
    assert_eq!(invalid.0, ["environment: FABRIC_NODENAME: is unknown; did you mean \"FABRIC_NODE_NAME\"?"]);
    let invalid =
        Config::parse("agent.yaml", GOOD, &overrides(&[("FABRIC_LOCAL_AS", "many")])).expect_err("wrong");
    assert_eq!(
        invalid.0,
        ["environment: FABRIC_LOCAL_AS: is the text \"many\"; write a whole number from 1 to 4294967295"]
    );
}

/// The good file with one line replaced must give exactly this error.
#[track_caller]
fn check(line: &str, by: &str, error: &str) {
    assert!(GOOD.contains(line), "the good file has no {line:?}");
    assert_eq!(parse(&GOOD.replace(line, by)).expect_err("wrong"), [error]);
}

#[test]
fn each_mistake_is_told_with_place_key_and_remedy() {
    assert_eq!(
        parse(&GOOD.replace("remoteAS", "remotAS")).expect_err("wrong"),
        [
            "agent.yaml:9:7: bgp.peers[0].remoteAS: is missing; it is required",
            "agent.yaml:10:7: bgp.peers[0].remotAS: is unknown; did you mean \"remoteAS\"?",
        ]
    );
    check(
        "localAS: 65001",
        "localAS: many",
        "agent.yaml:7:12: bgp.localAS: is the text \"many\"; write a whole number from 0 to 4294967295",
    );
    check(
        "address: 10.1.1.0",
        "address: tor1",
        "agent.yaml:9:16: bgp.peers[0].address: is no IP address; write one like 10.0.0.1 or fd00::1",
    );
    check(
        "address: 10.1.1.0",
        "address: \"fe80::1\"",
        "agent.yaml:9:16: bgp.peers[0].address: is link-local, which does not say on which link; name the interface instead, such as `interface: eth0`",
    );
    check(
        "localAS: 65001",
        "localAS: 0",
        "agent.yaml:7:12: bgp.localAS: AS 0 is reserved (RFC 7607); give a number from 1 to 4294967295",
    );
    check(
        "remoteAS: 65101",
        "remoteAS: 65101\n      holdTimeSecs: 2",
        "agent.yaml:11:21: bgp.peers[0].holdTimeSecs: is below the least of RFC 4271 §4.2; give 0 (none) or at least 3 seconds",
    );
    check(
        "name: node1",
        "name: Node_1",
        "agent.yaml:3:9: node.name: is no DNS subdomain name; write up to 253 lower-case letters, digits, '-' and '.'",
    );
    check(
        "path: /var",
        "path: var",
        "agent.yaml:5:30: datastore.sqlite.path: is no absolute path; start it with '/'",
    );
    check(
        "[10.255.0.1, \"fd00:ff::1\"]",
        "[\"fd00:ff::1\"]",
        "agent.yaml:7:3: bgp.routerID: is missing, and node.addresses has no IPv4 address to take it from; give one",
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = GOOD.replace("localAS: 65001", "localAS: 0").replace("name: node1", "name: ''");
    assert_eq!(parse(&text).expect_err("wrong").len(), 2);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let errors = parse("node: [\n").expect_err("wrong");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("agent.yaml:"), "{errors:?}");
}

#[test]
fn a_missing_file_says_how_to_give_one() {
    let error = Config::load(std::path::Path::new("/no/such/agent.yaml"), &Overrides::default())
        .expect_err("missing");
    assert_eq!(
        error.to_string(),
        "/no/such/agent.yaml: No such file or directory (os error 2); give the configuration's path with --config or FABRIC_CONFIG"
    );
}
