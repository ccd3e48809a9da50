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
