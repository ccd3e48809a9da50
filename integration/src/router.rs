//! Routers that we did not write: BIRD, FRR, GoBGP, OpenBGPD and ExaBGP, as Debian packages them.
//!
//! All are made from one neutral description, a [`Spec`]; each daemon's module turns it into that daemon's own
//! configuration, and its own command line's answers into [`Session`]s and [`Path`]s, by pure functions. What a daemon
//! cannot do is asked of [`Kind::supports`], so that a test says "all that can" and means it.
//!
//! A router here takes and passes on everything: what it does with routes is the other's business to watch. It does not
//! touch its kernel's routes where that can be helped; one that forwards is a [`tor`](crate::tor).

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use crate::namespace::Namespace;
use crate::process::Process;

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod kind;
mod openbgpd;
mod spec;
#[cfg(test)]
mod tests;

pub use kind::{Feature, Kind};
pub use spec::{AddPath, Family, GracefulRestart, Hops, Neighbour, Network, Role, Spec};

/// Between keepalives, seconds.
const KEEPALIVE_SECS: u16 = 1;

/// Between attempts to connect, seconds.
const CONNECT_RETRY_SECS: u16 = 1;

/// A session as its router shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// Its state, in RFC 4271's names.
    pub state: String,
    /// What the router says about why it was last down, in its own words; empty where it says nothing.
    pub reason: String,
}

/// One way to a prefix as a router knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    /// Where it leads; none for the router's own.
    pub next_hop: Option<IpAddr>,
    /// ASes on the way, nearest first.
    pub as_path: Vec<u32>,
    /// The chosen one. ExaBGP chooses nothing: all of its paths are.
    pub best: bool,
    /// Kept although its neighbour is away; BIRD marks only what is kept long-lived.
    pub stale: bool,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// COMMUNITIES.
    pub communities: Vec<(u16, u16)>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<(u32, u32, u32)>,
    /// Those of the extended communities that are route targets of a two-octet AS.
    pub route_targets: Vec<(u16, u32)>,
    /// ORIGINATOR_ID.
    pub originator: Option<std::net::Ipv4Addr>,
    /// CLUSTER_LIST.
    pub cluster_list: Vec<std::net::Ipv4Addr>,
    /// Attributes that the router does not know, by type. FRR does not show them.
    pub unknown: BTreeMap<u8, Vec<u8>>,
}

/// A running router.
#[derive(Debug)]
pub struct Router {
    kind: Kind,
    spec: Spec,
    namespace: Arc<Namespace>,
    directory: PathBuf,
    daemons: Vec<Process>,
}

impl Router {
    /// Starts it in `namespace`, whose links are there already. Its files go to `directory`.
    ///
    /// # Errors
    /// When its package is missing, it cannot do what is asked of it, or a daemon does not start.
    pub fn start(kind: Kind, namespace: Arc<Namespace>, directory: PathBuf, spec: Spec) -> Result<Self> {
        for feature in spec.features() {
            ensure!(kind.supports(feature), "{kind} cannot do {feature:?}");
        }
        let mut router = Self { kind, spec, namespace, directory, daemons: Vec::new() };
        router.start_daemons(false)?;
        Ok(router)
    }

    fn start_daemons(&mut self, again: bool) -> Result<()> {
        let start = match self.kind {
            Kind::Bird => bird::start,
            Kind::Frr => frr::start,
            Kind::Gobgp => gobgp::start,
            Kind::OpenBgpd => openbgpd::start,
            Kind::ExaBgp => exabgp::start,
        };
        self.daemons = start(&self.namespace, &self.directory, &self.spec, again)?;
        Ok(())
    }

    /// Whose it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
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

    /// Its session with this neighbour.
    ///
    /// # Errors
    /// When it does not answer, or knows no such neighbour.
    pub fn session(&self, remote: IpAddr) -> Result<Session> {
        let sessions = match self.kind {
            Kind::Bird => bird::sessions(&self.directory, &self.spec),
            Kind::Frr => frr::sessions(&self.directory),
            Kind::Gobgp => gobgp::sessions(&self.directory),
            Kind::OpenBgpd => openbgpd::sessions(&self.directory),
            Kind::ExaBgp => exabgp::sessions(&self.directory),
        }?;
        sessions.get(&remote).cloned().with_context(|| {
            let name = &self.spec.name;
            format!("{name}: no session with {remote} among {sessions:?}")
        })
    }

    /// Fails unless the session with this neighbour stands.
    ///
    /// # Errors
    /// When it does not, saying what it is instead.
    pub fn ensure_established(&self, remote: IpAddr) -> Result<()> {
        let session = self.session(remote)?;
        ensure!(session.state == "Established", "{}: {remote} is {session:?}", self.spec.name);
        Ok(())
    }

    /// The ways it knows to exactly this prefix; none if it knows none.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn paths(&self, prefix: IpNetwork) -> Result<Vec<Path>> {
        match self.kind {
            Kind::Bird => bird::paths(&self.directory, prefix),
            Kind::Frr => frr::paths(&self.directory, prefix),
            Kind::Gobgp => gobgp::paths(&self.directory, prefix),
            Kind::OpenBgpd => openbgpd::paths(&self.directory, prefix),
            Kind::ExaBgp => exabgp::paths(&self.directory, prefix),
        }
        .with_context(|| format!("asking {} for {prefix}", self.spec.name))
    }

    /// Asks the neighbour for its routes again (RFC 2918).
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn refresh(&self, remote: IpAddr) -> Result<()> {
        match self.kind {
            Kind::Bird => {
                let protocol = bird::protocol(&self.spec, remote)?;
                self.ask(&["reload", "in", &protocol])
            }
            Kind::Frr => self.ask(&[&format!("clear bgp * {remote} soft in")]).or_else(|_| {
                // The family is the session's own without a word about it.
                self.ask(&[&format!("clear bgp {remote} soft in")])
            }),
            Kind::Gobgp => self.ask(&["neighbor", &remote.to_string(), "softresetin"]),
            Kind::OpenBgpd => self.ask(&["neighbor", &remote.to_string(), "refresh"]),
            Kind::ExaBgp => {
                for family in &self.neighbour(remote)?.families {
                    let name = if *family == Family::Ipv4 { "ipv4" } else { "ipv6" };
                    self.ask(&[&format!("neighbor {remote} announce route-refresh {name} unicast")])?;
                }
                Ok(String::new())
            }
        }
        .map(drop)
    }

    /// Ends the session with a neighbour, administratively, with these words to it (RFC 9003).
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn shut(&self, remote: IpAddr, words: &str) -> Result<()> {
        match self.kind {
            Kind::Bird => {
                let protocol = bird::protocol(&self.spec, remote)?;
                self.ask(&["disable", &protocol, &format!("\"{words}\"")])
            }
            Kind::Frr => self.configure_frr(&format!("neighbor {remote} shutdown message {words}")),
            Kind::Gobgp => self.ask(&["neighbor", &remote.to_string(), "shutdown", "--reason", words]),
            Kind::OpenBgpd => self.ask(&["neighbor", &remote.to_string(), "down", words]),
            // It has no words for it.
            Kind::ExaBgp => self.ask(&[&format!("neighbor {remote} teardown 2")]),
        }
        .map(drop)
    }

    /// Changes what it is made from and has it read that while it runs. FRR adds and replaces, and takes nothing away.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn change(&mut self, change: impl FnOnce(&mut Spec)) -> Result<()> {
        change(&mut self.spec);
        match self.kind {
            Kind::Bird => bird::reload(&self.directory, &self.spec),
            Kind::Frr => frr::reload(&self.directory, &self.spec),
            Kind::Gobgp => gobgp::reload(&self.directory, &self.spec, &self.daemons),
            Kind::OpenBgpd => openbgpd::reload(&self.directory, &self.spec),
            Kind::ExaBgp => exabgp::reload(&self.directory, &self.spec, &self.daemons),
        }
    }

    /// Has its own command line carry out these words: `birdc`'s, `gobgp`'s, `bgpctl`'s or, each a command, `vtysh`'s
    /// and ExaBGP's API's. Returns what it printed.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        match self.kind {
            Kind::Bird => bird::ask(&self.directory, words),
            Kind::Frr => frr::ask(&self.directory, words),
            Kind::Gobgp => gobgp::ask(&self.directory, words),
            Kind::OpenBgpd => openbgpd::ask(&self.directory, words),
            Kind::ExaBgp => exabgp::command(&self.directory, words),
        }
    }

    fn configure_frr(&self, line: &str) -> Result<String> {
        self.ask(&["configure terminal", &format!("router bgp {}", self.spec.asn), line])
    }

    /// What its daemons have written so far, for what their command lines do not tell.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn log(&self) -> Result<String> {
        let texts = self.daemons.iter().map(|daemon| {
            let path = daemon.log();
            fs::read(path).with_context(|| format!("reading {}", path.display()))
        });
        texts.map(|text| Ok(String::from_utf8_lossy(&text?).into_owned())).collect()
    }

    /// Kills its daemons with SIGKILL: no neighbour is told.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            daemon.kill()?;
        }
        self.daemons.clear();
        match self.kind {
            Kind::OpenBgpd => openbgpd::clear(&self.directory),
            Kind::Bird | Kind::Frr | Kind::Gobgp | Kind::ExaBgp => Ok(()),
        }
    }

    /// Starts the daemons again after [`Router::kill`]; they restart gracefully (RFC 4724 §4.1) if told to.
    ///
    /// # Errors
    /// When one does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start_daemons(true)
    }

    fn neighbour(&self, remote: IpAddr) -> Result<&Neighbour> {
        let mut neighbours = self.spec.neighbours.iter();
        neighbours
            .find(|neighbour| neighbour.remote == remote)
            .with_context(|| format!("no neighbour {remote}"))
    }
}

fn write(directory: &FilePath, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// "deadbeef" as octets; what is no hexadecimal is left out.
fn hexadecimal(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 4648 §4, as JSON carries octets.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter_map(|c| ALPHABET.iter().position(|a| *a == c)) {
        bits = bits << 6 | u32::try_from(digit).unwrap_or_default();
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}
