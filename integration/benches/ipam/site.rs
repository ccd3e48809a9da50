//! Where it happens: a fleet whose datastore is on a disk, in the target directory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration::fleet::{Backend, Fleet};
use integration::lab::Lab;
use integration::node::settings::{Collection, Datastore, Settings};
use proto::v1::ipam_client::IpamClient;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;

/// Room for everybody, and no limit that is met before the datastore's.
const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods }
spec: { cidr: 10.0.0.0/8 }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { maxBlocksPerHost: 100000 }
";

/// For anything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Addresses of a block.
pub const BLOCK: u32 = 64;

/// A fleet and its datastore's files.
#[derive(Debug)]
pub struct Site {
    /// Two nodes: one for the agent, and one for whoever uses the datastore without.
    pub fleet: Fleet,
    /// Where files are that are to survive.
    pub disk: TempDir,
}

impl Site {
    /// Makes one; no agent runs yet.
    pub fn new(target: &Path, backend: Backend) -> Result<Self> {
        let lab = Lab::new("bench-ipam")?;
        let disk = tempfile::tempdir_in(target).context("making a directory for datastores")?;
        // Nobody looks after addresses while they are measured.
        let collection = Some(Collection { interval_secs: 86_400, grace_period_secs: 86_400 });
        let settings = |datastore| Settings { collection, ..Settings::from(datastore) };
        Ok(Self { fleet: Fleet::build(lab, backend, disk.path(), 2, settings)?, disk })
    }

    /// Starts the agent of the first node, and applies the pool.
    pub fn start_agent(&mut self) -> Result<()> {
        let node = self.fleet.nodes.first_mut().context("no node")?;
        node.start_agent()?;
        node.apply("pool.yaml", MANIFEST).map(drop)
    }

    /// A runtime whose sockets are those of the second node.
    pub fn runtime(&self) -> Result<Runtime> {
        let node = self.fleet.nodes.get(1).context("no second node")?;
        // A thread is in the namespace of the one that made it: the runtime makes its own at once.
        Ok(node.namespace().run(|| Builder::new_multi_thread().worker_threads(2).enable_all().build())??)
    }

    /// The datastore, as the second node reaches it.
    pub fn datastore(&self) -> Result<Datastore> {
        self.fleet.datastore_of(2)
    }

    /// A connection to the agent.
    pub async fn connect(&self) -> Result<IpamClient<Channel>> {
        let node = self.fleet.nodes.first().context("no node")?;
        Ok(IpamClient::new(proto::client::connect(&node.socket()).await?))
    }

    /// The agent's process.
    pub fn agent_pid(&self) -> Result<u32> {
        Ok(self.fleet.nodes.first().context("no node")?.agent()?.pid())
    }
}
