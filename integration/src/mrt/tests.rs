use std::collections::{BTreeMap, BTreeSet};

use bgp::wire::{Codec, Message, framer};
use bytes::BytesMut;
use proptest::prelude::*;

use super::updates::{Sender, encode_table, encode_table_withdrawal};
use super::*;

const PEER: Peer = Peer {
    router_id: Ipv4Addr::new(198, 51, 100, 1),
    address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    asn: 64_999,
};

fn table() -> Table {
    Table::generate(&Shape { seed: 7, ipv4: 20_000, ipv6: 2_000, sets: 4_000 }, PEER)
}

fn sender() -> Sender {
    Sender {
        asn: 64_999,
        next_hop: Ipv4Addr::new(198, 51, 100, 1),
        next_hop_v6: Some("2001:db8::1".parse().unwrap()),
    }
}

/// What our own decoder makes of messages.
fn decode(messages: &[u8]) -> Vec<bgp::wire::Update> {
    let mut buffer = BytesMut::from(messages);
    let mut updates = Vec::new();
    while let Some(frame) = framer::decode(&mut buffer, framer::MAX_OCTETS).unwrap() {
        match Message::decode(frame.kind, &frame.body, &Codec::default()).unwrap() {
            Some(Message::Update(update)) => updates.push(update),
            other => panic!("{other:?} is no UPDATE"),
        }
    }
    assert!(buffer.is_empty(), "nothing but whole messages");
    updates
}

#[test]
fn a_table_is_the_same_after_being_written_and_read() {
    let table = table();
    let file = table.write(Vec::new(), 1_700_000_000).unwrap();
    let again = Table::read(&file[..]).unwrap();
    assert_eq!(again.peer, table.peer);
    // Sets are numbered in the order of the file; what they say is the same.
    let routes = |table: &Table| -> Vec<_> {
        table.routes.iter().map(|route| (route.prefix, table.sets[route.set as usize].clone())).collect()
    };
    assert_eq!(routes(&again), routes(&table));
    assert_eq!(again.sets.len(), 4_000);
}

#[test]
fn the_same_seed_makes_the_same_table_and_another_one_another() {
    assert_eq!(table(), table());
    let other = Table::generate(&Shape { seed: 8, ipv4: 20_000, ipv6: 2_000, sets: 4_000 }, PEER);
    assert_ne!(table(), other);
}

#[test]
fn a_generated_table_has_the_shape_that_was_asked_for() {
    let table = table();
    let prefixes: BTreeSet<_> = table.routes.iter().map(|route| route.prefix).collect();
    assert_eq!(prefixes.len(), 22_000, "no prefix twice");
    assert_eq!(prefixes.iter().filter(|prefix| prefix.is_ipv6()).count(), 2_000);
    let sizes: Vec<usize> = table.by_set().iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| *size > 0), "every set is used");
    assert_eq!(table.sets.iter().collect::<BTreeSet<_>>().len(), 4_000, "no set twice");
    let of_one_or_two = sizes.iter().filter(|size| **size <= 2).count();
    assert!(of_one_or_two * 10 > sizes.len() * 4, "{of_one_or_two} of 4000 sets have one or two prefixes");
    assert!(*sizes.iter().max().unwrap() > 200, "the largest set is large");
    let longest = prefixes.iter().filter(|prefix| prefix.is_ipv4() && prefix.prefix() == 24).count();
    assert!((11_800..12_800).contains(&longest), "{longest} of 20000 are /24");
}

#[test]
fn a_feed_says_to_our_decoder_what_the_table_says() {
    let table = table();
    let feed = encode_table(&table, &sender());
    assert_eq!((feed.announced, feed.left_out), (22_000, 0));
    let mut announced = BTreeMap::new();
    for update in decode(&feed.messages) {
        assert!(update.errors.is_empty() && update.withdrawn.is_empty(), "{update:?}");
        for reach in &update.reach {
            for nlri in &reach.prefixes {
                announced.insert(nlri.prefix, update.attributes.clone());
            }
        }
    }
    assert_eq!(announced.len(), 22_000);
    assert!(table.routes.iter().all(|route| announced.contains_key(&route.prefix)));
    let withdrawn: BTreeSet<_> = decode(&encode_table_withdrawal(&table))
        .into_iter()
        .flat_map(|update| update.withdrawn)
        .map(|nlri| nlri.prefix)
        .collect();
    assert!(announced.keys().eq(&withdrawn));
}

#[test]
fn a_feeding_as_puts_itself_in_front_unless_it_is_there() {
    let mut table = Table::generate(&Shape { seed: 1, ipv4: 1, ipv6: 0, sets: 1 }, PEER);
    let first_as = |table: &Table| {
        let feed = encode_table(table, &Sender { asn: 65_001, ..sender() });
        let path = decode(&feed.messages)[0].attributes.as_path.to_string();
        path.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(first_as(&table), "65001");
    let before = table.sets[0].clone();
    table.sets[0] =
        Table::generate(&Shape { seed: 1, ipv4: 1, ipv6: 0, sets: 1 }, Peer { asn: 65_001, ..PEER }).sets[0]
            .clone();
    assert_eq!(before.len(), table.sets[0].len());
    let length = encode_table(&table, &Sender { asn: 65_001, ..sender() }).messages.len();
    assert_eq!(length, encode_table(&table, &Sender { asn: 65_002, ..sender() }).messages.len() - 4);
}

#[test]
fn messages_and_state_changes_are_read() {
    let session = |four: bool| {
        let mut out = Vec::new();
        for asn in [65_001_u32, 65_002] {
            out.extend(if four { asn.to_be_bytes().to_vec() } else { asn.to_be_bytes()[2..].to_vec() });
        }
        out.extend([0, 3, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2]);
        out
    };
    let record = |kind: u8, subtype: u8, body: &[u8]| {
        let mut out = vec![0, 0, 0, 9, 0, kind, 0, subtype];
        out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        out.extend(body);
        out
    };
    let expected = Session {
        peer_as: 65_001,
        local_as: 65_002,
        interface: 3,
        peer: "192.0.2.1".parse().unwrap(),
        local: "192.0.2.2".parse().unwrap(),
    };
    let mut file = record(16, 1, &[session(false), vec![1, 2, 3]].concat());
    file.extend(record(17, 4, &[vec![0, 0, 0, 5], session(true), vec![4]].concat()));
    file.extend(record(16, 5, &[session(true), vec![0, 3, 0, 6]].concat()));
    file.extend(record(48, 0, b"whatever"));
    let records: Vec<Record> = Reader::new(&file[..]).map(Result::unwrap).collect();
    let message = |four_octet_as, message: &[u8]| {
        Body::Message(PeerMessage {
            session: expected,
            four_octet_as,
            sent: false,
            message: message.to_vec(),
        })
    };
    assert_eq!(records[0], Record { seconds: 9, microseconds: 0, body: message(false, &[1, 2, 3]) });
    assert_eq!(records[1], Record { seconds: 9, microseconds: 5, body: message(true, &[4]) });
    assert_eq!(records[2].body, Body::StateChange(StateChange { session: expected, old: 3, new: 6 }));
    assert_eq!(records[3].body, Body::Other { kind: 48, subtype: 0 });
    assert_eq!(records.len(), 4);
}

#[test]
fn a_file_that_lies_is_an_error_that_says_where() {
    let good =
        Table::generate(&Shape { seed: 1, ipv4: 3, ipv6: 0, sets: 1 }, PEER).write(Vec::new(), 0).unwrap();
    let cut = Reader::new(&good[..good.len() - 1]).last().unwrap();
    assert!(matches!(cut, Err(ReadError::Io { offset, .. }) if offset > 0), "{cut:?}");
    let mut long = good.clone();
    long[8..12].copy_from_slice(&[0xff; 4]);
    assert!(matches!(Reader::new(&long[..]).next(), Some(Err(ReadError::Malformed { offset: 0, .. }))));
    assert!(matches!(Table::read(&b""[..]), Err(TableError::NoPeers)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_make_the_reader_panic(
        kind in 12_u8..19, subtype in 0_u8..9, body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut file = vec![0, 0, 0, 0, 0, kind, 0, subtype, 0, 0, 0, u8::try_from(body.len()).unwrap()];
        file.extend(&body);
        prop_assert!(Reader::new(&file[..]).count() == 1);
    }

    #[test]
    fn no_attributes_make_a_feed_panic(set in prop::collection::vec(any::<u8>(), 0..5_000)) {
        let mut table = Table::generate(&Shape { seed: 1, ipv4: 10, ipv6: 5, sets: 1 }, PEER);
        table.sets.iter_mut().for_each(|old| *old = set.clone());
        let feed = encode_table(&table, &sender());
        prop_assert_eq!(feed.announced + feed.left_out, 15);
    }
}
