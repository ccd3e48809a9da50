//! Top-of-rack routers: unmodified BIRD or FRR from Debian's packages, each with its own configuration, sockets and
//! state, in a namespace of its own.
//!
//! A router speaks eBGP over IPv4 and IPv6 with every neighbour, one session for each family. It takes only prefixes
//! within the fabric's networks, passes them on to the others, uses equal paths side by side, programs its kernel, and
//! keeps the routes of a neighbour that restarts gracefully (RFC 4724 §4.2). What it thinks is asked through its own
//! command line and answered as values.
//!
//! [`bird`] and [`frr`] turn a [`Spec`] into a configuration and read the answers, both as pure functions.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use ipnetwork::IpNetwork;

use crate::namespace::Namespace;
use crate::process::Process;

pub mod bird;
pub mod frr;
#[cfg(test)]
mod tests;

/// Proposed hold time, seconds, of routers and nodes alike: long enough for a busy machine, short for people who watch.
pub const HOLD_TIME_SECS: u16 = 9;

/// Between keepalives, seconds.
const KEEPALIVE_SECS: u16 = 1;

/// Between attempts to connect, seconds.
pub const CONNECT_RETRY_SECS: u16 = 1;

/// Whose router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BIRD 2, package `bird2`.
    Bird,
    /// FRRouting (zebra and bgpd), package `frr`.
    Frr,
}

/// A router as wanted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name, a host name's characters.
    pub name: String,
    /// Whose.
    pub kind: Kind,
    /// Its AS.
    pub asn: u32,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its own addresses, on `lo`, announced.
    pub loopbacks: Vec<IpNetwork>,
    /// Networks of the fabric: prefixes within them, of any length, are taken from and passed on to neighbours.
    pub fabric: Vec<IpNetwork>,
    /// With whom it peers.
    pub neighbours: Vec<Neighbour>,
}

/// One session of a router; its family is that of its addresses.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// Who that is, for people.
    pub name: String,
    /// The router's end of the link.
    pub local: IpAddr,
    /// The neighbour's.
    pub remote: IpAddr,
    /// The neighbour's AS.
    pub asn: u32,
    /// Wait to be dialled.
    pub passive: bool,
}

/// One way to a prefix, as a router knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Where it leads.
    pub next_hop: IpAddr,
    /// ASes on the way, nearest first.
    pub as_path: Vec<u32>,
    /// The chosen one.
    pub best: bool,
    /// Kept although its neighbour is restarting (RFC 4724).
    pub stale: bool,
}

/// A running router.
#[derive(Debug)]
pub struct Tor {
    spec: Spec,
    config: String,
    namespace: Arc<Namespace>,
    directory: PathBuf,
    daemons: Vec<Process>,
}

impl Tor {
    /// Makes a router of `namespace`, whose links are there already: addresses `lo`, turns forwarding on, starts the
    /// daemons. Its files go to `directory`.
    ///
    /// # Errors
    /// When its package is missing, or a daemon does not start.
    pub fn start(namespace: Arc<Namespace>, directory: PathBuf, spec: Spec) -> Result<Self> {
        let config = match spec.kind {
            Kind::Bird => bird::render(&spec),
            Kind::Frr => frr::render(&spec),
        };
        Self::start_configured(namespace, directory, spec, config)
    }

    /// As [`Tor::start`], with a configuration of BIRD or of FRR's `bgpd` that says what a [`Spec`] cannot. For
    /// [`Tor::sessions`], BIRD's protocols have to be named as [`bird::protocol_name`] does it.
    ///
    /// # Errors
    /// When its package is missing, or a daemon does not start.
    pub fn start_configured(
        namespace: Arc<Namespace>,
        directory: PathBuf,
        spec: Spec,
        config: String,
    ) -> Result<Self> {
        for loopback in &spec.loopbacks {
            crate::link::add_address(&namespace, "lo", *loopback)?;
        }
        for (key, value) in [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv6/conf/all/forwarding", "1"),
            // Spread flows, not only pairs of addresses, over equal paths.
            ("net/ipv4/fib_multipath_hash_policy", "1"),
            ("net/ipv6/fib_multipath_hash_policy", "1"),
        ] {
            namespace.set_sysctl(key, value)?;
        }
        let mut tor = Self { spec, config, namespace, directory, daemons: Vec::new() };
        tor.start_daemons(false)?;
        Ok(tor)
    }

    fn start_daemons(&mut self, again: bool) -> Result<()> {
        self.daemons = match self.spec.kind {
            Kind::Bird => bird::start(&self.namespace, &self.directory, &self.config, again)?,
            Kind::Frr => frr::start(&self.namespace, &self.directory, &self.spec.name, &self.config)?,
        };
        Ok(())
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where it runs.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// The state of its session with each neighbour, by the neighbour's address, in RFC 4271's names.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sessions(&self) -> Result<BTreeMap<IpAddr, String>> {
        match self.spec.kind {
            Kind::Bird => bird::sessions(&self.directory, &self.spec),
            Kind::Frr => frr::sessions(&self.directory),
        }
    }

    /// Fails, naming the sessions that are not, unless all are established.
    ///
    /// # Errors
    /// When one is not, or it does not answer.
    pub fn ensure_established(&self) -> Result<()> {
        let sessions = self.sessions()?;
        for neighbour in &self.spec.neighbours {
            let state = sessions.get(&neighbour.remote).map_or("unknown", String::as_str);
            if state != "Established" {
                bail!(
                    "{}: the session with {} ({}) is {state}",
                    self.spec.name,
                    neighbour.name,
                    neighbour.remote
                );
            }
        }
        Ok(())
    }

    /// The ways it knows to exactly this prefix; none if it knows none.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn paths(&self, prefix: IpNetwork) -> Result<Vec<Way>> {
        match self.spec.kind {
            Kind::Bird => bird::paths(&self.directory, prefix),
            Kind::Frr => frr::paths(&self.directory, prefix),
        }
    }

    /// Has its own command line carry out what `birdc` or, a command a line, `vtysh` take; returns what it printed.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask(&self, commands: &str) -> Result<String> {
        match self.spec.kind {
            Kind::Bird => bird::ask(&self.directory, &commands.split_whitespace().collect::<Vec<_>>()),
            Kind::Frr => frr::ask(&self.directory, commands),
        }
    }

    /// Kills its daemons with SIGKILL: no neighbour is told. Its kernel goes on forwarding.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            daemon.kill()?;
        }
        self.daemons.clear();
        Ok(())
    }

    /// Pulls the plug: daemons killed and every link cut, at once and without a word.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pull_the_plug(&mut self) -> Result<()> {
        self.kill()?;
        for interface in crate::link::names(&self.namespace)?.iter().filter(|name| *name != "lo") {
            crate::link::delete(&self.namespace, interface)?;
        }
        Ok(())
    }

    /// Starts the daemons again after [`Tor::kill`]; they restart gracefully (RFC 4724 §4.1) if configured to.
    ///
    /// # Errors
    /// When one does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start_daemons(true)
    }

    /// Leaves its daemons running when this value goes away.
    pub fn detach(self) {
        self.daemons.into_iter().for_each(Process::detach);
    }
}

fn write_config(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
