//! The rules of ARCHITECTURE.md and CONTRIBUTING.md as failing tests: the arrows between the crates, the purity of the
//! pure code, the size of files, and what no file may hold.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Workspace crates that each crate may depend on (not counting tests' own).
const ARROWS: [(&str, &[&str]); 10] = [
    ("bgp", &[]),
    ("selector", &[]),
    ("ipam", &["selector"]),
    ("policy", &["selector"]),
    ("fabric-proto", &[]),
    ("datastore", &["ipam", "policy", "selector"]),
    ("felix-agent", &["bgp", "datastore", "fabric-proto", "ipam", "policy", "selector"]),
    ("fabric-cni", &["fabric-proto"]),
    ("fabricctl", &["fabric-proto"]),
    ("integration", &["bgp", "datastore", "fabric-proto", "felix-agent", "ipam", "policy", "selector"]),
];

/// Dependencies that do IO; none may be reachable from a pure crate.
const IMPURE_CRATES: [&str; 9] =
    ["tokio", "mio", "socket2", "nix", "rtnetlink", "netlink-sys", "rusqlite", "tonic", "kube"];

/// Places whose code is pure.
const PURE_PLACES: [&str; 23] = [
    "bgp/src/bfd.rs",
    "bgp/src/bfd",
    "bgp/src/bmp.rs",
    "bgp/src/bmp",
    "bgp/src/config.rs",
    "bgp/src/filter.rs",
    "bgp/src/filter",
    "bgp/src/wire.rs",
    "bgp/src/wire",
    "bgp/src/session.rs",
    "bgp/src/session",
    "bgp/src/rib.rs",
    "bgp/src/rib",
    "bgp/src/speaker.rs",
    "bgp/src/speaker",
    "selector/src",
    "ipam/src",
    "policy/src",
    "felix-agent/src/plan.rs",
    "felix-agent/src/plan",
    "felix-agent/src/inputs.rs",
    "felix-agent/src/inputs",
    "felix-agent/src/diff.rs",
];

/// What pure code does not say.
const IMPURE_WORDS: [&str; 10] = [
    "Instant::now",
    "SystemTime::now",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs",
    "std::thread",
    "std::process",
    "tokio::",
    "tracing::",
];

const MAX_FILE_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// Names of a package's dependencies that are not for its tests.
fn dependencies(package: &Value, with_optional: bool) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter(|dependency| with_optional || dependency["optional"] != true)
        .map(|dependency| dependency["name"].as_str().expect("name").to_owned())
        .collect()
}

fn packages(metadata: &Value) -> BTreeMap<String, &Value> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (package["name"].as_str().expect("name").to_owned(), package)).collect()
}

#[test]
fn crates_depend_as_drawn() {
    let metadata = metadata();
    let packages = packages(&metadata);
    let members: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let found = metadata["workspace_members"].as_array().expect("members").len();
    assert_eq!(found, members.len(), "a crate was added or removed: draw it in ARCHITECTURE.md and here");
    for (name, allowed) in ARROWS {
        let package = packages.get(name).unwrap_or_else(|| panic!("no crate {name}"));
        let drawn: BTreeSet<&str> = allowed.iter().copied().collect();
        for dependency in dependencies(package, true) {
            assert!(
                !members.contains(dependency.as_str()) || drawn.contains(dependency.as_str()),
                "{name} depends on {dependency}: no such arrow in ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn pure_crates_reach_nothing_that_does_io() {
    let metadata = metadata();
    let packages = packages(&metadata);
    for start in ["bgp", "selector", "ipam", "policy"] {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(name) = open.pop() {
            let Some(package) = packages.get(&name) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            assert!(
                !IMPURE_CRATES.contains(&name.as_str()),
                "{start} reaches {name} (features that are off aside)"
            );
            open.extend(dependencies(package, false));
        }
    }
}

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display())) {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "benches")))
}

#[test]
fn pure_places_name_nothing_impure() {
    for place in PURE_PLACES {
        for path in sources(&root().join(place)) {
            if is_test(&path) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("source");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(word) = IMPURE_WORDS.iter().find(|word| code.contains(**word)) {
                    panic!("{}:{}: `{word}` in pure code", path.display(), number + 1);
                }
            }
        }
    }
}

fn crate_sources() -> Vec<PathBuf> {
    ARROWS
        .iter()
        .flat_map(|(name, _)| sources(&root().join(name.trim_start_matches("fabric-")).join("src")))
        .collect()
}

#[test]
fn files_are_small_introduced_and_well_named() {
    for path in crate_sources() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("name");
        assert!(
            !["mod", "utils", "util", "common", "helpers", "misc"].contains(&name),
            "{}: name it after what it holds",
            path.display()
        );
        let text = fs::read_to_string(&path).expect("source");
        assert!(
            is_test(&path) || text.starts_with("//!"),
            "{}: open with what this module is",
            path.display()
        );
        let lines = text.lines().count();
        assert!(is_test(&path) || lines <= MAX_FILE_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn no_test_is_ignored() {
    let marker = ["#[", "ignore"].concat();
    for crate_name in ARROWS.map(|(name, _)| name.trim_start_matches("fabric-")) {
        let folder = root().join(crate_name);
        for path in ["src", "tests"]
            .iter()
            .map(|part| folder.join(part))
            .filter(|path| path.exists())
            .flat_map(|path| sources(&path))
        {
            let text = fs::read_to_string(&path).expect("source");
            assert!(!text.contains(&marker), "{}: a test that does not run proves nothing", path.display());
        }
    }
}
