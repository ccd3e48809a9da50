//! What packets pay: through a node between two pods, one of which is isolated by few or many policies.
//!
//! ```text
//!   a ── fab-a ─ node ─ fab-b ── b
//! ```
//!
//! One thread sends datagrams from `a` to a port of `b` where nobody reads any more; the kernel does all of a packet's way within the
//! sending, so that the thread's own CPU time is the packet's. Packets are counted where they arrive.
//!
//! Every policy selects `b`, which is the worst case: the first packet of a flow is held against all of them, and is let in by
//! the last. Beside it, as many rules one after the other, and no rules at all. Without rules the kernel does not track
//! connections either; as every node of a cluster does, there is also a line with connection tracking and nothing else.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use integration::lab::Lab;
use integration::link::{self, End};
use integration::measure::report::{Goal, Measure, Report};
use integration::namespace::Namespace;
use ipnetwork::IpNetwork;
use nix::time::{ClockId, clock_gettime};
use policy::Engine;
use policy::model::Namespace as Labels;
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

use crate::node::{Node, SHOP, endpoint, id, set_policy};
use crate::raw::File;

const ESTABLISHED: u32 = 200_000;
/// Of each measurement; the flows of another one have other ports.
const FLOWS: u16 = 4_000;

const A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The one that the last policy opens.
const PORT: u16 = 7;
const FIRST_SOURCE_PORT: u16 = 1_024;

const NOTHING: &str = "no rules, connections not tracked";
const TRACKED: &str = "no rules, connections tracked";
const LINEAR: &str = "rules one after the other";

/// Measures each number of policies.
pub fn compare(policies: &[u16], report: &mut Report) -> Result<()> {
    let path = Path::new()?;
    let rows = |policies: u16| {
        [
            format!("packets of an established flow, {policies} policies, for each second of CPU"),
            format!("first packets of flows, {policies} policies, for each second of CPU"),
        ]
    };
    let without = path.measure()?;
    path.track()?;
    let tracked = path.measure()?;
    path.forget("track")?;
    for policies in policies {
        let [established, first] = rows(*policies);
        for (who, figures) in [(NOTHING, without), (TRACKED, tracked)] {
            report.add(&established, who, Measure::Rate, figures.established);
            report.add(&first, who, Measure::Rate, figures.first);
        }
        let node = path.enforce(*policies)?;
        let ours = path.measure()?;
        drop(node);
        path.forget("fabric")?;
        report.add_ours(&established, Measure::Rate, Goal::AtLeast(0.85, TRACKED), ours.established);
        path.list(*policies)?;
        let linear = path.measure()?;
        path.forget("linear")?;
        report.add(&established, LINEAR, Measure::Rate, linear.established);
        report.add(&first, crate::OURS, Measure::Rate, ours.first);
        report.add(&first, LINEAR, Measure::Rate, linear.first);
    }
    Ok(())
}

/// Packets for each second of the sender's CPU time.
#[derive(Debug, Clone, Copy)]
struct Figures {
    established: f64,
    first: f64,
}

/// Two pods and the node between them.
struct Path {
    a: Arc<Namespace>,
    b: Arc<Namespace>,
    node: Arc<Namespace>,
    lab: Lab,
    /// The source port of the next new flow.
    next: Cell<u16>,
}

impl Path {
    fn new() -> Result<Self> {
        let lab = Lab::new("bench-policy")?;
        let [a, b, node] = [lab.namespace("a")?, lab.namespace("b")?, lab.namespace("node")?];
        node.set_sysctl("net/ipv4/ip_forward", "1")?;
        for (pod, interface, address) in [(&a, "fab-a", A), (&b, "fab-b", B)] {
            let host = |address: Ipv4Addr| IpNetwork::from(std::net::IpAddr::from(address));
            link::connect(
                End { namespace: &node, interface, addresses: &[host(GATEWAY)] },
                End { namespace: pod, interface: "eth0", addresses: &[host(address)] },
            )?;
            let (gateway, address) = (GATEWAY.to_string(), address.to_string());
            pod.output("ip", &["route", "add", &gateway, "dev", "eth0"])?;
            pod.output("ip", &["route", "add", "default", "via", &gateway])?;
            node.output("ip", &["route", "add", &address, "dev", interface])?;
        }
        Ok(Self { a, b, node, lab, next: Cell::new(FIRST_SOURCE_PORT) })
    }

    /// The agent's rules; they go with what is returned and [`Self::forget`].
    fn enforce(&self, policies: u16) -> Result<Node> {
        let mut engine = Engine::new();
        engine.set_namespace(SHOP, Some(Labels { labels: BTreeMap::new() }));
        let ends = [("a", A), ("b", B)].map(|(name, address)| (id(SHOP, name), name, address));
        engine.set_local(ends.iter().map(|(id, ..)| id.clone()).collect());
        for (id, name, address) in &ends {
            engine.set_endpoint(id, Some(endpoint(id, ("app", name), *address)));
        }
        for number in 0..policies {
            let port = if number + 1 == policies { PORT } else { 1_024 + number };
            let spec = json!({
                "podSelector": { "matchLabels": { "app": "b" } },
                "ingress": [{
                    "from": [{ "podSelector": { "matchLabels": { "app": "a" } } }],
                    "ports": [{ "port": port, "protocol": "UDP" }],
                }],
            });
            set_policy(&mut engine, &format!("policy{number:05}"), &spec)?;
        }
        let interfaces = ends.iter().map(|(id, name, _)| (id.clone(), format!("fab-{name}"))).collect();
        let mut node = self.node.run(|| Node::behind(engine, interfaces))??;
        node.enforce()?;
        Ok(node)
    }

    /// Rules one after the other, of which the last lets the packet pass.
    fn list(&self, rules: u16) -> Result<()> {
        let mut text =
            "table inet linear {\nchain forward { type filter hook forward priority filter; policy drop;\n"
                .to_owned();
        text.push_str("ct direction reply accept\n");
        for number in 0..rules {
            let port = if number + 1 == rules { PORT } else { 1_024 + number };
            let _ = writeln!(text, "ip saddr {A} ip daddr {B} udp dport {port} accept");
        }
        text.push_str("}\n}\n");
        File::new(&self.lab.directory(), "linear.nft", &text)?.load(&self.node)
    }

    fn track(&self) -> Result<()> {
        let text = "table inet track {\nchain forward { type filter hook forward priority filter; ct state invalid drop\n}\n}\n";
        File::new(&self.lab.directory(), "track.nft", text)?.load(&self.node)
    }

    fn forget(&self, table: &str) -> Result<()> {
        self.node.output("nft", &["delete", "table", "inet", table]).map(drop)
    }

    fn measure(&self) -> Result<Figures> {
        let server = self.b.run(|| UdpSocket::bind((B, PORT)))??;
        let established = self.established(&server)?;
        let arrived = self.arrived()?;
        let from = self.next.get();
        self.next
            .set(from.checked_add(FLOWS).context("no ports are left: measure fewer numbers of policies")?);
        let first = self.a.run(|| first_packets(from))??;
        let arrived = self.arrived()? - arrived;
        // Whoever else is on the machine may cost a packet.
        ensure!(arrived * 100 >= u64::from(FLOWS) * 99, "{arrived} of {FLOWS} first packets arrived");
        Ok(Figures { established, first })
    }

    /// Of a flow that was answered.
    fn established(&self, server: &UdpSocket) -> Result<f64> {
        let client = self.a.run(|| UdpSocket::bind((A, 0)))??;
        client.connect((B, PORT))?;
        for end in [&client, server] {
            end.set_read_timeout(Some(Duration::from_secs(5)))?;
        }
        let mut buffer = [0; 64];
        client.send(b"question")?;
        let (_, from) = server.recv_from(&mut buffer).context("nothing arrived")?;
        server.send_to(b"answer", from)?;
        client.recv(&mut buffer).context("no answer")?;
        let before = self.arrived()?;
        let rate = self.a.run(|| {
            let began = cpu_secs()?;
            for _ in 0..ESTABLISHED {
                client.send(b"packet")?;
            }
            anyhow::Ok(f64::from(ESTABLISHED) / (cpu_secs()? - began))
        })??;
        let arrived = self.arrived()? - before;
        ensure!(arrived * 100 >= u64::from(ESTABLISHED) * 99, "{arrived} of {ESTABLISHED} packets arrived");
        Ok(rate)
    }

    /// Packets that `b` has received.
    fn arrived(&self) -> Result<u64> {
        // The files below /proc/net are those of the thread that opens them.
        let text = self.b.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("eth0:")).context("no eth0")?;
        line.split_whitespace().nth(1).context("no count")?.parse().context("a number of packets")
    }
}

/// Each from another port, with nothing that is made for a flow in the measure: the packets are made by hand.
fn first_packets(from: u16) -> Result<f64> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(nix::libc::IPPROTO_RAW)))?;
    let to = SocketAddrV4::new(B, 0).into();
    let mut packet = datagram();
    let began = cpu_secs()?;
    for port in from..from + FLOWS {
        packet[20..22].copy_from_slice(&port.to_be_bytes());
        socket.send_to(&packet, &to)?;
    }
    Ok(f64::from(FLOWS) / (cpu_secs()? - began))
}

/// An IPv4 header (RFC 791 §3.1; the kernel fills lengths and checksum in), a UDP header without checksum (RFC 768), eight
/// octets.
fn datagram() -> [u8; 36] {
    let mut packet = [0; 36];
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&A.octets());
    packet[16..20].copy_from_slice(&B.octets());
    packet[22..24].copy_from_slice(&PORT.to_be_bytes());
    packet[24..26].copy_from_slice(&16_u16.to_be_bytes());
    packet
}

/// CPU time of this thread.
fn cpu_secs() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
