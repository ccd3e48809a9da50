//! BIRD 2 as a top-of-rack router.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use super::{CONNECT_RETRY_SECS, HOLD_TIME_SECS, KEEPALIVE_SECS, Neighbour, Spec, Way};
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "bird2";

/// `again`: it ran before, and recovers by graceful restart.
pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &Path,
    config: &str,
    again: bool,
) -> Result<Vec<Process>> {
    let path = directory.join("bird.conf");
    super::write_config(&path, config)?;
    let mut arguments = vec![
        "-f".into(),
        "-c".into(),
        path.into(),
        "-s".into(),
        control_socket(directory).into(),
        "-P".into(),
        directory.join("bird.pid").into(),
    ];
    if again {
        arguments.push("-R".into());
    }
    let daemon = Process::start(
        namespace,
        Invocation {
            program: packaged("/usr/sbin/bird", PACKAGE)?,
            arguments,
            environment: Vec::new(),
            log: directory.join("bird.log"),
        },
    )?;
    Ok(vec![daemon])
}

/// The configuration file of this router.
#[must_use]
pub fn render(spec: &Spec) -> String {
    let mut text = format!(
        "# {name}: AS {asn}\n\
         log stderr all;\n\
         router id {id};\n\
         timeformat protocol iso short;\n\
         debug protocols {{ states }};\n\n\
         protocol device {{ scan time 10; }}\n\
         protocol direct {{ ipv4; ipv6; interface \"lo\"; }}\n\n",
        name = spec.name,
        asn = spec.asn,
        id = spec.router_id,
    );
    for family in [4, 6] {
        let networks: Vec<String> = of_family(&spec.fabric, family)
            .chain(of_family(&spec.loopbacks, family))
            .map(|n| format!("{n}+"))
            .collect();
        // An empty set is no prefix set to BIRD.
        let test = if networks.is_empty() {
            "false".to_owned()
        } else {
            format!("net ~ [ {} ]", networks.join(", "))
        };
        let _ = write!(
            text,
            "filter fabric{family} {{ if {test} then accept; reject; }}\n\
             protocol kernel kernel{family} {{\n  ipv{family} {{ import none; export where source = RTS_BGP; }};\n  \
             merge paths on;\n}}\n\n",
        );
    }
    for neighbour in &spec.neighbours {
        render_neighbour(&mut text, spec.asn, neighbour);
    }
    text
}

fn render_neighbour(text: &mut String, asn: u32, neighbour: &Neighbour) {
    let family = if neighbour.remote.is_ipv4() { 4 } else { 6 };
    let _ = write!(
        text,
        "protocol bgp {protocol} {{\n  \
           description \"{name}\";\n  \
           local {local} as {asn};\n  \
           neighbor {remote} as {remote_as};\n  \
           direct;\n  \
           {passive}hold time {HOLD_TIME_SECS};\n  \
           keepalive time {KEEPALIVE_SECS};\n  \
           connect delay time {CONNECT_RETRY_SECS};\n  \
           connect retry time {CONNECT_RETRY_SECS};\n  \
           error wait time 1, 2;\n  \
           graceful restart on;\n  \
           ipv{family} {{ import filter fabric{family}; export filter fabric{family}; }};\n\
         }}\n",
        protocol = protocol_name(neighbour),
        name = neighbour.name,
        local = neighbour.local,
        remote = neighbour.remote,
        remote_as = neighbour.asn,
        passive = if neighbour.passive { "passive on;\n  " } else { "" },
    );
}

fn of_family(networks: &[IpNetwork], family: u8) -> impl Iterator<Item = &IpNetwork> {
    networks.iter().filter(move |network| network.is_ipv4() == (family == 4))
}

/// What the protocol of a neighbour is called: BIRD's names are identifiers.
#[must_use]
pub fn protocol_name(neighbour: &Neighbour) -> String {
    let name: String =
        neighbour.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{name}_v{}", if neighbour.remote.is_ipv4() { 4 } else { 6 })
}

pub(super) fn sessions(directory: &Path, spec: &Spec) -> Result<BTreeMap<IpAddr, String>> {
    let answer = ask(directory, &["show", "protocols"])?;
    let by_protocol = decode_sessions(&answer);
    Ok(spec
        .neighbours
        .iter()
        .filter_map(|neighbour| Some((neighbour.remote, by_protocol.get(&protocol_name(neighbour))?.clone())))
        .collect())
}

/// `show protocols`: name, protocol, table, state, since, and for BGP the state of RFC 4271.
pub(super) fn decode_sessions(answer: &str) -> BTreeMap<String, String> {
    answer
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            if words.next()? != "BGP" {
                return None;
            }
            // A protocol that is down has no state of RFC 4271.
            let state = words.nth(3).unwrap_or("Idle");
            Some((name.to_owned(), state.to_owned()))
        })
        .collect()
}

pub(super) fn paths(directory: &Path, prefix: IpNetwork) -> Result<Vec<Way>> {
    decode_paths(&ask(directory, &["show", "route", &prefix.to_string(), "all"])?)
}

/// `show route PREFIX all`: a line for each path, and indented below it where it leads and its attributes.
pub(super) fn decode_paths(answer: &str) -> Result<Vec<Way>> {
    let mut paths = Vec::new();
    let mut current: Option<(bool, bool, Vec<u32>)> = None;
    for line in answer.lines() {
        let trimmed = line.trim();
        if trimmed.contains(" [") && !line.starts_with('\t') {
            let (flags, preference) = trimmed.rsplit_once(" (").unwrap_or((trimmed, ""));
            let stale = preference.split(['/', ')']).next().is_some_and(|number| number.ends_with('s'));
            current = Some((flags.ends_with('*'), stale, Vec::new()));
        } else if let Some(path) = trimmed.strip_prefix("BGP.as_path:")
            && let Some((_, _, as_path)) = &mut current
        {
            *as_path = path.split_whitespace().filter_map(|asn| asn.parse().ok()).collect();
        } else if let Some(next_hop) = trimmed.strip_prefix("BGP.next_hop:")
            && let Some((best, stale, as_path)) = current.take()
        {
            // IPv6: a global address, perhaps followed by a link-local one.
            let first = next_hop.split_whitespace().next().unwrap_or_default();
            let next_hop = first.parse().with_context(|| format!("the next hop in {line:?}"))?;
            paths.push(Way { next_hop, as_path, best, stale });
        }
    }
    Ok(paths)
}

pub(super) fn ask(directory: &Path, question: &[&str]) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/sbin/birdc", PACKAGE)?)
        .arg("-s")
        .arg(control_socket(directory))
        .args(question)
        .output()
        .context("running birdc")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && answer.contains("ready."), "birdc {}: {answer}", question.join(" "));
    Ok(answer)
}

fn control_socket(directory: &Path) -> std::path::PathBuf {
    directory.join("bird.ctl")
}
