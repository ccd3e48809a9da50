//! What a rule matches by itself: protocols, ICMP, networks, ports. All of it must hold.

use super::OUTSIDE;
use crate::scenario::{Scenario, town};

/// In the shop, only this is let in.
fn only(rule: &str) -> Scenario {
    town().own("shop/p", &format!("{{ingress: [{{action: Allow, {rule}}}]}}"))
}

#[test]
fn protocols_are_names_or_numbers() {
    for (rule, allowed) in [
        ("protocol: TCP", [true, false, false, false, false]),
        ("protocol: 6", [true, false, false, false, false]),
        ("protocol: UDP", [false, true, false, false, false]),
        ("protocol: SCTP", [false, false, true, false, false]),
        ("protocol: ICMP", [false, false, false, true, false]),
        ("protocol: 47", [false, false, false, false, true]),
        ("notProtocol: TCP", [false, true, true, true, true]),
        ("notProtocol: 1", [true, true, true, false, true]),
        ("protocol: TCP, notProtocol: UDP", [true, false, false, false, false]),
        ("protocol: TCP, notProtocol: TCP", [false; 5]),
        ("protocol: UDPLite", [false; 5]),
    ] {
        let scenario = only(rule);
        let services = ["tcp/80", "udp/80", "sctp/80", "icmp", "47"];
        assert_eq!(services.map(|service| scenario.allows(OUTSIDE, "shop/db", service)), allowed, "{rule}");
    }
    only("protocol: UDPLite").check(&[(OUTSIDE, "shop/db", "136", true)]);
}

#[test]
fn versions_of_ip_are_told_apart() {
    only("ipVersion: 4")
        .check(&[(OUTSIDE, "shop/db", "tcp/80", true), ("2001:db8::1", "fd00::2", "tcp/80", false)]);
    only("ipVersion: 6")
        .check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("2001:db8::1", "fd00::2", "tcp/80", true)]);
    // No packet is both.
    only("protocol: ICMP, ipVersion: 6")
        .check(&[(OUTSIDE, "shop/db", "icmp", false), ("2001:db8::1", "fd00::2", "icmp", false)]);
    only("protocol: ICMPv6")
        .check(&[(OUTSIDE, "shop/db", "icmp", false), ("2001:db8::1", "fd00::2", "icmp", true)]);
}

#[test]
fn icmp_is_told_apart_by_type_and_code() {
    for (rule, echo, unreachable, port_unreachable, tcp) in [
        ("protocol: ICMP", true, true, true, false),
        ("protocol: ICMP, icmp: {type: 8}", true, false, false, false),
        ("protocol: ICMP, icmp: {type: 3}", false, true, true, false),
        ("protocol: ICMP, icmp: {type: 3, code: 3}", false, false, true, false),
        ("protocol: ICMP, notICMP: {type: 8}", false, true, true, false),
        ("protocol: ICMP, notICMP: {type: 3, code: 3}", true, true, false, false),
        ("protocol: ICMP, icmp: {type: 3}, notICMP: {type: 3, code: 3}", false, true, false, false),
        ("protocol: ICMP, icmp: {}", true, true, true, false),
    ] {
        let scenario = only(rule);
        let services = ["icmp/8/0", "icmp/3/1", "icmp/3/3", "tcp/80"];
        let allowed = services.map(|service| scenario.allows(OUTSIDE, "shop/db", service));
        assert_eq!(allowed, [echo, unreachable, port_unreachable, tcp], "{rule}");
        assert!(!scenario.allows("2001:db8::1", "fd00::2", "icmp/8/0"), "{rule}");
    }
    only("protocol: ICMPv6, icmp: {type: 128}").check(&[
        ("2001:db8::1", "fd00::2", "icmp/128/0", true),
        ("2001:db8::1", "fd00::2", "icmp/8/0", false),
        (OUTSIDE, "shop/db", "icmp/128/0", false),
    ]);
}

#[test]
fn networks_are_a_choice_and_their_negation_takes_all() {
    let allowed = |rule: &str| {
        let scenario = only(rule);
        ["192.0.2.1", "192.0.2.200", "198.51.100.1", "shop/web"]
            .map(|from| scenario.allows(from, "10.0.0.2", "tcp/80"))
    };
    assert_eq!(allowed("source: {nets: [192.0.2.0/25]}"), [true, false, false, false]);
    assert_eq!(allowed("source: {nets: [192.0.2.0/25, 198.51.100.1]}"), [true, false, true, false]);
    assert_eq!(allowed("source: {nets: [192.0.2.1/24]}"), [true, true, false, false]);
    assert_eq!(allowed("source: {nets: [10.0.0.0/8]}"), [false, false, false, true]);
    assert_eq!(allowed("source: {notNets: [192.0.2.0/25]}"), [false, true, true, true]);
    assert_eq!(allowed("source: {notNets: [192.0.2.0/25, 10.0.0.0/8]}"), [false, true, true, false]);
    assert_eq!(
        allowed("source: {nets: [192.0.2.0/24], notNets: [192.0.2.0/25]}"),
        [false, true, false, false]
    );
    assert_eq!(allowed("source: {notNets: [0.0.0.0/0]}"), [false; 4]);
    assert_eq!(allowed("source: {nets: ['::/0']}"), [false; 4]);
    assert_eq!(allowed("source: {notNets: ['::/0']}"), [true; 4]);
    only("source: {notNets: [0.0.0.0/0]}").check(&[("2001:db8::1", "fd00::2", "tcp/80", true)]);
    // The other end counts too: of ingress it is the pod itself.
    assert_eq!(allowed("destination: {nets: [10.0.0.2/32]}"), [true; 4]);
    assert_eq!(allowed("destination: {notNets: [10.0.0.2/32]}"), [false; 4]);
    assert_eq!(
        allowed("source: {nets: [192.0.2.0/24]}, destination: {nets: [10.0.0.0/24]}"),
        [true, true, false, false]
    );
}

#[test]
fn ports_are_numbers_ranges_and_names() {
    let allowed = |rule: &str| {
        let scenario = only(rule);
        ["tcp/79", "tcp/80", "tcp/443", "tcp/5432", "udp/53"]
            .map(|service| scenario.allows(OUTSIDE, "shop/db", service))
    };
    let to =
        |protocol: &str, ports: &str| allowed(&format!("protocol: {protocol}, destination: {{{ports}}}"));
    assert_eq!(to("TCP", "ports: [80]"), [false, true, false, false, false]);
    assert_eq!(to("TCP", "ports: [80, 443]"), [false, true, true, false, false]);
    assert_eq!(to("TCP", "ports: ['79:80', 443]"), [true, true, true, false, false]);
    assert_eq!(to("TCP", "ports: [sql]"), [false, false, false, true, false]);
    assert_eq!(to("TCP", "ports: [sql, 80]"), [false, true, false, true, false]);
    assert_eq!(to("UDP", "ports: [sql]"), [false; 5]);
    assert_eq!(to("UDP", "ports: [dns]"), [false, false, false, false, true]);
    assert_eq!(to("TCP", "notPorts: [80]"), [true, false, true, true, false]);
    assert_eq!(to("TCP", "notPorts: ['1:100', sql]"), [false, false, true, false, false]);
    assert_eq!(to("TCP", "notPorts: [dns]"), [true, true, true, true, false]);
    assert_eq!(to("TCP", "ports: ['1:1000'], notPorts: [80]"), [true, false, true, false, false]);
    assert_eq!(to("TCP", "ports: ['1:65535']"), [true, true, true, true, false]);
}

#[test]
fn ports_of_the_source_count_as_well() {
    let scenario = only("protocol: UDP, source: {ports: [53, '1000:2000']}");
    let from = |port: u16| scenario.allows(OUTSIDE, "shop/db", &format!("udp/{port}>9999"));
    assert_eq!([53, 54, 999, 1000, 2000, 2001].map(from), [true, false, false, true, true, false]);
    let scenario = only("protocol: TCP, source: {ports: [sql]}");
    scenario.check(&[
        ("bank/vault", "shop/db", "tcp/6543>1", true),
        ("bank/vault", "shop/db", "tcp/5432>1", false),
        (OUTSIDE, "shop/db", "tcp/6543>1", false),
    ]);
    only("protocol: TCP, source: {notPorts: ['1:1023']}")
        .check(&[(OUTSIDE, "shop/db", "tcp/1023>80", false), (OUTSIDE, "shop/db", "tcp/1024>80", true)]);
}

#[test]
fn names_on_egress_are_each_destinations() {
    let egress = "{egress: [{action: Allow, protocol: TCP, destination: {ports: [sql]}}]}";
    town().global("p", egress).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "bank/vault", "tcp/6543", true),
        ("shop/web", "bank/vault", "tcp/5432", false),
        ("shop/web", OUTSIDE, "tcp/5432", false),
    ]);
    let selected =
        "{egress: [{action: Allow, protocol: TCP, destination: {selector: \"app == 'db'\", ports: [sql]}}]}";
    town()
        .global("p", selected)
        .check(&[("shop/web", "shop/db", "tcp/5432", true), ("shop/web", "bank/vault", "tcp/6543", false)]);
    let others = "{egress: [{action: Allow, protocol: TCP, destination: {notPorts: [sql]}}]}";
    town().global("p", others).check(&[
        ("shop/web", "shop/db", "tcp/5432", false),
        ("shop/web", "bank/vault", "tcp/5432", true),
        ("shop/web", OUTSIDE, "tcp/5432", true),
    ]);
}

#[test]
fn the_first_rule_that_matches_acts() {
    let rules = "{action: Deny, protocol: TCP, destination: {ports: [22]}}, {action: Allow, protocol: TCP}, {action: Deny}";
    let scenario = town().own("shop/p", &format!("{{ingress: [{rules}]}}"));
    scenario.check(&[
        (OUTSIDE, "shop/db", "tcp/22", false),
        (OUTSIDE, "shop/db", "tcp/23", true),
        (OUTSIDE, "shop/db", "udp/23", false),
    ]);
}
