use super::*;

#[test]
fn octets_are_read() {
    assert_eq!(hexadecimal("deadbeef"), [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(base64("3q2+7w=="), [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(base64(""), [0_u8; 0]);
}
