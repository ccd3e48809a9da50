//! The other end: BIRD's BFD protocol, or FRR's `bfdd` beside its `zebra`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration::namespace::Namespace;
use integration::process::{Invocation, Process};
use integration::programs::packaged;
use integration::tor::Kind;
use nix::unistd::{User, chown};
use serde_json::Value;

use crate::place::{Place, Way};
use crate::wait_until;

/// A router that speaks BFD with us on every way of a place.
pub struct Router {
    kind: Kind,
    directory: PathBuf,
    ways: Vec<Way>,
    _daemons: Vec<Process>,
}

/// What a router knows of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub up: bool,
    /// Between its packets as it negotiated them with us, ms. FRR does not say, but what we can take.
    pub interval_ms: u64,
}

impl Router {
    pub fn start(kind: Kind, place: &Place, interval_ms: u64) -> Self {
        let directory = place.lab.make_directory("router").unwrap();
        let daemons = match kind {
            Kind::Bird => start_bird(&place.peer, &directory, &place.ways, interval_ms),
            Kind::Frr => start_frr(&place.peer, &directory, &place.ways, interval_ms),
        };
        Self { kind, directory, ways: place.ways.clone(), _daemons: daemons.unwrap() }
    }

    /// Its sessions, by our address.
    pub fn sessions(&self) -> Result<BTreeMap<IpAddr, Seen>> {
        match self.kind {
            Kind::Bird => Ok(decode_bird(&ask_bird(&self.directory, &["show", "bfd", "sessions"])?)),
            Kind::Frr => decode_frr(&ask_frr(&self.directory, &["show bfd peers json"])?),
        }
    }

    /// All sessions are up, or none is.
    pub fn wait_until_all(&self, up: bool) {
        wait_until("the router says so", || {
            let sessions = self.sessions()?;
            let right = sessions.values().filter(|seen| seen.up == up).count();
            ensure!(
                sessions.len() == self.ways.len() && right == sessions.len(),
                "up shall be {up}: {sessions:?}"
            );
            Ok(())
        });
    }

    /// Has an operator put an FRR's session down, or up again.
    pub fn shut_down(&self, way: &Way, down: bool) {
        let command = if down { "shutdown" } else { "no shutdown" };
        ask_frr(&self.directory, &["configure terminal", "bfd", &frr_peer(way), command]).unwrap();
    }

    /// Why FRR's session was last down: its own reason, and ours.
    pub fn reasons(&self, way: &Way) -> Result<(String, String)> {
        let answer: Value = serde_json::from_str(&ask_frr(&self.directory, &["show bfd peers json"])?)?;
        let peers = answer.as_array().context("peers")?;
        let ours = way.ours.to_string();
        let peer = peers.iter().find(|peer| peer["peer"] == ours.as_str()).context("no such peer")?;
        let text = |key: &str| peer[key].as_str().unwrap_or_default().to_owned();
        Ok((text("diagnostic"), text("remote-diagnostic")))
    }
}

fn start(
    namespace: &Arc<Namespace>,
    directory: &Path,
    program: &str,
    package: &str,
    arguments: &[&str],
) -> Result<Process> {
    let program = packaged(program, package)?;
    let log = directory.join(program.file_name().unwrap()).with_extension("log");
    let arguments = arguments.iter().map(Into::into).collect();
    Process::start(namespace, Invocation { program, arguments, environment: Vec::new(), log })
}

fn text(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

fn start_bird(
    namespace: &Arc<Namespace>,
    directory: &Path,
    ways: &[Way],
    interval_ms: u64,
) -> Result<Vec<Process>> {
    let options = format!("{{ interval {interval_ms} ms; multiplier 3; }}");
    let mut config = format!(
        "log stderr all;\nrouter id 192.0.2.2;\nprotocol device {{ }}\n\
         protocol bfd {{\n  interface \"*\" {options};\n  multihop {options};\n"
    );
    for Way { ours, theirs, multihop } in ways {
        let _ = match multihop {
            true => writeln!(config, "  neighbor {ours} local {theirs} multihop;"),
            false => {
                writeln!(config, "  neighbor {ours} dev \"{}\" local {theirs};", crate::place::INTERFACE)
            }
        };
    }
    config.push_str("}\n");
    fs::write(directory.join("bird.conf"), config)?;
    let (config, socket, pid) =
        (text(directory, "bird.conf"), text(directory, "bird.ctl"), text(directory, "bird.pid"));
    let arguments = ["-f", "-c", &config, "-s", &socket, "-P", &pid];
    Ok(vec![start(namespace, directory, "/usr/sbin/bird", "bird2", &arguments)?])
}

fn ask_bird(directory: &Path, question: &[&str]) -> Result<String> {
    let output = Command::new(packaged("/usr/sbin/birdc", "bird2")?)
        .args(["-s", &text(directory, "bird.ctl")])
        .args(question)
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && answer.contains("ready."), "birdc: {answer}");
    Ok(answer)
}

/// `show bfd sessions`: address, interface, state, since (a word or two), interval, timeout.
fn decode_bird(answer: &str) -> BTreeMap<IpAddr, Seen> {
    let sessions = answer.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = words.first()?.parse().ok()?;
        let seconds: f64 = words.get(words.len().checked_sub(2)?)?.parse().ok()?;
        let interval_ms = (seconds * 1000.0).round() as u64;
        Some((address, Seen { up: words.get(2) == Some(&"Up"), interval_ms }))
    });
    sessions.collect()
}

fn frr_peer(way: &Way) -> String {
    let Way { ours, theirs, multihop } = way;
    match multihop {
        true => format!("peer {ours} multihop local-address {theirs}"),
        false => format!("peer {ours} local-address {theirs} interface {}", crate::place::INTERFACE),
    }
}

fn start_frr(
    namespace: &Arc<Namespace>,
    directory: &Path,
    ways: &[Way],
    interval_ms: u64,
) -> Result<Vec<Process>> {
    let user = User::from_name("frr")?.context("no user frr: apt-get install frr")?;
    chown(directory, Some(user.uid), Some(user.gid))?;
    let mut config = "log stdout\nbfd\n".to_owned();
    for way in ways {
        let peer = frr_peer(way);
        let _ = writeln!(
            config,
            " {peer}\n  detect-multiplier 3\n  receive-interval {interval_ms}\n  transmit-interval {interval_ms}\n  \
             no shutdown\n !"
        );
    }
    fs::write(directory.join("bfdd.conf"), config)?;
    fs::write(directory.join("zebra.conf"), "log stdout\n")?;
    let zebra_socket = text(directory, "zserv.api");
    let daemon = |name: &str, more: &[&str]| {
        let (config, pid) =
            (text(directory, &format!("{name}.conf")), text(directory, &format!("{name}.pid")));
        let folder = directory.to_str().unwrap();
        let mut arguments = vec!["-f", &config, "-i", &pid, "-z", &zebra_socket, "--vty_socket", folder];
        arguments.extend(["-P", "0", "-u", "frr", "-g", "frr"]);
        arguments.extend(more);
        start(namespace, directory, &format!("/usr/lib/frr/{name}"), "frr", &arguments)
    };
    let zebra = daemon("zebra", &[])?;
    wait_until("zebra has opened its socket", || {
        ensure!(Path::new(&zebra_socket).exists(), "there is no {zebra_socket}");
        Ok(())
    });
    let control = text(directory, "bfdd.sock");
    let bfdd = daemon("bfdd", &["--bfdctl", &control])?;
    Ok(vec![zebra, bfdd])
}

fn ask_frr(directory: &Path, commands: &[&str]) -> Result<String> {
    let output = Command::new(packaged("/usr/bin/vtysh", "frr")?)
        .args(["--vty_socket", directory.to_str().unwrap(), "-d", "bfdd"])
        .args(commands.iter().flat_map(|command| ["-c", command]))
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "vtysh {commands:?}: {answer}");
    Ok(answer)
}

fn decode_frr(answer: &str) -> Result<BTreeMap<IpAddr, Seen>> {
    let answer: Value = serde_json::from_str(answer).context("FRR's BFD peers")?;
    let sessions = answer.as_array().context("peers")?.iter().map(|peer| {
        let address = peer["peer"].as_str().context("an address")?.parse()?;
        let interval_ms = peer["remote-receive-interval"].as_u64().unwrap_or_default();
        Ok((address, Seen { up: peer["status"] == "up", interval_ms }))
    });
    sessions.collect()
}
