//! The agent as a program: what it refuses to start with, and what its socket answers besides its own services.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::ensure;
use integration::eventually::eventually;
use integration::lab::Lab;
use integration::namespace::Namespace;
use integration::node::Node;
use integration::pod::PodSpec;
use integration::process::{Invocation, Process};
use integration::programs::Program;
use integration::tor::Kind;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::world::{PATIENCE, Said, World, assert_unchanged, kernel_state};

/// Runs an agent that is to refuse, and returns its status and all that it said.
fn refused(
    namespace: &Arc<Namespace>,
    arguments: &[&str],
    environment: &[(&str, &str)],
    log: &Path,
) -> String {
    let _ = fs::remove_file(log);
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let invocation = Invocation {
        program: Program::Agent.find().unwrap(),
        arguments: arguments.iter().map(Into::into).collect(),
        environment: environment.iter().map(own).collect(),
        log: log.to_owned(),
    };
    let status = Process::start(namespace, invocation).unwrap().wait(PATIENCE).unwrap();
    let said = fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

/// Every file beside the datastore, itself included.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The bytes of a datastore that an agent made, wrote to, and closed.
fn whole_datastore(lab: &Lab, namespace: &Arc<Namespace>) -> Vec<u8> {
    let directory = lab.make_directory("whole").unwrap();
    let file = directory.join("fabric.db");
    let mut node = Node::new(1, Arc::clone(namespace), directory, file.clone(), Vec::new()).unwrap();
    without_peers(&node);
    node.start_agent().unwrap();
    node.apply("pools.yaml", crate::world::POOLS).unwrap();
    node.stop_agent(PATIENCE).unwrap();
    fs::read(&file).unwrap()
}

/// A key without a value is no list of no peers.
fn without_peers(node: &Node) {
    let text = fs::read_to_string(node.config()).unwrap();
    fs::write(node.config(), text.replace("  peers:\n", "  peers: []\n")).unwrap();
}

#[test]
fn a_datastore_that_is_not_right_is_refused_and_left_alone() {
    let lab = Lab::new("test").unwrap();
    let namespace = lab.namespace("node").unwrap();
    let whole = whole_datastore(&lab, &namespace);
    // The user version, big endian, at byte 60 of the header (SQLite file format, section 1.3).
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    let mut damaged = whole.clone();
    let end = damaged.len();
    damaged[4096..end].fill(0xa5);
    let cases: [(&str, &[u8], &[&str]); 6] = [
        ("truncated", &whole[..whole.len() / 2], &["truncated", "backup"]),
        ("cut", &whole[..whole.len() - 1], &["truncated"]),
        ("empty", b"", &["is empty"]),
        ("newer", &newer, &["schema version 999"]),
        ("damaged", &damaged, &["restore it from a backup"]),
        ("foreign", b"this is a letter to my aunt, and no database at all\n", &["not an SQLite database"]),
    ];
    for (name, bytes, words) in cases {
        let directory = lab.make_directory(name).unwrap();
        let file = directory.join("fabric.db");
        fs::write(&file, bytes).unwrap();
        let before = contents(&directory);
        let config = lab.directory().join(format!("{name}.yaml"));
        fs::write(&config, minimal(&file, &lab.directory().join("agent.sock"))).unwrap();
        let arguments = ["--config", &config.to_string_lossy()];
        let said = refused(&namespace, &arguments, &[], &lab.directory().join("refused.log"));
        assert!(said.contains(&file.display().to_string()), "{said}");
        for word in words {
            assert!(said.contains(word), "{name}: {word:?} is not in {said}");
        }
        assert!(contents(&directory) == before, "{name}: the files were touched");
    }
}

fn minimal(datastore: &Path, socket: &Path) -> String {
    format!(
        "node:\n  name: node1\n  addresses: [10.255.0.1]\ndatastore:\n  sqlite:\n    path: {}\napi:\n  socket: {}\nbgp:\n  localAS: 65001\n",
        datastore.display(),
        socket.display()
    )
}

#[test]
fn a_configuration_that_is_not_right_is_refused_by_name() {
    let lab = Lab::new("test").unwrap();
    let namespace = lab.namespace("node").unwrap();
    let (config, log) = (lab.directory().join("agent.yaml"), lab.directory().join("agent.log"));
    let database = lab.directory().join("fabric.db");
    let right = minimal(&database, &lab.directory().join("agent.sock"));
    let name = config.display().to_string();
    let check = |text: &str, environment: &[(&str, &str)]| {
        fs::write(&config, text).unwrap();
        refused(&namespace, &["--config", &name, "--check"], environment, &log)
    };

    let said = check(&right.replace("localAS", "localAs"), &[]);
    assert!(
        said.contains(&format!("{name}:10:3: ")) && said.contains("localAs") && said.contains("localAS"),
        "{said}"
    );
    let said = check(&right.replace("localAS: 65001", "localAS: many"), &[]);
    assert!(said.contains(&format!("{name}:10:")) && said.contains("bgp.localAS"), "{said}");
    let said = check(&right.replace("bgp:\n  localAS: 65001\n", ""), &[]);
    assert!(said.contains("bgp"), "{said}");
    let said = check(&right, &[("FABRIC_LOCALAS", "65002")]);
    assert!(said.contains("FABRIC_LOCALAS") && said.contains("did you mean \"FABRIC_LOCAL_AS\"?"), "{said}");
    let said = check(&right, &[("FABRIC_LOCAL_AS", "-1")]);
    assert!(said.contains("FABRIC_LOCAL_AS") && said.contains("whole number"), "{said}");
    let said = check("node: [\n", &[]);
    assert!(said.contains(&name), "{said}");
    let said = refused(&namespace, &["--config", "/there/is/none.yaml"], &[], &log);
    assert!(said.contains("/there/is/none.yaml") && said.contains("FABRIC_CONFIG"), "{said}");

    fs::write(&config, &right).unwrap();
    let agent = Program::Agent.find().unwrap();
    let said =
        Said::of(Command::new(agent).args(["--config", &name, "--check"]).env("FABRIC_LOCAL_AS", "65002"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    assert!(!database.exists(), "a check makes nothing");
}

#[test]
fn every_flag_overrules_its_setting() {
    let lab = Lab::new("test").unwrap();
    let namespace = lab.namespace("node").unwrap();
    let (config, log) = (lab.directory().join("agent.yaml"), lab.directory().join("agent.log"));
    fs::write(&config, minimal(&lab.directory().join("fabric.db"), &lab.directory().join("agent.sock")))
        .unwrap();
    let name = config.display().to_string();
    // A right file, and a flag that makes it wrong in just its own place, whatever the environment says.
    for (flag, variable, wrong, key) in [
        ("--node-name", "FABRIC_NODE_NAME", "Not_A_Name", "node.name"),
        ("--node-addresses", "FABRIC_NODE_ADDRESSES", "nowhere", "node.addresses[0]"),
        ("--datastore-path", "FABRIC_DATASTORE_PATH", "here.db", "datastore.sqlite.path"),
        ("--socket", "FABRIC_SOCKET", "here.sock", "api.socket"),
        ("--local-as", "FABRIC_LOCAL_AS", "0", "bgp.localAS"),
        ("--router-id", "FABRIC_ROUTER_ID", "0.0.0.0", "bgp.routerID"),
        ("--log-format", "FABRIC_LOG_FORMAT", "xml", "log.format"),
        ("--log-level", "FABRIC_LOG_LEVEL", "loud", "log.level"),
    ] {
        let said =
            refused(&namespace, &["--config", &name, "--check", flag, wrong], &[(variable, "1")], &log);
        assert!(said.starts_with(&format!("{flag}: {key}: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn logs_are_lines_of_json_where_that_is_asked_for() {
    let lab = Lab::new("test").unwrap();
    let namespace = lab.namespace("node").unwrap();
    let (config, log) = (lab.directory().join("agent.yaml"), lab.directory().join("agent.log"));
    let database = lab.directory().join("fabric.db");
    fs::write(&database, "no database").unwrap();
    fs::write(&config, minimal(&database, &lab.directory().join("agent.sock"))).unwrap();
    let name = config.display().to_string();
    let said = refused(&namespace, &["--config", &name, "--log-format", "json"], &[], &log);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["fields"]["message"].as_str().unwrap().contains("fabric.db"), "{last}");
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
    }
}

fn health(node: &Node, service: &str) -> anyhow::Result<ServingStatus> {
    node.ask(|channel| async {
        let request = HealthCheckRequest { service: service.to_owned() };
        Ok(HealthClient::new(channel).check(request).await?.into_inner().status())
    })
}

fn services(node: &Node) -> Vec<String> {
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    node.ask(|channel| async {
        let requests = tokio_stream::iter([request]);
        let mut answers =
            ServerReflectionClient::new(channel).server_reflection_info(requests).await?.into_inner();
        let answer = answers.message().await?.and_then(|answer| answer.message_response);
        let Some(MessageResponse::ListServicesResponse(list)) = answer else { anyhow::bail!("{answer:?}") };
        Ok(list.service.into_iter().map(|service| service.name).collect())
    })
    .unwrap()
}

#[test]
fn the_socket_tells_health_and_services_and_has_one_owner() {
    let mut world = World::new(&[Kind::Bird], 1);
    world.attach(1, PodSpec::new("default", "one"));
    let node = world.node(1);
    let await_health = |wanted: ServingStatus| {
        eventually("the health is as it should be", PATIENCE, || {
            let found = health(node, "")?;
            ensure!(found == wanted, "{found:?}: {:?}", node.status()?.problems);
            Ok(())
        })
        .unwrap();
    };
    await_health(ServingStatus::Serving);
    let error = health(node, "no.such.Service").unwrap_err();
    assert_eq!(
        error.downcast_ref::<tonic::Status>().map(tonic::Status::code),
        Some(Code::NotFound),
        "{error:#}"
    );
    await_health(ServingStatus::Serving);

    // Somebody else's route stands where one of ours belongs: it is left alone, and that is told.
    let block = node.block_of(world.pod("default/one").addresses()[0]).unwrap().to_string();
    node.namespace().output("ip", &["route", "replace", "unreachable", &block, "proto", "static"]).unwrap();
    await_health(ServingStatus::NotServing);
    assert!(node.status().unwrap().problems.iter().any(|problem| problem.contains(&block)));
    node.namespace().output("ip", &["route", "del", "unreachable", &block, "proto", "static"]).unwrap();
    await_health(ServingStatus::Serving);

    let services = services(node);
    for name in ["Bgp", "Cni", "Ipam", "Node", "Policy", "Resources"] {
        assert!(services.contains(&format!("fabric.v1.{name}")), "{services:?}");
    }
    assert!(services.contains(&"grpc.health.v1.Health".to_owned()), "{services:?}");

    a_second_agent_is_refused(&world);
    await_health(ServingStatus::Serving);
}

/// It stands in the same namespace, under the same name or with another one and no pods, and disturbs nothing.
fn a_second_agent_is_refused(world: &World) {
    let node = world.node(1);
    let (state, sessions) = (kernel_state(node), sessions(node));
    let log = node.directory().join("second.log");
    for environment in [&[][..], &[("FABRIC_NODE_NAME", "node9")]].repeat(3) {
        let config = node.config();
        let said = refused(node.namespace(), &["--config", &config.to_string_lossy()], environment, &log);
        assert!(said.contains("another agent answers on") && said.contains("api.socket"), "{said}");
        assert!(!said.contains("running"), "refused before anything of the node was touched: {said}");
        assert_unchanged(node, &state, "a second agent");
    }
    assert_eq!(self::sessions(node), sessions, "no session fell");
}

/// Each session with how often it fell.
fn sessions(node: &Node) -> Vec<(String, String, u64)> {
    let peers = node.peers().unwrap();
    peers.into_iter().map(|peer| (peer.address, peer.state, peer.flaps)).collect()
}
