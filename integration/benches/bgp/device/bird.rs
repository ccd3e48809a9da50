//! BIRD 2, as Debian packages it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use integration::process::{Invocation, Process};
use integration::programs::packaged;

use super::{Device, HOLD_TIME_SECS, Plan};
use crate::site::Site;

const PROGRAM: &str = "/usr/sbin/bird";
const PACKAGE: &str = "bird2";

/// BIRD 2.
#[derive(Debug)]
pub struct Bird;

impl Device for Bird {
    fn name(&self) -> &'static str {
        "BIRD"
    }

    fn version(&self) -> Result<String> {
        let output = Command::new(packaged(PROGRAM, PACKAGE)?).arg("--version").output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "no MRAI, no start-up delay towards peers that dial; next hops direct, so that none is resolved",
            "listens with a backlog of 8: of 500 peers that dial at once, most wait for their kernel to try again \
             (after 1, 3, 7 … s); there is no knob for it",
            "before 2.14 it may sleep up to 3 s before it goes on telling a new peer the table; no knob either",
        ]
    }

    fn start(&self, site: &Site, directory: &Path, plan: &Plan) -> Result<Process> {
        let path = directory.join("bird.conf");
        fs::write(&path, render(plan))?;
        Process::start(
            &site.device,
            Invocation {
                program: packaged(PROGRAM, PACKAGE)?,
                arguments: vec![
                    "-f".into(),
                    "-c".into(),
                    path.into(),
                    "-s".into(),
                    directory.join("bird.ctl").into(),
                    "-P".into(),
                    directory.join("bird.pid").into(),
                ],
                environment: Vec::new(),
                log: directory.join("bird.log"),
            },
        )
    }
}

fn render(plan: &Plan) -> String {
    let mut text = format!(
        "log stderr {{ warning, error, fatal, bug }};\n\
         router id {id};\n\
         protocol device {{ scan time 3600; }}\n\
         template bgp peer {{\n  \
           local {id} as {asn};\n  \
           passive on;\n  \
           direct;\n  \
           hold time {HOLD_TIME_SECS};\n  \
           ipv4 {{ import all; export all; }};\n\
         }}\n",
        id = plan.address,
        asn = plan.asn,
    );
    for (index, peer) in plan.peers.iter().enumerate() {
        let client = if peer.asn == plan.asn { " rr client;" } else { "" };
        let _ = writeln!(
            text,
            "protocol bgp p{index} from peer {{ neighbor {} as {};{client} }}",
            peer.address, peer.asn
        );
    }
    text
}
