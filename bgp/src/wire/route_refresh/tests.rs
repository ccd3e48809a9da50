use crate::wire::tests::{decode_one, encoded, octets};
use crate::wire::{Codec, Family, Message};

#[test]
fn octets_and_back() {
    for (family, body) in [(Family::Ipv4Unicast, "0001 00 01"), (Family::Ipv6Unicast, "0002 00 01")] {
        let wire = encoded(&Message::RouteRefresh(family), &Codec::default());
        assert_eq!(wire[18..], octets(&format!("05 {body}")));
        assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::RouteRefresh(family))));
    }
}

#[test]
fn a_family_that_we_do_not_carry_is_ignored() {
    assert_eq!(super::decode(&octets("0019 00 46")), None);
    assert_eq!(super::decode(&octets("0001 ff 01")), Some(Family::Ipv4Unicast), "the reserved octet");
}
