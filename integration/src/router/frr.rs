//! FRRouting: `zebra`, `bgpd` and, where BFD is asked for, `bfdd`.
//!
//! Debian's daemons insist on dropping to a user of the group `frrvty`, so they run as `frr` and own their directory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use nix::unistd::{Group, User, chown};
use serde_json::Value;

use super::{CONNECT_RETRY_SECS, Family, Hops, KEEPALIVE_SECS, Neighbour, Network, Path, Session, Spec};
use crate::eventually::eventually;
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "frr";
const USER: &str = "frr";

/// How long a daemon may take to open its socket.
const START_PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &FilePath,
    spec: &Spec,
    _again: bool,
) -> Result<Vec<Process>> {
    let user =
        User::from_name(USER)?.with_context(|| format!("no user {USER}: apt-get install {PACKAGE}"))?;
    let group = Group::from_name(USER)?.map_or(user.gid, |group| group.gid);
    chown(directory, Some(user.uid), Some(group))
        .with_context(|| format!("giving {} away", directory.display()))?;
    super::write(
        directory,
        "zebra.conf",
        &format!("hostname {}\nlog stdout\n{}", spec.name, render_links(spec)),
    )?;
    super::write(directory, "bfdd.conf", &format!("hostname {}\nlog stdout\n", spec.name))?;
    super::write(directory, "bgpd.conf", &render(spec))?;
    let socket = zebra_socket(directory);
    // That of one that was killed says nothing: `bgpd` would have sessions before it knows of interfaces, and end them.
    let _ = fs::remove_file(&socket);
    let mut zebra = Process::start(namespace, invocation("zebra", directory)?)?;
    eventually("zebra has opened its socket", START_PATIENCE, || {
        zebra.ensure_running()?;
        ensure!(socket.exists(), "there is no {}", socket.display());
        Ok(())
    })?;
    let mut daemons = vec![zebra];
    if spec.neighbours.iter().any(|neighbour| neighbour.bfd_millis.is_some()) {
        daemons.push(Process::start(namespace, invocation("bfdd", directory)?)?);
    }
    daemons.push(Process::start(namespace, invocation("bgpd", directory)?)?);
    Ok(daemons)
}

fn invocation(daemon: &str, directory: &FilePath) -> Result<Invocation> {
    let mut arguments = vec![
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
    if daemon == "bfdd" {
        arguments.extend(["--bfdctl".into(), directory.join("bfdd.sock").into()]);
    }
    Ok(Invocation {
        program: packaged(&format!("/usr/lib/frr/{daemon}"), PACKAGE)?,
        arguments,
        environment: Vec::new(),
        log: directory.join(format!("{daemon}.log")),
    })
}

/// Has `bgpd` carry out its configuration line by line: what is no longer in it stays.
pub(super) fn reload(directory: &FilePath, spec: &Spec) -> Result<()> {
    let text = render(spec);
    super::write(directory, "bgpd.conf", &text)?;
    let lines = text.lines().map(str::trim).filter(|line| *line != "!");
    let commands: Vec<_> = std::iter::once("configure terminal").chain(lines).collect();
    ask(directory, &commands).map(drop)
}

/// Unnumbered neighbours are found by router advertisements: `zebra` sends them.
fn render_links(spec: &Spec) -> String {
    let links = spec.neighbours.iter().filter_map(|neighbour| neighbour.interface.as_ref());
    links.map(|link| format!("interface {link}\n no ipv6 nd suppress-ra\n ipv6 nd ra-interval 1\n")).collect()
}

/// The configuration of this router's `bgpd`.
pub(super) fn render(spec: &Spec) -> String {
    let mut text = format!("hostname {}\nlog stdout\n", spec.name);
    for (index, network) in spec.networks.iter().enumerate() {
        render_network(&mut text, index, network);
    }
    let _ = write!(
        text,
        "!\nrouter bgp {asn}\n bgp router-id {id}\n no bgp default ipv4-unicast\n no bgp ebgp-requires-policy\n \
           no bgp network import-check\n timers bgp {KEEPALIVE_SECS} 9\n",
        asn = spec.asn,
        id = spec.router_id,
    );
    if let Some(restart) = spec.neighbours.iter().find_map(|neighbour| neighbour.graceful_restart) {
        let _ = write!(
            text,
            " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n \
               bgp graceful-restart restart-time {}\n",
            restart.restart_secs
        );
        if let Some(seconds) = restart.long_lived_secs {
            let _ = writeln!(text, " bgp long-lived-graceful-restart stale-time {seconds}");
        }
    }
    for neighbour in &spec.neighbours {
        render_neighbour(&mut text, neighbour);
    }
    for family in Family::ALL {
        let _ = writeln!(text, " !\n address-family ipv{} unicast", family.digit());
        for (index, network) in spec.networks.iter().enumerate() {
            if Family::of(&network.prefix) == family {
                let _ = writeln!(text, "  network {} route-map NET{index}", network.prefix);
            }
        }
        for neighbour in spec.neighbours.iter().filter(|neighbour| neighbour.carries(family)) {
            let name = name(neighbour);
            let _ = writeln!(text, "  neighbor {name} activate\n  neighbor {name} send-community all");
            if neighbour.reflector_client {
                let _ = writeln!(text, "  neighbor {name} route-reflector-client");
            }
            if neighbour.add_path.send {
                let _ = writeln!(text, "  neighbor {name} addpath-tx-all-paths");
            }
            if !neighbour.add_path.receive {
                let _ = writeln!(text, "  neighbor {name} disable-addpath-rx");
            }
        }
        text.push_str(" exit-address-family\n");
    }
    text
}

fn name(neighbour: &Neighbour) -> String {
    neighbour.interface.clone().unwrap_or_else(|| neighbour.remote.to_string())
}

fn render_network(text: &mut String, index: usize, network: &Network) {
    let _ = writeln!(text, "!\nroute-map NET{index} permit 10");
    if let Some(med) = network.med {
        let _ = writeln!(text, " set metric {med}");
    }
    let communities: Vec<_> = network.communities.iter().map(|(high, low)| format!("{high}:{low}")).collect();
    if !communities.is_empty() {
        let _ = writeln!(text, " set community {}", communities.join(" "));
    }
    let large = network.large_communities.iter().map(|(global, one, two)| format!("{global}:{one}:{two}"));
    let large: Vec<_> = large.collect();
    if !large.is_empty() {
        let _ = writeln!(text, " set large-community {}", large.join(" "));
    }
    let targets: Vec<_> =
        network.route_targets.iter().map(|(asn, number)| format!("{asn}:{number}")).collect();
    if !targets.is_empty() {
        let _ = writeln!(text, " set extcommunity rt {}", targets.join(" "));
    }
}

fn render_neighbour(text: &mut String, neighbour: &Neighbour) {
    let name = name(neighbour);
    if neighbour.interface.is_some() {
        let _ = writeln!(text, " neighbor {name} interface remote-as {}", neighbour.asn);
    } else {
        let _ = write!(
            text,
            " neighbor {name} remote-as {}\n neighbor {name} update-source {}\n",
            neighbour.asn, neighbour.local
        );
    }
    let _ = write!(
        text,
        " neighbor {name} timers {KEEPALIVE_SECS} {}\n neighbor {name} timers connect {CONNECT_RETRY_SECS}\n \
           neighbor {name} advertisement-interval 0\n",
        neighbour.hold_secs
    );
    if neighbour.passive {
        let _ = writeln!(text, " neighbor {name} passive");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, " neighbor {name} password {password}");
    }
    match neighbour.hops {
        Hops::Direct => {}
        Hops::Multihop(hops) => drop(writeln!(text, " neighbor {name} ebgp-multihop {hops}")),
        Hops::Security => drop(writeln!(text, " neighbor {name} ttl-security hops 1")),
    }
    if neighbour.graceful_restart.is_some() {
        let _ = writeln!(text, " neighbor {name} graceful-restart");
    }
    if neighbour.extended_next_hop {
        let _ = writeln!(text, " neighbor {name} capability extended-nexthop");
    }
    if let Some(role) = neighbour.role {
        let _ = writeln!(text, " neighbor {name} local-role {}", role.name());
    }
    if let Some(millis) = neighbour.bfd_millis {
        let _ = writeln!(text, " neighbor {name} bfd 3 {millis} {millis}");
    }
}

pub(super) fn sessions(directory: &FilePath) -> Result<BTreeMap<IpAddr, Session>> {
    decode_sessions(&ask(directory, &["show bgp neighbors json"])?)
}

/// `show bgp neighbors json`: by address or interface; an unnumbered one is that of the unspecified address.
pub(super) fn decode_sessions(answer: &str) -> Result<BTreeMap<IpAddr, Session>> {
    let neighbours: BTreeMap<String, Value> = serde_json::from_str(answer).context("FRR's neighbours")?;
    let mut sessions = BTreeMap::new();
    for (name, neighbour) in neighbours {
        let text = |key: &str| neighbour[key].as_str().unwrap_or_default().to_owned();
        let reasons = ["lastResetDueTo", "lastNotificationReason", "lastShutdownDescription"].map(text);
        let reasons: Vec<_> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        let address = name.parse().unwrap_or(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED));
        sessions.insert(address, Session { state: text("bgpState"), reason: reasons.join(": ") });
    }
    Ok(sessions)
}

pub(super) fn paths(directory: &FilePath, prefix: IpNetwork) -> Result<Vec<Path>> {
    let family = Family::of(&prefix).digit();
    decode_paths(&ask(directory, &[&format!("show bgp ipv{family} unicast {prefix} json")])?)
}

/// `show bgp FAMILY unicast PREFIX json`: `{}` for a prefix that is not there.
pub(super) fn decode_paths(answer: &str) -> Result<Vec<Path>> {
    let prefix: Value = serde_json::from_str(answer).context("FRR's paths")?;
    let paths = prefix["paths"].as_array().into_iter().flatten();
    Ok(paths.map(decode_path).collect())
}

fn decode_path(path: &Value) -> Path {
    let number = |key: &str| path[key].as_u64().and_then(|number| u32::try_from(number).ok());
    // A text beside a list: the list's items are of other types from version to version.
    let words = |key: &str| path[key]["string"].as_str().unwrap_or_default().split_whitespace();
    let numbers =
        |text: &str| -> Vec<u32> { text.split(':').filter_map(|number| number.parse().ok()).collect() };
    let global = path["nexthops"].as_array().into_iter().flatten().next();
    let cluster = path["clusterList"]["list"].as_array().into_iter().flatten();
    Path {
        next_hop: global.and_then(|hop| hop["ip"].as_str()?.parse().ok()),
        as_path: words("aspath").filter_map(|asn| asn.parse().ok()).collect(),
        best: path["bestpath"]["overall"] == true,
        stale: path["stale"] == true,
        local_pref: number("locPrf"),
        med: number("metric"),
        communities: words("community").filter_map(community).collect(),
        large_communities: words("largeCommunity")
            .filter_map(|text| match *numbers(text).as_slice() {
                [global, one, two] => Some((global, one, two)),
                _ => None,
            })
            .collect(),
        route_targets: words("extendedCommunity")
            .filter_map(|text| match *numbers(text.strip_prefix("RT:")?).as_slice() {
                [asn, number] => Some((u16::try_from(asn).ok()?, number)),
                _ => None,
            })
            .collect(),
        originator: path["originatorId"].as_str().and_then(|id| id.parse().ok()),
        cluster_list: cluster.filter_map(|id| id.as_str()?.parse().ok()).collect(),
        unknown: BTreeMap::new(),
    }
}

/// The well-known ones by their names.
fn community(text: &str) -> Option<(u16, u16)> {
    match text {
        "graceful-shutdown" => Some((0xffff, 0)),
        "llgr-stale" => Some((0xffff, 6)),
        "no-llgr" => Some((0xffff, 7)),
        "blackhole" => Some((0xffff, 666)),
        "no-export" => Some((0xffff, 0xff01)),
        "no-advertise" => Some((0xffff, 0xff02)),
        _ => {
            let (high, low) = text.split_once(':')?;
            Some((high.parse().ok()?, low.parse().ok()?))
        }
    }
}

/// Commands, each by itself.
pub(super) fn ask(directory: &FilePath, commands: &[&str]) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/bin/vtysh", PACKAGE)?)
        .arg("--vty_socket")
        .arg(directory)
        .args(["-d", "bgpd"])
        .args(commands.iter().flat_map(|command| ["-c", command]))
        .output()
        .context("running vtysh")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "vtysh {commands:?}: {answer}{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(answer)
}

fn zebra_socket(directory: &FilePath) -> std::path::PathBuf {
    directory.join("zserv.api")
}
