use super::{Command, SpecVersion};

#[test]
fn names_decode_to_what_they_name() {
    for version in SpecVersion::ALL {
        assert_eq!(SpecVersion::decode(version.name()), Some(version));
    }
    for command in Command::ALL {
        assert_eq!(Command::decode(command.name()), Some(command));
    }
    for wrong in ["", "0.2.0", "1.1", "1.2.0", "v1.1.0", " 1.1.0"] {
        assert_eq!(SpecVersion::decode(wrong), None, "{wrong:?}");
    }
    assert_eq!(Command::decode("add"), None);
}

#[test]
fn versions_are_in_order() {
    assert!(SpecVersion::ALL.is_sorted());
    assert_eq!(SpecVersion::ALL.last(), Some(&SpecVersion::LATEST));
}
