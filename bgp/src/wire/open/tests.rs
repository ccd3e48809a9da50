use std::net::Ipv4Addr;

use crate::wire::tests::{decode_one, encoded, octets};
use crate::wire::{Capability, Codec, Family, Message, Open};

fn open(capabilities: Vec<Capability>) -> Open {
    Open { asn: 65001, hold_time_secs: 90, router_id: Ipv4Addr::new(10, 0, 0, 1), capabilities }
}

#[test]
fn octets_and_back() {
    let message = open(vec![Capability::MultiProtocol(Family::Ipv6Unicast), Capability::FourOctetAs(65001)]);
    let wire = encoded(&Message::Open(message.clone()), &Codec::default());
    assert_eq!(wire[16..], octets("002b 01 04 fde9 005a 0a000001 0e 02 0c 0104 0002 00 01 4104 0000fde9"));
    assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::Open(message))));
}

#[test]
fn the_four_octet_as_counts() {
    let big = Open { asn: 4_200_000_000, ..open(vec![Capability::FourOctetAs(4_200_000_000)]) };
    let wire = encoded(&Message::Open(big.clone()), &Codec::default());
    assert_eq!(wire[20..22], octets("5ba0"), "AS_TRANS in the old field");
    assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::Open(big))));
}

#[test]
fn capabilities_in_parameters_of_their_own() {
    let body = "04 fde9 005a 0a000001 0e 02 06 0104 0001 00 01 02 02 0200 02 00";
    let decoded = Open::decode(&octets(body)).unwrap();
    assert_eq!(
        decoded.capabilities,
        [Capability::MultiProtocol(Family::Ipv4Unicast), Capability::RouteRefresh]
    );
}

#[test]
fn extended_parameters() {
    let body = "04 fde9 005a 0a000001 ff ff 0005 02 0002 0200";
    assert_eq!(Open::decode(&octets(body)).unwrap(), open(vec![Capability::RouteRefresh]));
    // RFC 9072 §2: the first length is only not zero.
    let body = "04 fde9 005a 0a000001 07 ff 0005 02 0002 0200";
    assert_eq!(Open::decode(&octets(body)).unwrap(), open(vec![Capability::RouteRefresh]));
}

#[test]
fn many_capabilities_take_the_extended_form_and_stay_within_the_limit() {
    let large = |code| Capability::Unknown { code, value: vec![code; 255].into() };
    let wire = encoded(&Message::Open(open(vec![large(80), large(81)])), &Codec::default());
    assert_eq!(
        decode_one(&wire, &Codec::default()),
        Ok(Some(Message::Open(open(vec![large(80), large(81)]))))
    );
    let wire = encoded(&Message::Open(open((80..100).map(large).collect())), &Codec::default());
    assert!(wire.len() <= 4096);
    let kept = open((80..95).map(large).collect());
    assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::Open(kept))));
}

#[test]
fn refusals() {
    let table = [
        // body, subcode, data, reason (RFC 4271 §6.2)
        ("03 fde9 005a 0a000001 00", 1, "0004", "version 3 is not 4"),
        ("05 fde9 005a 0a000001 00", 1, "0004", "version 5 is not 4"),
        ("04 0000 005a 0a000001 00", 2, "", "AS 0 is reserved (RFC 7607)"),
        ("04 5ba0 005a 0a000001 08 02 06 4104 00000000", 2, "", "AS 0 is reserved (RFC 7607)"),
        ("04 fde9 005a 00000000 00", 3, "", "BGP identifier 0.0.0.0"),
        ("04 fde9 0001 0a000001 00", 6, "", "hold time of 1 s is neither 0 nor at least 3"),
        ("04 fde9 0002 0a000001 00", 6, "", "hold time of 2 s is neither 0 nor at least 3"),
        ("04 fde9 005a 0a000001 02 01 00", 4, "", "optional parameter 1 is not capabilities"),
        ("04 fde9 005a 0a000001 04 02 02 0200", 0, "", ""),
        ("04 fde9 005a 0a000001 05 02 02 0200", 0, "", "the optional parameters reach beyond the message"),
        ("04 fde9 005a 0a000001 00 02", 0, "", "octets follow the optional parameters"),
        ("04 fde9 005a 0a000001 01 02", 0, "", "an optional parameter reaches beyond its list"),
        ("04 fde9 005a 0a000001 02 02 05", 0, "", "an optional parameter reaches beyond its list"),
        ("04 fde9 005a 0a000001 03 02 01 41", 0, "", "a capability reaches beyond its optional parameter"),
        ("04 fde9 005a 0a000001 05 02 03 4101 00", 0, "", "capability 65 with a value of 1 octets"),
        ("04 fde9 005a 0a000001 ff ff", 0, "", "the optional parameters reach beyond the message"),
        ("04 fde9 005a 0a000001 ff ff 0002 02 00", 0, "", "an optional parameter reaches beyond its list"),
        ("04 fde9 005a 0a00", 0, "", "the message is too short"),
    ];
    for (body, subcode, data, reason) in table {
        let decoded = Open::decode(&octets(body));
        if reason.is_empty() {
            assert!(decoded.is_ok(), "the good one beside the bad: {decoded:?}");
            continue;
        }
        let error = decoded.unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!((error.notification.code, error.notification.subcode), (2, subcode), "{reason}");
        assert_eq!(error.notification.data, octets(data), "{reason}");
    }
}
