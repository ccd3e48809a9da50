//! The demo as a person runs it: everything holds, also right after one that crashed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use integration::eventually::eventually;
use integration::lab::ROOT;

use crate::world::{PATIENCE, Said};

/// Kills a demo with SIGKILL once agents run in it, and returns its lab's id.
fn crash_a_demo() -> String {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_fabric-demo"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let announced = lines.find(|line| line.contains("everything stands in namespaces")).unwrap();
    let id = announced.split_whitespace().find_map(|word| word.strip_suffix("-*;")).unwrap().to_owned();
    lines.find(|line| line.contains("routers and agents run")).unwrap();
    demo.kill().unwrap();
    demo.wait().unwrap();
    id
}

/// What it printed to look around with works, until `down`.
fn it_is_kept_until_it_is_taken_down(said: &str) {
    let (_, ways) = said.split_once("To look around:").unwrap();
    let way = ways.lines().map(str::trim).find(|line| line.ends_with(" peers")).unwrap();
    let mut words = way.split_whitespace();
    let peers = Said::of(Command::new(words.next().unwrap()).args(words));
    assert!(peers.status == Some(0) && peers.stdout.contains("Established"), "{}", peers.stderr);

    let down = Said::of(Command::new(env!("CARGO_BIN_EXE_fabric-demo")).arg("down"));
    assert_eq!(down.status, Some(0), "{}", down.stderr);
    let socket = way.split_whitespace().nth(2).unwrap();
    let lab = Path::new(socket).parent().unwrap().parent().unwrap();
    assert!(lab.starts_with(ROOT) && !lab.exists(), "{}", lab.display());
}

#[test]
fn everything_holds_also_right_after_a_crash() {
    let crashed = crash_a_demo();
    let said = Said::of(Command::new(env!("CARGO_BIN_EXE_fabric-demo")).arg("--keep"));
    println!("{}", said.stdout);
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    let (_, summary) = said.stdout.split_once("== 6. Summary").unwrap();
    let lines: Vec<&str> =
        summary.lines().filter(|line| line.starts_with("  ") && line.contains("  ok  ")).collect();
    assert!(lines.len() >= 25, "{summary}");
    assert!(!said.stdout.contains("FAIL"));
    let verdict = format!("{0} of {0} checks", lines.len());
    assert!(summary.contains(&verdict) && summary.contains("everything holds"), "{summary}");
    it_is_kept_until_it_is_taken_down(&said.stdout);
    eventually("the crashed lab is gone", PATIENCE, || {
        anyhow::ensure!(!Path::new(ROOT).join(&crashed).exists(), "its directory is there");
        Ok(())
    })
    .unwrap();
}
