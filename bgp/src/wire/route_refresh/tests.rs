use crate::wire::tests::{decode_one, encoded, octets};
use crate::wire::{Codec, Family, Message, RefreshKind, RouteRefresh};

#[test]
fn octets_and_back() {
    let table = [
        (Family::Ipv4Unicast, RefreshKind::Request, "0001 00 01"),
        (Family::Ipv6Unicast, RefreshKind::Begin, "0002 01 01"),
        (Family::Ipv6Unicast, RefreshKind::End, "0002 02 01"),
    ];
    for (family, kind, body) in table {
        let message = Message::RouteRefresh(RouteRefresh { family, kind });
        let wire = encoded(&message, &Codec::default());
        assert_eq!(wire[18..], octets(&format!("05 {body}")));
        assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(message)));
    }
}

#[test]
fn families_and_subtypes_that_we_do_not_know_are_ignored() {
    for body in ["0019 00 46", "0019 01 46", "0001 03 01", "0001 ff 01", "0001 03 01 00"] {
        assert_eq!(super::decode(&octets(body)), Ok(None), "{body}");
    }
}

#[test]
fn a_wrong_length() {
    let table = [
        ("0001 00 01 00", (1, 2), "0018"),
        ("0001 01 01 00", (7, 1), "ffffffffffffffffffffffffffffffff 0018 05 0001 01 01 00"),
        ("0001 02 01 0000", (7, 1), "ffffffffffffffffffffffffffffffff 0019 05 0001 02 01 0000"),
    ];
    for (body, code, data) in table {
        let error = super::decode(&octets(body)).unwrap_err();
        assert_eq!((error.notification.code, error.notification.subcode), code, "{body}");
        assert_eq!(error.notification.data, octets(data), "{body}");
    }
}
