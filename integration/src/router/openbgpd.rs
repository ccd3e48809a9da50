//! OpenBGPD. It has no forwarding table on Linux. It keeps a restarting neighbour's routes without being told to; of
//! restarts of its own it announces End-of-RIB and no more (bgpd.conf(5)).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ipnetwork::IpNetwork;
use serde_json::Value;

use super::{CONNECT_RETRY_SECS, Family, Hops, Neighbour, Network, Path, Session, Spec};
use crate::eventually::eventually;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "openbgpd";

/// Where it locks its unprivileged processes up; its service makes it.
const JAIL: &str = "/run/openbgpd";

/// How long its processes may take to follow a killed one.
const END_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &FilePath,
    spec: &Spec,
    _again: bool,
) -> Result<Vec<Process>> {
    fs::create_dir_all(JAIL).with_context(|| format!("making {JAIL}"))?;
    let config = write_config(directory, spec)?;
    let daemon = Invocation {
        program: packaged("/usr/sbin/bgpd", PACKAGE)?,
        arguments: vec!["-d".into(), "-v".into(), "-f".into(), config.into()],
        environment: Vec::new(),
        log: directory.join("bgpd.log"),
    };
    Ok(vec![Process::start(namespace, daemon)?])
}

fn write_config(directory: &FilePath, spec: &Spec) -> Result<std::path::PathBuf> {
    let path = super::write(directory, "bgpd.conf", &render(spec, directory))?;
    // It refuses a file that others can read: there may be passwords in it.
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(path)
}

pub(super) fn reload(directory: &FilePath, spec: &Spec) -> Result<()> {
    write_config(directory, spec)?;
    ask(directory, &["reload"]).map(drop)
}

/// Waits for all of its processes to be gone after the first of them was killed.
pub(super) fn clear(directory: &FilePath) -> Result<()> {
    eventually("OpenBGPD's processes have ended", END_PATIENCE, || {
        if ask(directory, &["show"]).is_ok() {
            bail!("it answers");
        }
        Ok(())
    })
}

/// The configuration file of this router.
pub(super) fn render(spec: &Spec, directory: &FilePath) -> String {
    let mut text = format!(
        "AS {asn}\nrouter-id {id}\nsocket \"{socket}\"\nfib-update no\nconnect-retry {CONNECT_RETRY_SECS}\n\
         nexthop qualify via default\nholdtime min 3\n",
        asn = spec.asn,
        id = spec.router_id,
        socket = socket(directory).display(),
    );
    for network in &spec.networks {
        render_network(&mut text, network);
    }
    for neighbour in &spec.neighbours {
        render_neighbour(&mut text, neighbour);
    }
    text.push_str("allow from any\nallow to any\n");
    text
}

fn render_network(text: &mut String, network: &Network) {
    let _ = write!(text, "network {}", network.prefix);
    let mut set = String::new();
    if let Some(med) = network.med {
        let _ = write!(set, " metric {med}");
    }
    for (high, low) in &network.communities {
        let _ = write!(set, " community {high}:{low}");
    }
    for (global, one, two) in &network.large_communities {
        let _ = write!(set, " large-community {global}:{one}:{two}");
    }
    for (asn, number) in &network.route_targets {
        let _ = write!(set, " ext-community rt {asn}:{number}");
    }
    if !set.is_empty() {
        let _ = write!(text, " set {{{set} }}");
    }
    text.push('\n');
}

fn render_neighbour(text: &mut String, neighbour: &Neighbour) {
    let yes = |wanted: bool| if wanted { "yes" } else { "no" };
    let _ = write!(
        text,
        "neighbor {remote} {{\n  remote-as {asn}\n  local-address {local}\n  holdtime {hold}\n  \
           announce enhanced refresh yes\n  announce add-path recv {receive}\n  announce add-path send {send}\n",
        remote = neighbour.remote,
        asn = neighbour.asn,
        local = neighbour.local,
        hold = neighbour.hold_secs,
        receive = yes(neighbour.add_path.receive),
        send = if neighbour.add_path.send { "all" } else { "no" },
    );
    for family in Family::ALL {
        let what = if neighbour.carries(family) { "unicast" } else { "none" };
        let _ = writeln!(text, "  announce IPv{} {what}", family.digit());
    }
    if neighbour.passive {
        text.push_str("  passive\n");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "  tcp md5sig password {password}");
    }
    match neighbour.hops {
        Hops::Direct => {}
        Hops::Multihop(hops) => drop(writeln!(text, "  multihop {hops}")),
        Hops::Security => text.push_str("  ttl-security yes\n"),
    }
    if neighbour.reflector_client {
        text.push_str("  route-reflector\n");
    }
    if let Some(role) = neighbour.role {
        let _ = writeln!(text, "  announce policy {}", role.name());
    }
    text.push_str("}\n");
}

pub(super) fn sessions(directory: &FilePath) -> Result<BTreeMap<IpAddr, Session>> {
    decode_sessions(&ask(directory, &["-j", "show", "neighbor"])?)
}

/// `-j show neighbor`.
pub(super) fn decode_sessions(answer: &str) -> Result<BTreeMap<IpAddr, Session>> {
    let answer: Value = serde_json::from_str(answer).context("OpenBGPD's neighbours")?;
    let mut sessions = BTreeMap::new();
    for neighbour in answer["neighbors"].as_array().into_iter().flatten() {
        let text = |key: &str| neighbour[key].as_str().unwrap_or_default().to_owned();
        let address = text("remote_addr").parse().context("a neighbour's address")?;
        let reasons = ["last_error_received", "last_shutdown_reason", "last_error_sent"].map(text);
        let reasons: Vec<_> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        sessions.insert(address, Session { state: text("state"), reason: reasons.join(": ") });
    }
    Ok(sessions)
}

pub(super) fn paths(directory: &FilePath, prefix: IpNetwork) -> Result<Vec<Path>> {
    decode_paths(&ask(directory, &["-j", "show", "rib", "detail", &prefix.to_string()])?, prefix)
}

/// `-j show rib detail PREFIX`.
pub(super) fn decode_paths(answer: &str, prefix: IpNetwork) -> Result<Vec<Path>> {
    let answer: Value = serde_json::from_str(answer).context("OpenBGPD's paths")?;
    let paths = answer["rib"].as_array().into_iter().flatten();
    let wanted = prefix.to_string();
    Ok(paths.filter(|path| path["prefix"] == wanted.as_str()).map(decode_path).collect())
}

fn decode_path(path: &Value) -> Path {
    let number = |key: &str| path[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let texts = |key: &str| path[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let numbers =
        |text: &str| -> Vec<u32> { text.split(':').filter_map(|number| number.parse().ok()).collect() };
    let next_hop: Option<IpAddr> = path["exit_nexthop"].as_str().and_then(|address| address.parse().ok());
    let attributes = || path["attributes"].as_array().into_iter().flatten();
    let clusters =
        attributes().flat_map(|attribute| attribute["cluster_list"].as_array().into_iter().flatten());
    let unknown = attributes().filter_map(|attribute| {
        let code = attribute["type"].as_str()?.rsplit_once('#')?.1.parse().ok()?;
        Some((code, super::hexadecimal(attribute["data"].as_str()?)))
    });
    Path {
        next_hop: next_hop.filter(|address| !address.is_unspecified()),
        as_path: path["aspath"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|asn| asn.parse().ok())
            .collect(),
        best: path["best"] == true,
        stale: path["stale"] == true,
        local_pref: number("localpref"),
        med: number("metric"),
        communities: texts("communities").filter_map(community).collect(),
        large_communities: texts("large_communities")
            .filter_map(|text| match *numbers(text).as_slice() {
                [global, one, two] => Some((global, one, two)),
                _ => None,
            })
            .collect(),
        route_targets: texts("extended_communities")
            .filter_map(|text| match *numbers(text.strip_prefix("rt ")?).as_slice() {
                [asn, number] => Some((u16::try_from(asn).ok()?, number)),
                _ => None,
            })
            .collect(),
        originator: attributes().find_map(|attribute| attribute["originator"].as_str()?.parse().ok()),
        cluster_list: clusters.filter_map(|id| id.as_str()?.parse().ok()).collect(),
        unknown: unknown.collect(),
    }
}

/// The well-known ones by their names.
fn community(text: &str) -> Option<(u16, u16)> {
    match text {
        "GRACEFUL_SHUTDOWN" => Some((0xffff, 0)),
        "BLACKHOLE" => Some((0xffff, 666)),
        "NO_EXPORT" => Some((0xffff, 0xff01)),
        "NO_ADVERTISE" => Some((0xffff, 0xff02)),
        _ => {
            let (high, low) = text.split_once(':')?;
            Some((high.parse().ok()?, low.parse().ok()?))
        }
    }
}

pub(super) fn ask(directory: &FilePath, words: &[&str]) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/sbin/bgpctl", PACKAGE)?)
        .arg("-s")
        .arg(socket(directory))
        .args(words)
        .output()
        .context("running bgpctl")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "bgpctl {}: {answer}{}", words.join(" "), complaint.trim());
    Ok(answer)
}

fn socket(directory: &FilePath) -> std::path::PathBuf {
    directory.join("bgpd.sock")
}
