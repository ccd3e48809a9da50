//! A node: a namespace with addresses of its own on `lo`, an uplink to every router, and a `felix-agent`.
//!
//! The lab plays the host's administrator: it wires and addresses the machine and writes the agent's configuration.
//! Everything else, forwarding included, is the agent's to do. What the agent knows is asked as anybody would:
//! by `fabricctl` where a person is to see it, by gRPC ([`api`]) where a test looks at values.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::eventually::eventually;
use crate::link;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::Program;
use crate::topology::addresses;

pub mod api;
pub mod settings;

use settings::Settings;

/// How long an agent may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A node's way to a router.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// The router's name.
    pub name: String,
    /// Its AS.
    pub asn: u32,
    /// Its end of the link, IPv4 and IPv6: whom the node peers with.
    pub gateways: [IpAddr; 2],
}

/// A node.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u8,
    namespace: Arc<Namespace>,
    directory: PathBuf,
    uplinks: Vec<Uplink>,
    agent: Option<Process>,
}

impl Node {
    /// Makes a node of `namespace`, whose links are there already: addresses `lo` and writes the agent's configuration.
    ///
    /// # Errors
    /// When an address or a file cannot be written.
    pub fn new(
        number: u8,
        namespace: Arc<Namespace>,
        directory: PathBuf,
        settings: impl Into<Settings>,
        uplinks: Vec<Uplink>,
    ) -> Result<Self> {
        for loopback in addresses::node_loopbacks(number) {
            link::add_address(&namespace, "lo", loopback)?;
        }
        // Spread flows, not only pairs of addresses, over equal paths.
        for family in ["ipv4", "ipv6"] {
            namespace.set_sysctl(&format!("net/{family}/fib_multipath_hash_policy"), "1")?;
        }
        let name = format!("node{number}");
        let node = Self { name, number, namespace, directory, uplinks, agent: None };
        node.configure(&settings.into())?;
        Ok(node)
    }

    /// Writes the agent's configuration anew, for its next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, settings: &Settings) -> Result<()> {
        let text = settings.render(self.number, &self.socket(), &self.uplinks);
        fs::write(self.config(), text).with_context(|| format!("writing {}", self.config().display()))
    }

    /// Its name, in the fabric too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own addresses, IPv4 and IPv6.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        addresses::node_loopbacks(self.number).map(|network| network.ip())
    }

    /// Where it is.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its agent's Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent.sock")
    }

    /// Its agent's configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("felix-agent.yaml")
    }

    /// Its agent's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("felix-agent.log")
    }

    /// Starts the agent and waits until it answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time, with the end of its log.
    pub fn start_agent(&mut self) -> Result<()> {
        ensure!(self.agent.is_none(), "the agent of {} runs already", self.name);
        let invocation = Invocation {
            program: Program::Agent.find()?,
            arguments: vec!["--config".into(), self.config().into()],
            environment: Vec::new(),
            log: self.log(),
        };
        let mut agent = Process::start(&self.namespace, invocation)?;
        let answer = eventually("the agent answers", START_PATIENCE, || {
            // One that has ended will not answer any more.
            if let Err(ended) = agent.ensure_running() {
                return Ok(Err(ended));
            }
            self.status().map(Ok)
        });
        answer.and_then(|answer| answer).with_context(|| format!("starting the agent of {}", self.name))?;
        self.agent = Some(agent);
        Ok(())
    }

    /// Kills the agent with SIGKILL.
    ///
    /// # Errors
    /// When none runs.
    pub fn kill_agent(&mut self) -> Result<()> {
        let Some(mut agent) = self.agent.take() else { bail!("no agent runs on {}", self.name) };
        agent.ensure_running()?;
        agent.kill()?;
        Ok(())
    }

    /// The running agent.
    ///
    /// # Errors
    /// When none runs.
    pub fn agent(&self) -> Result<&Process> {
        self.agent.as_ref().with_context(|| format!("no agent runs on {}", self.name))
    }

    /// Ends the agent with SIGTERM.
    ///
    /// # Errors
    /// When none runs, or it does not end in time.
    pub fn stop_agent(&mut self, patience: Duration) -> Result<()> {
        let Some(mut agent) = self.agent.take() else { bail!("no agent runs on {}", self.name) };
        agent.stop(patience)?;
        Ok(())
    }

    /// Runs `fabricctl` against this node's agent and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn fabricctl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(Program::Ctl.find()?)
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .output()
            .context("running fabricctl")?;
        ensure!(
            output.status.success(),
            "fabricctl {} on {}: {}: {}",
            arguments.join(" "),
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a manifest to a file of this node and applies it with `fabricctl apply -f`; returns what that printed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, file_name: &str, manifest: &str) -> Result<String> {
        let path = self.directory.join(file_name);
        fs::write(&path, manifest).with_context(|| format!("writing {}", path.display()))?;
        self.fabricctl(&["apply", "-f", &path.to_string_lossy()])
    }

    /// Leaves its agent running when this value goes away.
    pub fn detach(self) {
        if let Some(agent) = self.agent {
            agent.detach();
        }
    }
}
