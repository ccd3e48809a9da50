use proptest::prelude::*;

use super::super::State;
use super::{Discard, Micros, OCTETS, Packet, diagnostic};

/// As a router sends it on a session that is Up: diag 1, P, multiplier 3, 50 ms, no Echo.
const UP: [u8; 24] = [
    0x21, 0xe0, 3, 24, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0,
    0, 0, 0,
];

fn up() -> Packet {
    Packet {
        diagnostic: 1,
        state: State::Up,
        poll: true,
        final_: false,
        independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: 0x1234_5678,
        your_discriminator: 0x9abc_def0,
        desired_min_tx: Micros(50_000),
        required_min_rx: Micros(50_000),
        required_min_echo_rx: Micros(0),
    }
}

/// `UP` with some octets changed.
fn with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut octets = UP.to_vec();
    for (at, value) in changes {
        octets[*at] = *value;
    }
    octets
}

#[test]
fn octets_are_those_of_the_rfc() {
    assert_eq!(Packet::decode(&UP), Ok(up()));
    assert_eq!(up().encode(), UP);
}

#[test]
fn each_flag_has_its_bit() {
    let plain = Packet { poll: false, ..up() };
    for (bit, packet) in [
        (0x20, Packet { poll: true, ..plain }),
        (0x10, Packet { final_: true, ..plain }),
        (0x08, Packet { independent: true, ..plain }),
        (0x02, Packet { demand: true, ..plain }),
    ] {
        assert_eq!(packet.encode()[1], 0xc0 | bit);
        assert_eq!(Packet::decode(&with(&[(1, 0xc0 | bit)])), Ok(packet));
    }
}

#[test]
fn what_rfc_5880_discards_is_discarded() {
    let table = [
        (vec![], Discard::Truncated(0)),
        (UP[..23].to_vec(), Discard::Truncated(23)),
        (with(&[(0, 0x01)]), Discard::Version(0)),
        (with(&[(0, 0x41)]), Discard::Version(2)),
        (with(&[(3, 23)]), Discard::Length { claimed: 23, datagram: 24 }),
        (with(&[(3, 25)]), Discard::Length { claimed: 25, datagram: 24 }),
        // With authentication, the shortest is 26.
        (with(&[(1, 0xc4)]), Discard::Length { claimed: 24, datagram: 24 }),
        (with(&[(2, 0)]), Discard::ZeroMultiplier),
        (with(&[(1, 0xc1)]), Discard::Multipoint),
        (with(&[(4, 0), (5, 0), (6, 0), (7, 0)]), Discard::ZeroDiscriminator),
        (with(&[(8, 0), (9, 0), (10, 0), (11, 0)]), Discard::Unaddressed(State::Up)),
        (with(&[(1, 0x80), (8, 0), (9, 0), (10, 0), (11, 0)]), Discard::Unaddressed(State::Init)),
    ];
    for (octets, reason) in table {
        assert_eq!(Packet::decode(&octets), Err(reason), "{octets:02x?}");
    }
    let mut authenticated = with(&[(1, 0xc4), (3, 28)]);
    authenticated.extend([1, 4, 1, b'x']);
    assert_eq!(Packet::decode(&authenticated), Err(Discard::Authenticated));
}

#[test]
fn who_is_down_need_not_know_us() {
    for (bits, state) in [(0x00, State::AdminDown), (0x40, State::Down)] {
        let packet = Packet::decode(&with(&[(1, bits), (8, 0), (9, 0), (10, 0), (11, 0)])).unwrap();
        assert_eq!((packet.state, packet.your_discriminator), (state, 0));
    }
}

#[test]
fn octets_beyond_the_length_are_not_read() {
    let mut longer = UP.to_vec();
    longer.extend([0xff; 40]);
    assert_eq!(Packet::decode(&longer), Ok(up()));
}

#[test]
fn every_diagnostic_has_words() {
    assert_eq!(diagnostic::describe(diagnostic::DETECTION_TIME_EXPIRED), "control detection time expired");
    assert!((0..=31).all(|code| !diagnostic::describe(code).is_empty()));
}

proptest! {
    #[test]
    fn what_is_taken_is_said_again_in_the_same_octets(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = Packet::decode(&octets) {
            let mut expected = octets[..OCTETS].to_vec();
            expected[3] = 24;
            prop_assert_eq!(packet.encode().to_vec(), expected);
        }
    }

    /// Octets that are mostly right reach the later checks.
    #[test]
    fn nearly_good_octets_never_panic(
        changes in proptest::collection::vec((0_usize..24, any::<u8>()), 0..6),
        more in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut octets = with(&changes);
        octets.extend(more);
        if let Ok(packet) = Packet::decode(&octets) {
            prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }
}
