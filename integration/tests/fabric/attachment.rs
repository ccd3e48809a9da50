//! The CNI plugin as a runtime calls it, with everything that can go wrong: the right code, a reason, nothing left.

use std::path::PathBuf;
use std::time::Duration;

use integration::link;
use integration::namespace::Namespace;
use integration::pod::cni::{self, Answer, Attachment, Failure, PodIdentity};
use integration::tor::Kind;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Servers, World, assert_unchanged, fabricctl, kernel_state, routes};

/// Two addresses, in one block, that need no rest.
const TINY: &str = "\
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 0 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: tiny }
spec: { cidr: 10.42.9.0/31, blockSize: 31 }
";

const INVALID_ENVIRONMENT: u32 = 4;

fn attachment(world: &World, container: &str, pod: &str, netns: PathBuf) -> Attachment {
    Attachment {
        container_id: format!("{}-{container}", world.fabric.lab.id()),
        netns,
        interface: "eth0".to_owned(),
        pod: Some(PodIdentity { namespace: "default".into(), name: pod.into(), uid: format!("uid-{pod}") }),
    }
}

fn call(world: &World, verb: &str, attachment: &Attachment) -> Answer {
    let node = world.node(1);
    cni::call(node, verb, attachment, &cni::config(node)).unwrap()
}

#[track_caller]
fn success(answer: Answer) -> Value {
    match answer {
        Answer::Success(result) => result,
        Answer::Failure(failure) => panic!("{failure}"),
    }
}

#[track_caller]
fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Failure(failure) => failure,
        Answer::Success(result) => panic!("{result}"),
    }
}

/// Everything that an attachment leaves on a node and in the datastore.
#[derive(Debug, PartialEq)]
struct Traces {
    links: Vec<String>,
    routes: Vec<String>,
    endpoints: String,
    allocations: String,
    handles: String,
}

fn traces(world: &World) -> Traces {
    let node = world.node(1);
    let mut links = link::names(node.namespace()).unwrap();
    links.sort();
    let ask = |arguments: &[&str]| node.fabricctl(arguments).unwrap();
    Traces {
        links,
        // Those of pods: a block that was claimed stays with the node, and what goes by a gateway was learned.
        routes: routes(node)
            .into_iter()
            .filter(|route| !route.contains("blackhole") && !route.contains(" via "))
            .collect(),
        endpoints: ask(&["get", "workloadendpoints", "-o", "json"]),
        allocations: ask(&["ipam", "show", "--allocations", "-o", "json"]),
        handles: ask(&["get", "ipamhandles", "-o", "json"]),
    }
}

/// Asserts that an ADD fails, with this code and these words, and leaves nothing anywhere.
#[track_caller]
fn assert_fails(world: &World, attachment: &Attachment, config: &Value, code: u32, words: &[&str]) {
    let before = traces(world);
    let failure = failure(cni::call(world.node(1), "ADD", attachment, config).unwrap());
    let said = failure.to_string();
    assert_eq!(failure.code, code, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
    assert_eq!(traces(world), before);
    if let Ok(true) = attachment.netns.try_exists() {
        // Entered by its path, as the runtime named it.
        let name = attachment.netns.file_name().unwrap().to_str().unwrap();
        let inside = std::process::Command::new("ip").args(["-n", name, "-br", "link"]).output().unwrap();
        let inside = String::from_utf8_lossy(&inside.stdout).into_owned();
        assert!(!inside.contains(&attachment.interface), "{inside}");
    }
}

fn addresses(result: &Value) -> Vec<String> {
    cni::decode_addresses(result).unwrap().iter().map(|network| network.ip().to_string()).collect()
}

fn pings(from: &Namespace, to: &str) -> bool {
    let address = std::net::SocketAddr::new(to.parse().unwrap(), 8080);
    let outcome = from.run(|| integration::probe::tcp::connect(address, PATIENCE)).unwrap().unwrap();
    matches!(outcome, integration::probe::tcp::Outcome::Connected { .. })
}

#[test]
fn what_cannot_be_attached_is_refused_with_a_reason_and_leaves_nothing() {
    let mut world = World::empty(&[Kind::Bird], 1);
    let spaces: Vec<_> =
        ["one", "two", "three"].iter().map(|name| world.fabric.lab.namespace(name).unwrap()).collect();
    let all: Vec<Attachment> = ["one", "two", "three"]
        .iter()
        .zip(&spaces)
        .map(|(name, space)| attachment(&world, name, name, space.path()))
        .collect();
    let config = cni::config(world.node(1));

    assert_fails(&world, &all[0], &config, 100, &["no pool", "apply"]);
    world.apply(TINY);

    let mut future = config.clone();
    future["cniVersion"] = json!("9.9.9");
    assert_fails(&world, &all[0], &future, 1, &["9.9.9", "1.1.0"]);
    let missing = attachment(&world, "one", "one", "/run/netns/there-is-none".into());
    assert_fails(&world, &missing, &config, 3, &["/run/netns/there-is-none"]);
    let nameless = Attachment { netns: PathBuf::new(), ..all[0].clone() };
    assert_fails(&world, &nameless, &config, INVALID_ENVIRONMENT, &["CNI_NETNS"]);

    let first = addresses(&success(call(&world, "ADD", &all[0])));
    success(call(&world, "ADD", &all[1]));
    assert_fails(&world, &all[2], &config, 100, &["tiny", "IPv4"]);
    success(call(&world, "DEL", &all[0]));
    assert_eq!(addresses(&success(call(&world, "ADD", &all[2]))), first, "the address that was given back");

    success(call(&world, "DEL", &all[2]));
    late_failures(&world, &all[0], &spaces[0], &first[0]);
    success(call(&world, "ADD", &all[0]));
    the_agent_is_away(&mut world, &all[0], &config);
    for attachment in &all {
        success(call(&world, "DEL", attachment));
    }
    let left = traces(&world);
    assert!(left.links.iter().all(|name| !name.starts_with("fab")), "{left:?}");
    for text in [&left.endpoints, &left.handles] {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["items"], json!([]), "{left:?}");
    }
    assert!(!left.allocations.contains("10.42.9."), "{left:?}");
}

/// Failures when the address is assigned already, and when the link and the endpoint are there, too.
fn late_failures(world: &World, attachment: &Attachment, space: &Namespace, free: &str) {
    space.output("ip", &["link", "add", "eth7", "type", "veth", "peer", "name", "eth8"]).unwrap();
    let taken = Attachment { interface: "eth7".to_owned(), ..attachment.clone() };
    let before = traces(world);
    let failure = failure(call(world, "ADD", &taken));
    assert_eq!((failure.code, traces(world)), (101, before), "{failure}");
    space.output("ip", &["link", "show", "eth7"]).unwrap();

    // Somebody else routes the only free address elsewhere.
    let node = world.node(1);
    node.namespace().output("ip", &["route", "add", "unreachable", free, "proto", "static"]).unwrap();
    assert_fails(world, attachment, &cni::config(node), 11, &[free, "route"]);
    node.namespace().output("ip", &["route", "del", "unreachable", free, "proto", "static"]).unwrap();
}

fn the_agent_is_away(world: &mut World, attached: &Attachment, config: &Value) {
    let before = traces(world);
    world.fabric.nodes[0].kill_agent().unwrap();
    for verb in ["ADD", "DEL"] {
        let failure = failure(cni::call(world.node(1), verb, attached, config).unwrap());
        assert_eq!(failure.code, 11, "{failure}");
        assert!(failure.details.contains("retry") && failure.details.contains("felix-agent"), "{failure}");
    }
    world.fabric.nodes[0].start_agent().unwrap();
    assert_eq!(traces(world), before);
}

#[test]
fn calls_may_be_repeated_and_an_old_del_spares_a_new_pod() {
    let world = World::new(&[Kind::Bird], 1);
    let node = world.node(1);
    let [old_space, new_space, peer_space] =
        ["old", "new", "peer"].map(|name| world.fabric.lab.namespace(name).unwrap());
    let peer = attachment(&world, "peer", "peer", peer_space.path());
    success(call(&world, "ADD", &peer));

    let empty = traces(&world);
    success(call(&world, "DEL", &attachment(&world, "unknown", "unknown", "/run/netns/none".into())));
    assert_eq!(traces(&world), empty);

    let old = attachment(&world, "container-1", "db", old_space.path());
    let first = success(call(&world, "ADD", &old));
    let state = kernel_state(node);
    let again = success(call(&world, "ADD", &old));
    assert_eq!(again, first, "the same addresses, the same interfaces");
    assert_unchanged(node, &state, "ADD repeated");

    // The pod was deleted and made anew, and the runtime has not detached the old container yet.
    let new = attachment(&world, "container-2", "db", new_space.path());
    let second = success(call(&world, "ADD", &new));
    assert!(addresses(&first).iter().all(|address| !addresses(&second).contains(address)));
    let _server = Servers::start(&new_space, &[8080]);
    let endpoint = || {
        let all = node.endpoints().unwrap();
        all.into_iter().find(|endpoint| endpoint.name == "db").unwrap()
    };
    for _ in 0..2 {
        success(call(&world, "DEL", &old));
        let endpoint = endpoint();
        assert_eq!((endpoint.container_id, endpoint.state.as_str()), (new.container_id.clone(), "ready"));
        assert_eq!(endpoint.addresses, addresses(&second));
        for address in addresses(&second) {
            assert!(pings(&peer_space, &address));
            let holder = node.fabricctl(&["ipam", "show", "--ip", &address]).unwrap();
            assert!(holder.contains("default/db"), "{holder}");
        }
        for address in addresses(&first) {
            fabricctl(node, &["ipam", "show", "--ip", &address]).assert_refused(&[&address]);
        }
    }
    assert_eq!(success(call(&world, "ADD", &new)), second);
    success(call(&world, "DEL", &new));
    success(call(&world, "DEL", &new));
    assert_eq!(traces(&world), empty);
    a_stopped_agent_is_asked_later(world, &peer);
}

fn a_stopped_agent_is_asked_later(mut world: World, attached: &Attachment) {
    world.fabric.nodes[0].stop_agent(Duration::from_secs(20)).unwrap();
    assert_eq!(failure(call(&world, "DEL", attached)).code, 11);
    world.fabric.nodes[0].start_agent().unwrap();
    success(call(&world, "DEL", attached));
    assert!(world.node(1).endpoints().unwrap().is_empty());
}

/// Two agents share a datastore, and a runtime starts many pods at once.
#[test]
fn pods_attached_all_at_once_get_what_nobody_else_has() {
    let world = World::empty(&[Kind::Bird], 2);
    world.apply(crate::world::POOLS);
    let before = [1, 2].map(|number| link::names(world.node(number).namespace()).unwrap().len());
    let pods: Vec<(usize, Attachment)> = (0..24)
        .map(|number| {
            let name = format!("pod{number}");
            let space = world.fabric.lab.namespace(&name).unwrap();
            (1 + number % 2, attachment(&world, &name, &name, space.path()))
        })
        .collect();
    let all_at_once = |verb: &str| -> Vec<Value> {
        std::thread::scope(|scope| {
            let call = |(number, attachment): &(usize, Attachment)| {
                let node = world.node(*number);
                success(cni::call(node, verb, attachment, &cni::config(node)).unwrap())
            };
            let threads: Vec<_> = pods.iter().map(|pod| scope.spawn(move || call(pod))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    let given: Vec<String> = all_at_once("ADD").iter().flat_map(addresses).collect();
    let distinct: std::collections::BTreeSet<&String> = given.iter().collect();
    assert_eq!((given.len(), distinct.len()), (48, 48));
    for number in [1, 2] {
        let endpoints = world.node(number).endpoints().unwrap();
        assert_eq!(endpoints.len(), 12);
        assert!(endpoints.iter().all(|endpoint| endpoint.state == "ready"), "{endpoints:?}");
    }
    all_at_once("DEL");
    let after = [1, 2].map(|number| link::names(world.node(number).namespace()).unwrap().len());
    assert_eq!(after, before);
    for kind in ["workloadendpoints", "ipamhandles"] {
        let left = world.node(1).fabricctl(&["get", kind, "-o", "json"]).unwrap();
        let left: Value = serde_json::from_str(&left).unwrap();
        assert_eq!(left["items"], json!([]), "{kind}");
    }
}
