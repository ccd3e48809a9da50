//! A NetworkPolicy is edited, until packets feel it: through an agent with 100 pods, each selected by 50 policies.
//!
//! The edit closes one port of every pod and opens another. The clock starts before the agent is asked, by gRPC, to apply the
//! manifest, and stops when the first answer comes from the port that was closed before: so the datastore's write and its
//! watch are in it, and that an edit narrows what 100 pods may do and has all of their connections judged anew.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use integration::eventually::eventually;
use integration::fleet::{Backend, Fleet};
use integration::lab::Lab;
use integration::measure::report::{Goal, Measure, Report};
use integration::measure::sorted;
use integration::namespace::Namespace;
use integration::node::settings::Settings;
use integration::pod::{Pod, PodSpec};
use proto::v1::ApplyRequest;
use proto::v1::resources_client::ResourcesClient;

const PODS: usize = 100;
const POLICIES: u16 = 50;
const EDITS: usize = 20;

/// Of which each edit closes one and opens the other.
const PORTS: [u16; 2] = [7_000, 7_001];

const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions.
const PACE: Duration = Duration::from_micros(200);

const BEGINNING: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods }
spec: { cidr: 10.42.0.0/20 }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
";

/// Measures a number of edits.
pub fn measure(report: &mut Report) -> Result<()> {
    let lab = Lab::new("bench-policy")?;
    let files = lab.make_directory("datastore")?;
    let mut fleet = Fleet::build(lab, Backend::Sqlite, &files, 1, Settings::from)?;
    fleet.nodes.first_mut().context("no node")?.start_agent()?;
    let node = fleet.nodes.first().context("no node")?;
    let policies: String = (0..POLICIES).map(|number| policy(number, 8_000 + number)).collect();
    node.apply("beginning.yaml", &format!("{BEGINNING}{policies}"))?;
    let pods: Vec<Pod> = (0..PODS)
        .map(|number| {
            Pod::attach(&fleet.lab, node, PodSpec::new("shop", &format!("pod{number}")).label("app", "all"))
        })
        .collect::<Result<_>>()?;
    let [client, server] = [pods.first(), pods.last()].map(|pod| pod.context("no pod"));
    let (client, server) = (client?.namespace().clone(), server?);
    let address = server.addresses().first().copied().context("no address")?;
    let _echoes = PORTS
        .map(|port| Echo::start(server.namespace(), address, port))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;

    node.apply("first.yaml", &policy(0, PORTS[0]))?;
    let prober = Prober::new(&client, address)?;
    eventually("the first port is open", PATIENCE, || {
        ensure!(prober.answers(PORTS[0])?, "no answer");
        Ok(())
    })?;
    let mut took = Vec::new();
    for edit in 1..=EDITS {
        let (opens, closes) = (PORTS[edit % 2], PORTS[(edit + 1) % 2]);
        ensure!(!prober.answers(opens)?, "port {opens} is open before it should");
        took.push(prober.until(opens, || apply(node, &policy(0, opens)))?);
        ensure!(!prober.answers(closes)?, "port {closes} is still open");
    }
    let row = format!("a NetworkPolicy is edited, until it holds: {PODS} pods × {POLICIES} policies");
    let took = sorted(took);
    report.add_ours(&row, Measure::Median, Goal::Under(0.1), took.pick(500).context("no samples")?);
    report.add(&row, crate::OURS, Measure::P99, took.pick(990).context("no samples")?);
    Ok(())
}

fn policy(number: u16, port: u16) -> String {
    let mut text = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n".to_owned();
    let _ = writeln!(text, "metadata: {{ namespace: shop, name: policy{number} }}");
    text.push_str("spec:\n  podSelector: { matchLabels: { app: all } }\n  ingress:\n");
    text.push_str("    - from: [{ podSelector: { matchLabels: { app: all } } }]\n");
    let _ = writeln!(text, "      ports: [{{ port: {port}, protocol: UDP }}]");
    text
}

fn apply(node: &integration::node::Node, manifest: &str) -> Result<()> {
    let socket = node.socket();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let request = ApplyRequest { manifest: manifest.to_owned(), file_name: String::new() };
        ResourcesClient::new(proto::client::connect(&socket).await?).apply(request).await?;
        Ok(())
    })
}

/// Asks from a pod.
struct Prober {
    socket: UdpSocket,
    address: IpAddr,
}

impl Prober {
    fn new(namespace: &Namespace, address: IpAddr) -> Result<Self> {
        let socket = namespace.run(|| UdpSocket::bind(("0.0.0.0", 0)))??;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Whether a port answers to one of some questions.
    fn answers(&self, port: u16) -> Result<bool> {
        for _ in 0..20 {
            if self.ask(port)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How long it takes from the beginning of some work until a port answers, seconds.
    fn until(&self, port: u16, work: impl FnOnce() -> Result<()> + Send) -> Result<f64> {
        thread::scope(|scope| {
            let began = Instant::now();
            let work = scope.spawn(work);
            while !self.ask(port)? {
                if began.elapsed() > PATIENCE {
                    bail!("port {port} does not open");
                }
            }
            let took = began.elapsed().as_secs_f64();
            work.join().map_err(|_| anyhow::anyhow!("applying panicked"))??;
            Ok(took)
        })
    }

    /// One question, and all answers so far: one from the port is an answer, also if late.
    fn ask(&self, port: u16) -> Result<bool> {
        self.socket.send_to(b"?", SocketAddr::new(self.address, port))?;
        thread::sleep(PACE);
        let mut buffer = [0; 8];
        let mut answered = false;
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((_, from)) => answered |= from.port() == port,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answered),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Answers on a port of a pod, as long as it lives.
struct Echo {
    stop: Arc<AtomicBool>,
}

impl Echo {
    fn start(namespace: &Namespace, address: IpAddr, port: u16) -> Result<Self> {
        let socket = namespace.run(|| UdpSocket::bind((address, port)))??;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            let mut buffer = [0; 8];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // Whoever asked may not be reached any more.
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        Ok(Self { stop })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
