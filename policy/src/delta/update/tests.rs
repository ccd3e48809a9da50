use super::*;
use crate::program::Protocol;

fn set() -> SetId {
    SetId("s1".to_owned())
}

fn member(last: u8) -> Member {
    Member::Address([10, 0, 0, last].into())
}

fn program(lasts: &[u8]) -> Program {
    let addresses = lasts.iter().map(|last| [10, 0, 0, *last].into()).collect();
    Program { sets: [(set(), Set::Addresses(addresses))].into(), ..Program::default() }
}

fn updated(mut copy: Program, present: &Program, delta: Option<&Delta>) -> Program {
    Update::of(present, delta).apply(&mut copy);
    copy
}

#[test]
fn members_come_and_go() {
    let mut delta = Delta::default();
    delta.note_member(&set(), member(1), true);
    delta.note_member(&set(), member(2), false);
    let present = program(&[1, 9]);
    assert_eq!(updated(program(&[2, 9]), &present, Some(&delta)), present);
}

#[test]
fn sets_come_and_go_as_a_whole() {
    let mut delta = Delta::default();
    delta.note_set(&set());
    for (copy, present) in [
        (Program::default(), program(&[1])),
        (program(&[1]), program(&[2, 3])),
        (program(&[1]), Program::default()),
    ] {
        assert_eq!(updated(copy, &present, Some(&delta)), present);
    }
}

#[test]
fn a_member_of_another_kind_changes_nothing() {
    let mut delta = Delta::default();
    delta.note_member(&set(), Member::AddressPort([10, 0, 0, 1].into(), Protocol::Tcp, 80), false);
    assert_eq!(updated(program(&[1]), &program(&[1]), Some(&delta)), program(&[1]));
}

#[test]
fn without_a_delta_it_is_all_of_it() {
    assert_eq!(updated(program(&[7]), &program(&[1, 2]), None), program(&[1, 2]));
}
