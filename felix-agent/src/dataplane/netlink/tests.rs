use proptest::prelude::*;

use super::{NetlinkError, decode_reason};

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn the_reason_is_found_behind_other_attributes() {
    let bytes = [attribute(2, &[0; 4]), attribute(1, b"Nexthop has invalid gateway\0")].concat();
    assert_eq!(decode_reason(&bytes), "Nexthop has invalid gateway");
    assert_eq!(decode_reason(&attribute(2, &[0; 4])), "");
    assert_eq!(decode_reason(&[]), "");
}

#[test]
fn a_refusal_reads_as_the_kernel_said_it() {
    let bare = NetlinkError::Refused { errno: libc::ENODEV, reason: String::new() };
    assert_eq!(bare.to_string(), "the kernel refused: No such device (os error 19)");
    let told = NetlinkError::Refused { errno: libc::EINVAL, reason: "Invalid prefsrc address".into() };
    assert_eq!(
        told.to_string(),
        "the kernel refused: Invalid argument (os error 22) (Invalid prefsrc address)"
    );
}

proptest! {
    #[test]
    fn no_bytes_of_the_kernel_can_stop_the_agent(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        decode_reason(&bytes);
    }
}
