//! ExaBGP as a peer that says things that are wrong (RFC 7606): the session stands, the route does not, and nobody else
//! notices.

use anyhow::ensure;
use integration::router::{Kind, Network};
use ipnetwork::IpNetwork;

use crate::pair::{EXTERNAL, Pair, Setting, THEIRS};
use crate::wait_until;

/// What is wrong: flags, type, value; and whether the route survives without the attribute.
const WRONG: [(&str, u8, u8, &[u8], bool); 10] = [
    ("COMMUNITIES of three octets", 0xc0, 8, &[0, 0, 0], false),
    ("COMMUNITIES of none", 0xc0, 8, &[], false),
    ("LARGE_COMMUNITY of eleven", 0xc0, 32, &[0; 11], false),
    ("EXTENDED_COMMUNITIES of seven", 0xc0, 16, &[0; 7], false),
    ("ORIGINATOR_ID from outside", 0x80, 9, &[1, 2, 3, 4], true),
    ("CLUSTER_LIST from outside, of three octets", 0x80, 10, &[1, 2, 3], true),
    ("AGGREGATOR of three octets", 0xc0, 7, &[1, 2, 3], true),
    ("ATOMIC_AGGREGATE with something in it", 0x40, 6, &[1], true),
    ("MULTI_EXIT_DISC of three octets", 0x80, 4, &[1, 2, 3], false),
    ("ONLY_TO_CUSTOMER of three octets", 0xc0, 35, &[1, 2, 3], false),
];

#[test]
fn malformed_attributes_cost_a_route_and_no_session() {
    let mut setting = Setting::new(Kind::ExaBgp, EXTERNAL, false);
    let prefix = |index: usize| -> IpNetwork { format!("203.0.{index}.0/24").parse().unwrap() };
    for (index, (_, flags, code, value, _)) in WRONG.into_iter().enumerate() {
        let mut network = Network::new(prefix(index));
        network.raw = vec![(flags, code, value.to_vec())];
        setting.networks.push(network);
    }
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    wait_until("all were heard", || {
        let peer = pair.ours().ensure_established(&pair.key())?;
        ensure!(peer.counters.update_errors >= WRONG.len() as u64, "{peer:?}");
        Ok(())
    });
    for (index, (.., survives)) in WRONG.into_iter().enumerate() {
        if survives {
            wait_until("what survives is used", || pair.ensure_used(prefix(index)));
        }
    }
    for (index, (what, _, code, _, survives)) in WRONG.into_iter().enumerate() {
        let best = pair.ours().best_paths();
        assert_eq!(best.contains_key(&prefix(index)), survives, "{what}");
        if survives {
            let attributes = pair.path(prefix(index)).unwrap().attributes;
            assert!(attributes.unknown_transitive.iter().all(|unknown| unknown.code != code), "{what}");
        }
    }
    let peer = pair.ours().ensure_established(&pair.key()).unwrap();
    assert_eq!(peer.counters.flaps, 0, "{peer:?}");
    assert!(pair.path(THEIRS.networks()[0]).unwrap().best);
    pair.router.ensure_established(pair.here()).unwrap();
}
