use bytes::BytesMut;
use proptest::prelude::*;

use super::{Pause, Reader, Taken};
use crate::wire::{Codec, Message, Open};

fn octets(messages: &[Message]) -> Vec<u8> {
    let mut out = BytesMut::new();
    messages.iter().for_each(|message| message.encode(&Codec::default(), &mut out).unwrap());
    out.to_vec()
}

fn open() -> Message {
    let router_id = [10, 0, 0, 1].into();
    Message::Open(Open { asn: 65001, hold_time_secs: 90, router_id, capabilities: vec![] })
}

/// A header that announces `length` octets of UPDATE.
fn update_header(length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    [&[0xff; 16][..], &[high, low, 2]].concat()
}

/// Takes octets as they come, what was kept first.
fn take(reader: &mut Reader, octets: &[u8], codec: Option<&Codec>) -> Taken {
    let all = [&reader.kept[..], octets].concat();
    reader.take(&all, codec)
}

#[test]
fn what_is_kept_is_an_unfinished_message_and_nothing_else() {
    let mut reader = Reader::default();
    let keepalives = octets(&[Message::Keepalive, Message::Keepalive]);
    let taken = take(&mut reader, &keepalives[..20], None);
    assert_eq!((taken.messages, taken.octets, taken.pause), (vec![Ok(Message::Keepalive)], 19, None));
    assert_eq!(reader.kept, [0xff]);
    assert_eq!(take(&mut reader, &keepalives[20..], None).messages, [Ok(Message::Keepalive)]);
    assert_eq!(reader.kept.capacity(), 0);
}

#[test]
fn long_messages_are_errors_or_wait_or_are_taken_by_the_codec() {
    let long = update_header(5000);
    let mut reader = Reader::default();
    assert_eq!(take(&mut reader, &long, None).pause, Some(Pause::Lost), "nothing was agreed on");

    let mut reader = Reader::default();
    let taken = take(&mut reader, &[&octets(&[open()])[..], &long].concat(), None);
    assert_eq!((taken.messages, taken.pause), (vec![Ok(open())], Some(Pause::Codec)));
    let extended = Codec { extended_messages: true, ..Codec::default() };
    assert_eq!(reader.resume(Some(&extended)), Taken::default(), "the rest of it is to come");
    assert_eq!(reader.kept, long);
    let taken = reader.resume(Some(&Codec::default()));
    assert!(matches!(&taken.messages[..], [Err(_)]));
    assert_eq!(taken.pause, Some(Pause::Lost));
}

#[test]
fn an_update_before_any_open_is_read_so_that_it_can_be_complained_about() {
    let mut reader = Reader::default();
    let taken = take(&mut reader, &[&update_header(23)[..], &[0; 4]].concat(), None);
    assert!(matches!(&taken.messages[..], [Ok(Message::Update(_))]), "{taken:?}");
}

proptest! {
    /// However octets are cut, the same messages come out, up to the same error.
    #[test]
    fn cuts_make_no_difference(
        kinds in proptest::collection::vec(0_u8..4, 0..20),
        cuts in proptest::collection::vec(0_usize..200, 0..20),
    ) {
        let pieces = kinds.iter().map(|kind| match kind {
            0 => octets(&[open()]),
            1 => [&update_header(23)[..], &[0; 4]].concat(),
            2 => octets(&[Message::Keepalive]),
            _ => vec![0xff; 5],
        });
        let stream: Vec<u8> = pieces.flatten().collect();
        let codec = Codec::default();
        let whole = Reader::default().take(&stream, Some(&codec));
        let mut reader = Reader::default();
        let mut messages = Vec::new();
        let mut rest = &stream[..];
        let mut pause = None;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            if pause.is_some() {
                break;
            }
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            let taken = take(&mut reader, head, Some(&codec));
            messages.extend(taken.messages);
            pause = taken.pause;
            rest = tail;
        }
        prop_assert_eq!(messages, whole.messages);
        prop_assert_eq!(pause, whole.pause);
    }
}
