use bytes::BytesMut;
use proptest::prelude::*;

use super::{Frame, Kind, MAX_EXTENDED_OCTETS, MAX_OCTETS, decode_header, encode};
use crate::wire::DecodeError;
use crate::wire::tests::octets;

const ONES: &str = "ffffffffffffffffffffffffffffffff";

fn buffer(text: &str) -> BytesMut {
    BytesMut::from(octets(text).as_slice())
}

/// As before anything is agreed on.
fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
    super::decode(buffer, MAX_OCTETS)
}

#[test]
fn takes_one_message_after_the_other() {
    let mut stream = buffer(&format!("{ONES} 0013 04 {ONES} 0017 05 0001 00 01 {ONES} 0013"));
    assert_eq!(decode(&mut stream), Ok(Some(Frame { kind: Kind::Keepalive, body: octets("").into() })));
    let refresh = Frame { kind: Kind::RouteRefresh, body: octets("00010001").into() };
    assert_eq!(decode(&mut stream), Ok(Some(refresh)));
    assert_eq!(decode(&mut stream), Ok(None));
    assert_eq!(stream.len(), 18, "what is left is the start of the next");
}

#[test]
fn refuses_bad_headers() {
    let table = [
        // marker, then length, then type, each with the data of RFC 4271 §6.1
        ("00ffffffffffffffffffffffffffffff 0013 04", (1, ""), "the marker is not all ones"),
        ("fffffffffffffffffffffffffffffffe 0013 04", (1, ""), "the marker is not all ones"),
        (&format!("{ONES} 0012 04"), (2, "0012"), "message length 18 is not within 19..=4096"),
        (&format!("{ONES} 1001 02"), (2, "1001"), "message length 4097 is not within 19..=4096"),
        (&format!("{ONES} 0013 00"), (3, "00"), "message type 0 is unknown"),
        (&format!("{ONES} 0013 06"), (3, "06"), "message type 6 is unknown"),
        (&format!("{ONES} 001c 01"), (2, "001c"), "length 28 is impossible for Open"),
        (&format!("{ONES} 0016 02"), (2, "0016"), "length 22 is impossible for Update"),
        (&format!("{ONES} 0014 03"), (2, "0014"), "length 20 is impossible for Notification"),
        (&format!("{ONES} 0014 04"), (2, "0014"), "length 20 is impossible for Keepalive"),
        (&format!("{ONES} 0016 05"), (2, "0016"), "length 22 is impossible for RouteRefresh"),
    ];
    for (header, (subcode, data), reason) in table {
        let error = decode(&mut buffer(header)).unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!((error.notification.code, error.notification.subcode), (1, subcode), "{reason}");
        assert_eq!(error.notification.data, octets(data), "{reason}");
    }
}

#[test]
fn extended_messages_once_agreed_on() {
    let limit = |header: &str, max_octets| {
        decode_header(&octets(&format!("{ONES} {header}")), max_octets).map_err(|error| error.reason)
    };
    for (code, kind) in [("02", Kind::Update), ("03", Kind::Notification), ("05", Kind::RouteRefresh)] {
        let header = format!("1001 {code}");
        assert_eq!(limit(&header, MAX_EXTENDED_OCTETS), Ok(Some((kind, 4097))));
        let refused = "message length 4097 is not within 19..=4096".to_owned();
        assert_eq!(limit(&header, MAX_OCTETS), Err(refused));
    }
    // RFC 8654 §4: not for these two.
    assert_eq!(limit("1001 01", MAX_EXTENDED_OCTETS), Err("length 4097 is impossible for Open".to_owned()));
    assert_eq!(
        limit("1001 04", MAX_EXTENDED_OCTETS),
        Err("length 4097 is impossible for Keepalive".to_owned())
    );
    assert_eq!(limit("ffff 02", MAX_EXTENDED_OCTETS), Ok(Some((Kind::Update, 65535))));
}

#[test]
fn kinds_and_codes_are_one_to_one() {
    for code in 0..=u8::MAX {
        assert_eq!(Kind::from_code(code).map_or(code, Kind::code), code);
    }
}

proptest! {
    #[test]
    fn however_the_stream_is_cut(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 4..300), 0..6), cut in 1usize..50) {
        let mut stream = BytesMut::new();
        for body in &bodies {
            encode(Kind::Update, &mut stream, |out| out.extend_from_slice(body));
        }
        let (mut buffer, mut seen) = (BytesMut::new(), Vec::new());
        for chunk in stream.chunks(cut) {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = decode(&mut buffer).unwrap() {
                seen.push(frame.body.to_vec());
            }
        }
        prop_assert_eq!(seen, bodies);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode(&mut BytesMut::from(octets.as_slice()));
    }
}
