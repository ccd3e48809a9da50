//! FRR's `bgpd`, as Debian packages it, without `zebra`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use integration::process::{Invocation, Process};
use integration::programs::packaged;
use nix::unistd::{Group, User, chown};

use super::{Device, HOLD_TIME_SECS, Plan};
use crate::site::Site;

const PROGRAM: &str = "/usr/lib/frr/bgpd";
const PACKAGE: &str = "frr";
/// Debian's daemons insist on dropping to a user of the group `frrvty`.
const USER: &str = "frr";

/// FRRouting.
#[derive(Debug)]
pub struct Frr;

impl Device for Frr {
    fn name(&self) -> &'static str {
        "FRR"
    }

    fn version(&self) -> Result<String> {
        let output = Command::new(packaged(PROGRAM, PACKAGE)?).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    }

    fn notes(&self) -> &'static [&'static str] {
        &[
            "bgpd alone (--no_zebra): no next-hop tracking, no zebra in its memory; MRAI is 0 by default",
            "coalesce-time 0: by default an update group waits 1 s and 50 ms a peer, 10 s at most, before it tells a new \
             peer anything",
            "takes sessions a second after it listens; that second is not in the figures",
        ]
    }

    fn start(&self, site: &Site, directory: &Path, plan: &Plan) -> Result<Process> {
        let user =
            User::from_name(USER)?.with_context(|| format!("no user {USER}: apt-get install {PACKAGE}"))?;
        let group = Group::from_name(USER)?.map_or(user.gid, |group| group.gid);
        chown(directory, Some(user.uid), Some(group))?;
        let path = directory.join("bgpd.conf");
        fs::write(&path, render(plan))?;
        Process::start(
            &site.device,
            Invocation {
                program: packaged(PROGRAM, PACKAGE)?,
                arguments: vec![
                    "--no_zebra".into(),
                    "-f".into(),
                    path.into(),
                    "-i".into(),
                    directory.join("bgpd.pid").into(),
                    "--vty_socket".into(),
                    directory.into(),
                    "-P".into(),
                    "0".into(),
                    "-u".into(),
                    USER.into(),
                    "-g".into(),
                    USER.into(),
                ],
                environment: Vec::new(),
                log: directory.join("bgpd.log"),
            },
        )
    }
}

fn render(plan: &Plan) -> String {
    let mut text = format!(
        "hostname bench\n\
         log stdout errors\n\
         router bgp {asn}\n \
           bgp router-id {id}\n \
           no bgp ebgp-requires-policy\n \
           no bgp log-neighbor-changes\n \
           coalesce-time 0\n \
           timers bgp {keepalive} {HOLD_TIME_SECS}\n",
        asn = plan.asn,
        id = plan.address,
        keepalive = HOLD_TIME_SECS / 3,
    );
    for peer in &plan.peers {
        let _ = write!(
            text,
            " neighbor {address} remote-as {asn}\n neighbor {address} passive\n",
            address = peer.address,
            asn = peer.asn
        );
        if peer.asn == plan.asn {
            let _ = writeln!(text, " neighbor {} route-reflector-client", peer.address);
        }
    }
    text
}
