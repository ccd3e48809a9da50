//! The routers among themselves: what we ask of them and read from them is right, whatever our own speaker does.

use integration::router::{Feature, Kind, Neighbour, Network, Router};

use crate::pair::only_path;
use crate::segment::{Member, Segment};
use crate::wait_until;

const A: Member = Member(11);
const B: Member = Member(12);

/// Prefixes with everything that a router can put on one.
fn decorated(kind: Kind, member: Member, asn: u16) -> Vec<Network> {
    let mut networks = member.originated();
    for network in &mut networks {
        network.med = Some(7);
        network.communities = vec![(asn, 1), (asn, 2)];
        network.large_communities = vec![(asn.into(), 1, 2)];
        network.route_targets = vec![(asn, 3)];
        if kind.supports(Feature::UnknownAttributes) {
            network.raw = vec![(0xc0, 0x99, vec![0xde, 0xad, 0xbe, 0xef])];
        }
    }
    networks
}

fn assert_meet(kinds: [Kind; 2], over_v6: bool, password: Option<&str>) {
    let segment = Segment::new();
    let members = [A, B];
    let asns = [65_011_u16, 65_012];
    let routers: Vec<Router> = (0..2)
        .map(|i| {
            let (here, there) = (members[i].address(over_v6), members[1 - i].address(over_v6));
            let mut neighbour = Neighbour::new(here, there, asns[1 - i].into());
            neighbour.passive = i == 1;
            neighbour.password = password.map(str::to_owned);
            let networks = decorated(kinds[i], members[i], asns[i]);
            segment.router(kinds[i], members[i], asns[i].into(), vec![neighbour], networks)
        })
        .collect();
    for i in 0..2 {
        let other = members[1 - i];
        wait_until("the session stands", || routers[i].ensure_established(other.address(over_v6)));
        let asn = asns[1 - i];
        let prefix = other.networks()[usize::from(over_v6)];
        let path = wait_until("the other's prefix is there", || only_path(&routers[i], prefix));
        assert_eq!(path.next_hop, Some(other.address(over_v6)), "{path:?}");
        assert_eq!(path.as_path, [u32::from(asn)], "{path:?}");
        assert!(!path.stale, "{path:?}");
        assert_eq!(path.med, Some(7), "{path:?}");
        assert_eq!(path.communities, [(asn, 1), (asn, 2)], "{path:?}");
        assert_eq!(path.large_communities, [(asn.into(), 1, 2)], "{path:?}");
        assert_eq!(path.route_targets, [(asn, 3)], "{path:?}");
        if kinds[1 - i].supports(Feature::UnknownAttributes) && kinds[i] != Kind::Frr {
            assert_eq!(path.unknown.get(&0x99), Some(&vec![0xde, 0xad, 0xbe, 0xef]), "{path:?}");
        }
        routers[i].refresh(other.address(over_v6)).unwrap();
    }
}

#[test]
fn bird_and_gobgp() {
    assert_meet([Kind::Bird, Kind::Gobgp], true, Some("secret"));
}

#[test]
fn frr_and_openbgpd() {
    assert_meet([Kind::Frr, Kind::OpenBgpd], true, None);
}

#[test]
fn bird_and_exabgp() {
    assert_meet([Kind::Bird, Kind::ExaBgp], true, None);
}

#[test]
fn gobgp_and_openbgpd() {
    assert_meet([Kind::OpenBgpd, Kind::Gobgp], false, Some("secret"));
}

#[test]
fn frr_and_exabgp() {
    assert_meet([Kind::Frr, Kind::ExaBgp], false, Some("secret"));
}
