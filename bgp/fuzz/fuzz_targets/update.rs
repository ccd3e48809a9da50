//! The body of an UPDATE, under the codec that the first octet says: what is understood means the same when it is said
//! again, within the limit; and packed attributes come back.
#![no_main]

use std::collections::BTreeMap;

use bgp::wire::framer::{self, Kind};
use bgp::wire::{Codec, Message, NextHop, Nlri, Update, packed};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

mod codec;

fuzz_target!(|data: &[u8]| {
    let Some((bits, body)) = data.split_first() else { return };
    let codec = codec::codec(*bits);
    let Ok(Some(Message::Update(update))) = Message::decode(Kind::Update, body, &codec) else { return };
    let mut octets = Vec::new();
    packed::encode(&update.attributes, &mut octets);
    assert_eq!(packed::decode(&octets), update.attributes);
    // AS_TRANS within a path, or a confederation in it, is not said to a two-octet speaker as it was heard.
    if !codec.four_octet_as {
        return;
    }
    let mut out = BytesMut::new();
    if Message::Update(update.clone()).encode(&codec, &mut out).is_ok() {
        let again = understood(&codec, out);
        let before = Routes::of(std::slice::from_ref(&update));
        assert_eq!(Routes::of(&again).announced, before.announced);
        for update in again.iter().filter(|update| !update.reach.is_empty()) {
            assert_eq!(unmarked(update), unmarked(&before.first));
        }
    }
});

/// The attributes but for the partial bit, which is set on what is passed on.
fn unmarked(update: &Update) -> bgp::wire::Attributes {
    let mut attributes = update.attributes.clone();
    for unknown in &mut attributes.unknown_transitive {
        unknown.flags |= bgp::wire::code::flag::PARTIAL;
    }
    attributes
}

fn understood(codec: &Codec, mut out: BytesMut) -> Vec<Update> {
    let mut updates = Vec::new();
    while let Some(frame) = framer::decode(&mut out, codec.max_octets()).expect("our own header") {
        match Message::decode(frame.kind, &frame.body, codec) {
            Ok(Some(Message::Update(update))) => {
                assert!(update.errors.is_empty(), "our own UPDATE has errors: {:?}", update.errors);
                updates.push(update);
            }
            other => panic!("our own UPDATE is refused: {other:?}"),
        }
    }
    updates
}

/// What is announced in the end, however many messages say so.
struct Routes {
    announced: BTreeMap<Nlri, NextHop>,
    first: Update,
}

impl Routes {
    fn of(updates: &[Update]) -> Self {
        let mut announced = BTreeMap::new();
        for update in updates {
            for withdrawn in &update.withdrawn {
                announced.remove(withdrawn);
            }
            for reach in &update.reach {
                announced.extend(reach.prefixes.iter().map(|nlri| (*nlri, reach.next_hop)));
            }
        }
        Self { announced, first: updates.first().cloned().unwrap_or_default() }
    }
}
