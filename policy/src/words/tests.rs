use super::*;
use crate::evaluate::Transport;
use crate::program::{Family, PolicyId, PolicyKind, RuleOrigin};

fn rule_with(matches: Vec<Match>) -> Rule {
    let policy = PolicyId::namespaced(PolicyKind::NetworkPolicy, "shop", "p");
    Rule { origin: RuleOrigin { policy, rule: 0, name: None }, matches, action: Action::Allow }
}

fn program() -> Program {
    let mut program = Program::default();
    let address = |text: &str| text.parse().unwrap();
    let network = |text: &str| text.parse().unwrap();
    let few = Set::Networks(["10.0.0.0/8", "fd00::/8"].map(network).into());
    let pods = Set::Addresses(["10.0.0.1", "10.0.0.2"].map(address).into());
    let services = Set::AddressPorts([(address("10.0.0.1"), Protocol::Tcp, 80)].into());
    for (name, set) in [("few", few), ("pods", pods), ("services", services)] {
        program.sets.insert(SetId(name.to_owned()), set);
    }
    program
}

fn packet(source: &str, transport: Transport) -> Packet {
    let destination = if source.contains(':') { "fd00::9" } else { "10.9.9.9" };
    Packet { source: source.parse().unwrap(), destination: destination.parse().unwrap(), transport }
}

fn address(side: Side, set: &str, negated: bool) -> Match {
    Match::Address { side, set: SetId(set.to_owned()), negated }
}

#[test]
fn a_rule_says_what_it_compares_and_how_many_are_in_its_sets() {
    let tcp = Match::Protocol { number: 6, negated: false };
    let ports =
        Match::Ports { side: Side::Destination, ranges: vec![(80, 80), (8000, 8080)], negated: false };
    let words = |matches| rule(&program(), &rule_with(matches));
    assert_eq!(words(Vec::new()), "allow everything");
    assert_eq!(
        words(vec![tcp.clone(), address(Side::Source, "pods", false), ports]),
        "allow tcp, source among 2 addresses, to 80,8000-8080"
    );
    assert_eq!(
        words(vec![address(Side::Destination, "few", true)]),
        "allow destination not among 10.0.0.0/8, fd00::/8"
    );
    let served =
        Match::AddressPort { side: Side::Destination, set: SetId("services".to_owned()), negated: false };
    assert_eq!(words(vec![served]), "allow destination and its port among 1 address with a port");
    let icmp = Match::Icmp { family: Family::V4, kind: 3, code: Some(1), negated: true };
    assert_eq!(words(vec![icmp]), "allow icmp not 3/1");
    assert_eq!(words(vec![address(Side::Source, "lost", false)]), "allow source among a set that is missing");
}

#[test]
fn what_fails_first_is_told_with_what_the_packet_has() {
    let fails = |matches, packet: &Packet| failing(&program(), &rule_with(matches), packet);
    let web = packet("192.0.2.1", Transport::to_port(Protocol::Tcp, 81));
    let ports = |negated| Match::Ports { side: Side::Destination, ranges: vec![(80, 81)], negated };
    assert_eq!(fails(vec![ports(false)], &web), None);
    assert_eq!(
        fails(vec![ports(true)], &web).unwrap(),
        "the destination port is 81, which is excepted (80-81)"
    );
    assert_eq!(
        fails(vec![Match::Protocol { number: 17, negated: false }], &web).unwrap(),
        "it is tcp, not udp"
    );
    assert_eq!(
        fails(vec![address(Side::Source, "few", false)], &web).unwrap(),
        "the source 192.0.2.1 is not in 10.0.0.0/8, fd00::/8"
    );
    assert_eq!(
        fails(vec![address(Side::Source, "pods", false)], &web).unwrap(),
        "the source 192.0.2.1 is not selected"
    );
    assert_eq!(
        fails(vec![address(Side::Source, "lost", true)], &web).unwrap(),
        "its set of sources is missing"
    );
    let echo = packet("fd00::1", Transport::echo(Family::V6));
    assert_eq!(fails(vec![Match::Family(Family::V4)], &echo).unwrap(), "it is IPv6");
    let unreachable = Match::Icmp { family: Family::V6, kind: 1, code: None, negated: false };
    assert_eq!(fails(vec![unreachable], &echo).unwrap(), "it is icmpv6 128/0, not icmpv6 1");
}
