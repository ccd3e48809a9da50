use std::fs;
use std::os::unix::fs::symlink;

use super::look_at;

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
