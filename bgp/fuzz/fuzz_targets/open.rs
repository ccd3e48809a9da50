//! The body of an OPEN: what is understood means the same when it is said again.
#![no_main]

use bgp::wire::framer::{self, Kind};
use bgp::wire::{Capability, Codec, Message};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let codec = Codec::default();
    let Ok(Some(Message::Open(mut open))) = Message::decode(Kind::Open, body, &codec) else { return };
    // An AS that does not fit into the old field has to be in a capability, where a peer need not have put it first.
    let said = |capability: &Capability| matches!(capability, Capability::FourOctetAs(_));
    if !open.capabilities.iter().any(said) {
        open.capabilities.push(Capability::FourOctetAs(open.asn));
    }
    let mut out = BytesMut::new();
    Message::Open(open.clone()).encode(&codec, &mut out).expect("OPENs have an encoding");
    assert!(out.len() <= framer::MAX_OCTETS);
    let frame = framer::decode(&mut out, framer::MAX_OCTETS).expect("our own header").expect("a message");
    let Ok(Some(Message::Open(again))) = Message::decode(frame.kind, &frame.body, &codec) else {
        panic!("our own OPEN is refused: {open:?}");
    };
    // Capabilities that do not fit are left out.
    assert_eq!(
        (again.asn, again.hold_time_secs, again.router_id),
        (open.asn, open.hold_time_secs, open.router_id)
    );
    assert!(open.capabilities.starts_with(&again.capabilities));
});
