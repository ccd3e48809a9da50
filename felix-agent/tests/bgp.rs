//! Two agents, as programs, in two namespaces: sessions, routes in the kernel, questions, resets, metrics and reload.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::v1;
use proto::v1::bgp_client::BgpClient;
use proto::v1::node_client::NodeClient;
use tonic::transport::Channel;

#[path = "fixtures/namespace.rs"]
mod namespace;

use namespace::{Namespace, in_fresh_namespace, ip};

/// An agent that runs, and its files.
struct Agent {
    process: Child,
    directory: tempfile::TempDir,
}

impl Agent {
    /// Starts an agent in the calling thread's namespace; `bgp` is the rest of that part of its configuration.
    fn start(number: u8, rest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("agent.yaml");
        fs::write(&file, Self::configuration(&directory, number, rest)).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_felix-agent"))
            .arg("--config")
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    fn configuration(directory: &tempfile::TempDir, number: u8, rest: &str) -> String {
        let directory = directory.path().display();
        format!(
            "node: {{ name: node{number}, addresses: [10.255.0.{number}, \"fd00:ff::{number}\"] }}\n\
             datastore: {{ sqlite: {{ path: {directory}/fabric.db }} }}\n\
             api: {{ socket: {directory}/agent.sock }}\n\
             metrics: {{ listen: \"127.0.0.1:9091\" }}\n\
             bgp:\n  localAS: 6500{number}\n  {rest}\n"
        )
    }

    /// Writes another configuration.
    fn configure(&self, number: u8, rest: &str) {
        let text = Self::configuration(&self.directory, number, rest);
        // As editors do it: nobody reads half of it.
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.directory.path().join("agent.yaml")).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("agent.sock")
    }

    async fn channel(&self) -> Channel {
        eventually(self, "the agent answers", async || proto::client::connect(&self.socket()).await.ok())
            .await
    }

    async fn bgp(&self) -> BgpClient<Channel> {
        BgpClient::new(self.channel().await)
    }

    async fn peer(&self, name: &str) -> Option<v1::Peer> {
        let request = v1::ListPeersRequest { peer: name.to_owned() };
        let answer = self.bgp().await.list_peers(request).await.ok()?.into_inner();
        answer.peers.into_iter().next()
    }

    async fn established(&self, name: &str) -> v1::Peer {
        let found = async || self.peer(name).await.filter(|peer| peer.state == "Established");
        eventually(self, &format!("the session with {name} stands"), found).await
    }

    async fn why(&self, destination: &str) -> v1::WhyRouteResponse {
        let request = v1::WhyRouteRequest { prefix: destination.to_owned() };
        self.bgp().await.why_route(request).await.unwrap().into_inner()
    }

    /// Waits until the kernel has (or has not) the route.
    async fn installed(&self, destination: &str, wanted: bool) -> v1::WhyRouteResponse {
        let ask = async || {
            let why = self.why(destination).await;
            let kernel = why.kernel.as_ref()?;
            let is_there = kernel.installed && kernel.protocol == 201;
            (is_there == wanted).then_some(why)
        };
        // The speaker is asked before the kernel is: what it says of a route that has just come or gone is of the moment
        // before. Asked again, it says what the kernel follows.
        let found = async || {
            ask().await?;
            ask().await
        };
        eventually(self, &format!("{destination} is installed: {wanted}"), found).await
    }

    async fn problems(&self) -> Vec<String> {
        let mut node = NodeClient::new(self.channel().await);
        node.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().problems
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Far longer than anything takes.
async fn eventually<T>(agent: &Agent, what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = holds().await {
            return value;
        }
        assert!(Instant::now() < patience, "never came true: {what}\n{}", agent.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Another machine at the other end of `up0`, with these addresses at both ends.
fn neighbour(near: &'static [&'static str], other: &'static [&'static str]) -> Namespace {
    let far = Namespace::new();
    let thread = far.path().components().rev().nth(2).unwrap().as_os_str().to_str().unwrap().to_owned();
    ip(&format!("link add up0 type veth peer name up0 netns {thread}"));
    let lay = |number: u8, addresses: &[&str]| {
        for address in addresses {
            ip(&format!("addr add {address} dev up0 nodad"));
        }
        ip("link set up0 up");
        ip(&format!("addr add 10.255.0.{number}/32 dev lo"));
        ip(&format!("addr add fd00:ff::{number}/128 dev lo"));
    };
    lay(1, near);
    far.run(move || lay(2, other));
    far
}

fn metrics() -> String {
    let mut stream = TcpStream::connect("127.0.0.1:9091").unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const NEAR: &str = "peers: [{ address: 10.1.1.1, remoteAS: 65002, holdTimeSecs: 9, connectRetrySecs: 1, \
    import: all, export: originated, description: far, families: [ipv4-unicast] }]";
/// It waits to be dialled: where both dial, a session may stand for a moment before the other end decides for the other
/// connection (RFC 4271 §6.8), and that counts as a flap.
const FAR: &str = "peers: [{ address: 10.1.1.0, remoteAS: external, passive: true, import: all, \
    export: originated, families: [ipv4-unicast] }]";

#[test]
fn what_is_learned_is_routed_explained_and_counted() {
    in_fresh_namespace(|| async {
        let far = neighbour(&["10.1.1.0/31"], &["10.1.1.1/31"]);
        let here = Agent::start(1, NEAR);
        let there = far.run(|| Agent::start(2, FAR));
        let peer = here.established("10.1.1.1").await;
        assert_eq!((peer.remote_as, peer.description.as_str()), (65002, "far"));
        assert_eq!(here.peer("far").await.map(|peer| peer.name), Some("10.1.1.1".to_owned()));
        there.established("10.1.1.0").await;

        let why = here.installed("10.255.0.2", true).await;
        assert_eq!(why.prefix, "10.255.0.2/32");
        let kernel = why.kernel.unwrap();
        assert_eq!((kernel.prefix.as_str(), kernel.problem.as_str()), ("10.255.0.2/32", ""));
        assert!(kernel.route.starts_with("via 10.1.1.1 dev up0"), "{kernel:?}");
        assert_eq!(kernel.planned, "via 10.1.1.1");
        assert!(!why.paths[0].steps.is_empty() && why.paths[0].path.as_ref().unwrap().best);
        // Its own address comes from nobody, and goes to the peer.
        let own = here.why("10.255.0.1").await;
        assert_eq!(own.told.iter().map(|told| told.told).collect::<Vec<_>>(), [true], "{own:?}");
        assert_eq!(own.kernel.unwrap().planned, "");

        let request = v1::ListRoutesRequest {
            prefix: "10.255.0.0/16".to_owned(),
            r#match: v1::PrefixMatch::Longer.into(),
            limit: 1,
            ..v1::ListRoutesRequest::default()
        };
        let routes = here.bgp().await.list_routes(request).await.unwrap().into_inner();
        assert_eq!((routes.routes.len(), routes.truncated), (1, true), "{routes:?}");

        let answer = metrics();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("version=0.0.4"), "{answer}");
        for line in [
            "fabric_bgp_peer_up{peer=\"10.1.1.1\"} 1\n",
            "fabric_bgp_peer_prefixes_accepted{peer=\"10.1.1.1\",family=\"ipv4-unicast\"} 1\n",
            "fabric_bgp_bfd_packets_sent_total 0\n",
            "fabric_agent_kernel_routes 1\n",
        ] {
            assert!(answer.contains(line), "{line} is not in {answer}");
        }
    });
}

#[test]
fn a_reset_is_told_and_seen_as_it_happens() {
    in_fresh_namespace(|| async {
        let far = neighbour(&["10.1.1.0/31"], &["10.1.1.1/31"]);
        let here = Agent::start(1, NEAR);
        let there = far.run(|| Agent::start(2, FAR));
        there.established("10.1.1.0").await;
        here.installed("10.255.0.2", true).await;
        let flaps = here.established("far").await.flaps;

        let request = v1::WatchEventsRequest { peer: String::new(), follow: true };
        let mut events = there.bgp().await.watch_events(request).await.unwrap().into_inner();
        let reset = |kind: v1::ResetKind, message: &str| v1::ResetPeerRequest {
            peer: "far".to_owned(),
            kind: kind.into(),
            message: message.to_owned(),
            family: String::new(),
        };
        for soft in [v1::ResetKind::SoftIn, v1::ResetKind::SoftOut] {
            here.bgp().await.reset_peer(reset(soft, "")).await.unwrap();
        }
        let peer = here.peer("far").await.map(|peer| (peer.state, peer.flaps));
        assert_eq!(peer, Some(("Established".to_owned(), flaps)), "a soft one resets nothing");

        here.bgp().await.reset_peer(reset(v1::ResetKind::Hard, "new cable")).await.unwrap();
        let seen = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(event) = events.message().await.unwrap() {
                if let Some(v1::bgp_event::What::Peer(peer)) = event.what
                    && peer.text.contains("new cable")
                {
                    return peer;
                }
            }
            panic!("the stream ended");
        });
        let seen = seen.await.expect("the reason is told");
        assert_eq!((seen.peer.as_str(), seen.kind.as_str()), ("10.1.1.0", "state"));
        assert_ne!(seen.state, "Established");
        let again = here.established("far").await;
        assert_eq!(again.flaps, flaps + 1);
        // What was is remembered for who comes later.
        let request = v1::WatchEventsRequest { peer: "10.1.1.0".to_owned(), follow: false };
        let mut past = there.bgp().await.watch_events(request).await.unwrap().into_inner();
        let mut ups = 0;
        while let Some(event) = past.message().await.unwrap() {
            if let Some(v1::bgp_event::What::Peer(peer)) = event.what {
                ups += u32::from(peer.kind == "state" && peer.state == "Established");
            }
        }
        assert!(ups >= 1, "the stream of what was ends by itself");
    });
}

#[test]
fn a_changed_file_comes_into_force_without_a_reset() {
    in_fresh_namespace(|| async {
        let far = neighbour(&["10.1.1.0/31"], &["10.1.1.1/31"]);
        let here = Agent::start(1, NEAR);
        let there = far.run(|| Agent::start(2, FAR));
        there.established("10.1.1.0").await;
        here.installed("10.255.0.2", true).await;
        let flaps = here.established("far").await.flaps;

        // A filter is another policy, not another session.
        let filtered = NEAR.replace("import: all", "import: nobody");
        let filters = "filters: { nobody: { rules: [{ match: { prefixes: [\"10.255.0.0/16 le 32\"] }, then: reject }] } }";
        here.configure(1, &format!("{filters}\n  {filtered}"));
        here.installed("10.255.0.2", false).await;
        let is_named = async || {
            let why = here.why("10.255.0.2").await;
            why.paths.iter().flat_map(|path| &path.steps).any(|step| step.contains("nobody")).then_some(())
        };
        eventually(&here, "the filter is named", is_named).await;

        // What makes no sense changes nothing, and is said.
        here.configure(1, &NEAR.replace("import: all", "import: nobdy"));
        let is_said = async || {
            let problems = here.problems().await;
            problems.into_iter().find(|problem| problem.contains("there is no filter \"nobdy\""))
        };
        eventually(&here, "the problem is in the status", is_said).await;

        // What cannot change now is named; the rest is in force all the same.
        here.configure(1, &format!("listen: {{ port: 1790 }}\n  {NEAR}"));
        here.installed("10.255.0.2", true).await;
        assert!(here.log().contains("bgp.listen changes only when the agent starts anew"), "{}", here.log());
        let is_over = async || here.problems().await.is_empty().then_some(());
        eventually(&here, "the problem is over", is_over).await;
        let peer = here.established("far").await;
        assert_eq!(peer.flaps, flaps, "none of this reset the session");

        // Who does not want to wait for the clock asks.
        let process = Pid::from_raw(here.process.id().try_into().unwrap());
        kill(process, Signal::SIGHUP).unwrap();
        let is_read = async || here.log().contains("nothing of it is different").then_some(());
        eventually(&here, "SIGHUP is heard", is_read).await;

        // A peer that goes takes its routes with it.
        here.configure(1, "peers: []");
        here.installed("10.255.0.2", false).await;
        assert!(here.peer("far").await.is_none());
        drop(there);
    });
}

#[test]
fn unnumbered_neighbours_route_ipv4_by_ipv6() {
    in_fresh_namespace(|| async {
        let far = neighbour(&["fe80::1/64"], &["fe80::2/64"]);
        let bgp = "peers: [{ interface: up0, remoteAS: external, connectRetrySecs: 1, import: all, export: originated }]";
        let here = Agent::start(1, bgp);
        let there = far.run(move || Agent::start(2, bgp));
        let peer = here.established("up0").await;
        assert!(peer.address.starts_with("fe80::") && peer.interface == "up0", "{peer:?}");
        there.established("up0").await;
        for destination in ["10.255.0.2", "fd00:ff::2"] {
            let kernel = here.installed(destination, true).await.kernel.unwrap();
            assert!(
                kernel.route.starts_with("via fe80::") && kernel.route.ends_with("dev up0"),
                "{kernel:?}"
            );
        }
        there.installed("10.255.0.1", true).await;
        let listener = far.run(|| UdpSocket::bind("10.255.0.2:7000").unwrap());
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let sender = UdpSocket::bind("10.255.0.1:0").unwrap();
        sender.send_to(b"hello", "10.255.0.2:7000").unwrap();
        let mut buffer = [0; 16];
        let (length, from) = listener.recv_from(&mut buffer).expect("it arrives");
        assert_eq!((&buffer[..length], from.ip().to_string().as_str()), (&b"hello"[..], "10.255.0.1"));
    });
}
