//! `make bench-policy`: what policy costs, from objects to packets.
//!
//! - [`member`]: a pod joins or leaves a selector of 10,000 on a table of 250 endpoints and 1,000 policies, and the cold load of
//!   that table, beside `nft -f` and bare netlink messages;
//! - [`compute`]: 100,000 endpoints and 10,000 policies from nothing, then one label;
//! - [`selectors`]: 10,000 different selectors in use on one node;
//! - [`packets`]: packets through few and many policies, beside no rules and a list of rules;
//! - [`edit`]: a NetworkPolicy is edited, until packets feel it, through an agent with 100 pods and 50 policies.
//!
//! All of it in namespaces of its own, with traffic that the bench makes. A figure is the median of the rounds. `--assert`
//! makes a missed goal a failure.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use integration::measure::report::Report;

mod compute;
mod edit;
mod member;
mod node;
mod packets;
mod raw;
mod selectors;

/// What ours is called.
pub const OURS: &str = "fabric";
/// The reference that a person would use.
pub const NFT: &str = "nft -f";
/// The reference that costs what the kernel does and nothing else.
pub const RAW: &str = "bare netlink messages";

/// Measures what policy costs.
#[derive(Debug, Parser)]
#[command(name = "bench-policy", version)]
struct Arguments {
    /// Rounds; a figure is their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Which work.
    #[arg(long, value_delimiter = ',', default_values_t = [
        Work::Member, Work::Compute, Work::Selectors, Work::Packets, Work::Edit,
    ])]
    work: Vec<Work>,
    /// Endpoints that are computed with; a tenth as many policies, and 250 of them local.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    endpoints: Vec<u32>,
    /// Policies that packets pass.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 10_000])]
    policies: Vec<u16>,
    /// Fail where a goal is missed.
    #[arg(long)]
    assert: bool,
    /// Where the figures go as JSON; `bench-policy.json` in the target directory if not said.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compute with so many endpoints, print figures, and nothing else: its memory is this process's.
    #[arg(long, hide = true)]
    compute: Option<u32>,
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    Member,
    Compute,
    Selectors,
    Packets,
    Edit,
}

/// Clap shows and parses defaults as text.
impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(endpoints) = arguments.compute {
        say(&compute::alone(endpoints)?.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::new(OURS);
    for round in 1..=arguments.rounds {
        for work in &arguments.work {
            progress(&format!("round {round} of {}: {work}", arguments.rounds));
            if let Err(error) = perform(*work, &arguments, &mut report) {
                report.add_failure(format!("round {round}, {work}: {error:#}"));
            }
        }
    }
    progress("");
    say(&report.render());
    let output = match arguments.output {
        Some(output) => output,
        None => target()?.join("bench-policy.json"),
    };
    fs::write(&output, serde_json::to_string_pretty(&report.to_json())?)
        .with_context(|| format!("writing {}", output.display()))?;
    say(&format!("all samples: {}", output.display()));
    Ok(if arguments.assert && !report.is_good() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn perform(work: Work, arguments: &Arguments, report: &mut Report) -> Result<()> {
    match work {
        Work::Member => member::compare(report),
        Work::Compute => compute::measure(&arguments.endpoints, report),
        Work::Selectors => selectors::compare(report),
        Work::Packets => packets::compare(&arguments.policies, report),
        Work::Edit => edit::measure(report),
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
