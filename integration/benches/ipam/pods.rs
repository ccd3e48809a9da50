//! What a pod's address costs a container runtime: a process for each.
//!
//! Compared is the address alone, as a process that is started, does it and answers on standard output:
//! - `host-local` (Debian's containernetworking-plugins) as a CNI plugin calls it, with one range;
//! - `fabricctl ipam assign` for one IPv4 address, which asks the agent. (`fabric-cni` asks it in the same way, but makes
//!   the pod's link as well.)
//!
//! Ours is written to the agent's SQLite file and survives a power failure; `host-local` writes a file, and does not wait for
//! the disk.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use integration::fleet::Backend;
use integration::measure::sorted;
use integration::programs::{self, Program};
use serde_json::{Value, json};

use crate::report::{Goal, Measure, OURS, Report};
use crate::site::Site;

const HOST_LOCAL: &str = "host-local";

/// Additions of a sample, each undone again.
const SAMPLES: usize = 21;

/// Measures both at each of these numbers of pods, ascending.
pub fn compare(target: &Path, pods: &[usize], report: &mut Report) -> Result<()> {
    let mut site = Site::new(target, Backend::Sqlite)?;
    site.start_agent()?;
    let host_local = HostLocal::new(&site)?;
    let fabric = Fabric::new(&site)?;
    let (mut filled, mut serial) = (0, 0);
    for pods in pods {
        for number in filled..pods.saturating_sub(1) {
            host_local.add(&format!("stays{number}"))?;
            fabric.add(&format!("stays{number}"))?;
        }
        filled = filled.max(pods.saturating_sub(1));
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            serial += 1;
            let name = format!("comes{serial}");
            theirs.push(timed(|| host_local.add(&name))?);
            host_local.delete(&name)?;
            ours.push(timed(|| fabric.add(&name))?);
            fabric.delete(&name)?;
        }
        let row = format!("the address of pod {pods} on a node");
        let (theirs, ours) = (sorted(theirs), sorted(ours));
        report.add(&row, HOST_LOCAL, Measure::Median, theirs.pick(500).context("no samples")?);
        let median = ours.pick(500).context("no samples")?;
        report.add_ours(&row, Measure::Median, Goal::Below(1.0, HOST_LOCAL), median);
        report.add(&row, HOST_LOCAL, Measure::P99, theirs.pick(990).context("no samples")?);
        report.add(&row, OURS, Measure::P99, ours.pick(990).context("no samples")?);
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// The plugin of the CNI project.
struct HostLocal {
    program: std::path::PathBuf,
    config: Value,
}

impl HostLocal {
    fn new(site: &Site) -> Result<Self> {
        let program = programs::packaged("/usr/lib/cni/host-local", "containernetworking-plugins")?;
        let directory = site.disk.path().join("host-local");
        let config = json!({
            "cniVersion": "1.0.0", "name": "bench", "type": "none",
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.1.0.0/16" }]], "dataDir": directory },
        });
        Ok(Self { program, config })
    }

    fn add(&self, pod: &str) -> Result<()> {
        let answer = self.call("ADD", pod)?;
        let answer: Value = serde_json::from_slice(&answer).context("host-local's answer")?;
        ensure!(answer["ips"][0]["address"].is_string(), "host-local gave no address: {answer}");
        Ok(())
    }

    fn delete(&self, pod: &str) -> Result<()> {
        self.call("DEL", pod).map(drop)
    }

    fn call(&self, verb: &str, pod: &str) -> Result<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", pod)
            .env("CNI_NETNS", "/proc/self/ns/net")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", "/usr/lib/cni");
        run(&mut command, &self.config.to_string())
    }
}

/// Ours.
struct Fabric {
    program: std::path::PathBuf,
    socket: std::path::PathBuf,
}

impl Fabric {
    fn new(site: &Site) -> Result<Self> {
        let node = site.fleet.nodes.first().context("no node")?;
        Ok(Self { program: Program::Ctl.find()?, socket: node.socket() })
    }

    fn add(&self, pod: &str) -> Result<()> {
        let handle = format!("--handle=bench.{pod}.eth0");
        let answer = self.call(&["ipam", "assign", "--ipv4=1", "--output=json", &handle])?;
        let answer: Value = serde_json::from_slice(&answer).context("fabricctl's answer")?;
        ensure!(answer["allocations"][0]["address"].is_string(), "the agent gave no address: {answer}");
        Ok(())
    }

    fn delete(&self, pod: &str) -> Result<()> {
        self.call(&["ipam", "release", &format!("--handle=bench.{pod}.eth0")]).map(drop)
    }

    fn call(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        run(Command::new(&self.program).env_clear().arg("--socket").arg(&self.socket).args(arguments), "")
    }
}

fn run(command: &mut Command, input: &str) -> Result<Vec<u8>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it has something else to say.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{}: {}: {}{}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stdout).trim(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}
