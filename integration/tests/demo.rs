//! The demo's manners: it fails loudly, and an interrupt leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::panic)] // A test's helpers are tests too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration::eventually::eventually;
use integration::lab::ROOT;
use integration::namespace::DIRECTORY;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the demo with this program in the agent's place and returns it with the id of its lab.
fn start_demo(agent: &Path) -> (Child, String) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_fabric-demo"))
        .env("FELIX_AGENT", agent)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let announced = lines.find(|line| line.contains("everything stands in namespaces")).unwrap();
    let id = announced.split_whitespace().find_map(|word| word.strip_suffix("-*;")).unwrap().to_owned();
    // Whatever else it says has somewhere to go.
    std::thread::spawn(move || lines.for_each(drop));
    (demo, id)
}

fn namespaces(id: &str) -> usize {
    let entries = fs::read_dir(DIRECTORY).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(id)).count()
}

fn assert_nothing_is_left(id: &str) {
    assert_eq!(namespaces(id), 0);
    assert!(!Path::new(ROOT).join(id).exists());
    assert!(!Path::new(ROOT).join(format!("{id}.manifest")).exists());
}

#[test]
fn an_interrupt_takes_everything_down() {
    let directory = tempfile::tempdir().unwrap();
    let agent = directory.path().join("agent");
    // An agent that never answers: the demo waits for it when the interrupt comes.
    fs::write(&agent, "#!/bin/sh\nexec sleep 3600\n").unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let (mut demo, id) = start_demo(&agent);
    eventually("routers and nodes are there", PATIENCE, || {
        anyhow::ensure!(namespaces(&id) == 5, "{} namespaces", namespaces(&id));
        anyhow::ensure!(
            Path::new(ROOT).join(&id).join("node1/felix-agent.log").exists(),
            "no agent was started"
        );
        Ok(())
    })
    .unwrap();
    kill(Pid::from_raw(demo.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_nothing_is_left(&id);
}

#[test]
fn an_agent_that_does_not_start_is_a_failure_and_leaves_nothing() {
    let (mut demo, id) = start_demo(Path::new("/bin/false"));
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_nothing_is_left(&id);
}
