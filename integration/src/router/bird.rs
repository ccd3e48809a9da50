//! BIRD 2.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use super::{CONNECT_RETRY_SECS, Family, Hops, KEEPALIVE_SECS, Neighbour, Network, Path, Session, Spec};
use crate::namespace::Namespace;
use crate::process::{Invocation, Process};
use crate::programs::packaged;

const PACKAGE: &str = "bird2";

/// `again`: it ran before, and recovers by graceful restart.
pub(super) fn start(
    namespace: &Arc<Namespace>,
    directory: &FilePath,
    spec: &Spec,
    again: bool,
) -> Result<Vec<Process>> {
    let config = super::write(directory, "bird.conf", &render(spec))?;
    let mut arguments = vec!["-f".into(), "-c".into(), config.into(), "-s".into(), socket(directory).into()];
    arguments.extend(["-P".into(), directory.join("bird.pid").into()]);
    arguments.extend(again.then(|| "-R".into()));
    let daemon = Invocation {
        program: packaged("/usr/sbin/bird", PACKAGE)?,
        arguments,
        environment: Vec::new(),
        log: directory.join("bird.log"),
    };
    Ok(vec![Process::start(namespace, daemon)?])
}

pub(super) fn reload(directory: &FilePath, spec: &Spec) -> Result<()> {
    super::write(directory, "bird.conf", &render(spec))?;
    ask(directory, &["configure"]).map(drop)
}

/// The configuration file of this router.
pub(super) fn render(spec: &Spec) -> String {
    let mut text = format!(
        "log stderr all;\nrouter id {id};\ntimeformat protocol iso short;\ndebug protocols {{ states, events }};\n\
         protocol device {{ scan time 1; }}\nprotocol direct {{ ipv4; ipv6; }}\n",
        id = spec.router_id,
    );
    for family in Family::ALL {
        // What is there for next hops that are further away.
        let _ = writeln!(
            text,
            "protocol kernel kernel{family} {{ scan time 1; learn; ipv{family} {{ import all; export none; }}; }}",
            family = family.digit()
        );
        let _ =
            writeln!(text, "protocol static networks{family} {{\n  ipv{family};", family = family.digit());
        for network in spec.networks.iter().filter(|network| Family::of(&network.prefix) == family) {
            render_network(&mut text, network);
        }
        text.push_str("}\n");
    }
    if spec.neighbours.iter().any(|neighbour| neighbour.bfd_millis.is_some()) {
        text.push_str("protocol bfd {}\n");
    }
    for (index, neighbour) in spec.neighbours.iter().enumerate() {
        render_neighbour(&mut text, spec, index, neighbour);
    }
    text
}

fn render_network(text: &mut String, network: &Network) {
    let _ = write!(text, "  route {} blackhole {{ ", network.prefix);
    for (high, low) in &network.communities {
        let _ = write!(text, "bgp_community.add(({high}, {low})); ");
    }
    for (global, one, two) in &network.large_communities {
        let _ = write!(text, "bgp_large_community.add(({global}, {one}, {two})); ");
    }
    for (asn, number) in &network.route_targets {
        let _ = write!(text, "bgp_ext_community.add((rt, {asn}, {number})); ");
    }
    text.push_str("};\n");
}

fn render_neighbour(text: &mut String, spec: &Spec, index: usize, neighbour: &Neighbour) {
    let _ = write!(
        text,
        "protocol bgp n{index} {{\n  local {local} as {asn};\n  neighbor {remote} as {remote_as};\n  \
           hold time {hold};\n  keepalive time {KEEPALIVE_SECS};\n  connect delay time {CONNECT_RETRY_SECS};\n  \
           connect retry time {CONNECT_RETRY_SECS};\n  error wait time 1, 2;\n",
        local = neighbour.local,
        asn = spec.asn,
        remote = neighbour.remote,
        remote_as = neighbour.asn,
        hold = neighbour.hold_secs,
    );
    match neighbour.hops {
        Hops::Direct => text.push_str("  direct;\n"),
        Hops::Multihop(hops) => drop(writeln!(text, "  multihop {hops};")),
        Hops::Security => text.push_str("  direct;\n  ttl security on;\n"),
    }
    if neighbour.passive {
        text.push_str("  passive on;\n");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "  password \"{password}\";");
    }
    if neighbour.reflector_client {
        text.push_str("  rr client;\n");
    }
    match neighbour.graceful_restart {
        Some(restart) => {
            let _ =
                writeln!(text, "  graceful restart on;\n  graceful restart time {};", restart.restart_secs);
            if let Some(seconds) = restart.long_lived_secs {
                let _ =
                    writeln!(text, "  long lived graceful restart on;\n  long lived stale time {seconds};");
            }
        }
        None => text.push_str("  graceful restart off;\n"),
    }
    if neighbour.extended_messages {
        text.push_str("  enable extended messages on;\n");
    }
    if let Some(role) = neighbour.role {
        let _ = writeln!(text, "  local role {};", role.name());
    }
    if let Some(millis) = neighbour.bfd_millis {
        let _ = writeln!(text, "  bfd {{ interval {millis} ms; multiplier 3; }};");
    }
    for family in &neighbour.families {
        let _ = write!(text, "  ipv{} {{\n    import all;\n    export filter {{", family.digit());
        for network in spec.networks.iter().filter(|network| Family::of(&network.prefix) == *family) {
            // It tells another AS only a MED that its export filter sets.
            if let Some(med) = network.med {
                let _ = write!(text, " if net = {} then bgp_med = {med};", network.prefix);
            }
        }
        text.push_str(" if source ~ [ RTS_STATIC, RTS_BGP ] then accept; reject; };\n");
        match (neighbour.add_path.receive, neighbour.add_path.send) {
            (true, true) => text.push_str("    add paths on;\n"),
            (true, false) => text.push_str("    add paths rx;\n"),
            (false, true) => text.push_str("    add paths tx;\n"),
            (false, false) => {}
        }
        if neighbour.extended_next_hop && *family == Family::Ipv4 {
            text.push_str("    extended next hop on;\n");
        }
        text.push_str("  };\n");
    }
    text.push_str("}\n");
}

/// What the protocol of a neighbour is called.
pub(super) fn protocol(spec: &Spec, remote: IpAddr) -> Result<String> {
    let index = spec.neighbours.iter().position(|neighbour| neighbour.remote == remote);
    Ok(format!("n{}", index.with_context(|| format!("no neighbour {remote}"))?))
}

pub(super) fn sessions(directory: &FilePath, spec: &Spec) -> Result<BTreeMap<IpAddr, Session>> {
    let answer = ask(directory, &["show", "protocols", "all"])?;
    let by_protocol = decode_sessions(&answer);
    let remotes = spec.neighbours.iter().map(|neighbour| neighbour.remote);
    Ok(remotes
        .filter_map(|remote| Some((remote, by_protocol.get(&protocol(spec, remote).ok()?)?.clone())))
        .collect())
}

/// `show protocols all`: a line for each protocol, then its details, indented.
pub(super) fn decode_sessions(answer: &str) -> BTreeMap<String, Session> {
    let mut sessions = BTreeMap::new();
    let mut current = None;
    for line in answer.lines() {
        let detail = line.trim();
        if !line.starts_with(' ') {
            let mut words = line.split_whitespace();
            current = words.next().filter(|_| words.next() == Some("BGP")).map(str::to_owned);
        } else if let Some(name) = &current {
            let session: &mut Session = sessions.entry(name.clone()).or_default();
            if let Some(state) = detail.strip_prefix("BGP state:") {
                // A protocol that is down has none of RFC 4271's.
                session.state = match state.trim() {
                    "Down" | "Passive" => "Idle".to_owned(),
                    state => state.to_owned(),
                };
            } else if let Some(reason) = detail.strip_prefix("Last error:") {
                reason.trim().clone_into(&mut session.reason);
            } else if let Some(message) = detail.strip_prefix("Message:") {
                let _ = write!(session.reason, ": {}", message.trim());
            }
        }
    }
    sessions
}

pub(super) fn paths(directory: &FilePath, prefix: IpNetwork) -> Result<Vec<Path>> {
    let answer = ask(directory, &["show", "route", &prefix.to_string(), "all"])?;
    Ok(decode_paths(&answer))
}

/// `show route PREFIX all`: a line for each path, and indented below it where it leads and its attributes.
pub(super) fn decode_paths(answer: &str) -> Vec<Path> {
    let mut paths: Vec<Path> = Vec::new();
    // A long list goes on in lines that are indented further.
    for line in answer.replace("\n\t\t", " ").lines() {
        if line.contains(" [") && !line.starts_with('\t') && !line.trim_start().starts_with("BGP.") {
            let (flags, preference) = line.rsplit_once(" (").unwrap_or((line, ""));
            let stale = preference.split(['/', ')']).next().is_some_and(|number| number.ends_with('s'));
            paths.push(Path { best: flags.ends_with('*'), stale, ..Path::default() });
        } else if let Some(path) = paths.last_mut()
            && let Some((name, value)) =
                line.trim().strip_prefix("BGP.").and_then(|rest| rest.split_once(':'))
        {
            decode_attribute(path, name, value.trim());
        }
    }
    paths
}

fn decode_attribute(path: &mut Path, name: &str, value: &str) {
    let words = || value.split_whitespace();
    match name {
        "as_path" => path.as_path = words().filter_map(|asn| asn.parse().ok()).collect(),
        // IPv6: a global address, perhaps followed by a link-local one.
        "next_hop" => path.next_hop = words().next().and_then(|address| address.parse().ok()),
        "local_pref" => path.local_pref = value.parse().ok(),
        "med" => path.med = value.parse().ok(),
        "community" => {
            path.communities = tuples(value)
                .filter_map(|numbers| match *numbers.as_slice() {
                    [high, low] => Some((u16::try_from(high).ok()?, u16::try_from(low).ok()?)),
                    _ => None,
                })
                .collect();
        }
        "large_community" => {
            path.large_communities = tuples(value)
                .filter_map(|numbers| match *numbers.as_slice() {
                    [global, one, two] => Some((global, one, two)),
                    _ => None,
                })
                .collect();
        }
        "ext_community" => {
            path.route_targets = tuples(&value.replace("(rt, ", "("))
                .filter_map(|numbers| match *numbers.as_slice() {
                    [asn, number] => Some((u16::try_from(asn).ok()?, number)),
                    _ => None,
                })
                .collect();
        }
        "originator_id" => path.originator = value.parse().ok(),
        "cluster_list" => path.cluster_list = words().filter_map(|id| id.parse().ok()).collect(),
        _ => {
            // "BGP.99 [t]: de ad": one that it does not know, in hexadecimal.
            let code = name.split_whitespace().next().and_then(|code| u8::from_str_radix(code, 16).ok());
            let octets = words().map(|octet| u8::from_str_radix(octet, 16)).collect();
            if let (Some(code), Ok(octets)) = (code, octets) {
                path.unknown.insert(code, octets);
            }
        }
    }
}

/// "(65001,7) (65001, 8)": the numbers of each.
fn tuples(text: &str) -> impl Iterator<Item = Vec<u32>> {
    text.split(['(', ')'])
        .map(|inner| inner.split(',').filter_map(|number| number.trim().parse().ok()).collect())
}

pub(super) fn ask(directory: &FilePath, question: &[&str]) -> Result<String> {
    // Through a Unix socket: it does not matter which network namespace asks.
    let output = Command::new(packaged("/usr/sbin/birdc", PACKAGE)?)
        .arg("-s")
        .arg(socket(directory))
        .args(question)
        .output()
        .context("running birdc")?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    // That there is no such route is an answer.
    let answered = output.status.success() || answer.contains("Network not found");
    ensure!(answered && answer.contains("ready."), "birdc {}: {answer}", question.join(" "));
    Ok(answer)
}

fn socket(directory: &FilePath) -> std::path::PathBuf {
    directory.join("bird.ctl")
}
