//! `make bench-ipam`: what addresses cost through an agent, beside what they cost without one.
//!
//! - [`assign`]: durable assignments through the agent's gRPC, beside the same compare-and-swaps straight into the
//!   datastore, on SQLite and on etcd;
//! - [`scale`]: 100,000 addresses in 2,000 blocks: what is asked of them, a full check, the agent's memory;
//! - [`pods`]: a process for each pod's address, beside `host-local`, which keeps a file for each.
//!
//! Each round does all of it on a new datastore; a figure is the median of the rounds. Datastores and files are in the
//! target directory, on a disk: writes are to survive. `--assert` makes a missed goal a failure.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use integration::fleet::Backend;

mod assign;
mod pods;
mod report;
mod scale;
mod site;

use report::{OURS, Report};

/// Measures what addresses cost.
#[derive(Debug, Parser)]
#[command(name = "bench-ipam", version)]
struct Arguments {
    /// Rounds; a figure is their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Which work.
    #[arg(long, value_delimiter = ',', default_values_t = [Work::Sqlite, Work::Etcd, Work::Scale, Work::Pods])]
    work: Vec<Work>,
    /// Clients at once that assign, or writers.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    clients: Vec<u16>,
    /// Blocks of 50 addresses in use each.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(40..=100_000))]
    blocks: u32,
    /// Pods on the node, the one that is added included.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 250])]
    pods: Vec<usize>,
    /// Fail where a goal is missed.
    #[arg(long)]
    assert: bool,
    /// Where the figures go as JSON; `bench-ipam.json` in the target directory if not said.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    Sqlite,
    Etcd,
    Scale,
    Pods,
}

/// Clap shows and parses defaults as text.
impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let target = target()?;
    let mut report = Report::new(OURS);
    for round in 1..=arguments.rounds {
        for work in &arguments.work {
            progress(&format!("round {round} of {}: {work}", arguments.rounds));
            if let Err(error) = perform(*work, &arguments, &target, &mut report) {
                report.add_failure(format!("round {round}, {work}: {error:#}"));
            }
        }
    }
    progress("");
    say(&report.render());
    let output = arguments.output.unwrap_or_else(|| target.join("bench-ipam.json"));
    fs::write(&output, serde_json::to_string_pretty(&report.to_json())?)
        .with_context(|| format!("writing {}", output.display()))?;
    say(&format!("all samples: {}", output.display()));
    Ok(if arguments.assert && !report.is_good() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn perform(work: Work, arguments: &Arguments, target: &std::path::Path, report: &mut Report) -> Result<()> {
    match work {
        Work::Sqlite => arguments
            .clients
            .iter()
            .try_for_each(|clients| assign::compare(target, Backend::Sqlite, (*clients).into(), report)),
        Work::Etcd => arguments
            .clients
            .iter()
            .try_for_each(|clients| assign::compare(target, Backend::Etcd, (*clients).into(), report)),
        Work::Scale => scale::measure(target, arguments.blocks, report),
        Work::Pods => pods::compare(target, &arguments.pods, report),
    }
}

/// The bench lies in `<target>/release/deps`.
fn target() -> Result<PathBuf> {
    let here = std::env::current_exe().context("finding the running program")?;
    Ok(here.ancestors().nth(3).context("no target directory")?.to_owned())
}

#[allow(clippy::print_stdout)] // This program's output.
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr)] // What happens meanwhile, overwritten line by line.
fn progress(text: &str) {
    eprint!("\r\x1b[K{text}");
}
