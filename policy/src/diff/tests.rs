use std::net::IpAddr;

use super::*;
use crate::evaluate::{Packet, Transport, evaluate};
use crate::program::Protocol;
use crate::scenario::{Scenario, endpoint_id, town};

const OUTSIDE: &str = "192.0.2.1";

fn compared(before: &Scenario, after: &Scenario) -> Difference {
    diff(&before.model(), &after.model(), &Limits::default())
}

fn who(who: &Who) -> String {
    match who {
        Who::Endpoints(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"),
        Who::Outside(networks) => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"),
    }
}

/// `shop/web > shop/db tcp 80 denied`, without what is outside.
fn inside(difference: &Difference) -> Vec<String> {
    let within = difference.changes.iter().filter(|change| {
        matches!((&change.sources, &change.destinations), (Who::Endpoints(_), Who::Endpoints(_)))
    });
    let mut lines: Vec<String> = within
        .map(|change| {
            let traffic: Vec<_> = change.traffic.iter().map(ToString::to_string).collect();
            let (from, to) = (who(&change.sources), who(&change.destinations));
            format!("{from} > {to} {} {}", traffic.join(", "), change.after)
        })
        .collect();
    lines.sort();
    lines
}

fn covers(change: &Change, packet: &Packet, names: &dyn Fn(IpAddr) -> Option<EndpointId>) -> bool {
    let is = |who: &Who, address: IpAddr| match (who, names(address)) {
        (Who::Endpoints(ids), Some(id)) => ids.contains(&id),
        (Who::Outside(networks), None) => networks.iter().any(|network| network.contains(address)),
        (Who::Endpoints(_), None) | (Who::Outside(_), Some(_)) => false,
    };
    let port = |ranges: &[(u16, u16)], port: u16| {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
    };
    let carries = |traffic: &Traffic| match (traffic, packet.transport) {
        (Traffic::Everything, _) => true,
        (
            Traffic::Ports { protocol, sources, destinations },
            Transport::Port { protocol: of, source, destination },
        ) => *protocol == of && port(sources, source) && port(destinations, destination),
        // No rule of these tests names a message or another protocol.
        (Traffic::Icmp { kind: None, .. }, Transport::Icmp { .. }) => true,
        (Traffic::Protocol(None), Transport::Other(_)) => true,
        _ => false,
    };
    (names(packet.source).is_none() || names(packet.source) != names(packet.destination))
        && change.families.contains(&packet.family())
        && is(&change.sources, packet.source)
        && is(&change.destinations, packet.destination)
        && change.traffic.iter().any(carries)
}

/// Every packet between these, and with these ports, changes exactly if the difference says so, and so.
#[track_caller]
fn agrees(before: &Scenario, after: &Scenario) {
    let (old, new) = (before.model(), after.model());
    let all: BTreeSet<EndpointId> = old.endpoints.keys().cloned().collect();
    let (old_program, new_program) = (compile(&old, &all), compile(&new, &all));
    let difference = compared(before, after);
    assert_eq!(difference.stopped, None);
    let names = |address: IpAddr| {
        old.endpoints
            .values()
            .find(|endpoint| endpoint.addresses.contains(&address))
            .map(|found| found.id.clone())
    };
    let mut addresses: Vec<IpAddr> =
        old.endpoints.values().flat_map(|endpoint| endpoint.addresses.clone()).collect();
    for outside in [OUTSIDE, "10.0.0.77", "10.0.1.77", "172.16.0.1", "2001:db8::1", "fd00::77"] {
        addresses.push(outside.parse().unwrap());
    }
    let mut transports = vec![Transport::Other(47), Transport::Icmp { kind: 8, code: 0 }];
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for port in [1, 53, 79, 80, 81, 90, 91, 443, 5432, 6543, 65535] {
            transports.push(Transport::to_port(protocol, port));
        }
    }
    let mut changed = 0;
    for source in &addresses {
        for destination in addresses.iter().filter(|to| to.is_ipv4() == source.is_ipv4()) {
            for transport in &transports {
                let packet = Packet { source: *source, destination: *destination, transport: *transport };
                let was = evaluate(&old_program, &packet).verdict();
                let would_be = evaluate(&new_program, &packet).verdict();
                let told: Vec<_> =
                    difference.changes.iter().filter(|change| covers(change, &packet, &names)).collect();
                match (was == would_be, told.as_slice()) {
                    (true, []) => {}
                    (false, [change]) => {
                        changed += 1;
                        assert_eq!((change.before, change.after), (was, would_be), "{packet:?}");
                    }
                    (_, told) => panic!("{packet:?}: {was} and then {would_be}, but {told:#?}"),
                }
            }
        }
    }
    assert_eq!(changed == 0, difference.changes.is_empty());
}

#[test]
fn nothing_changes_where_nothing_is_changed() {
    let scenario = town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}");
    assert_eq!(compared(&scenario, &scenario), Difference::default());
    // Said in another way.
    let same = town().policy("shop/p", "{ingress: [{ports: [{port: 80, protocol: TCP}, {port: 80}]}]}");
    assert_eq!(compared(&scenario, &same), Difference::default());
}

#[test]
fn isolation_changes_all_but_what_is_allowed() {
    let after = town().policy(
        "shop/p",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 90}]}]}",
    );
    let difference = compared(&town(), &after);
    assert_eq!(
        inside(&difference),
        [
            "bank/vault+bank/web > shop/db everything denied",
            "shop/web > shop/db tcp 0-79,91-65535, udp, sctp, icmp, other protocols denied",
        ]
    );
    assert_eq!(difference.endpoints, [(endpoint_id("shop/db"), Direction::Ingress)].into());
    let reasons = &difference.changes[0].because;
    assert_eq!(
        reasons.after.iter().collect::<Vec<_>>(),
        ["denied: selected by shop/p and no rule allows it"]
    );
    assert_eq!(reasons.before.iter().collect::<Vec<_>>(), ["allowed: no policy selects it for ingress"]);
    agrees(&town(), &after);
    agrees(&after, &town());
}

#[test]
fn what_the_other_end_denies_anyway_does_not_change() {
    let closed = town().policy(
        "bank/closed",
        "{policyTypes: [Egress], podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 80}]}]}",
    );
    let after = closed.clone().policy("shop/p", "{podSelector: {matchLabels: {app: db}}}");
    assert_eq!(
        inside(&compared(&closed, &after)),
        ["bank/vault+shop/web > shop/db everything denied", "bank/web > shop/db tcp 80 denied"]
    );
    agrees(&closed, &after);
}

#[test]
fn a_change_at_both_ends_is_told_once() {
    let after = town()
        .policy("shop/in", "{ingress: [{from: [{podSelector: {}}], ports: [{port: 80}, {port: sql}]}]}")
        .policy("shop/out", "{policyTypes: [Egress], egress: [{ports: [{port: 443}, {port: 80}]}]}")
        .policy(
            "bank/out",
            "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 80}]}]}",
        );
    agrees(&town(), &after);
    agrees(&after, &town());
}

#[test]
fn blocks_and_names_of_ports_are_classes_too() {
    let block = "{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24]}}";
    let before = town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"));
    let after = town().policy(
        "shop/p",
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/15}}], ports: [{port: sql}, {port: dns, protocol: UDP}]}]}",
    );
    agrees(&before, &after);
    let named = town().policy(
        "shop/q",
        "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: sql}]}]}",
    );
    agrees(&before, &named);
    agrees(&named, &after);
}

#[test]
fn too_much_is_said_to_be() {
    let after = town().policy("shop/p", "{}");
    let few = Limits { packets: 3, ..Limits::default() };
    let difference = diff(&town().model(), &after.model(), &few);
    assert_eq!(difference.stopped, Some(Stopped::Packets(3)));
    assert!(difference.packets <= 3);
    let none = Limits { selections: 1, ..Limits::default() };
    assert_eq!(diff(&town().model(), &after.model(), &none).stopped, Some(Stopped::Selections(1)));
}

#[test]
fn the_others_of_an_endpoints_network_are_outside() {
    let after = town()
        .policy("shop/p", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}");
    let difference = compared(&town(), &after);
    let outside: Vec<_> =
        difference.changes.iter().filter(|change| matches!(change.sources, Who::Outside(_))).collect();
    let expected: Vec<BTreeSet<Family>> = vec![[Family::V4].into(), [Family::V6].into()];
    assert_eq!(outside.iter().map(|change| change.families.clone()).collect::<Vec<_>>(), expected);
    for change in outside {
        assert_eq!(change.traffic, [Traffic::Everything]);
    }
}
