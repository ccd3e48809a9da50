use bytes::BytesMut;

use super::{decode, encode};
use crate::wire::tests::octets;
use crate::wire::{Capability, Family, GracefulRestart, GracefulRestartFamily};

fn graceful(restarted: bool, restart_time_secs: u16, families: &[(Family, bool)]) -> Capability {
    let families = families
        .iter()
        .map(|&(family, forwarding_preserved)| GracefulRestartFamily { family, forwarding_preserved })
        .collect();
    Capability::GracefulRestart(GracefulRestart { restarted, restart_time_secs, families })
}

#[test]
fn octets_and_back() {
    let table = [
        ("01 04 0001 00 01", Capability::MultiProtocol(Family::Ipv4Unicast)),
        ("01 04 0002 00 01", Capability::MultiProtocol(Family::Ipv6Unicast)),
        ("01 04 0019 00 46", Capability::Unknown { code: 1, value: octets("00190046").into() }),
        ("02 00", Capability::RouteRefresh),
        ("02 01 00", Capability::Unknown { code: 2, value: octets("00").into() }),
        ("40 02 0078", graceful(false, 120, &[])),
        ("40 06 8fff 0001 01 80", graceful(true, 4095, &[(Family::Ipv4Unicast, true)])),
        (
            "40 0a 8000 0001 01 00 0002 01 80",
            graceful(true, 0, &[(Family::Ipv4Unicast, false), (Family::Ipv6Unicast, true)]),
        ),
        ("41 04 fa56ea00", Capability::FourOctetAs(4_200_000_000)),
        ("46 00", Capability::Unknown { code: 70, value: octets("").into() }),
    ];
    for (wire, capability) in table {
        let mut decoded = Vec::new();
        assert_eq!(decode(&octets(wire), &mut decoded), Ok(()), "{wire}");
        assert_eq!(decoded, std::slice::from_ref(&capability));
        let mut out = BytesMut::new();
        encode(&capability, &mut out);
        assert_eq!(out, octets(wire));
    }
}

#[test]
fn families_that_we_do_not_know_are_left_out_of_graceful_restart() {
    let mut decoded = Vec::new();
    decode(&octets("40 0a 0078 0019 46 80 0002 01 80"), &mut decoded).unwrap();
    assert_eq!(decoded, [graceful(false, 120, &[(Family::Ipv6Unicast, true)])]);
}

#[test]
fn refuses_malformed_ones() {
    for wire in [
        "01",
        "01 04 0001 00",
        "01 03 0001 00",
        "01 05 0001 00 01 00",
        "40 00",
        "40 01 00",
        "40 05 0078 0001 01",
        "41 02 fde9",
        "41 05 0000fde900",
        "46 05 00",
    ] {
        assert!(decode(&octets(wire), &mut Vec::new()).is_err(), "{wire}");
    }
}

#[test]
fn a_restart_time_beyond_twelve_bits_is_the_most() {
    let mut out = BytesMut::new();
    encode(&graceful(false, 9999, &[]), &mut out);
    assert_eq!(out, octets("40 02 0fff"));
}
