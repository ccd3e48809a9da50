//! FRRouting as a top-of-rack router: `zebra` and `bgpd`.
//!
//! Debian's daemons insist on dropping to a user of the group `frrvty`, so they run as `frr` and own their directory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use nix::unistd::{Group, User, chown};
use serde::Deserialize;

use super::{CONNECT_RETRY_SECS, HOLD_TIME_SECS, KEEPALIVE_SECS, Neighbour, Spec, Way};
use crate::eventually::eventually;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "frr";
const USER: &str = "frr";

/// How long `zebra` may take to open its sockets.
const START_PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &Path,
    name: &str,
    config: &str,
) -> Result<Vec<Process>> {
    let user =
        User::from_name(USER)?.with_context(|| format!("no user {USER}: apt-get install {PACKAGE}"))?;
    let group = Group::from_name(USER)?.map_or(user.gid, |group| group.gid);
    chown(directory, Some(user.uid), Some(group))
        .with_context(|| format!("giving {} away", directory.display()))?;
    super::write_config(&directory.join("zebra.conf"), &format!("hostname {name}\nlog stdout\n"))?;
    super::write_config(&directory.join("bgpd.conf"), config)?;
    let socket = zebra_socket(directory);
    // That of one that was killed says nothing: `bgpd` would have sessions before it knows of interfaces, and end them.
    let _ = fs::remove_file(&socket);
    let mut zebra = Process::start(namespace, invocation("zebra", directory)?)?;
    eventually("zebra has opened its socket", START_PATIENCE, || {
        zebra.ensure_running()?;
        ensure!(socket.exists(), "there is no {}", socket.display());
        Ok(())
    })?;
    let bgpd = Process::start(namespace, invocation("bgpd", directory)?)?;
    Ok(vec![zebra, bgpd])
}

fn invocation(daemon: &str, directory: &Path) -> Result<Invocation> {
    let arguments = vec![
        "-f".into(),
        directory.join(format!("{daemon}.conf")).into(),
        "-i".into(),
        directory.join(format!("{daemon}.pid")).into(),
        "-z".into(),
        zebra_socket(directory).into(),
        "--vty_socket".into(),
        directory.into(),
        // No telnet.
        "-P".into(),
        "0".into(),
        "-u".into(),
        USER.into(),
        "-g".into(),
        USER.into(),
    ];
    Ok(Invocation {
        program: packaged(&format!("/usr/lib/frr/{daemon}"), PACKAGE)?,
        arguments,
        environment: Vec::new(),
        log: directory.join(format!("{daemon}.log")),
    })
}

/// The configuration of this router's `bgpd`.
#[must_use]
pub fn render(spec: &Spec) -> String {
    let mut text =
        format!("! {name}: AS {asn}\nhostname {name}\nlog stdout\n!\n", name = spec.name, asn = spec.asn);
    for (index, network) in (1..).zip(spec.fabric.iter().chain(&spec.loopbacks)) {
        let (ip, list, longest) =
            if network.is_ipv4() { ("ip", "FABRIC4", 32) } else { ("ipv6", "FABRIC6", 128) };
        let range = if network.prefix() < longest { format!(" le {longest}") } else { String::new() };
        let _ = writeln!(text, "{ip} prefix-list {list} seq {} permit {network}{range}", index * 5);
    }
    let _ = write!(
        text,
        "!\nrouter bgp {asn}\n \
           bgp router-id {id}\n \
           no bgp default ipv4-unicast\n \
           bgp bestpath as-path multipath-relax\n \
           timers bgp {KEEPALIVE_SECS} {HOLD_TIME_SECS}\n",
        asn = spec.asn,
        id = spec.router_id,
    );
    for Neighbour { name, local, remote, asn, passive } in &spec.neighbours {
        let _ = write!(
            text,
            " neighbor {remote} remote-as {asn}\n \
              neighbor {remote} description {name}\n \
              neighbor {remote} update-source {local}\n \
              neighbor {remote} timers connect {CONNECT_RETRY_SECS}\n",
        );
        if *passive {
            let _ = writeln!(text, " neighbor {remote} passive");
        }
    }
    for family in [4, 6] {
        render_family(&mut text, spec, family);
    }
    text
}

fn render_family(text: &mut String, spec: &Spec, family: u8) {
    let _ = writeln!(text, " !\n address-family ipv{family} unicast");
    for loopback in spec.loopbacks.iter().filter(|loopback| loopback.is_ipv4() == (family == 4)) {
        let _ = writeln!(text, "  network {loopback}");
    }
    for Neighbour { remote, .. } in spec.neighbours.iter().filter(|n| n.remote.is_ipv4() == (family == 4)) {
        let _ = write!(
            text,
            "  neighbor {remote} activate\n  \
               neighbor {remote} prefix-list FABRIC{family} in\n  \
               neighbor {remote} prefix-list FABRIC{family} out\n",
        );
    }
    let _ = writeln!(text, "  maximum-paths 64\n exit-address-family");
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(default)]
    ipv4_unicast: FamilySummary,
    #[serde(default)]
    ipv6_unicast: FamilySummary,
}

#[derive(Default, Deserialize)]
struct FamilySummary {
    #[serde(default)]
    peers: BTreeMap<IpAddr, PeerSummary>,
}

#[derive(Deserialize)]
struct PeerSummary {
    state: String,
}

pub(super) fn sessions(directory: &Path) -> Result<BTreeMap<IpAddr, String>> {
    decode_sessions(&ask(directory, "show bgp summary json")?)
}

/// `show bgp summary json`: peers by family.
pub(super) fn decode_sessions(answer: &str) -> Result<BTreeMap<IpAddr, String>> {
    let summary: Summary = serde_json::from_str(answer).context("FRR's summary")?;
    let peers = summary.ipv4_unicast.peers.into_iter().chain(summary.ipv6_unicast.peers);
    Ok(peers.map(|(address, peer)| (address, peer.state)).collect())
}

#[derive(Deserialize)]
struct Prefix {
    #[serde(default)]
    paths: Vec<PrefixPath>,
}

#[derive(Deserialize)]
struct PrefixPath {
    aspath: AsPath,
    #[serde(default)]
    nexthops: Vec<NextHop>,
    #[serde(default)]
    bestpath: BestPath,
    #[serde(default)]
    stale: bool,
}

#[derive(Deserialize)]
struct AsPath {
    string: String,
}

#[derive(Deserialize)]
struct NextHop {
    ip: IpAddr,
}

#[derive(Default, Deserialize)]
struct BestPath {
    #[serde(default)]
    overall: bool,
}

pub(super) fn paths(directory: &Path, prefix: IpNetwork) -> Result<Vec<Way>> {
    let family = if prefix.is_ipv4() { "ipv4" } else { "ipv6" };
    decode_paths(&ask(directory, &format!("show bgp {family} unicast {prefix} json"))?)
}

/// `show bgp FAMILY unicast PREFIX json`: `{}` for a prefix that is not there.
pub(super) fn decode_paths(answer: &str) -> Result<Vec<Way>> {
    let prefix: Prefix = serde_json::from_str(answer).context("FRR's paths")?;
    let mut paths = Vec::new();
    for path in prefix.paths {
        let as_path = path.aspath.string.split_whitespace().filter_map(|asn| asn.parse().ok()).collect();
        // IPv6: a global address first, perhaps a link-local one behind it.
        let next_hop = path.nexthops.first().context("a path of FRR without a next hop")?.ip;
        paths.push(Way { next_hop, as_path, best: path.bestpath.overall, stale: path.stale });
    }
    Ok(paths)
}

/// Commands, one a line.
pub(super) fn ask(directory: &Path, question: &str) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/bin/vtysh", PACKAGE)?)
        .arg("--vty_socket")
        .arg(directory)
        .args(["-d", "bgpd"])
        .args(question.lines().flat_map(|command| ["-c", command]))
        .output()
        .context("running vtysh")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "vtysh {question:?}: {answer}{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(answer)
}

fn zebra_socket(directory: &Path) -> std::path::PathBuf {
    directory.join("zserv.api")
}
