//! What `make test` and `make demo` say where something is missing: an error that tells what to do, never a skip.

#![allow(clippy::unwrap_used)] // A test's helpers are tests too.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOBODY: u32 = 65534;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("setup").join(name)
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_root_one_is_told_how_to_become_it() {
    // A copy where everybody can read it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("packages");
    fs::copy(script("packages"), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    for what in ["demo", "test", "bench-ipam"] {
        let output = Command::new(&copy).arg(what).uid(NOBODY).gid(NOBODY).output().unwrap();
        let said = complaint(&output);
        assert!(said.contains("This needs root") && said.contains("sudo"), "{said}");
    }
}

/// The search path of a machine that has these programs only.
fn path_of(directory: &Path, programs: &[&str]) -> String {
    for program in programs {
        let found = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(program));
        let found = found.iter().find(|path| path.exists()).unwrap();
        symlink(found, directory.join(program)).unwrap();
    }
    directory.display().to_string()
}

#[test]
fn without_a_toolchain_one_is_told_how_to_get_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_of(directory.path(), &["bash", "cat", "dirname", "sed"]);
    let said = complaint(&Command::new(script("toolchain")).env("PATH", path).output().unwrap());
    assert!(said.contains("no Rust toolchain") && said.contains("rustup"), "{said}");
}

#[test]
fn with_an_old_toolchain_one_is_told_what_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_of(directory.path(), &["bash", "cat", "cut", "dirname", "head", "sed", "sort"]);
    for name in ["cargo", "rustc"] {
        let program = directory.path().join(name);
        fs::write(&program, "#!/bin/sh\necho \"rustc 1.70.0 (90c541806 2023-05-31)\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let said = complaint(&Command::new(script("toolchain")).env("PATH", path).output().unwrap());
    assert!(said.contains("1.70.0 is too old") && said.contains("rustup update"), "{said}");
}
