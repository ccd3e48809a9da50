//! What the kernel refuses of one policy, and what the others notice of it: nothing.

use policy::program::{Direction, Match, ProfileId, Program, Protocol, Side};

use crate::fabric::{Fabric, PATIENCE, POD_A, POD_B, connect, is_dropped, listen, passes};
use crate::programs::{Builder, addresses, endpoint_id, is_in, port};

/// A name that no set in the kernel can have.
fn unnameable() -> String {
    "s".repeat(300)
}

fn let_in(a: Vec<Vec<Match>>, b: Vec<Vec<Match>>, profiles: [&str; 2]) -> Builder {
    let [to_a, to_b] = profiles;
    Builder::default()
        .set(&unnameable(), addresses(&POD_A))
        .profile(to_a, Direction::Ingress, a)
        .profile(to_b, Direction::Ingress, b)
        .endpoint("a", &POD_A, Some(to_a), None)
        .endpoint("b", &POD_B, Some(to_b), None)
}

fn tcp(number: u16) -> Vec<Match> {
    port(Protocol::Tcp, number)
}

fn refused() -> Vec<Match> {
    vec![is_in(Side::Source, &unnameable())]
}

/// In the program, and of it alone: the endpoints that the outcome complains of.
fn complaints(fabric: &mut Fabric, policy: &Builder) -> Vec<String> {
    fabric.enforce(policy).unfulfilled.into_keys().map(|id| id.name).collect()
}

#[test]
fn one_endpoints_refused_policy_harms_no_other() {
    let mut fabric = Fabric::new();
    let _servers = [80, 81].map(|number| listen(&fabric.b, POD_B[0], number));
    let _others = [80, 81].map(|number| listen(&fabric.a, POD_A[0], number));
    assert!(complaints(&mut fabric, &let_in(vec![tcp(80)], vec![tcp(80)], ["p1", "p2"])).is_empty());
    // A wider policy for pod b cannot be had: it keeps what it has, while pod a gets what is new.
    let wider = let_in(vec![tcp(81)], vec![tcp(80), refused()], ["p3", "p4"]);
    assert_eq!(complaints(&mut fabric, &wider), ["b"]);
    passes(&fabric.a, POD_B[0], 80);
    is_dropped(&fabric.a, POD_B[0], 81);
    passes(&fabric.b, POD_A[0], 81);
    is_dropped(&fabric.b, POD_A[0], 80);
    // Again: nothing is tried that was refused already, and nothing changes.
    let again = fabric.enforce(&wider);
    assert_eq!((again.applied.changes, again.unfulfilled.len()), (0, 1));
    // A narrower one cannot be had: it is closed.
    let narrower = let_in(vec![tcp(81)], vec![refused()], ["p3", "p5"]);
    assert_eq!(complaints(&mut fabric, &narrower), ["b"]);
    is_dropped(&fabric.a, POD_B[0], 80);
    passes(&fabric.b, POD_A[0], 81);
    // One that can be had opens it again.
    assert!(complaints(&mut fabric, &let_in(vec![tcp(81)], vec![tcp(80)], ["p3", "p2"])).is_empty());
    passes(&fabric.a, POD_B[0], 80);
}

#[test]
fn a_policy_that_is_refused_from_the_start_closes_its_endpoint() {
    let mut fabric = Fabric::new();
    let _servers = [(&fabric.a, POD_A[0]), (&fabric.b, POD_B[0])].map(|(pod, at)| listen(pod, at, 80));
    let policy = let_in(vec![tcp(80)], vec![tcp(80), refused()], ["p1", "p2"]);
    assert_eq!(complaints(&mut fabric, &policy), ["b"]);
    is_dropped(&fabric.a, POD_B[0], 80);
    passes(&fabric.b, POD_A[0], 80);
    // The node's own probes pass all the same.
    passes(&fabric.node, POD_B[0], 80);
}

#[test]
fn an_endpoint_without_its_profile_is_closed_and_says_so() {
    let mut fabric = Fabric::new();
    let _server = listen(&fabric.b, POD_B[0], 80);
    let mut policy = let_in(vec![tcp(80)], vec![tcp(80)], ["p1", "p2"]);
    policy.0.sets.clear();
    let Program { profiles, .. } = &mut policy.0;
    profiles.remove(&ProfileId("p2".to_owned()));
    let enforced = fabric.enforce(&policy);
    assert_eq!(enforced.unfulfilled[&endpoint_id("b")], "its policies were not compiled");
    assert!(connect(&fabric.node, POD_B[0], 80, PATIENCE).is_ok());
    is_dropped(&fabric.a, POD_B[0], 80);
}
