//! A fabric with agents, pools and pods, and what tests ask of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use integration::eventually::eventually;
use integration::kernel;
use integration::lab::Lab;
use integration::namespace::Namespace;
use integration::node::Node;
use integration::pod::{Pod, PodSpec};
use integration::probe::sequence::Report;
use integration::probe::tcp::{self, Outcome, Server};
use integration::probe::udp::{Echo, Flow, Pace};
use integration::programs::Program;
use integration::topology::{Fabric, addresses};
use integration::tor::Kind;
use proto::v1::ExplainRequest;
use proto::v1::policy_client::PolicyClient;

/// Bounds waits that would never end.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A connection that has not come about by then was dropped on the way; one that was only slow is tried again.
const SILENCE: Duration = Duration::from_millis(500);

/// Both families, the lab's usual ones.
pub const POOLS: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/20 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: \"fd00:42::/64\" }
";

/// A fabric whose agents run.
pub struct World {
    /// By full name.
    pub pods: BTreeMap<String, Pod>,
    /// Last, so that it goes last.
    pub fabric: Fabric,
}

impl World {
    /// Routers, and nodes with running agents; nothing in the datastore.
    pub fn empty(tors: &[Kind], nodes: u8) -> Self {
        let mut fabric = Fabric::build(Lab::new("test").unwrap(), tors, nodes).unwrap();
        for node in &mut fabric.nodes {
            node.start_agent().unwrap();
        }
        Self { pods: BTreeMap::new(), fabric }
    }

    /// The same with pools, all sessions up, and what comes over them in the kernels.
    pub fn new(tors: &[Kind], nodes: u8) -> Self {
        let world = Self::empty(tors, nodes);
        world.apply(POOLS);
        world.await_sessions();
        world.await_loopbacks();
        world
    }

    pub fn await_sessions(&self) {
        for node in &self.fabric.nodes {
            eventually("all sessions are up", PATIENCE, || node.ensure_established()).unwrap();
        }
    }

    /// Until every node has a way to the own addresses of every router, and by every router to those of every other
    /// node: all that there is to learn before there are pods.
    fn await_loopbacks(&self) {
        let numbers = |count: usize| 1..=u8::try_from(count).unwrap();
        let tors = numbers(self.fabric.tors.len());
        for (n, node) in (1..).zip(&self.fabric.nodes) {
            let of_tors = tors.clone().map(|t| (addresses::tor_loopbacks(t), t..=t));
            let others = numbers(self.fabric.nodes.len()).filter(|other| *other != n);
            let of_nodes = others.map(|other| (addresses::node_loopbacks(other), tors.clone()));
            for (loopbacks, by) in of_tors.chain(of_nodes) {
                for (family, loopback) in loopbacks.into_iter().enumerate() {
                    let wanted = by.clone().map(|t| addresses::link(t, n).tor[family].ip()).collect();
                    eventually("what there is to learn is routed", PATIENCE, || {
                        let found = kernel::gateways(node.namespace(), loopback)?;
                        ensure!(found == wanted, "{}: {loopback} by {found:?}", node.name());
                        Ok(())
                    })
                    .unwrap();
                }
            }
        }
    }

    /// By number, from 1.
    pub fn node(&self, number: usize) -> &Node {
        &self.fabric.nodes[number - 1]
    }

    pub fn node_of(&self, pod: &str) -> &Node {
        let name = self.pod(pod).node();
        self.fabric.nodes.iter().find(|node| node.name() == name).unwrap()
    }

    pub fn pod(&self, name: &str) -> &Pod {
        self.pods.get(name).unwrap_or_else(|| panic!("no pod {name}"))
    }

    /// Attaches a pod to the node of this number.
    pub fn attach(&mut self, number: usize, spec: PodSpec) {
        let pod = Pod::attach(&self.fabric.lab, &self.fabric.nodes[number - 1], spec).unwrap();
        self.pods.insert(pod.full_name(), pod);
    }

    pub fn detach(&mut self, name: &str) {
        let pod = self.pods.remove(name).unwrap();
        let node = self.fabric.nodes.iter().find(|node| node.name() == pod.node()).unwrap();
        pod.detach(&self.fabric.lab, node).unwrap();
    }

    /// Applies a manifest on the first node.
    pub fn apply(&self, manifest: &str) -> String {
        self.node(1).apply("manifest.yaml", manifest).unwrap()
    }

    /// Holds when every trial ends as it should, over every family, and the agents of both ends say so, too, as do probes in
    /// their kernels.
    pub fn ensure_outcomes(&self, trials: &[Trial]) -> Result<()> {
        thread::scope(|scope| {
            let mut running = Vec::new();
            for trial in trials {
                for address in self.pod(trial.to).addresses() {
                    running.push((trial, scope.spawn(move || self.check(trial, *address))));
                }
            }
            for (trial, thread) in running {
                thread.join().unwrap().with_context(|| format!("{trial:?}"))?;
            }
            Ok(())
        })
    }

    /// Waits until they do.
    #[track_caller]
    pub fn expect(&self, what: &str, trials: &[Trial]) {
        eventually(what, PATIENCE, || self.ensure_outcomes(trials)).unwrap();
    }

    fn check(&self, trial: &Trial, address: IpAddr) -> Result<()> {
        let client = self.pod(trial.from);
        let destination = SocketAddr::new(address, trial.port);
        let passed = match trial.protocol {
            "tcp" => connects(client, destination)?,
            "udp" => echoes(client.namespace(), destination)?,
            other => bail!("no protocol {other}"),
        };
        ensure!(passed == trial.allowed, "to {destination}: passed {passed}");
        for node in [self.node_of(trial.from), self.node_of(trial.to)] {
            let said = self.explain(node, trial, address)?;
            ensure!(said == trial.allowed, "{} explains it as allowed: {said}", node.name());
        }
        Ok(())
    }

    fn explain(&self, node: &Node, trial: &Trial, address: IpAddr) -> Result<bool> {
        let request = ExplainRequest {
            source: trial.from.to_owned(),
            destination: trial.to.to_owned(),
            protocol: trial.protocol.to_owned(),
            port: u32::from(trial.port),
            ip_version: if address.is_ipv4() { 4 } else { 6 },
            // What a pod sends to itself meets no rule.
            trace: trial.from != trial.to,
            ..ExplainRequest::default()
        };
        let answer = node
            .ask(|channel| async { Ok(PolicyClient::new(channel).explain(request).await?.into_inner()) })?;
        let directions = answer.directions.iter().all(|direction| direction.allowed);
        ensure!(directions == answer.allowed, "the directions contradict the verdict: {answer:?}");
        let differences = answer.trace.iter().flat_map(|trace| &trace.differences).count();
        ensure!(answer.trace.is_some() == (trial.from != trial.to), "traced or not: {answer:#?}");
        ensure!(differences == 0, "the kernel differs: {answer:#?}");
        Ok(answer.allowed)
    }
}

/// Something that one pod tries with another.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    pub from: &'static str,
    pub to: &'static str,
    pub protocol: &'static str,
    pub port: u16,
    pub allowed: bool,
}

/// Reads a table of `from to protocol port yes|no`, a line each.
pub fn trials(table: &'static str) -> Vec<Trial> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    let trials = lines.map(|line| {
        let [from, to, protocol, port, allowed] =
            line.split_whitespace().collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let allowed = match allowed {
            "yes" => true,
            "no" => false,
            other => panic!("{other}"),
        };
        Trial { from, to, protocol, port: port.parse().unwrap(), allowed }
    });
    trials.collect()
}

fn connects(client: &Pod, destination: SocketAddr) -> Result<bool> {
    match client.namespace().run(|| tcp::connect(destination, SILENCE))?? {
        Outcome::Connected { local, seen_as } => {
            let own = client.address_like(destination.ip())?;
            ensure!(local == seen_as && seen_as.ip() == own, "{local} of {own} is seen as {seen_as}");
            Ok(true)
        }
        Outcome::TimedOut => Ok(false),
        other @ (Outcome::Refused | Outcome::Unreachable) => bail!("to {destination}: {other:?}"),
    }
}

fn echoes(client: &Namespace, destination: SocketAddr) -> Result<bool> {
    let any: SocketAddr = if destination.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = client.run(|| UdpSocket::bind(any))??;
    let report = Flow::round_trip(socket, destination, Pace::per_second(200).times(3))?.complete()?;
    Ok(report.received > 0)
}

/// Servers for TCP and UDP in one namespace.
pub struct Servers {
    _tcp: Vec<Server>,
    _udp: Vec<Echo>,
}

impl Servers {
    pub fn start(namespace: &Namespace, ports: &[u16]) -> Self {
        let tcp = |port: &u16| namespace.run(|| TcpListener::bind(("::", *port))).unwrap().unwrap();
        let udp = |port: &u16| namespace.run(|| UdpSocket::bind(("::", *port))).unwrap().unwrap();
        Self {
            _tcp: ports.iter().map(tcp).map(|listener| Server::start(listener).unwrap()).collect(),
            _udp: ports.iter().map(udp).map(|socket| Echo::start(socket).unwrap()).collect(),
        }
    }
}

pub fn bind(namespace: &Namespace, address: IpAddr, port: u16) -> UdpSocket {
    namespace.run(|| UdpSocket::bind((address, port))).unwrap().unwrap()
}

/// One-way flows between two pods, one for each family, to `port`.
pub fn flows(from: &Pod, to: &Pod, port: u16, rate: u32) -> Vec<Flow> {
    let flow = |address: &IpAddr| {
        let sender = bind(from.namespace(), from.address_like(*address).unwrap(), 0);
        let receiver = bind(to.namespace(), *address, port);
        let destination = SocketAddr::new(*address, port);
        Flow::one_way(sender, receiver, destination, Pace::per_second(rate)).unwrap()
    };
    to.addresses().iter().map(flow).collect()
}

/// Packets sent and received so far.
pub fn progress(flows: &[Flow]) -> (u64, u64) {
    flows.iter().map(Flow::progress).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Waits until this many more packets were sent.
pub fn await_sent(flows: &[Flow], more: u64) {
    let goal = progress(flows).0 + more;
    eventually("packets are sent", PATIENCE, || {
        ensure!(progress(flows).0 >= goal);
        Ok(())
    })
    .unwrap();
}

/// Waits until this many more packets arrived.
pub fn await_received(flows: &[Flow], more: u64) {
    let goal = progress(flows).1 + more;
    eventually("packets arrive", PATIENCE, || {
        ensure!(progress(flows).1 >= goal, "{:?} of {goal}", progress(flows));
        Ok(())
    })
    .unwrap();
}

pub fn finish(flows: Vec<Flow>) -> Report {
    flows.iter().for_each(Flow::stop);
    flows.into_iter().map(|flow| flow.finish().unwrap()).fold(Report::default(), Report::and)
}

/// What a program said at its end.
#[derive(Debug)]
pub struct Said {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts that it failed with status 1 and said all of this, and nothing on standard output.
    #[track_caller]
    pub fn assert_refused(&self, parts: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {}", self.stderr);
        }
    }
}

/// Runs `fabricctl` on a node, whether it succeeds or not.
pub fn fabricctl(node: &Node, arguments: &[&str]) -> Said {
    let mut command = Command::new(Program::Ctl.find().unwrap());
    Said::of(command.arg("--socket").arg(node.socket()).args(arguments))
}

/// What the kernel of a node holds, as its own tools print it: routes of every table, links, and our nftables table
/// without counters. Link-local addresses are left out: those of uplinks appear when the kernel has made sure, by
/// itself, that nobody else has them (RFC 4862 section 5.4).
pub fn kernel_state(node: &Node) -> BTreeMap<&'static str, String> {
    let ns = node.namespace();
    let ip = |arguments: &[&str]| ns.output("ip", arguments).unwrap();
    BTreeMap::from([
        ("routes, IPv4", ip(&["-4", "route", "show", "table", "all"])),
        ("routes, IPv6", without_link_local(&ip(&["-6", "route", "show", "table", "all"]))),
        ("neighbours", ip(&["neigh", "show", "nud", "permanent"])),
        ("links", ip(&["-d", "link", "show"])),
        ("policy", table(node)),
    ])
}

fn without_link_local(routes: &str) -> String {
    routes.lines().filter(|line| !line.contains("fe80:")).collect::<Vec<_>>().join("\n")
}

/// Asserts that nothing of a node's [`kernel_state`] is other than before.
#[track_caller]
pub fn assert_unchanged(node: &Node, before: &BTreeMap<&'static str, String>, when: &str) {
    for (what, found) in kernel_state(node) {
        assert_eq!(found, before[what], "{when}: {what}");
    }
}

/// Our nftables table. Sets and chains are sorted, for `nft` lists them in the order in which they were made; what is in
/// a chain keeps its order. Left out is what is not policy and differs in time: the generations of connections, and the rule
/// against those that begin without SYN, which comes when a new table has been there for a while.
pub fn table(node: &Node) -> String {
    try_table(node).unwrap()
}

/// The same, where there may be none.
pub fn try_table(node: &Node) -> Result<String> {
    let text = node.namespace().output("nft", &["-s", "list", "table", "inet", "fabric"])?;
    let body = text.split_once('\n').context("an empty table")?.1;
    let lines = body.lines().filter(|line| !line.contains("begins without SYN")).map(without_generation);
    let body = lines.collect::<Vec<_>>().join("\n");
    let mut parts: Vec<&str> = body.split("\n\t}\n").map(str::trim).collect();
    parts.sort_unstable();
    Ok(parts.join("\n"))
}

fn without_generation(line: &str) -> &str {
    let rule = line.trim_start();
    if rule.starts_with("ct mark set ct mark & ") {
        return "\t\tct mark set";
    }
    if rule.starts_with("ct mark & ") && rule.ends_with(" return") { "\t\tct mark return" } else { line }
}

/// Our routes, both families, in order.
pub fn routes(node: &Node) -> Vec<String> {
    let show = |family: &str| {
        let text = node.namespace().output("ip", &[family, "route", "show", "proto", "201"]).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut all = [show("-4"), show("-6")].concat();
    all.sort();
    all
}
