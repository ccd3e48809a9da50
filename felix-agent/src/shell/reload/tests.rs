use std::fs;
use std::os::unix::fs::symlink;

use super::{Origin, look_at};
use crate::config::Overrides;

#[test]
fn every_way_to_change_a_file_is_seen() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("one"), "a").expect("written");
    fs::write(path("two"), "a").expect("written");
    symlink(path("one"), path("link")).expect("linked");
    let first = look_at(&path("link"));
    assert!(first.is_some());
    assert_eq!(look_at(&path("link")), first, "nothing happened");

    // As ConfigMaps are: another link of the same name.
    symlink(path("two"), path("link.new")).expect("linked");
    fs::rename(path("link.new"), path("link")).expect("renamed");
    let second = look_at(&path("link"));
    assert_ne!(second, first, "it leads elsewhere");

    fs::write(path("two"), "ab").expect("written");
    assert_ne!(look_at(&path("link")), second, "it was written");
    fs::remove_file(path("two")).expect("removed");
    assert_eq!(look_at(&path("link")), None);
}

fn text(password_file: &std::path::Path) -> String {
    format!(
        "node: {{ name: n }}\ndatastore: {{ sqlite: {{ path: /d }} }}\nbgp:\n  localAS: 65001\n  routerID: 1.1.1.1\n  \
         peers: [{{ address: 10.0.0.1, remoteAS: internal, passwordFile: {} }}]\n",
        password_file.display()
    )
}

#[test]
fn a_write_after_the_reading_is_seen() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (file, secret) = (directory.path().join("agent.yaml"), directory.path().join("secret"));
    fs::write(&secret, "one").expect("written");
    fs::write(&file, text(&secret)).expect("written");
    let mut origin = Origin::new(file.clone(), Overrides::default());
    assert!(origin.has_changed(), "it was never read");
    origin.load().expect("valid");
    assert!(!origin.has_changed());
    // Both were looked at already, also the one that only the first reading named.
    for file in [&secret, &file] {
        fs::write(file, fs::read_to_string(file).expect("read") + "\n").expect("written");
        assert!(origin.has_changed());
        origin.load().expect("valid");
        assert!(!origin.has_changed());
    }
}

#[test]
fn a_file_that_was_missing_is_waited_for() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (file, secret) = (directory.path().join("agent.yaml"), directory.path().join("secret"));
    fs::write(&file, text(&secret)).expect("written");
    let mut origin = Origin::new(file.clone(), Overrides::default());
    origin.load().expect_err("no password");
    assert!(!origin.has_changed());
    fs::write(&secret, "late").expect("written");
    assert!(origin.has_changed());
    origin.load().expect("valid");

    // What cannot be read names nothing; what was named before is still watched.
    fs::write(&file, "node: [").expect("written");
    origin.load().expect_err("no YAML");
    assert!(!origin.has_changed());
    fs::remove_file(&secret).expect("removed");
    assert!(origin.has_changed());
}
