//! Probes through the real kernel: the path that it tells of, what is counted, and that nobody receives anything.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::UdpSocket;

use felix_agent::cni::attach::HOST_MAC;
use felix_agent::dataplane::netlink::Netlink;
use felix_agent::dataplane::nftables::Applied;
use felix_agent::dataplane::nftables::counters::{Count, KernelRules, is_of_profile};
use felix_agent::dataplane::nftables::trace::{Step, StepVerdict, TRACE_TABLE_NAME, Tracer};
use felix_agent::dataplane::probe::{Origin, Probe, send};
use policy::evaluate::{Packet, Transport};
use policy::program::{Direction, Family, Protocol, Side};

use crate::fabric::{Fabric, NODE, OUTSIDE, PATIENCE, POD_A, POD_B, SILENCE, socket_address};
use crate::programs::{Builder, addresses, and, is_in, port};

/// As the agent makes links.
fn fabric() -> Fabric {
    let fabric = Fabric::new();
    let mac = HOST_MAC.map(|byte| format!("{byte:02x}")).join(":");
    for host_end in ["fab-a", "fab-b"] {
        fabric.node.ip(&format!("link set {host_end} address {mac}"));
    }
    fabric
}

fn pod_a(fabric: &Fabric) -> Origin {
    let shown = fabric.a.command("ip", &["-o", "link", "show", "eth0"]);
    let (_, after) = shown.split_once("link/ether ").expect("an Ethernet address");
    let mac = after.split_whitespace().next().expect("an Ethernet address").to_owned();
    Origin::Pod { netns: fabric.a.path().into(), interface: "eth0".to_owned(), mac }
}

fn packet(from: &str, to: &str, transport: Transport) -> Packet {
    Packet { source: from.parse().unwrap(), destination: to.parse().unwrap(), transport }
}

fn traced(fabric: &Fabric, origin: &Origin, packet: Packet) -> Vec<Step> {
    let origin = origin.clone();
    fabric.node.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let netlink = Netlink::connect().unwrap();
            let probe = Probe::new(origin, packet).unwrap();
            let tracer = Tracer::start(&probe.sign).unwrap();
            send(&netlink, &probe).await.unwrap();
            tracer.follow(PATIENCE).unwrap()
        })
    })
}

fn arrives(fabric: &Fabric, origin: &Origin, packet: Packet) -> bool {
    let steps = traced(fabric, origin, packet);
    let last = steps.last().unwrap_or_else(|| panic!("{packet:?}: nothing was heard of"));
    assert_eq!(last.verdict, StepVerdict::Drop, "{packet:?}: {steps:#?}");
    last.is_arrival()
}

/// `b` lets in TCP to port 80 and echo requests from `a`.
fn policy() -> Builder {
    let echo = [Family::V4, Family::V6].map(|family| {
        let kind = if family == Family::V4 { 8 } else { 128 };
        vec![policy::program::Match::Icmp { family, kind, code: None, negated: false }]
    });
    let from_a = and(is_in(Side::Source, "s1"), port(Protocol::Tcp, 80));
    Builder::default()
        .set("s1", addresses(&POD_A))
        .profile("p1", Direction::Ingress, [vec![from_a], echo.into()].concat())
        .profile("p2", Direction::Egress, vec![port(Protocol::Tcp, 80), port(Protocol::Tcp, 81)])
        .endpoint("a", &POD_A, None, None)
        .endpoint("b", &POD_B, Some("p1"), Some("p2"))
}

#[test]
fn probes_fare_as_packets_of_every_protocol_would() {
    let mut fabric = fabric();
    fabric.enforce(&policy());
    // A table that is new lets TCP begin in the middle; from now on it does not.
    fabric.enforce(&policy());
    let origin = pod_a(&fabric);
    for family in 0..2 {
        let (a, b) = (POD_A[family], POD_B[family]);
        let of_family = if family == 0 { Family::V4 } else { Family::V6 };
        let table = [
            (Transport::to_port(Protocol::Tcp, 80), true),
            (Transport::to_port(Protocol::Tcp, 81), false),
            (Transport::to_port(Protocol::Udp, 80), false),
            (Transport::to_port(Protocol::Sctp, 80), false),
            (Transport::echo(of_family), true),
            (Transport::Other(47), false),
        ];
        for (transport, passes) in table {
            assert_eq!(arrives(&fabric, &origin, packet(a, b, transport)), passes, "{a} {transport:?}");
        }
        // What is not isolated lets everything through.
        for transport in table.map(|(transport, _)| transport) {
            assert!(
                arrives(&fabric, &Origin::Elsewhere, packet(OUTSIDE[family], a, transport)),
                "{transport:?}"
            );
            assert!(arrives(&fabric, &origin, packet(a, OUTSIDE[family], transport)), "{transport:?}");
            assert!(
                arrives(&fabric, &origin, packet(a, NODE[family], transport)),
                "to the node: {transport:?}"
            );
        }
        let to_b = packet(OUTSIDE[family], b, Transport::to_port(Protocol::Tcp, 80));
        assert!(!arrives(&fabric, &Origin::Elsewhere, to_b));
    }
    // Nothing is left behind, and our table is as it was.
    let tables = fabric.node.command("nft", &["list", "tables"]);
    assert!(!tables.contains(TRACE_TABLE_NAME), "{tables}");
    let links = fabric.node.command("ip", &["-o", "link"]);
    assert!(!links.contains("probe"), "{links}");
    assert_eq!(fabric.enforce(&policy()).applied, Applied::default());
}

#[test]
fn the_path_names_the_rules_and_they_count_the_probe() {
    let mut fabric = fabric();
    fabric.enforce(&policy());
    let origin = pod_a(&fabric);
    let to_port = |port| packet(POD_A[0], POD_B[0], Transport::to_port(Protocol::Tcp, port));
    let rules = |fabric: &Fabric| fabric.node.run(|| KernelRules::read().unwrap());
    let deciding = |steps: &[Step], rules: &KernelRules| -> Vec<String> {
        let of_profile =
            steps.iter().filter(|step| step.table == "fabric" && is_of_profile(&step.chain, "p1"));
        of_profile.filter_map(|step| Some(rules.get(&step.chain, step.handle?)?.comment.clone())).collect()
    };
    let passed = traced(&fabric, &origin, to_port(80));
    let after = rules(&fabric);
    assert_eq!(deciding(&passed, &after), ["default/web ingress#0"], "{passed:#?}");
    let bytes = 20 + 20 + 16;
    let counts = after.counts();
    assert_eq!(counts.get(&("p1", "default/web ingress#0")), Some(&Count { packets: 1, bytes }));
    let end = "tier default ingress: isolated by default/web";
    assert_eq!(counts.get(&("p1", end)), Some(&Count::default()));

    let denied = traced(&fabric, &origin, to_port(81));
    let after = rules(&fabric);
    assert_eq!(deciding(&denied, &after), [end], "{denied:#?}");
    assert_eq!(after.counts().get(&("p1", end)), Some(&Count { packets: 1, bytes }));
    let last = denied.last().unwrap();
    assert_eq!((last.family, last.table.as_str(), &last.verdict), ("inet", "fabric", &StepVerdict::Drop));
    assert!(last.chain.starts_with("deny_"), "{last:?}");
}

#[test]
fn nobody_receives_a_probe() {
    let mut fabric = fabric();
    fabric.enforce(&Builder::default().endpoint("a", &POD_A, None, None).endpoint("b", &POD_B, None, None));
    let server = fabric.b.run(|| UdpSocket::bind(socket_address(POD_B[0], 53)).unwrap());
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let origin = pod_a(&fabric);
    assert!(arrives(&fabric, &origin, packet(POD_A[0], POD_B[0], Transport::to_port(Protocol::Udp, 53))));
    let mut buffer = [0; 64];
    let error = server.recv_from(&mut buffer).expect_err("it is dropped behind the last rule");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn what_another_table_drops_is_seen() {
    let mut fabric = fabric();
    fabric.enforce(&policy());
    fabric.node.nft(
        "add table ip other; add chain ip other c { type filter hook forward priority 10; policy drop; }",
    );
    let origin = pod_a(&fabric);
    let steps = traced(&fabric, &origin, packet(POD_A[0], POD_B[0], Transport::to_port(Protocol::Tcp, 80)));
    let last = steps.last().unwrap();
    assert_eq!((last.family, last.table.as_str(), last.chain.as_str()), ("ip", "other", "c"));
    assert_eq!((last.handle, &last.verdict), (None, &StepVerdict::Drop));
    let tables: BTreeSet<&str> = steps.iter().map(|step| step.table.as_str()).collect();
    assert_eq!(tables, ["fabric", TRACE_TABLE_NAME, "other"].into());
}

#[test]
fn a_pod_that_was_replaced_is_not_probed() {
    let fabric = fabric();
    let Origin::Pod { netns, interface, .. } = pod_a(&fabric) else { panic!("a pod") };
    let origin = Origin::Pod { netns, interface, mac: "02:00:00:00:00:01".to_owned() };
    let probe =
        Probe::new(origin, packet(POD_A[0], POD_B[0], Transport::to_port(Protocol::Tcp, 80))).unwrap();
    let error = fabric.node.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { send(&Netlink::connect().unwrap(), &probe).await.unwrap_err() })
    });
    assert!(error.to_string().contains("it was replaced"), "{error}");
}
