//! ExaBGP: a peer without a table. It sends what it is told to send, and writes down what it hears.
//!
//! It talks to a small script: what the script prints are commands, what it reads are events, one JSON object a line.
//! Both are files here, one that we append to and one that we read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Family, Neighbour, Network, Path, Session, Spec};
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "exabgp";

pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &FilePath,
    spec: &Spec,
    _again: bool,
) -> Result<Vec<Process>> {
    let (commands, events) = (directory.join("commands"), directory.join("events"));
    for file in [&commands, &events] {
        fs::write(file, "").with_context(|| format!("making {}", file.display()))?;
    }
    let script = format!(
        "#!/bin/sh\ntail --pid=$$ -n +1 -f {} &\nexec cat >> {}\n",
        commands.display(),
        events.display()
    );
    let script = super::write(directory, "relay", &script)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let config = super::write(directory, "exabgp.conf", &render(spec, directory))?;
    let settings = [
        ("exabgp.daemon.user", "root"),
        ("exabgp.daemon.drop", "false"),
        ("exabgp.api.cli", "false"),
        ("exabgp.api.ack", "false"),
        ("exabgp.tcp.bind", ""),
        ("exabgp.reactor.speed", "0.1"),
        ("exabgp.log.level", "DEBUG"),
        ("PYTHONUNBUFFERED", "1"),
    ];
    let daemon = Invocation {
        program: packaged("/usr/sbin/exabgp", PACKAGE)?,
        arguments: vec![config.into()],
        environment: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        log: directory.join("exabgp.log"),
    };
    Ok(vec![Process::start(namespace, daemon)?])
}

/// It reads its file again on SIGUSR1.
pub(super) fn reload(directory: &FilePath, spec: &Spec, daemons: &[Process]) -> Result<()> {
    super::write(directory, "exabgp.conf", &render(spec, directory))?;
    for daemon in daemons {
        kill(Pid::from_raw(i32::try_from(daemon.pid())?), Signal::SIGUSR1)?;
    }
    Ok(())
}

/// The configuration file of this router.
pub(super) fn render(spec: &Spec, directory: &FilePath) -> String {
    let mut text =
        format!("process relay {{\n  run {};\n  encoder json;\n}}\n", directory.join("relay").display());
    for neighbour in &spec.neighbours {
        render_neighbour(&mut text, spec, neighbour);
    }
    text
}

fn render_neighbour(text: &mut String, spec: &Spec, neighbour: &Neighbour) {
    let _ = write!(
        text,
        "neighbor {remote} {{\n  router-id {id};\n  local-address {local};\n  local-as {asn};\n  \
           peer-as {remote_as};\n  hold-time {hold};\n{passive}{password}  \
           api {{ processes [ relay ]; neighbor-changes; receive {{ parsed; update; open; }} }}\n",
        remote = neighbour.remote,
        id = spec.router_id,
        local = neighbour.local,
        asn = spec.asn,
        remote_as = neighbour.asn,
        hold = neighbour.hold_secs,
        passive = if neighbour.passive { "  passive;\n  listen 179;\n" } else { "" },
        password = neighbour
            .password
            .as_ref()
            .map(|password| format!("  md5-password '{password}';\n"))
            .unwrap_or_default(),
    );
    let add_path = match (neighbour.add_path.receive, neighbour.add_path.send) {
        (true, true) => "send/receive",
        (true, false) => "receive",
        (false, true) => "send",
        (false, false) => "disable",
    };
    let _ = writeln!(text, "  capability {{ route-refresh enable; asn4 enable; add-path {add_path}; }}");
    for (word, ending) in [("family", ""), ("announce", "")] {
        let _ = write!(text, "  {word} {{\n{ending}");
        for family in &neighbour.families {
            if word == "family" {
                let _ = writeln!(text, "    ipv{} unicast;", family.digit());
            } else {
                render_networks(text, spec, neighbour, *family);
            }
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
}

/// Only prefixes that its own address can be the next hop of.
fn render_networks(text: &mut String, spec: &Spec, neighbour: &Neighbour, family: Family) {
    if neighbour.local.is_ipv4() != (family == Family::Ipv4) {
        return;
    }
    let _ = writeln!(text, "    ipv{} {{", family.digit());
    for network in spec.networks.iter().filter(|network| Family::of(&network.prefix) == family) {
        let _ = writeln!(text, "      unicast {};", announcement(network));
    }
    text.push_str("    }\n");
}

/// A route in its words, for its configuration and its commands.
pub(super) fn announcement(network: &Network) -> String {
    let mut text = format!("{} next-hop self", network.prefix);
    if let Some(med) = network.med {
        let _ = write!(text, " med {med}");
    }
    let mut list = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            let _ = write!(text, " {name} [{}]", items.join(" "));
        }
    };
    list("community", network.communities.iter().map(|(high, low)| format!("{high}:{low}")).collect());
    list(
        "large-community",
        network.large_communities.iter().map(|(global, one, two)| format!("{global}:{one}:{two}")).collect(),
    );
    list(
        "extended-community",
        network.route_targets.iter().map(|(asn, number)| format!("target:{asn}:{number}")).collect(),
    );
    for (flags, code, value) in &network.raw {
        let value: String = value.iter().map(|octet| format!("{octet:02x}")).collect();
        let _ = write!(text, " attribute [ 0x{code:02x} 0x{flags:02x} 0x{value} ]");
    }
    text
}

pub(super) fn command(directory: &FilePath, commands: &[&str]) -> Result<String> {
    let path = directory.join("commands");
    let mut file = OpenOptions::new().append(true).open(&path).context("ExaBGP does not run")?;
    for command in commands {
        writeln!(file, "{command}")?;
    }
    Ok(String::new())
}

/// Everything that it has said so far, as far as the lines are whole.
fn events(directory: &FilePath) -> Result<Vec<Value>> {
    let path = directory.join("events");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("ExaBGP said {line}")))
        .collect()
}

pub(super) fn sessions(directory: &FilePath) -> Result<BTreeMap<IpAddr, Session>> {
    decode_sessions(&events(directory)?)
}

/// The last that was said of each neighbour.
pub(super) fn decode_sessions(events: &[Value]) -> Result<BTreeMap<IpAddr, Session>> {
    let mut sessions: BTreeMap<IpAddr, Session> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "state") {
        let neighbour = &event["neighbor"];
        let session = sessions.entry(peer(neighbour)?).or_default();
        session.state = match neighbour["state"].as_str() {
            Some("up") => "Established",
            Some("connected") => "OpenSent",
            Some(_) | None => "Idle",
        }
        .to_owned();
        if let Some(reason) = neighbour["reason"].as_str() {
            reason.clone_into(&mut session.reason);
        }
    }
    Ok(sessions)
}

fn peer(neighbour: &Value) -> Result<IpAddr> {
    let address = neighbour["address"]["peer"].as_str().context("an event of nobody")?;
    Ok(address.parse()?)
}

pub(super) fn paths(directory: &FilePath, prefix: IpNetwork) -> Result<Vec<Path>> {
    let events = events(directory)?;
    ensure!(!events.is_empty(), "it has heard nothing yet");
    decode_paths(&events, prefix)
}

/// What was announced and not withdrawn since, by neighbour and path identifier.
pub(super) fn decode_paths(events: &[Value], prefix: IpNetwork) -> Result<Vec<Path>> {
    let mut paths: BTreeMap<(IpAddr, String), Path> = BTreeMap::new();
    let wanted = prefix.to_string();
    for event in events {
        let neighbour = &event["neighbor"];
        if event["type"] == "state" && neighbour["state"] == "down" {
            let gone = peer(neighbour)?;
            paths.retain(|(from, _), _| *from != gone);
        }
        let update = &neighbour["message"]["update"];
        let groups = |key: &str| update[key].as_object().into_iter().flatten();
        let is_wanted = |nlri: &&Value| nlri["nlri"] == wanted.as_str();
        let identifier = |nlri: &Value| nlri["path-information"].as_str().unwrap_or_default().to_owned();
        for (_, nlris) in groups("withdraw") {
            for nlri in nlris.as_array().into_iter().flatten().filter(is_wanted) {
                paths.remove(&(peer(neighbour)?, identifier(nlri)));
            }
        }
        for (_, by_next_hop) in groups("announce") {
            for (next_hop, nlris) in by_next_hop.as_object().into_iter().flatten() {
                for nlri in nlris.as_array().into_iter().flatten().filter(is_wanted) {
                    let path = decode_path(next_hop, &update["attribute"]);
                    // A link-local address beside the global one comes as a next hop of its own.
                    if !next_hop.starts_with("fe80:")
                        || by_next_hop.as_object().is_some_and(|all| all.len() == 1)
                    {
                        paths.insert((peer(neighbour)?, identifier(nlri)), path);
                    }
                }
            }
        }
    }
    Ok(paths.into_values().collect())
}

fn decode_path(next_hop: &str, attributes: &Value) -> Path {
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let list = |key: &str| attributes[key].as_array().into_iter().flatten();
    let tuple =
        |value: &Value| -> Vec<u32> { value.as_array().into_iter().flatten().filter_map(number).collect() };
    let unknown = attributes.as_object().into_iter().flatten().filter_map(|(key, value)| {
        let code = key.strip_prefix("attribute-0x")?.get(..2)?;
        let octets = super::hexadecimal(value.as_str()?.trim_start_matches("0x"));
        Some((u8::from_str_radix(code, 16).ok()?, octets))
    });
    Path {
        // IPv6: a global address, perhaps followed by a link-local one.
        next_hop: next_hop.split([' ', ',']).next().and_then(|address| address.parse().ok()),
        as_path: list("as-path").filter_map(number).collect(),
        best: true,
        stale: false,
        local_pref: number(&attributes["local-preference"]),
        med: number(&attributes["med"]),
        communities: list("community")
            .filter_map(|value| match *tuple(value).as_slice() {
                [high, low] => Some((u16::try_from(high).ok()?, u16::try_from(low).ok()?)),
                _ => None,
            })
            .collect(),
        large_communities: list("large-community")
            .filter_map(|value| match *tuple(value).as_slice() {
                [global, one, two] => Some((global, one, two)),
                _ => None,
            })
            .collect(),
        route_targets: list("extended-community")
            .filter_map(|value| {
                let (asn, number) = value["string"].as_str()?.strip_prefix("target:")?.split_once(':')?;
                Some((asn.parse().ok()?, number.parse().ok()?))
            })
            .collect(),
        originator: attributes["originator-id"].as_str().and_then(|id| id.parse().ok()),
        cluster_list: list("cluster-list").filter_map(|id| id.as_str()?.parse().ok()).collect(),
        unknown: unknown.collect(),
    }
}
