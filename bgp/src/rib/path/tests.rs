use super::*;
use crate::wire::AsPath;

fn attributes(number: u32) -> Attributes {
    Attributes { as_path: AsPath::sequence([65000, number]), med: Some(number), ..Attributes::default() }
}

fn via(number: u8) -> Option<NextHop> {
    Some(NextHop::V4(Ipv4Addr::new(10, 0, 0, number)))
}

#[test]
fn equal_paths_are_one_number() {
    let mut paths = Paths::default();
    let one = paths.intern(&attributes(1), via(1));
    assert_eq!(paths.intern(&attributes(1), via(1)), one);
    assert_ne!(paths.intern(&attributes(1), via(2)), one);
    assert_ne!(paths.intern(&attributes(1), None), one);
    assert_ne!(paths.intern(&attributes(2), via(1)), one);
    assert_eq!(paths.len(), 4);
    assert_eq!(paths.attributes(one), attributes(1));
    assert_eq!(paths.next_hop_of(one), via(1));
    let Path { local_pref, med, neighbour_as, hop_count, .. } = *paths.get(one);
    assert_eq!((local_pref, med, neighbour_as, hop_count), (100, 1, 65000, 2));
}

#[test]
fn a_sweep_keeps_what_is_marked_and_numbers_are_given_again() {
    let mut paths = Paths::default();
    let ids: Vec<_> = (0..10).map(|number| paths.intern(&attributes(number), via(1))).collect();
    assert!(paths.wants_sweep());
    paths.sweep(|mark| [3, 7, 7].iter().for_each(|index: &usize| mark(ids[*index])));
    assert_eq!(paths.len(), 2);
    assert!(!paths.wants_sweep());
    for index in [3u32, 7] {
        assert_eq!(paths.attributes(ids[index as usize]), attributes(index));
        assert_eq!(paths.intern(&attributes(index), via(1)), ids[index as usize], "still found");
    }
    let new = paths.intern(&attributes(99), via(1));
    assert!(new.0 < 10, "a free number");
    paths.sweep(|_| {});
    assert_eq!(paths.len(), 0);
}

#[test]
fn well_known_communities_are_told_from_others() {
    let communities = vec![Community(1), Community::NO_EXPORT, Community::LLGR_STALE];
    let known = WellKnown::of(&Attributes { communities, ..Attributes::default() });
    assert!(known.contains(Community::NO_EXPORT) && known.contains(Community::LLGR_STALE));
    assert!(!known.contains(Community::NO_ADVERTISE) && !known.contains(Community(1)));
}

#[test]
fn next_hops_live_as_long_as_their_paths() {
    let mut paths = Paths::default();
    let kept = paths.intern(&attributes(1), via(1));
    for number in 2..200 {
        paths.intern(&attributes(1), via(number));
        if paths.wants_sweep() {
            paths.sweep(|mark| mark(kept));
        }
    }
    assert!(paths.next_hops() <= 8, "{}", paths.next_hops());
    assert_eq!(paths.next_hop_of(kept), via(1));
    assert_eq!(paths.intern(&attributes(1), via(1)), kept);
}
