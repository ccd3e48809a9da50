//! `datastore …`: what can be typed about all that the datastore holds.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `datastore`.
#[derive(Debug, Subcommand)]
pub(crate) enum DatastoreCommand {
    /// Write everything that the datastore holds, of one moment, as lines of JSON.
    Export(ExportArgs),
    /// Bring in what was exported, here or from another kind of datastore.
    ///
    /// It is refused as a whole, before anything is written, if a line cannot be understood, or if something else is
    /// already there under one of the names. Once the agent has all of it, it is given whatever time the writing takes.
    Import(ImportArgs),
}

/// `datastore export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where to: a file, that is there whole or not at all; - for standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
    /// Replace the file if there is one.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `datastore import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What was exported; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace what is there under one of the names.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
