//! A fleet with running agents, and what tests ask of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use datastore::{EtcdStore, SqliteStore, Store, etcd};
use integration::eventually::eventually;
use integration::fleet::{Backend, Fleet};
use integration::lab::Lab;
use integration::node::Node;
use integration::node::settings::{Collection, Datastore, Settings};
use integration::programs::Program;
use proto::v1::ipam_client::IpamClient;
use proto::v1::{
    Allocation, AssignRequest, AssignResponse, ListAllocationsRequest, ReleaseRequest, ReleaseResponse,
};
use serde_json::Value;
use tonic::Status;
use tonic::transport::Channel;

/// Bounds waits that would never end.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Garbage collection that somebody can wait for.
pub const QUICK: Collection = Collection { interval_secs: 1, grace_period_secs: 3 };

/// Garbage collection that has not begun when a test ends.
pub const NEVER: Collection = Collection { interval_secs: 3_600, grace_period_secs: 3_600 };

/// A fleet whose agents run.
pub struct World {
    pub fleet: Fleet,
}

impl World {
    /// With nothing in the datastore but the nodes.
    pub fn new(backend: Backend, nodes: u8, collection: Collection) -> Self {
        let mut world = Self::idle(backend, nodes, collection);
        for node in &mut world.fleet.nodes {
            node.start_agent().unwrap();
        }
        world
    }

    /// The same, with agents that do not run yet.
    pub fn idle(backend: Backend, nodes: u8, collection: Collection) -> Self {
        Self::idle_with(backend, nodes, collection, 0)
    }

    /// With running agents that keep so many addresses of each family ready.
    pub fn with_standby(backend: Backend, nodes: u8, collection: Collection, standby: u32) -> Self {
        let mut world = Self::idle_with(backend, nodes, collection, standby);
        for node in &mut world.fleet.nodes {
            node.start_agent().unwrap();
        }
        world
    }

    fn idle_with(backend: Backend, nodes: u8, collection: Collection, standby: u32) -> Self {
        let lab = Lab::new("test").unwrap();
        let directory = lab.make_directory("datastore").unwrap();
        let settings =
            |datastore| Settings { collection: Some(collection), standby, ..Settings::from(datastore) };
        Self { fleet: Fleet::build(lab, backend, &directory, nodes, settings).unwrap() }
    }

    /// By number, from 1.
    pub fn node(&self, number: usize) -> &Node {
        &self.fleet.nodes[number - 1]
    }

    pub fn node_mut(&mut self, number: usize) -> &mut Node {
        &mut self.fleet.nodes[number - 1]
    }

    /// Applies a manifest on the first node.
    pub fn apply(&self, manifest: &str) {
        self.node(1).apply("manifest.yaml", manifest).unwrap();
    }

    /// A file that goes with the lab.
    pub fn file(&self, name: &str) -> PathBuf {
        self.fleet.lab.directory().join(name)
    }

    /// Reads or writes the datastore beside all agents.
    pub fn in_store<T: Send, F: Future<Output = Result<T>>>(
        &self,
        work: impl FnOnce(Arc<dyn Store>) -> F + Send,
    ) -> T {
        let datastore = self.fleet.datastore_beside();
        let done = self.fleet.store().run_async(|| async move { work(open(&datastore).await?).await });
        done.unwrap()
    }
}

async fn open(datastore: &Datastore) -> Result<Arc<dyn Store>> {
    Ok(match datastore {
        Datastore::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
        Datastore::Etcd { endpoints, prefix } => {
            let (endpoints, prefix) = (endpoints.clone(), prefix.clone());
            let options = etcd::Options { endpoints, prefix, tls: None, credentials: None };
            Arc::new(EtcdStore::open(&options).await?)
        }
    })
}

/// What `fabricctl` said at its end.
#[derive(Debug)]
pub struct Said {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it succeeded.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Asserts that it ended with this status and said all of this.
    #[track_caller]
    pub fn assert_refused(&self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {}", self.stderr);
        }
    }
}

/// Runs `fabricctl` on a node, whether it succeeds or not. It may take its time.
pub fn fabricctl(node: &Node, arguments: &[&str]) -> Said {
    let mut command = Command::new(Program::Ctl.find().unwrap());
    command.arg("--timeout=60s").arg("--socket").arg(node.socket()).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Everything in use, as this node's agent knows it.
pub fn allocations(node: &Node) -> Result<Vec<Allocation>> {
    node.ask(|channel| async {
        let mut client = IpamClient::new(channel);
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListAllocationsRequest { page_token, ..ListAllocationsRequest::default() };
            let answer = client.list_allocations(request).await?.into_inner();
            all.extend(answer.allocations);
            if answer.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = answer.next_page_token;
        }
    })
}

/// The names of all objects of a kind, as the datastore has them.
pub fn names(node: &Node, kind: &str) -> Result<Vec<String>> {
    let text = node.fabricctl(&["get", kind, "-o", "json"])?;
    let answer: Value = serde_json::from_str(&text)?;
    let items = answer["items"].as_array().with_context(|| format!("no items: {text}"))?;
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok(items.iter().map(name).collect())
}

/// Waits until `fabricctl ipam check` finds nothing wrong.
#[track_caller]
pub fn await_clean(node: &Node) {
    eventually("the check finds nothing", PATIENCE, || {
        let said = fabricctl(node, &["ipam", "check"]);
        ensure!(said.status == Some(0), "{said:?}");
        Ok(())
    })
    .unwrap();
}

/// Waits until there are neither allocations nor handles, but of what nodes keep ready.
#[track_caller]
pub fn await_nothing_left(node: &Node) {
    let is_anybodys = |handle: &String| !handle.starts_with("standby:");
    eventually("nothing is left", PATIENCE, || {
        let (mut left, mut handles) = (allocations(node)?, names(node, "handles")?);
        left.retain(|allocation| is_anybodys(&allocation.handle));
        handles.retain(is_anybodys);
        ensure!(left.is_empty() && handles.is_empty(), "{left:?}, {handles:?}");
        Ok(())
    })
    .unwrap();
}

/// One request to assign, over a connection of its own.
pub async fn assign(socket: &Path, request: AssignRequest) -> Result<AssignResponse, Status> {
    Ok(connect(socket).await?.assign(request).await?.into_inner())
}

/// One request to release, over a connection of its own.
pub async fn release(socket: &Path, request: ReleaseRequest) -> Result<ReleaseResponse, Status> {
    Ok(connect(socket).await?.release(request).await?.into_inner())
}

async fn connect(socket: &Path) -> Result<IpamClient<Channel>, Status> {
    let channel = proto::client::connect(socket).await;
    channel.map(IpamClient::new).map_err(|error| Status::unavailable(error.to_string()))
}

/// Assigns on a node, which must succeed.
#[track_caller]
pub fn assigned(node: &Node, request: AssignRequest) -> Vec<Allocation> {
    let answer = node.ask(|channel| async {
        Ok(IpamClient::new(channel).assign(request).await?.into_inner().allocations)
    });
    answer.unwrap()
}

/// So many IPv4 and IPv6 addresses for a handle.
pub fn wish(handle: &str, ipv4: u32, ipv6: u32) -> AssignRequest {
    AssignRequest { handle: handle.to_owned(), ipv4, ipv6, ..AssignRequest::default() }
}

/// What an agent that does not come up says; its exit status is 1.
pub fn refused(node: &mut Node) -> String {
    let log = node.log();
    let _ = fs::remove_file(&log);
    let complaint = node.start_agent().unwrap_err();
    let complaint = format!("{complaint:#}");
    assert!(complaint.contains("exit status: 1"), "{complaint}");
    fs::read_to_string(log).unwrap()
}
