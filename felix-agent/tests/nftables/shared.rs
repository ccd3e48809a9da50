//! Selectors that share a set of the kernel, beside those that have one each: packets must not tell.

use policy::program::{Direction, Match, Protocol, SetId, Side};

use crate::fabric::{Fabric, NODE, OUTSIDE, POD_A, POD_B, is_dropped, listen, passes};
use crate::programs::{Builder, addresses, and, is_in, networks, port};

fn is_not_in(set: &str) -> Match {
    Match::Address { side: Side::Source, set: SetId(set.to_owned()), negated: true }
}

/// Port 80 for the ones, 81 for the others, 82 for whoever is none of the ones, 83 for a network.
fn policy(ones: &[&str], others: &[&str]) -> Builder {
    let rules = vec![
        and(is_in(Side::Source, "s00000000000000a1"), port(Protocol::Tcp, 80)),
        and(is_in(Side::Source, "s00000000000000a2"), port(Protocol::Tcp, 81)),
        and(is_not_in("s00000000000000a1"), port(Protocol::Tcp, 82)),
        and(is_in(Side::Source, "s00000000000000a3"), port(Protocol::Tcp, 83)),
    ];
    Builder::default()
        .set("s00000000000000a1", addresses(ones))
        .set("s00000000000000a2", addresses(others))
        .set("s00000000000000a3", networks(&["10.0.0.0/8", "fd00::/16"]))
        .profile("p1", Direction::Ingress, rules)
        .endpoint("a", &POD_A, None, None)
        .endpoint("b", &POD_B, Some("p1"), None)
}

#[test]
fn packets_do_not_tell_whether_selectors_share_a_set() {
    for (shared_from, sets) in [(usize::MAX, 10), (0, 8)] {
        let mut fabric = Fabric::new();
        fabric.options.shared_from = shared_from;
        fabric.enforce(&policy(&POD_A, &OUTSIDE));
        let listed = fabric.node.list();
        assert_eq!(listed.matches("\ttype ").count() - 3, sets, "{listed}");
        for b in POD_B {
            let _servers = [80, 81, 82, 83].map(|port| listen(&fabric.b, b, port));
            passes(&fabric.a, b, 80);
            is_dropped(&fabric.a, b, 81);
            is_dropped(&fabric.a, b, 82);
            passes(&fabric.a, b, 83);
            is_dropped(&fabric.outside, b, 80);
            passes(&fabric.outside, b, 81);
            passes(&fabric.outside, b, 82);
            is_dropped(&fabric.outside, b, 83);
        }
        // Who was one is another, and the node (whose own packets are never judged) makes up the numbers.
        fabric.enforce(&policy(&[NODE[0], OUTSIDE[0]], &POD_A));
        let b = POD_B[0];
        let _servers = [80, 81, 82].map(|port| listen(&fabric.b, b, port));
        is_dropped(&fabric.a, b, 80);
        passes(&fabric.a, b, 81);
        passes(&fabric.a, b, 82);
        passes(&fabric.outside, b, 80);
        is_dropped(&fabric.outside, b, 82);
    }
}

#[test]
fn a_shared_set_reads_back_as_it_was_written() {
    let mut fabric = Fabric::new();
    fabric.options.shared_from = 0;
    let policy = policy(&POD_A, &OUTSIDE);
    // Twice, for connections may begin in the middle at first.
    fabric.enforce(&policy);
    fabric.enforce(&policy);
    fabric.restart();
    assert_eq!(fabric.enforce(&policy).applied.changes, 0);
}
