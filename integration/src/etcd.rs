//! An etcd of one member, as Debian packages it, in a namespace of its own.
//!
//! It listens on etcd's port of that namespace, so that labs are not in each other's way; whoever wants to reach it
//! needs a link there. It is started, killed and frozen by its [`Process`], and goes with the lab.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::eventually::eventually;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs;

/// Etcd's port for clients.
pub const PORT: u16 = 2379;

/// How long it may take until it answers. Generous: it is not what is tested.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    namespace: Arc<Namespace>,
    process: Process,
}

impl Etcd {
    /// Starts one that keeps its data and its log in `directory`, and waits until it answers, at all addresses that the
    /// namespace has.
    ///
    /// # Errors
    /// When the packages are missing, or it does not answer in time, with the end of its log.
    pub fn start(namespace: &Arc<Namespace>, directory: &Path) -> Result<Self> {
        let any = format!("http://0.0.0.0:{PORT}");
        let peer = "http://127.0.0.1:2380".to_owned();
        let data = directory.join("data").display().to_string();
        let arguments = [
            ("--name", "lab".to_owned()),
            ("--data-dir", data),
            ("--listen-client-urls", any),
            ("--advertise-client-urls", url(Ipv4Addr::LOCALHOST.into())),
            ("--listen-peer-urls", peer.clone()),
            ("--initial-advertise-peer-urls", peer.clone()),
            ("--initial-cluster", format!("lab={peer}")),
        ];
        let invocation = Invocation {
            program: program("etcd", "etcd-server")?,
            arguments: arguments.into_iter().flat_map(|(key, value)| [key.into(), value.into()]).collect(),
            // Where it is not supported, it wants to hear that one knows.
            environment: if cfg!(target_arch = "aarch64") {
                vec![("ETCD_UNSUPPORTED_ARCH".to_owned(), "arm64".to_owned())]
            } else {
                Vec::new()
            },
            log: directory.join("etcd.log"),
        };
        let process = Process::start(namespace, invocation)?;
        let mut etcd = Self { namespace: Arc::clone(namespace), process };
        etcd.wait()?;
        Ok(etcd)
    }

    /// Kills it, as a power failure would.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again on what it has on disk, and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer in time, with the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.wait()
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs `etcdctl` beside it and returns what that printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let endpoints = format!("--endpoints={}", url(Ipv4Addr::LOCALHOST.into()));
        let program = program("etcdctl", "etcd-client")?;
        let all: Vec<&str> = std::iter::once(endpoints.as_str()).chain(arguments.iter().copied()).collect();
        self.namespace.output(program, &all)
    }

    fn wait(&mut self) -> Result<()> {
        let answer = eventually("etcd answers", START_PATIENCE, || {
            // One that has ended will not answer any more.
            if let Err(ended) = self.process.ensure_running() {
                return Ok(Err(ended));
            }
            self.control(&["endpoint", "health"]).map(|_| Ok(()))
        });
        answer
            .and_then(|answer| answer)
            .with_context(|| format!("starting etcd; see {}", self.process.log().display()))
    }
}

fn program(name: &str, package: &str) -> Result<PathBuf> {
    programs::packaged(&format!("/usr/bin/{name}"), package)
}

/// Where it is reached, at an address of its namespace.
#[must_use]
pub fn url(address: IpAddr) -> String {
    format!("http://{}", SocketAddr::new(address, PORT))
}
