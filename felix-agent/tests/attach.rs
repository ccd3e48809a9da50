//! Pods attached, reached and detached, against the real kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use felix_agent::cni::attach::HOST_MAC;
use felix_agent::cni::{
    AttachError, AttachRequest, Attached, GATEWAY_V4, NetnsError, attach, detach, host_interface_name,
};
use felix_agent::dataplane::links::{self, GATEWAY_V6};
use felix_agent::dataplane::netlink::{Interfaces, Netlink};
use felix_agent::dataplane::{neighbours, routes, sysctl};
use felix_agent::diff::Diff;
use felix_agent::plan::desired::{Link, Links, Neighbours, Route, Routes};
use ipnetwork::IpNetwork;

#[path = "fixtures/namespace.rs"]
mod namespace;

use namespace::{Namespace, eventually, in_fresh_namespace, ip};

const NODE_V4: &str = "10.255.0.1";
const NODE_V6: &str = "fd00:ffff::1";

/// A node: its addresses on the loopback, forwarding on.
fn node() -> Netlink {
    ip(&format!("addr add {NODE_V4}/32 dev lo"));
    ip(&format!("addr add {NODE_V6}/128 dev lo"));
    set(sysctl::for_node());
    Netlink::connect().unwrap()
}

fn set(settings: BTreeMap<String, String>) {
    let outcome = sysctl::apply(BTreeMap::new(), Diff { add: settings, ..Diff::default() });
    assert!(outcome.is_complete(), "{:?}", outcome.failed);
}

fn request(pod: &Namespace, number: u8) -> AttachRequest {
    AttachRequest {
        netns: pod.path().to_owned(),
        interface: "eth0".into(),
        host_interface: host_interface_name(&format!("container-{number}"), "eth0"),
        addresses: vec![
            format!("10.1.0.{number}").parse().unwrap(),
            format!("fd00:1::{number}").parse().unwrap(),
        ],
        mtu: Some(1400),
    }
}

/// What the planner makes of an attachment: the whole of the node's side.
async fn open(netlink: &Netlink, pods: &[(&AttachRequest, &Attached)]) {
    let (mut desired_links, mut desired_neighbours, mut desired_routes) =
        (Links::new(), Neighbours::new(), Routes::new());
    for (request, attached) in pods {
        let name = &request.host_interface;
        set(sysctl::for_pod_interface(name));
        desired_links.insert(name.clone(), Link { up: true, gateway_v6: Some(GATEWAY_V6) });
        for address in &request.addresses {
            desired_neighbours.insert((name.clone(), *address), attached.container_mac);
            let source: IpAddr = if address.is_ipv4() { NODE_V4 } else { NODE_V6 }.parse().unwrap();
            let route = Route::Device { interface: name.clone(), source: Some(source) };
            desired_routes.insert(IpNetwork::from(*address), route);
        }
    }
    let actual = links::read(netlink).await.unwrap();
    let diff = Diff::between(&actual, &desired_links);
    assert!(links::apply(netlink, actual, diff).await.unwrap().is_complete());
    let actual = neighbours::read(netlink).await.unwrap();
    let diff = Diff::between(&actual, &desired_neighbours);
    assert!(neighbours::apply(netlink, actual, diff).await.unwrap().is_complete());
    let actual = routes::read(netlink).await.unwrap();
    let diff = Diff::between(&actual, &desired_routes);
    let outcome = routes::apply(netlink, actual, diff).await.unwrap();
    assert!(outcome.is_complete(), "{:?}", outcome.failed);
}

fn listen(address: IpAddr) -> TcpListener {
    TcpListener::bind((address, 0)).unwrap()
}

fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap()
}

/// Sends a word each way and returns whom the server saw.
fn converse(server: &TcpListener, mut client: TcpStream) -> IpAddr {
    let (mut accepted, peer) = server.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut word = [0; 5];
    accepted.read_exact(&mut word).unwrap();
    accepted.write_all(&word).unwrap();
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"hello");
    peer.ip()
}

/// TCP from the node to the pod and back, both families, each seeing the other's own address.
fn talk(pod: &Namespace, request: &AttachRequest) {
    for address in request.addresses.clone() {
        let own: IpAddr = if address.is_ipv4() { NODE_V4 } else { NODE_V6 }.parse().unwrap();
        let in_pod = pod.run(move || listen(address));
        let seen = converse(&in_pod, connect(in_pod.local_addr().unwrap()));
        assert_eq!(seen, own, "the route's preferred source");

        let on_node = listen(own);
        let target = on_node.local_addr().unwrap();
        let seen = converse(&on_node, pod.run(move || connect(target)));
        assert_eq!(seen, address);
    }
}

async fn nothing_left(netlink: &Netlink) {
    let interfaces = Interfaces::read(netlink).await.unwrap();
    assert_eq!(interfaces.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>(), ["lo"]);
}

#[test]
fn a_pod_is_closed_until_opened_and_then_reached_both_ways() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        pod.ip("link set lo down");
        let request = request(&pod, 7);
        let attached = attach(&netlink, &request).await.unwrap();
        assert_eq!(attached.host_mac, HOST_MAC);
        assert_eq!(attached.mtu, 1400);
        assert_eq!(attached.gateways, [IpAddr::from(GATEWAY_V4), GATEWAY_V6.into()]);

        let closed = links::read(&netlink).await.unwrap();
        assert_eq!(closed[&request.host_interface], Link { up: false, gateway_v6: None });
        assert!(pod.ip("link show eth0").contains("NO-CARRIER"), "nothing passes a closed link");
        assert!(pod.ip("link show lo").contains("UP"));

        open(&netlink, &[(&request, &attached)]).await;
        talk(&pod, &request);
        for family in ["-4", "-6"] {
            let known = ip(&format!("{family} neigh show dev {}", request.host_interface));
            assert!(known.lines().all(|entry| entry.contains("PERMANENT")), "nothing was asked for: {known}");
        }
        let known = pod.ip("neigh show dev eth0");
        assert!(known.lines().all(|entry| entry.contains("PERMANENT")), "nothing was asked for: {known}");
        assert_eq!(known.lines().count(), 2);
        assert!(pod.ip("addr show dev eth0 scope global").contains("inet 10.1.0.7/32"));
        assert_eq!(
            pod.run(|| fs::read_to_string("/proc/sys/net/ipv6/conf/eth0/accept_ra").unwrap()).trim(),
            "0"
        );

        detach(&netlink, &request.host_interface).await.unwrap();
        nothing_left(&netlink).await;
        assert_eq!(pod.ip("-o link show").lines().count(), 1, "the pod keeps its loopback only");
        assert_eq!(routes::read(&netlink).await.unwrap(), Routes::new(), "the kernel took the routes along");
        detach(&netlink, &request.host_interface).await.unwrap();
    });
}

#[test]
fn pods_reach_each_other_through_the_node_and_survive_closing() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pods = [Namespace::new(), Namespace::new()];
        let requests = [request(&pods[0], 1), request(&pods[1], 2)];
        let mut attached = Vec::new();
        for request in &requests {
            attached.push(attach(&netlink, request).await.unwrap());
        }
        let both: Vec<_> = requests.iter().zip(&attached).collect();
        for _ in 0..2 {
            open(&netlink, &both).await;
            for (from, to) in requests[0].addresses.clone().into_iter().zip(requests[1].addresses.clone()) {
                let server = pods[1].run(move || listen(to));
                let target = server.local_addr().unwrap();
                assert_eq!(converse(&server, pods[0].run(move || connect(target))), from, "no NAT");
            }
            // Once more after both were closed: the pods' side needs no repair.
            for request in &requests {
                ip(&format!("link set {} down", request.host_interface));
            }
        }
    });
}

#[test]
fn a_repeated_attach_changes_nothing() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let request = request(&pod, 3);
        let first = attach(&netlink, &request).await.unwrap();
        open(&netlink, &[(&request, &first)]).await;
        let before = Interfaces::read(&netlink).await.unwrap();
        assert_eq!(attach(&netlink, &request).await.unwrap(), first);
        assert_eq!(Interfaces::read(&netlink).await.unwrap(), before, "same link, still open");
        talk(&pod, &request);

        let single =
            AttachRequest { addresses: vec!["10.1.0.99".parse().unwrap()], mtu: None, ..request.clone() };
        let other = attach(&netlink, &single).await.unwrap();
        assert_eq!((other.mtu, other.gateways.as_slice()), (1500, &[IpAddr::from(GATEWAY_V4)][..]));
        assert!(!links::read(&netlink).await.unwrap()[&request.host_interface].up, "made anew, closed");
    });
}

#[test]
fn what_a_crash_left_is_made_anew() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let request = request(&pod, 4);
        let name = request.host_interface.clone();

        ip(&format!("link add {name} type veth peer name leftover"));
        let attached = attach(&netlink, &request).await.unwrap();
        assert!(Interfaces::read(&netlink).await.unwrap().get("leftover").is_none());
        open(&netlink, &[(&request, &attached)]).await;
        talk(&pod, &request);

        let wounds: [&'static str; 6] = [
            "addr del 10.1.0.4/32 dev eth0",
            "-6 addr del fd00:1::4/128 dev eth0",
            "link set eth0 down",
            "neigh del 169.254.1.1 dev eth0",
            "-6 route del default",
            "link set eth0 name other",
        ];
        for wound in wounds {
            pod.ip(wound);
            let attached = attach(&netlink, &request).await.unwrap();
            open(&netlink, &[(&request, &attached)]).await;
            talk(&pod, &request);
        }

        // The same container in a new namespace: the old one's end goes.
        let moved = Namespace::new();
        let again = AttachRequest { netns: moved.path().to_owned(), ..request.clone() };
        let attached = attach(&netlink, &again).await.unwrap();
        open(&netlink, &[(&again, &attached)]).await;
        talk(&moved, &again);
        assert_eq!(pod.ip("-o link show").lines().count(), 1);
    });
}

#[test]
fn an_interface_of_somebody_else_is_left_alone() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        pod.ip("link add eth0 type veth peer name eth9");
        let error = attach(&netlink, &request(&pod, 5)).await.unwrap_err();
        assert!(
            matches!(&error, AttachError::InterfaceExists { interface, .. } if interface == "eth0"),
            "{error}"
        );
        nothing_left(&netlink).await;
        assert!(pod.ip("-o link show").contains("eth9"));
    });
}

#[test]
fn a_failed_attempt_leaves_nothing_behind() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let mut impossible = request(&pod, 6);
        impossible.addresses.push("ff02::1".parse().unwrap());
        let error = attach(&netlink, &impossible).await.unwrap_err();
        assert!(matches!(error, AttachError::Kernel { .. }), "{error}");
        nothing_left(&netlink).await;
        assert_eq!(pod.ip("-o link show").lines().count(), 1);
    });
}

#[test]
fn only_a_network_namespace_of_a_pod_will_do() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let attempt = |path: &str| {
            let request = AttachRequest { netns: Path::new(path).to_owned(), ..request(&pod, 8) };
            let netlink = netlink.clone();
            async move { attach(&netlink, &request).await.unwrap_err() }
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let missing = attempt("/run/netns/there-is-no-such-namespace").await;
        assert!(matches!(missing, AttachError::Netns(NetnsError::Missing { .. })), "{missing}");
        for path in [file.path().to_str().unwrap(), "/proc/self/ns/mnt", "/dev/null", "/tmp"] {
            let error = attempt(path).await;
            assert!(matches!(error, AttachError::Netns(NetnsError::NotANetns { .. })), "{path}: {error}");
        }
        let own = attempt("/proc/thread-self/ns/net").await;
        assert!(matches!(own, AttachError::Netns(NetnsError::Own { .. })), "{own}");
        nothing_left(&netlink).await;
    });
}

#[test]
fn a_request_without_meaning_is_refused_in_words() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let good = request(&pod, 9);
        let cases = [
            (AttachRequest { addresses: Vec::new(), ..good.clone() }, "at least one address"),
            (AttachRequest { mtu: Some(1279), ..good.clone() }, "1279 bytes does not do for IPv6: 1280"),
            (AttachRequest { mtu: Some(70_000), ..good.clone() }, "65535"),
            (AttachRequest { interface: "a name".into(), ..good.clone() }, "no interface name"),
            (AttachRequest { interface: "sixteen-letters!".into(), ..good.clone() }, "1 to 15 bytes"),
            (AttachRequest { host_interface: "eth0".into(), ..good.clone() }, "begin with \"fab\""),
        ];
        for (request, words) in cases {
            let error = attach(&netlink, &request).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = detach(&netlink, "lo").await.unwrap_err();
        assert!(matches!(error, AttachError::Invalid(_)), "only host ends are ever removed: {error}");
        nothing_left(&netlink).await;
    });
}

#[test]
fn no_thread_and_no_socket_stays_in_a_pod() {
    in_fresh_namespace(|| async {
        let netlink = node();
        let pod = Namespace::new();
        let tasks = || fs::read_dir("/proc/self/task").unwrap().count();
        let files = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = (tasks(), files());
        for _ in 0..10 {
            let request = request(&pod, 10);
            attach(&netlink, &request).await.unwrap();
            detach(&netlink, &request.host_interface).await.unwrap();
        }
        tokio::task::yield_now().await;
        eventually("threads and sockets are gone", || (tasks(), files()) <= before);
        let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
        assert_ne!(own, fs::read_link(pod.path()).unwrap());
    });
}
