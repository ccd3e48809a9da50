use super::*;

fn address(text: &str) -> Member {
    Member::Address(text.parse().unwrap())
}

fn id() -> SetId {
    SetId("s".to_owned())
}

#[test]
fn members_that_come_and_go_leave_nothing_behind() {
    let (a, b) = (address("10.0.0.1"), address("10.0.0.2"));
    let mut delta = Delta::default();
    delta.note_member(&id(), a, true);
    delta.note_member(&id(), b, false);
    let members = SetDelta::Members { added: BTreeSet::from([a]), removed: BTreeSet::from([b]) };
    assert_eq!(delta.sets[&id()], members);
    delta.note_member(&id(), a, false);
    delta.note_member(&id(), b, true);
    assert!(delta.is_empty());
}

#[test]
fn of_a_set_that_came_or_went_no_members_are_told() {
    let mut delta = Delta::default();
    delta.note_member(&id(), address("10.0.0.1"), true);
    delta.note_set(&id());
    delta.note_member(&id(), address("10.0.0.2"), true);
    assert_eq!(delta.sets[&id()], SetDelta::Whole);
}
