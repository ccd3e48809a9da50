//! `make bench-bgp`: the speaker beside BIRD and FRR, in one run, on one machine.
//!
//! ```text
//! namespace "device"                    namespace "load"
//! ┌──────────────────────────┐  veth   ┌───────────────────────────────────────┐
//! │ one device at a time:    │◄───────►│ this process: up to hundreds of peers │
//! │ ours, BIRD, FRR          │         │ on one thread, counting prefixes      │
//! └──────────────────────────┘         └───────────────────────────────────────┘
//! ```
//!
//! [`device`] starts what is measured, [`load`] is everybody else, [`workload`] gives them something to do, [`report`]
//! compares. Each round runs every kind of work on every device, one after the other, each on a freshly started
//! device; a figure is the median of the rounds. `--assert` makes a missed goal a failure.
//!
//! Two more commands are of use by themselves: `table` makes up a table of the Internet's shape as an MRT file, and
//! `mrt` feeds one to a speaker.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs::{self, File};
use std::io::BufWriter;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use integration::mrt::{Peer, Shape, Table};

mod device;
mod feed;
mod load;
mod report;
mod site;
mod sockets;
mod workload;

use device::{Bird, Device, Frr, Ours};
use report::Report;
use site::Site;
use workload::{FullTable, Ground, Sample, Sizes};

/// Measures BGP speakers side by side.
#[derive(Debug, Parser)]
#[command(name = "bench-bgp", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Rounds; a figure is their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Which speakers.
    #[arg(long, value_delimiter = ',', default_values_t = [Name::Bird, Name::Frr, Name::Ours])]
    devices: Vec<Name>,
    /// Which work.
    #[arg(long, value_delimiter = ',', default_values_t = Work::ALL)]
    work: Vec<Work>,
    /// Prefixes of the full table.
    #[arg(long, default_value_t = 1_000_000)]
    prefixes: usize,
    /// Sets of attributes of the full table.
    #[arg(long, default_value_t = 200_000)]
    sets: usize,
    /// The full table from an MRT file instead (its IPv4 routes, unpacked).
    #[arg(long, value_name = "FILE")]
    mrt: Option<PathBuf>,
    /// Route-reflector clients.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(3..=50_000))]
    clients: u16,
    /// Fail where a goal is missed.
    #[arg(long)]
    assert: bool,
    /// Where the figures go as JSON; `bench-bgp.json` in the target directory if not said.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make up a table and write it as MRT (TABLE_DUMP_V2).
    Table {
        /// Where to.
        file: PathBuf,
        /// IPv4 prefixes.
        #[arg(long, default_value_t = 1_000_000)]
        ipv4: usize,
        /// IPv6 prefixes.
        #[arg(long, default_value_t = 200_000)]
        ipv6: usize,
        /// Sets of attributes.
        #[arg(long, default_value_t = 200_000)]
        sets: usize,
        /// The same seed makes the same table.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Announce a table to a speaker, and keep the session until it ends.
    Mrt {
        /// The table: TABLE_DUMP_V2, unpacked.
        file: PathBuf,
        /// The speaker, as `ADDRESS:PORT`.
        #[arg(long)]
        to: SocketAddr,
        /// Our AS.
        #[arg(long, default_value_t = workload::FIRST_EXTERNAL_AS)]
        asn: u32,
        /// Next hop of IPv6 prefixes, which are left out without.
        #[arg(long)]
        next_hop_v6: Option<Ipv6Addr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Bird,
    Frr,
    Ours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    FullTable,
    Reflector,
    ColdStart,
    FanOut,
    StuckClient,
}

impl Work {
    const ALL: [Self; 5] =
        [Self::FullTable, Self::Reflector, Self::ColdStart, Self::FanOut, Self::StuckClient];
}

/// Clap shows and parses defaults as text.
macro_rules! display_as_value {
    ($($kind:ty),*) => {$(
        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
            }
        }
    )*};
}
display_as_value!(Name, Work);

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::Table { file, ipv4, ipv6, sets, seed }) => {
            write_table(file, &Shape { seed: *seed, ipv4: *ipv4, ipv6: *ipv6, sets: *sets })?;
        }
        Some(Command::Mrt { file, to, asn, next_hop_v6 }) => {
            let table = feed::read_table(file)?;
            let (session, feed) = feed::announce(&table, *to, *asn, *next_hop_v6)?;
            say(&format!("{} prefixes announced to {to}, {} left out", feed.announced, feed.left_out));
            feed::keep(session)?;
        }
        None => return compare(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

fn write_table(path: &Path, shape: &Shape) -> Result<()> {
    let address = site::peer_address(0);
    let peer = Peer { router_id: address, address: address.into(), asn: workload::FIRST_EXTERNAL_AS };
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let table = Table::generate(shape, peer);
    // A table with the same seed is the same file: its time is no fact of it.
    table.write(BufWriter::new(file), 1_735_689_600)?;
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<ExitCode> {
    let clients = usize::from(arguments.clients);
    let sizes = Sizes {
        prefixes: arguments.prefixes,
        sets: arguments.sets,
        clients,
        prefixes_each: 10,
        fan_prefixes: 10_000,
        fan_clients: clients.min(100),
    };
    let site = Site::new(clients.max(sizes.fan_clients + 1))?;
    site.lab.close_on_signals()?;
    let table = match &arguments.mrt {
        Some(file) => FullTable::new(&feed::read_table(file)?)?,
        None => FullTable::generate(&sizes)?,
    };
    let mut report = Report::new(sizes);
    let devices: Vec<&'static dyn Device> = arguments
        .devices
        .iter()
        .map(|name| -> &'static dyn Device {
            match name {
                Name::Bird => &Bird,
                Name::Frr => &Frr,
                Name::Ours => &Ours,
            }
        })
        .collect();
    for device in &devices {
        report.add_device(device.name(), device.version()?, device.notes());
    }
    for round in 1..=arguments.rounds {
        for device in &devices {
            for work in &arguments.work {
                progress(&format!("round {round} of {}: {}, {work}", arguments.rounds, device.name()));
                let ground = Ground::new(&site, *device, &format!("{work}-{round}"));
                // Sockets belong to the namespace of the thread that makes them.
                match site.load.run(|| perform(*work, &ground, &table, &sizes))? {
                    Ok(samples) => report.add(device.name(), samples),
                    Err(error) => {
                        report.add_failure(format!("round {round}, {}, {work}: {error:#}", device.name()));
                    }
                }
            }
        }
    }
    progress("");
    say(&report.render());
    let output = arguments.output.clone().map_or_else(default_output, Ok)?;
    fs::write(&output, serde_json::to_string_pretty(&report.to_json())?)
        .with_context(|| format!("writing {}", output.display()))?;
    say(&format!("all samples: {}", output.display()));
    Ok(if arguments.assert && !report.is_good() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn perform(work: Work, ground: &Ground<'_>, table: &FullTable, sizes: &Sizes) -> Result<Vec<Sample>> {
    match work {
        Work::FullTable => workload::full_table(ground, table),
        Work::Reflector => workload::all_have_all(ground, sizes),
        Work::ColdStart => workload::cold_start(ground, sizes).map(|sample| vec![sample]),
        Work::FanOut => workload::fan_out(ground, sizes).map(|sample| vec![sample]),
        Work::StuckClient => workload::stuck_client(ground, sizes),
    }
}

/// The bench lies in `<target>/release/deps`.
fn default_output() -> Result<PathBuf> {
    let here = std::env::current_exe().context("finding the running program")?;
    let target = here.ancestors().nth(3).context("no target directory")?;
    Ok(target.join("bench-bgp.json"))
}

#[allow(clippy::print_stdout)] // This program's output.
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr)] // What happens meanwhile, overwritten line by line.
fn progress(text: &str) {
    eprint!("\r\x1b[K{text}");
}
