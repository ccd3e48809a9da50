//! `fabric-demo`: what `make demo` runs.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use integration::demo;

/// Shows a whole fabric on this machine, checking every claim. The exit status says whether all of them held.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Leave the fabric up, and say how to look around in it.
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take down what `--keep` left up.
    Down,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Down) = arguments.command {
        report(&demo::take_down()?);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if demo::run(arguments.keep)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::print_stdout)] // This program's output.
fn report(removed: &[String]) {
    if removed.is_empty() {
        println!("nothing was up");
    } else {
        println!("taken down: {}", removed.join(", "));
    }
}
