//! The lab itself: what it makes is there, what it removes is gone, and nothing survives a crash.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use integration::eventually::eventually;
use integration::lab::{Lab, ROOT};
use integration::link::{self, End};
use integration::namespace::{DIRECTORY, Namespace};
use integration::probe::tcp::{self, Outcome, Server};
use integration::process::{Invocation, Process};

const PATIENCE: Duration = Duration::from_secs(20);

fn pair(lab: &Lab) -> (Arc<Namespace>, Arc<Namespace>) {
    let (a, b) = (lab.namespace("a").unwrap(), lab.namespace("b").unwrap());
    let end = |namespace, interface, addresses| End { namespace, interface, addresses };
    link::connect(
        end(&a, "to-b", &["10.1.1.0/31".parse().unwrap(), "fd00:1:1::/127".parse().unwrap()]),
        end(&b, "to-a", &["10.1.1.1/31".parse().unwrap(), "fd00:1:1::1/127".parse().unwrap()]),
    )
    .unwrap();
    (a, b)
}

/// Something that runs until killed.
fn sleeper(lab: &Lab, namespace: &Arc<Namespace>) -> Process {
    let invocation = Invocation {
        program: "/bin/sleep".into(),
        arguments: vec!["3600".into()],
        environment: Vec::new(),
        log: lab.directory().join("sleep.log"),
    };
    Process::start(namespace, invocation).unwrap()
}

fn is_running(pid: u32) -> bool {
    // Its remains, if nobody has waited for it yet, do not run.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn both_families_pass_a_link_and_a_refusal_is_told_from_silence() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    let _server = Server::start(b.run(|| TcpListener::bind("[::]:8080")).unwrap().unwrap()).unwrap();
    for (from, to) in [("10.1.1.0", "10.1.1.1:8080"), ("fd00:1:1::", "[fd00:1:1::1]:8080")] {
        let to: SocketAddr = to.parse().unwrap();
        let outcome = a.run(|| tcp::connect(to, PATIENCE)).unwrap().unwrap();
        let Outcome::Connected { local, seen_as } = outcome else { panic!("{to}: {outcome:?}") };
        assert_eq!(local, seen_as);
        assert_eq!(local.ip().to_string(), from);
        let elsewhere = SocketAddr::new(to.ip(), 8081);
        assert_eq!(a.run(|| tcp::connect(elsewhere, PATIENCE)).unwrap().unwrap(), Outcome::Refused);
    }
    b.output("nft", &["add table inet probe; add chain inet probe in { type filter hook input priority 0; }; add rule inet probe in tcp dport 8082 drop"])
        .unwrap();
    let silent = "10.1.1.1:8082".parse().unwrap();
    assert_eq!(
        a.run(|| tcp::connect(silent, Duration::from_millis(300))).unwrap().unwrap(),
        Outcome::TimedOut
    );
    let nowhere = "192.0.2.1:8080".parse().unwrap();
    assert_eq!(a.run(|| tcp::connect(nowhere, PATIENCE)).unwrap().unwrap(), Outcome::Unreachable);
}

#[test]
fn a_link_is_cut_at_both_ends() {
    let lab = Lab::new("test").unwrap();
    let (a, b) = pair(&lab);
    link::delete(&a, "to-b").unwrap();
    eventually("the other end is gone", PATIENCE, || {
        anyhow::ensure!(b.output("ip", &["link", "show", "to-a"]).is_err(), "it is there");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_dropped_lab_leaves_nothing() {
    let lab = Lab::new("test").unwrap();
    let (a, _b) = pair(&lab);
    // A process that nobody waits for: the lab finds it by where it is.
    let process = sleeper(&lab, &a);
    let (pid, id, directory) = (process.pid(), lab.id().to_owned(), lab.directory());
    process.detach();
    assert!(is_running(pid) && directory.is_dir() && a.path().exists());
    drop(lab);
    assert!(!is_running(pid), "the process was killed");
    assert!(!directory.exists());
    assert!(!a.path().exists());
    assert!(!Path::new(ROOT).join(format!("{id}.manifest")).exists());
    assert!(a.spawn(&mut Command::new("/bin/true")).is_err(), "a removed lab starts nothing");
}

#[test]
fn processes_are_stopped_killed_and_restarted() {
    let lab = Lab::new("test").unwrap();
    let namespace = lab.namespace("a").unwrap();
    let mut process = sleeper(&lab, &namespace);
    let first = process.pid();
    process.ensure_running().unwrap();
    process.restart().unwrap();
    assert!(!is_running(first) && process.pid() != first);
    process.stop(PATIENCE).unwrap();
    assert!(process.ensure_running().is_err());
    process.restart().unwrap();
    process.kill().unwrap();
    assert!(!is_running(process.pid()));
}

#[test]
fn two_labs_stand_side_by_side() {
    let (one, two) = (Lab::new("test").unwrap(), Lab::new("test").unwrap());
    assert_ne!(one.id(), two.id());
    let ((a1, b1), (a2, b2)) = (pair(&one), pair(&two));
    // The same addresses in both, and each reaches its own.
    for (from, to) in [(&a1, &b1), (&a2, &b2)] {
        let _server = Server::start(to.run(|| TcpListener::bind("10.1.1.1:8080")).unwrap().unwrap()).unwrap();
        let outcome = from.run(|| tcp::connect("10.1.1.1:8080".parse().unwrap(), PATIENCE)).unwrap().unwrap();
        assert!(matches!(outcome, Outcome::Connected { .. }), "{outcome:?}");
    }
    drop(one);
    assert!(a2.path().exists() && two.directory().is_dir(), "removing one leaves the other");
    a2.output("ip", &["link", "show", "to-b"]).unwrap();
}

/// Set in the process that is to make a lab and be killed in it.
const VICTIM: &str = "FABRIC_LAB_VICTIM";

fn make_a_lab_and_wait_to_be_killed() -> ! {
    let lab = Lab::new("victim").unwrap();
    let (a, _b) = pair(&lab);
    let process = sleeper(&lab, &a);
    println!("\nmade {} {}", lab.id(), process.pid());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_crashed_lab_is_swept() {
    if std::env::var_os(VICTIM).is_some() {
        make_a_lab_and_wait_to_be_killed();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_crashed_lab_is_swept", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let made = lines.map(Result::unwrap).find(|line| line.starts_with("made ")).unwrap();
    let mut words = made.split(' ').skip(1);
    let (id, pid) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let namespace = Path::new(DIRECTORY).join(format!("{id}-a"));

    Lab::sweep_stale().unwrap();
    assert!(namespace.exists() && is_running(pid), "a lab whose owner lives is left alone");

    child.kill().unwrap();
    child.wait().unwrap();
    // Another test may be the one that sweeps: every new lab does. None of this goes away without a sweep.
    Lab::sweep_stale().unwrap();
    eventually("the crashed lab is gone", PATIENCE, || {
        anyhow::ensure!(!namespace.exists(), "its namespace is there");
        anyhow::ensure!(!is_running(pid), "its process runs");
        anyhow::ensure!(!Path::new(ROOT).join(id).exists(), "its directory is there");
        anyhow::ensure!(!Path::new(ROOT).join(format!("{id}.manifest")).exists(), "its manifest is there");
        Ok(())
    })
    .unwrap();
}
