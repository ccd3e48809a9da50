use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::rib::path::NextHopId;

fn way(number: u32) -> Way {
    Way { next_hop: NextHopId(number), interface: 0 }
}

/// From an external peer; better numbers are lower.
fn candidate(peer: u8) -> Candidate {
    Candidate {
        learned: true,
        long_lived_stale: false,
        local_pref: 100,
        hop_count: 2,
        origin: 0,
        med: 0,
        neighbour_as: 65001,
        internal: false,
        cost: 0,
        router_id: Ipv4Addr::new(10, 0, 0, peer),
        cluster_list: 0,
        address: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, peer))),
        path_id: 0,
        way: way(u32::from(peer)),
    }
}

const ALL: Multipath = Multipath { external: 16, internal: 16, relaxed_as_path: true };
const ONE: Multipath = Multipath { external: 1, internal: 1, relaxed_as_path: true };

#[test]
fn each_step_has_a_loser() {
    // The loser is better in everything that comes later.
    let good = candidate(1);
    let cases = [
        (Step::NotOriginatedHere, Candidate { learned: false, hop_count: 9, ..candidate(9) }, good),
        (
            Step::LongLivedStale,
            Candidate { local_pref: 1, ..candidate(9) },
            Candidate { long_lived_stale: true, ..good },
        ),
        (Step::LowerLocalPref, Candidate { local_pref: 200, hop_count: 9, ..candidate(9) }, good),
        (Step::LongerAsPath, Candidate { origin: 2, ..candidate(9) }, Candidate { hop_count: 3, ..good }),
        (Step::WorseOrigin, Candidate { med: 9, ..candidate(9) }, Candidate { origin: 1, ..good }),
        (Step::HigherMed, Candidate { internal: true, ..candidate(9) }, Candidate { med: 1, ..good }),
        (Step::Internal, Candidate { cost: 9, ..candidate(9) }, Candidate { internal: true, ..good }),
        (Step::HigherCost, candidate(9), Candidate { cost: 1, ..good }),
        (
            Step::HigherRouterId,
            Candidate { cluster_list: 9, router_id: Ipv4Addr::new(1, 1, 1, 1), ..candidate(9) },
            good,
        ),
        (
            Step::LongerClusterList,
            Candidate { router_id: good.router_id, ..candidate(9) },
            Candidate { cluster_list: 1, ..good },
        ),
        (Step::HigherPeerAddress, good, Candidate { router_id: good.router_id, ..candidate(9) }),
        (Step::HigherPathId, good, Candidate { path_id: 1, ..good }),
    ];
    for (step, winner, loser) in cases {
        for candidates in [[winner, loser], [loser, winner]] {
            let decision = decide(&candidates, ONE);
            let won =
                candidates.iter().position(|it| it.address == winner.address && it.path_id == winner.path_id);
            assert_eq!(decision.used.as_slice(), [won.expect("there")], "{step:?}");
            let lost = 1 - won.expect("there");
            assert_eq!(decision.lost[lost], Some(step));
            assert_eq!(better(&candidates, &decision, lost), won, "{step:?}");
        }
    }
}

#[test]
fn med_is_compared_within_a_neighbouring_as_alone() {
    // 1 loses to 2 by MED; 3 is of another AS and wins by router ID.
    let one = Candidate { med: 10, ..candidate(2) };
    let two = Candidate { med: 5, ..candidate(3) };
    let three = Candidate { med: 20, neighbour_as: 65009, ..candidate(1) };
    let candidates = [one, two, three];
    let decision = decide(&candidates, ONE);
    assert_eq!(decision.used.as_slice(), [2]);
    assert_eq!(decision.lost.as_slice(), [Some(Step::HigherMed), Some(Step::HigherRouterId), None]);
    // It did not lose to the best one.
    assert_eq!(better(&candidates, &decision, 0), Some(1));
}

#[test]
fn equally_good_routes_are_used_side_by_side() {
    let same_way = Candidate { way: way(1), ..candidate(4) };
    let other_as = Candidate { neighbour_as: 65009, ..candidate(3) };
    let longer = Candidate { hop_count: 3, ..candidate(5) };
    let all = [candidate(1), candidate(2), other_as, same_way, longer];
    assert_eq!(decide(&all, ALL).used.as_slice(), [0, 1, 2]);
    let strict = Multipath { relaxed_as_path: false, ..ALL };
    assert_eq!(decide(&all, strict).used.as_slice(), [0, 1]);
    assert_eq!(decide(&all, Multipath { external: 2, ..ALL }).used.as_slice(), [0, 1]);
    assert_eq!(decide(&all, ONE).used.as_slice(), [0]);
    // A limit of nothing still leaves the best one.
    assert_eq!(decide(&all, Multipath { external: 0, ..ALL }).used.as_slice(), [0]);
    let internal = all.map(|it| Candidate { internal: true, ..it });
    assert_eq!(decide(&internal, Multipath { internal: 2, ..ALL }).used.as_slice(), [0, 1]);
    let interfaces = [candidate(1), Candidate { way: Way { interface: 7, ..way(1) }, ..candidate(2) }];
    assert_eq!(
        decide(&interfaces, ALL).used.as_slice(),
        [0, 1],
        "one link-local address on two links is two ways"
    );
}

fn any_candidate(peer: u8) -> impl Strategy<Value = Candidate> {
    let numbers = (0..2u32, 0..2u16, 0..2u8, 0..3u32, 0..3u32, 0..2u32, 0..3u8, 0..2u16);
    (any::<[bool; 2]>(), numbers, 0..3u32).prop_map(
        move |([stale, internal], (pref, hops, origin, med, neighbour, cost, id, clusters), next_hop)| {
            Candidate {
                long_lived_stale: stale,
                local_pref: pref,
                hop_count: hops,
                origin,
                med,
                neighbour_as: neighbour,
                internal,
                cost,
                router_id: Ipv4Addr::new(1, 1, 1, id),
                cluster_list: clusters,
                way: way(next_hop),
                ..candidate(peer)
            }
        },
    )
}

/// RFC 4271 §9.1.2.2 as it reads: remove from consideration, step by step.
fn reference(candidates: &[Candidate]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let keep = |left: &mut Vec<usize>, key: &dyn Fn(&Candidate) -> u64| {
        let best = left.iter().map(|index| key(&candidates[*index])).min();
        left.retain(|index| Some(key(&candidates[*index])) == best);
    };
    keep(&mut left, &|it| u64::from(it.long_lived_stale));
    keep(&mut left, &|it| u64::from(u32::MAX - it.local_pref));
    keep(&mut left, &|it| u64::from(it.hop_count));
    keep(&mut left, &|it| u64::from(it.origin));
    let all = left.clone();
    left.retain(|m| {
        !all.iter().any(|n| {
            let (m, n) = (&candidates[*m], &candidates[*n]);
            n.neighbour_as == m.neighbour_as && n.med < m.med
        })
    });
    keep(&mut left, &|it| u64::from(it.internal));
    keep(&mut left, &|it| u64::from(it.cost));
    left.sort_by_key(|index| {
        let it = &candidates[*index];
        (it.router_id, it.cluster_list, it.address)
    });
    left
}

proptest! {
    #[test]
    fn the_outcome_is_that_of_the_text_and_of_any_order(
        (candidates, order) in (1..7u8).prop_flat_map(|count| {
            let candidates: Vec<_> = (1..=count).map(any_candidate).collect();
            (candidates, Just((0..usize::from(count)).collect::<Vec<_>>()).prop_shuffle())
        }),
        limit in 1..4usize,
    ) {
        let multipath = Multipath { external: limit, internal: limit, relaxed_as_path: true };
        let decision = decide(&candidates, multipath);
        let equal = reference(&candidates);
        prop_assert_eq!(decision.used.first(), equal.first());
        prop_assert!(decision.used.iter().all(|used| equal.contains(used)));
        prop_assert!(decision.used.len() <= limit);
        prop_assert_eq!(decision.lost.iter().filter(|lost| lost.is_none()).count(), 1, "one winner");

        let shuffled: Vec<_> = order.iter().map(|index| candidates[*index]).collect();
        let other: Vec<_> = decide(&shuffled, multipath).used.iter().map(|index| order[*index]).collect();
        prop_assert_eq!(other, decision.used.to_vec());
    }
}
