//! `fabric-speaker`: the speaker of this repository, alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use integration::process::{Invocation, Process};

use super::{Device, HOLD_TIME_SECS, Plan};
use crate::site::Site;

/// Ours.
#[derive(Debug)]
pub struct Ours;

impl Device for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn version(&self) -> Result<String> {
        let output = Command::new(program()).arg("--version").output().context("running fabric-speaker")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn notes(&self) -> &'static [&'static str] {
        &["no MRAI, no delay before the first UPDATE, nothing set for speed"]
    }

    fn start(&self, site: &Site, directory: &Path, plan: &Plan) -> Result<Process> {
        let path = directory.join("speaker.conf");
        fs::write(&path, render(plan))?;
        Process::start(
            &site.device,
            Invocation {
                program: program(),
                arguments: vec![path.into()],
                environment: Vec::new(),
                log: directory.join("speaker.log"),
            },
        )
    }
}

/// Built by Cargo along with the bench, by the same profile.
fn program() -> PathBuf {
    std::env::var_os("FABRIC_SPEAKER")
        .map_or_else(|| env!("CARGO_BIN_EXE_fabric-speaker").into(), PathBuf::from)
}

fn render(plan: &Plan) -> String {
    let mut text = format!(
        "as {}\nrouter-id {}\nlisten {}:179\nhold-time {HOLD_TIME_SECS}\n",
        plan.asn, plan.address, plan.address
    );
    for peer in &plan.peers {
        let client = if peer.asn == plan.asn { " client" } else { "" };
        let _ = writeln!(
            text,
            "peer {} as {} passive{client} import accept export accept",
            peer.address, peer.asn
        );
    }
    text
}
