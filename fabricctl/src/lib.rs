//! The operator's command line: asks the node's agent over its Unix socket, and prints.
//!
//! A command goes one way: `cli` (what was typed) → `command` (what to ask) → `agent` (asking) → `view` (the
//! answer in the shape that people and programs are shown) → `output` (printing). Each step knows only the next.
//!
//! Invariants:
//! - `output` is the only module that writes to standard output or standard error.
//! - Standard output carries the answer and nothing else; remarks and errors go to standard error.
//! - JSON and YAML of a view have the same shape, which is a promise: fields are added, not renamed or removed.
//! - The exit status says who must act: 0 nobody, 1 something failed, 2 the command line is wrong, 3 the agent
//!   is not reachable. Of a check, 1 says that there are problems, and 4 that it could not be finished.
//! - Standard error gets a line that moves only where it is a terminal.
//!
//! Deliberately absent: any decision. What a route, a policy or an address *means* is the agent's to say. (`convert`, which
//! needs no agent, renames and leaves out.)

mod agent;
mod cli;
mod command;
mod convert;
mod failure;
mod file;
mod output;
mod report;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::failure::Failure;

/// Runs one command line, the program's name first, and returns its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // `--help` and `--version` come this way too; they go to standard output and are a success.
        Err(error) => return output::print_clap(&error),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => output::conclude(runtime.block_on(command::run(cli))),
        Err(error) => output::conclude(Err(Failure::Failed(format!("cannot start: {error}")))),
    }
}
