//! GoBGP. What it originates is added by its command line: its configuration has no word for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{CONNECT_RETRY_SECS, Hops, KEEPALIVE_SECS, Neighbour, Network, Path, Session, Spec};
use crate::eventually::eventually;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "gobgpd";

/// How long it may take to answer for the first time.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// `again`: it ran before, and recovers by graceful restart.
pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &FilePath,
    spec: &Spec,
    again: bool,
) -> Result<Vec<Process>> {
    let config = super::write(directory, "gobgpd.toml", &render(spec))?;
    let socket = directory.join("gobgpd.sock");
    if socket.exists() {
        std::fs::remove_file(&socket)?;
    }
    let mut arguments = vec!["-f".into(), config.into(), "-t".into(), "toml".into()];
    arguments.extend(["-l".into(), "debug".into(), "--log-plain".into(), "--pprof-disable".into()]);
    arguments.extend(["--api-hosts".into(), format!("unix://{}", socket.display()).into()]);
    arguments.extend(again.then(|| "-r".into()));
    let daemon = Invocation {
        program: packaged("/usr/bin/gobgpd", PACKAGE)?,
        arguments,
        environment: Vec::new(),
        log: directory.join("gobgpd.log"),
    };
    let mut daemon = Process::start(namespace, daemon)?;
    eventually("gobgpd answers", START_PATIENCE, || {
        daemon.ensure_running()?;
        ask(directory, &["global"])
    })?;
    originate(directory, spec)?;
    Ok(vec![daemon])
}

fn originate(directory: &FilePath, spec: &Spec) -> Result<()> {
    for network in &spec.networks {
        let words = announcement(network);
        ask(directory, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// It reads its file again on SIGHUP.
pub(super) fn reload(directory: &FilePath, spec: &Spec, daemons: &[Process]) -> Result<()> {
    super::write(directory, "gobgpd.toml", &render(spec))?;
    originate(directory, spec)?;
    for daemon in daemons {
        kill(Pid::from_raw(i32::try_from(daemon.pid())?), Signal::SIGHUP)?;
    }
    Ok(())
}

/// The words that add what this router originates.
pub(super) fn announcement(network: &Network) -> Vec<String> {
    let family = if network.prefix.is_ipv4() { "ipv4" } else { "ipv6" };
    let mut words: Vec<String> =
        ["global", "rib", "-a", family, "add"].map(str::to_owned).into_iter().collect();
    words.push(network.prefix.to_string());
    words.extend(["origin", "igp"].map(str::to_owned));
    if let Some(med) = network.med {
        words.extend(["med".to_owned(), med.to_string()]);
    }
    let mut list = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            words.extend([name.to_owned(), items.join(",")]);
        }
    };
    list("community", network.communities.iter().map(|(high, low)| format!("{high}:{low}")).collect());
    list(
        "large-community",
        network.large_communities.iter().map(|(global, one, two)| format!("{global}:{one}:{two}")).collect(),
    );
    for (asn, number) in &network.route_targets {
        words.extend(["rt".to_owned(), format!("{asn}:{number}")]);
    }
    words
}

/// The configuration file of this router.
pub(super) fn render(spec: &Spec) -> String {
    let mut text = format!("[global.config]\n  as = {}\n  router-id = \"{}\"\n", spec.asn, spec.router_id);
    for neighbour in &spec.neighbours {
        render_neighbour(&mut text, spec, neighbour);
    }
    text
}

fn render_neighbour(text: &mut String, spec: &Spec, neighbour: &Neighbour) {
    let remote = match &neighbour.interface {
        Some(interface) => format!("neighbor-interface = \"{interface}\""),
        None => format!("neighbor-address = \"{}\"", neighbour.remote),
    };
    let _ = write!(
        text,
        "[[neighbors]]\n  [neighbors.config]\n    {remote}\n    peer-as = {asn}\n{password}  \
           [neighbors.timers.config]\n    connect-retry = {CONNECT_RETRY_SECS}\n    hold-time = {hold}\n    \
             keepalive-interval = {KEEPALIVE_SECS}\n    idle-hold-time-after-reset = 1\n",
        asn = neighbour.asn,
        hold = neighbour.hold_secs,
        password = neighbour
            .password
            .as_ref()
            .map(|password| format!("    auth-password = \"{password}\"\n"))
            .unwrap_or_default(),
    );
    text.push_str("  [neighbors.transport.config]\n");
    let _ = writeln!(text, "    passive-mode = {}", neighbour.passive);
    if neighbour.interface.is_none() {
        let _ = writeln!(text, "    local-address = \"{}\"", neighbour.local);
    }
    match neighbour.hops {
        Hops::Direct => {}
        Hops::Multihop(hops) => drop(writeln!(
            text,
            "  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = {hops}"
        )),
        Hops::Security => {
            text.push_str("  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n");
        }
    }
    if neighbour.reflector_client {
        let _ = writeln!(
            text,
            "  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    \
               route-reflector-cluster-id = \"{}\"",
            spec.router_id
        );
    }
    if let Some(restart) = neighbour.graceful_restart {
        let _ = writeln!(
            text,
            "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = {}\n    \
               notification-enabled = true\n    long-lived-enabled = {}",
            restart.restart_secs,
            restart.long_lived_secs.is_some()
        );
    }
    render_families(text, neighbour);
}

fn render_families(text: &mut String, neighbour: &Neighbour) {
    for family in &neighbour.families {
        let _ = write!(
            text,
            "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      \
               afi-safi-name = \"ipv{}-unicast\"\n",
            family.digit()
        );
        let add_path = neighbour.add_path;
        let _ = write!(
            text,
            "    [neighbors.afi-safis.add-paths.config]\n      receive = {}\n      send-max = {}\n",
            add_path.receive,
            if add_path.send { 8 } else { 0 }
        );
        if let Some(restart) = neighbour.graceful_restart {
            text.push_str("    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n");
            if let Some(seconds) = restart.long_lived_secs {
                let _ = write!(
                    text,
                    "    [neighbors.afi-safis.long-lived-graceful-restart.config]\n      enabled = true\n      \
                       restart-time = {seconds}\n"
                );
            }
        }
    }
}

pub(super) fn sessions(directory: &FilePath) -> Result<BTreeMap<IpAddr, Session>> {
    decode_sessions(&ask(directory, &["neighbor", "-j"])?)
}

/// `neighbor -j`; an unnumbered one is that of the unspecified address. It does not tell reasons.
pub(super) fn decode_sessions(answer: &str) -> Result<BTreeMap<IpAddr, Session>> {
    /// By the number of `SessionState` in its API.
    const STATES: [&str; 7] =
        ["Unknown", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];
    let neighbours: Vec<Value> = serde_json::from_str(answer).context("GoBGP's neighbours")?;
    let mut sessions = BTreeMap::new();
    for neighbour in &neighbours {
        let state = &neighbour["state"];
        let number = usize::try_from(state["session_state"].as_u64().unwrap_or_default())?;
        let name = neighbour["conf"]["neighbor_address"].as_str().unwrap_or_default();
        let address = name.parse().unwrap_or(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED));
        let state = STATES.get(number).copied().unwrap_or("Unknown").to_owned();
        sessions.insert(address, Session { state, reason: String::new() });
    }
    Ok(sessions)
}

pub(super) fn paths(directory: &FilePath, prefix: IpNetwork) -> Result<Vec<Path>> {
    let family = if prefix.is_ipv4() { "ipv4" } else { "ipv6" };
    // It answers "Network not in table" as an error.
    match ask(directory, &["global", "rib", "-a", family, "-j"]) {
        Ok(answer) => decode_paths(&answer, prefix),
        Err(error) if error.to_string().contains("not in table") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// `global rib -j`: paths by prefix.
pub(super) fn decode_paths(answer: &str, prefix: IpNetwork) -> Result<Vec<Path>> {
    let prefixes: BTreeMap<IpNetwork, Vec<Value>> = serde_json::from_str(answer).context("GoBGP's paths")?;
    Ok(prefixes.get(&prefix).into_iter().flatten().map(decode_path).collect())
}

fn decode_path(value: &Value) -> Path {
    let mut path = Path { best: value["best"] == true, stale: value["stale"] == true, ..Path::default() };
    let small = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    for attribute in value["attrs"].as_array().into_iter().flatten() {
        let list = |key: &str| attribute[key].as_array().into_iter().flatten();
        match attribute["type"].as_u64() {
            Some(2) => {
                let segments =
                    list("as_paths").flat_map(|segment| segment["asns"].as_array().into_iter().flatten());
                path.as_path = segments.filter_map(small).collect();
            }
            Some(3 | 14) => {
                path.next_hop = attribute["nexthop"].as_str().and_then(|address| address.parse().ok());
            }
            Some(4) => path.med = small(&attribute["metric"]),
            Some(5) => path.local_pref = small(&attribute["value"]),
            Some(8) => path.communities = list("communities").filter_map(small).map(halves).collect(),
            Some(9) => path.originator = attribute["value"].as_str().and_then(|id| id.parse().ok()),
            Some(10) => {
                path.cluster_list = list("value").filter_map(|id| id.as_str()?.parse().ok()).collect();
            }
            Some(16) => path.route_targets = list("value").filter_map(route_target).collect(),
            Some(32) => {
                let large = |value: &Value| {
                    Some((small(&value["ASN"])?, small(&value["LocalData1"])?, small(&value["LocalData2"])?))
                };
                path.large_communities = list("value").filter_map(large).collect();
            }
            Some(code @ (40..)) => {
                if let (Ok(code), Some(octets)) = (u8::try_from(code), attribute["value"].as_str()) {
                    path.unknown.insert(code, super::base64(octets));
                }
            }
            Some(_) | None => {}
        }
    }
    path
}

fn halves(community: u32) -> (u16, u16) {
    let [a, b, c, d] = community.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn route_target(value: &Value) -> Option<(u16, u32)> {
    let (asn, number) = value["value"].as_str().filter(|_| value["subtype"] == 2)?.split_once(':')?;
    Some((asn.parse().ok()?, number.parse().ok()?))
}

pub(super) fn ask(directory: &FilePath, words: &[&str]) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/bin/gobgp", PACKAGE)?)
        .args(["--target", &format!("unix://{}", directory.join("gobgpd.sock").display())])
        .args(words)
        .output()
        .context("running gobgp")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "gobgp {}: {answer}{}", words.join(" "), complaint.trim());
    Ok(answer)
}
