//! What becomes of a connection, case by case.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{
    Direction, EndpointId, EndpointProgram, PolicyId, PolicyKind, Profile, ProfileId, Program, Tier, TierEnd,
    Verdict,
};

use super::super::{Change, Entry};
use super::{Concerned, Job, MarkLayout, REVOKED, decide};
use crate::dataplane::nftables::table::Bits;

const POD: &str = "10.0.0.1";
const PEER: &str = "10.0.0.2";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn id() -> EndpointId {
    EndpointId { namespace: "default".to_owned(), name: "a".to_owned() }
}

/// The pod lets nobody in (`denied`) or everybody.
fn program(denied: bool) -> Program {
    let policy = PolicyId::namespaced(PolicyKind::NetworkPolicy, "default", "none");
    let end = if denied { TierEnd::Deny } else { TierEnd::Pass };
    let tier = Tier { name: "default".to_owned(), policies: vec![policy], rules: Vec::new(), end };
    let profile = Profile { direction: Direction::Ingress, tiers: vec![tier], fallback: Verdict::Allow };
    let id = ProfileId("p1".to_owned());
    let endpoint =
        EndpointProgram { addresses: [address(POD)].into(), ingress: Some(id.clone()), egress: None };
    Program {
        profiles: BTreeMap::from([(id, profile)]),
        endpoints: BTreeMap::from([(self::id(), endpoint)]),
        ..Program::default()
    }
}

fn job(concerned: Concerned) -> Job {
    Job {
        mark: MarkLayout::default(),
        ends: BTreeMap::from([((address(POD), Direction::Ingress), concerned)]),
        departed: BTreeSet::new(),
        unguarded: None,
    }
}

/// A datagram's connection from the peer to the pod, with this in the field of the pod's ingress and 5 in the other.
fn entry(field: u16) -> Entry {
    Entry::of_datagrams(address(PEER), address(POD), u32::from(field) << 12 | 5)
}

/// What the field becomes.
fn becomes(job: &Job, denied: bool, field: u16) -> Option<u16> {
    match decide(job, &program(denied), &entry(field)) {
        None => None,
        Some(Change::Mark(Bits { mask: 0x00ff_f000, value })) => Some(u16::try_from(value >> 12).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_denied_is_revoked_and_what_is_allowed_again_goes_back() {
    let narrowed = Concerned { narrowed: true, ..Concerned::new(id()) };
    let widened = Concerned { widened: true, ..Concerned::new(id()) };
    let cases = [
        (true, &narrowed, 7, Some(REVOKED)),
        (true, &narrowed, REVOKED, None),
        (true, &narrowed, 0, None),
        (false, &narrowed, 7, None),
        (false, &narrowed, REVOKED, None),
        (true, &widened, 7, None),
        (true, &widened, REVOKED, None),
        (false, &widened, REVOKED, Some(0)),
        (false, &widened, 7, None),
    ];
    for (denied, concerned, field, expected) in cases {
        assert_eq!(
            becomes(&job(concerned.clone()), denied, field),
            expected,
            "{denied} {concerned:?} {field}"
        );
    }
}

#[test]
fn of_old_generations_only_the_present_one_stays() {
    let restarted = Concerned { restarted: Some(1), ..Concerned::new(id()) };
    let job = job(restarted);
    assert_eq!(
        [0, 1, 2, 4094, REVOKED].map(|field| becomes(&job, false, field)),
        [None, None, Some(0), Some(0), None]
    );
}

#[test]
fn after_a_time_without_rules_all_but_the_nodes_own_are_judged() {
    let narrowed = Concerned { narrowed: true, ..Concerned::new(id()) };
    let unguarded = |own: &str| Job { unguarded: Some([address(own)].into()), ..job(narrowed.clone()) };
    assert_eq!(becomes(&unguarded("192.0.2.1"), true, 0), Some(REVOKED));
    assert_eq!(becomes(&unguarded(PEER), true, 0), None);
}

#[test]
fn others_connections_are_left_alone_and_those_of_the_departed_deleted() {
    let mut job = job(Concerned { narrowed: true, ..Concerned::new(id()) });
    let program = program(true);
    let elsewhere = Entry::of_datagrams(address(PEER), address("10.0.0.3"), 7 << 12);
    assert_eq!(decide(&job, &program, &elsewhere), None);
    // The pod began it: its own egress is none of this job's ends.
    assert_eq!(decide(&job, &program, &Entry::of_datagrams(address(POD), address(PEER), 7)), None);
    job.departed.insert(address("10.0.0.3"));
    assert_eq!(decide(&job, &program, &elsewhere), Some(Change::Delete));
}

#[test]
fn jobs_that_wait_become_one() {
    let mut first = job(Concerned { narrowed: true, ..Concerned::new(id()) });
    let second = Job {
        departed: [address(PEER)].into(),
        ..job(Concerned { widened: true, restarted: Some(1), ..Concerned::new(id()) })
    };
    first.absorb(second);
    let ends: Vec<&Concerned> = first.ends.values().collect();
    assert_eq!(ends, [&Concerned { endpoint: id(), narrowed: true, widened: true, restarted: Some(1) }]);
    assert_eq!(first.departed.len(), 1);
}
