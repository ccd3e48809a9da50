use super::*;
use crate::{Key, Kind};

fn change(revision: u64) -> Change {
    let revision = Revision(revision);
    let key = Key::global(Kind::Namespace, &format!("n{}", revision.0));
    Change { key, value: None, revision, resume: revision }
}

fn after(recent: &Recent, from: u64) -> Option<Vec<u64>> {
    recent.after(Revision(from)).map(|changes| changes.iter().map(|change| change.revision.0).collect())
}

#[test]
fn a_watch_goes_on_from_any_place_within() {
    let recent = Recent::default();
    assert_eq!(after(&recent, 0), None);
    recent.add([change(5), change(6)]);
    recent.add([change(7)]);
    assert_eq!(after(&recent, 3), None);
    assert_eq!(after(&recent, 4), Some(vec![5, 6, 7]));
    assert_eq!(after(&recent, 6), Some(vec![7]));
    assert_eq!(after(&recent, 7), None);
    assert_eq!(after(&recent, 9), None);
}

#[test]
fn what_others_wrote_in_between_is_not_skipped() {
    let recent = Recent::default();
    recent.add([change(5), change(6)]);
    recent.add([change(8)]);
    assert_eq!(after(&recent, 6), None);
    assert_eq!(after(&recent, 5), None);
    assert_eq!(after(&recent, 7), Some(vec![8]));
}

#[test]
fn only_so_many_are_kept() {
    let recent = Recent::default();
    let newest = u64::try_from(KEPT).unwrap() + 10;
    recent.add((1..=newest).map(change));
    assert_eq!(after(&recent, 9), None);
    assert_eq!(after(&recent, 10).map(|changes| changes.len()), Some(KEPT));
}
