use super::*;

#[test]
fn a_line_cut_off_by_a_crash_is_skipped() {
    let text = "owner 1 2\nlabel demo\nnamespace fab1-a\nnamespace fab1-b\nnames";
    let manifest = Manifest::parse("fab1", PathBuf::new(), text);
    assert_eq!(manifest.namespaces(), ["fab1-a", "fab1-b"]);
    assert_eq!(manifest.owner, Some(Owner { pid: 1, start_time: 2 }));
    assert!(!manifest.is_kept());
}

#[test]
fn the_owner_is_this_very_process_and_no_other_of_the_same_id() {
    let root = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::create(root.path(), "test").unwrap();
    assert!(manifest.owner_is_alive());
    let owner = manifest.owner.as_mut().unwrap();
    owner.start_time += 1;
    assert!(!manifest.owner_is_alive());
}

#[test]
fn what_was_written_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::create(root.path(), "test").unwrap();
    manifest.add_namespace("one").unwrap();
    manifest.mark_kept().unwrap();
    let read = read_all(root.path()).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].id(), manifest.id());
    assert_eq!(read[0].namespaces(), ["one"]);
    assert!(read[0].is_kept());
}
