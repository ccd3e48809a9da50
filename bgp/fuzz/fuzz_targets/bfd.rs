//! A BFD control packet: what is understood is the same when it is said again.
#![no_main]

use bgp::bfd::packet::Packet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let Ok(packet) = Packet::decode(datagram) {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
});
