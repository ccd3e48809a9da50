use bytes::Bytes;

use super::Notification;
use crate::wire::tests::{decode_one, encoded, octets};
use crate::wire::{Codec, Message};

#[test]
fn octets_and_back() {
    let notification = Notification::new(2, 1, octets("0004"));
    let wire = encoded(&Message::Notification(notification.clone()), &Codec::default());
    assert_eq!(wire[16..], octets("0017 03 02 01 0004"));
    assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::Notification(notification))));
}

#[test]
fn data_that_does_not_fit_is_cut() {
    let wire = encoded(&Message::Notification(Notification::new(3, 9, vec![7; 5000])), &Codec::default());
    assert_eq!(wire.len(), 4096);
    let extended = Codec { extended_messages: true, ..Codec::default() };
    let wire = encoded(&Message::Notification(Notification::new(3, 9, vec![7; 5000])), &extended);
    assert_eq!(wire.len(), 5021);
    let wire = encoded(&Message::Notification(Notification::new(3, 9, vec![7; 70000])), &extended);
    assert_eq!(wire.len(), 65535);
}

#[test]
fn shows_as_its_name() {
    assert_eq!(Notification::cease(2).to_string(), "Cease / Administrative Shutdown");
}

#[test]
fn shutdown_communication() {
    let table: [(u8, &[u8], Option<&str>); 7] = [
        (2, b"\x05hello", Some("hello")),
        (4, b"\x0bnew\nversion", Some("new version")),
        (2, b"\x05hello and more", Some("hello")),
        (2, b"\x06hello", None),
        (2, b"\x00", None),
        (2, b"\x02\xff\xfe", None),
        (7, b"\x05hello", None),
    ];
    for (subcode, data, text) in table {
        let notification = Notification::new(6, subcode, Bytes::from_static(data));
        assert_eq!(notification.shutdown_communication().as_deref(), text, "{data:?}");
    }
}

#[test]
fn communications_are_cut_between_characters() {
    let said = |text: &str| Notification::cease_with(2, text);
    assert_eq!(said("wartung").data, octets("07 77617274756e67"));
    assert_eq!(said("wartung").shutdown_communication().as_deref(), Some("wartung"));
    assert_eq!(said(""), Notification::cease(2));
    let long = "ü".repeat(200);
    assert_eq!(said(&long).data.len(), 255, "254 octets and their length: the 128th character would be cut");
    assert_eq!(said(&long).shutdown_communication(), Some("ü".repeat(127)));
    assert_eq!(said(&"x".repeat(300)).data.len(), 256);
}

#[test]
fn hard_resets_wrap_and_unwrap() {
    let inner = Notification::cease_with(4, "upgrade");
    let hard = Notification::hard_reset(&inner);
    assert_eq!((hard.code, hard.subcode), (6, 9));
    assert_eq!(hard.data, octets("06 04 07 75706772616465"));
    assert_eq!(hard.hard_reset_inner(), Some(inner.clone()));
    assert_eq!(hard.shutdown_communication().as_deref(), Some("upgrade"));
    assert!(hard.is_hard_reset() && !inner.is_hard_reset());
    assert_eq!(inner.hard_reset_inner(), None);
    // RFC 8538 §3.1 wants an inner one; who does not say it means a hard reset all the same.
    assert_eq!(Notification::cease(9).hard_reset_inner(), None);
    assert!(Notification::cease(9).is_hard_reset());
    // Boxes in boxes: the outermost counts.
    let nested = (0..1000).fold(inner, |inner, _| Notification::hard_reset(&inner));
    assert_eq!(nested.shutdown_communication(), None);
}
