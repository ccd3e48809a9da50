//! Who is on stage: the fabric, its pods, and the servers in them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::namespace::Namespace;
use crate::node::Node;
use crate::pod::Pod;
use crate::probe::tcp::{self, Outcome};
use crate::process::Process;
use crate::topology::Fabric;

/// Where the servers in pods and on nodes listen.
pub const PORT: u16 = 8080;

/// How long a connection may take before it counts as not coming about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The fabric with what lives in it.
#[derive(Debug)]
pub struct Scene {
    /// Attached pods.
    pub pods: Vec<Pod>,
    /// Servers in pods and on nodes.
    pub servers: Vec<Process>,
    /// Routers, nodes and the lab. Last, so that it goes last.
    pub fabric: Fabric,
}

impl Scene {
    /// A fabric without pods yet.
    #[must_use]
    pub fn new(fabric: Fabric) -> Self {
        Self { pods: Vec::new(), servers: Vec::new(), fabric }
    }

    /// A pod by its full name.
    ///
    /// # Errors
    /// When there is none.
    pub fn pod(&self, full_name: &str) -> Result<&Pod> {
        self.pods
            .iter()
            .find(|pod| pod.full_name() == full_name)
            .with_context(|| format!("no pod {full_name}"))
    }

    /// A node by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.fabric.nodes.iter().find(|node| node.name() == name).with_context(|| format!("no {name}"))
    }

    /// Leaves everything up; see [`Fabric::keep`].
    ///
    /// # Errors
    /// When the lab's manifest cannot be written.
    pub fn keep(self) -> Result<()> {
        self.servers.into_iter().for_each(Process::detach);
        self.fabric.keep()
    }
}

/// Connects to the server at `to` from inside a namespace.
///
/// # Errors
/// When something other than an outcome comes back.
pub fn connect(from: &Namespace, to: IpAddr) -> Result<Outcome> {
    from.run(|| tcp::connect(SocketAddr::new(to, PORT), CONNECT_PATIENCE))?
}

/// Connects, and demands that the far end sees exactly this address: nothing was translated.
///
/// # Errors
/// When there is no connection, or it seems to come from elsewhere.
pub fn connect_as(from: &Namespace, own: IpAddr, to: IpAddr) -> Result<()> {
    match connect(from, to)? {
        Outcome::Connected { seen_as, .. } if seen_as.ip() == own => Ok(()),
        Outcome::Connected { seen_as, .. } => bail!("{own} is seen as {} by {to}", seen_as.ip()),
        other @ (Outcome::Refused | Outcome::TimedOut | Outcome::Unreachable) => {
            bail!("{own} to {to}: {other:?}")
        }
    }
}
