//! A codec from one octet, so that the fuzzer tries them all.

use bgp::wire::{Codec, Family, FamilySet};

/// Both directions alike, so that what is written can be read again.
pub fn codec(bits: u8) -> Codec {
    let families = [(0x10, Family::Ipv4Unicast), (0x20, Family::Ipv6Unicast)];
    let add_path: FamilySet =
        families.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, family)| family).collect();
    Codec {
        four_octet_as: bits & 1 != 0,
        external: bits & 2 != 0,
        extended_messages: bits & 4 != 0,
        extended_next_hop: bits & 8 != 0,
        add_path_receive: add_path,
        add_path_send: add_path,
    }
}
