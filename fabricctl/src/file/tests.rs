use std::fs;

use super::Draft;

#[test]
fn nothing_is_there_before_it_is_whole() {
    let folder = tempfile::tempdir().expect("directory");
    let path = folder.path().join("file");
    let names = || -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("directory").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut draft = Draft::create(&path, false).expect("draft");
    draft.write("a").expect("written");
    assert!(names().iter().all(|name| name.starts_with(".file.")), "{:?}", names());
    drop(draft);
    assert!(names().is_empty(), "what is given up leaves nothing");

    let mut draft = Draft::create(&path, false).expect("draft");
    draft.write("a").expect("written");
    draft.write("b").expect("written");
    draft.commit().expect("committed");
    assert_eq!(
        (names(), fs::read_to_string(&path).expect("file")),
        (vec!["file".to_owned()], "ab".to_owned())
    );
}

/// Nor if it came there meanwhile.
#[test]
fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let folder = tempfile::tempdir().expect("directory");
    let path = folder.path().join("file");
    let advice = format!("{} is there already: --force replaces it", path.display());
    let draft = Draft::create(&path, false).expect("draft");
    fs::write(&path, "old").expect("written");
    assert_eq!(draft.commit().map_err(|failure| failure.to_string()), Err(advice.clone()));
    assert_eq!(Draft::create(&path, false).err().map(|failure| failure.to_string()), Some(advice));
    assert_eq!(fs::read_to_string(&path).expect("file"), "old");

    let mut draft = Draft::create(&path, true).expect("draft");
    draft.write("new").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("file"), "old", "until it is whole");
    draft.commit().expect("committed");
    assert_eq!(fs::read_to_string(&path).expect("file"), "new");
}
