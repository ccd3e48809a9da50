//! A stream of octets, however it is cut: the same messages come out, then perhaps an error, and then nothing more.
//! Two octets say the codec and where to cut.
#![no_main]

use bgp::wire::{Codec, Message, framer};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

mod codec;

/// Every message of the stream; the error's code and subcode if it ends with one.
fn messages<'a>(
    codec: &Codec,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Option<Message>>, Option<(u8, u8)>) {
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            let frame = match framer::decode(&mut buffer, codec.max_octets()) {
                Ok(None) => break,
                Ok(Some(frame)) => frame,
                Err(error) => {
                    return (messages, Some((error.notification.code, error.notification.subcode)));
                }
            };
            assert!(frame.body.len() + framer::HEADER_OCTETS <= codec.max_octets());
            match Message::decode(frame.kind, &frame.body, codec) {
                Ok(message) => messages.push(message),
                Err(error) => {
                    return (messages, Some((error.notification.code, error.notification.subcode)));
                }
            }
        }
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let [bits, cut, stream @ ..] = data else { return };
    let codec = codec::codec(*bits);
    let whole = messages(&codec, std::iter::once(stream));
    assert_eq!(messages(&codec, stream.chunks(usize::from(*cut) + 1)), whole);
});
