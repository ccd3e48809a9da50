use bytes::BytesMut;

use super::{decode, encode};
use crate::wire::tests::octets;
use crate::wire::{
    AddPathFamily, Capability, Family, FamilySet, GracefulRestart, GracefulRestartFamily, LongLivedFamily,
    Role,
};

fn graceful(restarted: bool, restart_time_secs: u16, families: &[(Family, bool)]) -> Capability {
    let families = families
        .iter()
        .map(|&(family, forwarding_preserved)| GracefulRestartFamily { family, forwarding_preserved })
        .collect();
    Capability::GracefulRestart(GracefulRestart {
        restarted,
        notification: false,
        restart_time_secs,
        families,
    })
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
        ("05 06 0001 0001 0002", Capability::ExtendedNextHop([Family::Ipv4Unicast].into_iter().collect())),
        ("05 00", Capability::ExtendedNextHop(FamilySet::NONE)),
        ("06 00", Capability::ExtendedMessage),
        ("09 01 03", Capability::Role(Role::Customer)),
        (
            "40 02 407b",
            Capability::GracefulRestart(GracefulRestart {
                restarted: false,
                notification: true,
                restart_time_secs: 123,
                families: vec![],
            }),
        ),
        (
            "45 08 0001 01 03 0002 01 01",
            Capability::AddPath(vec![
                AddPathFamily { family: Family::Ipv4Unicast, receive: true, send: true },
                AddPathFamily { family: Family::Ipv6Unicast, receive: true, send: false },
            ]),
        ),
        ("46 00", Capability::EnhancedRouteRefresh),
        (
            "47 07 0002 01 80 015180",
            Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
                family: Family::Ipv6Unicast,
                forwarding_preserved: true,
                stale_time_secs: 86400,
            }]),
        ),
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
fn what_we_have_no_use_for_is_left_out() {
    let table = [
        // IPv6 prefixes have IPv6 next hops anyway; VPNs; SAFI 257; IPv4 by IPv4.
        (
            "05 18 0002 0001 0002 0001 0080 0002 0001 0101 0002 0001 0001 0001",
            Capability::ExtendedNextHop(FamilySet::NONE),
        ),
        ("45 04 0019 46 01", Capability::AddPath(vec![])),
        ("47 07 0019 46 80 000001", Capability::LongLivedGracefulRestart(vec![])),
    ];
    for (wire, capability) in table {
        let mut decoded = Vec::new();
        assert_eq!(decode(&octets(wire), &mut decoded), Ok(()), "{wire}");
        assert_eq!(decoded, [capability]);
    }
}

#[test]
fn newer_ones_with_impossible_values_are_kept_unread() {
    for wire in [
        "05 05 0001 0001 00",
        "06 01 00",
        "09 00",
        "09 01 05",
        "09 02 0000",
        "45 03 0001 01",
        "45 04 0001 01 00",
        "45 04 0001 01 04",
        "46 01 00",
        "47 06 0001 01 80 0000",
    ] {
        let (wire, mut decoded) = (octets(wire), Vec::new());
        assert_eq!(decode(&wire, &mut decoded), Ok(()), "{wire:?}");
        assert_eq!(decoded, [Capability::Unknown { code: wire[0], value: wire[2..].to_vec().into() }]);
    }
}

#[test]
fn several_of_one_code_stay_several() {
    let mut decoded = Vec::new();
    decode(&octets("09 01 03 09 01 00 02 00 02 00"), &mut decoded).unwrap();
    let role = Capability::Role;
    let refresh = Capability::RouteRefresh;
    assert_eq!(decoded, [role(Role::Customer), role(Role::Provider), refresh.clone(), refresh]);
}

#[test]
fn values_that_have_no_encoding() {
    let long_lived = LongLivedFamily {
        family: Family::Ipv4Unicast,
        forwarding_preserved: false,
        stale_time_secs: u32::MAX,
    };
    let neither = AddPathFamily { family: Family::Ipv4Unicast, receive: false, send: false };
    let table = [
        (Capability::LongLivedGracefulRestart(vec![long_lived]), "47 07 0001 01 00 ffffff"),
        (Capability::AddPath(vec![neither]), "45 00"),
    ];
    for (capability, wire) in table {
        let mut out = BytesMut::new();
        encode(&capability, &mut out);
        assert_eq!(out, octets(wire));
    }
    for many in [
        Capability::AddPath(vec![AddPathFamily { send: true, ..neither }; 100]),
        Capability::LongLivedGracefulRestart(vec![long_lived; 100]),
        graceful(false, 0, &[(Family::Ipv4Unicast, true); 100]),
        Capability::Unknown { code: 99, value: vec![0; 300].into() },
    ] {
        let mut out = BytesMut::new();
        encode(&many, &mut out);
        assert_eq!(usize::from(out[1]), out.len() - 2);
    }
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
