//! `fabric-speaker`: the BGP speaker alone, as a route reflector beside the data path.
//!
//! It reads one file, a line for each thing:
//!
//! ```text
//! as 64512
//! router-id 10.0.0.1
//! listen 10.0.0.1:179                      # more than one is fine
//! hold-time 90                             # seconds, for all peers
//! originate 192.0.2.0/24
//! peer 10.0.0.2 as internal client passive
//! peer 10.0.0.3 as 64513 import accept export originated
//! range 10.1.0.0/16 as internal limit 500 client
//! ```
//!
//! Deliberately absent: any way to change it while it runs, and any knowledge of routes outside BGP.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bgp::config::{Config, Listen, ListenRange, Origination, PeerConfig, PeerKey, Policy, RemoteAs};
use bgp::net::{Event, Shutdown};
use clap::Parser;
use ipnetwork::IpNetwork;
use tokio::signal::unix::{SignalKind, signal};

/// A table is many small allocations, made on all threads and kept for long. Measured by `make bench-bgp` with a full
/// table, this takes a third less CPU time than glibc's allocator, and a little less memory at the end.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs a BGP speaker that forwards nothing, until it is asked to end.
#[derive(Debug, Parser)]
#[command(name = "fabric-speaker", version)]
struct Arguments {
    /// What it is and with whom it peers.
    file: PathBuf,
    /// Only say whether the file is right.
    #[arg(long)]
    check: bool,
    /// Say what happens to peers.
    #[arg(long)]
    verbose: bool,
}

/// What the file says.
#[derive(Debug)]
struct Settings {
    listen: Listen,
    config: Config,
    originated: BTreeMap<IpNetwork, Origination>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let text = fs::read_to_string(&arguments.file)
        .with_context(|| format!("reading {}", arguments.file.display()))?;
    let settings = decode(&text).with_context(|| arguments.file.display().to_string())?;
    if arguments.check {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(settings, arguments.verbose))
}

async fn serve(settings: Settings, verbose: bool) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let Settings { listen, config, originated } = settings;
    let (handle, mut events) = bgp::net::start(listen, config, originated)?;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Notice(notice)) if verbose => say(&format!("{notice:?}")),
                Some(Event::Notice(_) | Event::BestPaths(_) | Event::Synchronised) => {}
                None => bail!("the speaker stopped"),
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    handle.shutdown(Shutdown::Cease("fabric-speaker was asked to end".into())).await;
    Ok(())
}

#[allow(clippy::print_stderr)] // This program's log.
fn say(text: &str) {
    eprintln!("{text}");
}

fn decode(text: &str) -> Result<Settings> {
    let mut settings = Settings {
        listen: Listen { addresses: Vec::new() },
        config: Config { forwarding: false, ..Config::default() },
        originated: BTreeMap::new(),
    };
    let mut hold = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        decode_line(line, &mut settings, &mut hold)
            .with_context(|| format!("line {number}: {}", line.trim()))?;
    }
    if let Some(hold) = hold {
        let ranges = settings.config.listen_ranges.iter_mut().map(|range| &mut range.peer);
        settings.config.peers.values_mut().chain(ranges).for_each(|peer| peer.timers.hold = hold);
    }
    ensure!(settings.config.local_as != 0, "there is no line `as NUMBER`");
    ensure!(!settings.config.router_id.is_unspecified(), "there is no line `router-id ADDRESS`");
    ensure!(!settings.listen.addresses.is_empty(), "there is no line `listen ADDRESS:PORT`");
    Ok(settings)
}

fn decode_line(line: &str, settings: &mut Settings, hold: &mut Option<Duration>) -> Result<()> {
    let mut words = line.split_whitespace();
    let config = &mut settings.config;
    match words.next() {
        None => {}
        Some("as") => config.local_as = next(&mut words, "an AS number")?,
        Some("router-id") => config.router_id = next(&mut words, "an IPv4 address")?,
        Some("cluster-id") => config.cluster_id = Some(next(&mut words, "an IPv4 address")?),
        Some("listen") => settings.listen.addresses.push(next(&mut words, "ADDRESS:PORT")?),
        Some("hold-time") => *hold = Some(Duration::from_secs(next(&mut words, "seconds")?)),
        Some("originate") => {
            settings.originated.insert(next(&mut words, "a prefix")?, Origination::default());
        }
        Some("peer") => {
            let address: IpAddr = next(&mut words, "an address")?;
            let (peer, _) = decode_peer(&mut words)?;
            let before = config.peers.insert(PeerKey::Address(address), peer);
            ensure!(before.is_none(), "there is a line for {address} already");
        }
        Some("range") => {
            let network = next(&mut words, "a network")?;
            let (peer, limit) = decode_peer(&mut words)?;
            let limit = limit.context("a range needs `limit NUMBER`")?;
            config.listen_ranges.push(ListenRange { network, limit, peer });
        }
        Some(other) => bail!(
            "`{other}` is none of: as, router-id, cluster-id, listen, hold-time, originate, peer, range"
        ),
    }
    match words.next() {
        None => Ok(()),
        Some(word) => bail!("`{word}` is one word too many"),
    }
}

/// A peer, and the limit of a range.
fn decode_peer(words: &mut SplitWhitespace<'_>) -> Result<(PeerConfig, Option<u32>)> {
    ensure!(words.next() == Some("as"), "next comes `as` and NUMBER, internal, external or any");
    let remote_as = match words.next() {
        Some("internal") => RemoteAs::Internal,
        Some("external") => RemoteAs::External,
        Some("any") => RemoteAs::Any,
        Some(number) => RemoteAs::Is(number.parse().with_context(|| format!("`{number}` is no AS number"))?),
        None => bail!("`as` needs NUMBER, internal, external or any"),
    };
    let mut peer = PeerConfig::new(remote_as);
    let mut limit = None;
    while let Some(word) = words.next() {
        match word {
            "client" => peer.route_reflector_client = true,
            "passive" => peer.passive = true,
            "port" => peer.port = next(words, "a port")?,
            "limit" => limit = Some(next(words, "a number")?),
            "import" => {
                let policy = decode_policy(words.next(), false)?;
                peer.families.values_mut().for_each(|family| family.import = policy.clone());
            }
            "export" => {
                let policy = decode_policy(words.next(), true)?;
                peer.families.values_mut().for_each(|family| family.export = policy.clone());
            }
            other => bail!("`{other}` is none of: client, passive, port, limit, import, export"),
        }
    }
    Ok((peer, limit))
}

fn decode_policy(word: Option<&str>, export: bool) -> Result<Policy> {
    match word {
        Some("accept") => Ok(Policy::Accept),
        Some("reject") => Ok(Policy::Reject),
        Some("originated") if export => Ok(Policy::Originated),
        _ if export => bail!("`export` needs accept, reject or originated"),
        _ => bail!("`import` needs accept or reject"),
    }
}

fn next<T: FromStr>(words: &mut SplitWhitespace<'_>, what: &str) -> Result<T> {
    let word = words.next().with_context(|| format!("{what} is missing"))?;
    word.parse().ok().with_context(|| format!("`{word}` is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_the_speaker_is() {
        let text = "as 64512 # ours\nrouter-id 10.0.0.1\nlisten 10.0.0.1:179\nhold-time 30\n\n\
            peer 10.0.0.2 as internal client passive\n\
            peer 10.0.0.3 as 64513 port 1179 import accept export originated\n\
            range 10.1.0.0/16 as any limit 5 client\n";
        let Settings { config, listen, .. } = decode(text).unwrap();
        assert_eq!((config.local_as, config.forwarding), (64_512, false));
        assert_eq!(listen.addresses, ["10.0.0.1:179".parse().unwrap()]);
        let client = &config.peers[&PeerKey::Address("10.0.0.2".parse().unwrap())];
        assert!(client.route_reflector_client && client.passive && client.remote_as == RemoteAs::Internal);
        let external = &config.peers[&PeerKey::Address("10.0.0.3".parse().unwrap())];
        assert!(!external.passive && external.port == 1_179);
        assert!(
            external
                .families
                .values()
                .all(|f| (&f.import, &f.export) == (&Policy::Accept, &Policy::Originated))
        );
        assert_eq!(config.listen_ranges[0].limit, 5);
        assert_eq!(config.listen_ranges[0].peer.timers.hold, Duration::from_secs(30));
    }

    #[test]
    fn a_wrong_line_is_named_with_what_would_be_right() {
        let good = "as 1\nrouter-id 10.0.0.1\nlisten 10.0.0.1:179\n";
        for (line, told) in [
            ("peer 10.0.0.2 as internal reflected", "none of: client"),
            ("peer 10.0.0.2", "next comes `as`"),
            ("peer 10.0.0.2 as internal import originated", "`import` needs accept or reject"),
            ("range 10.0.0.0/8 as any", "needs `limit NUMBER`"),
            ("hold-time soon", "`soon` is not seconds"),
            ("hold-time 3 4", "one word too many"),
            ("hello", "none of: as"),
        ] {
            let error = format!("{:#}", decode(&format!("{good}{line}\n")).unwrap_err());
            assert!(error.contains("line 4") && error.contains(told), "{line}: {error}");
        }
        assert!(format!("{:#}", decode("as 1\n").unwrap_err()).contains("router-id"));
    }
}
