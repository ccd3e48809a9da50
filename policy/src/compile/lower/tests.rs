//! What own policies add: conditions on either end, tiers and their order, and what is staged.

use std::collections::BTreeSet;

use super::*;
use crate::compile::{compile, compile_pending};
use crate::evaluate::{Packet, Transport, evaluate};
use crate::model::{self, *};
use crate::program::{Action, Family, ProfileId, Program, Set, TierEnd, Verdict};
use crate::scenario::{endpoint_id, ids, town};

/// A policy for all pods of `shop`, in the tier default.
fn policy(name: &str, ingress: Option<Vec<PolicyRule>>, egress: Option<Vec<PolicyRule>>) -> Policy {
    Policy {
        id: PolicyId::namespaced(PolicyKind::FabricNetworkPolicy, "shop", name),
        tier: DEFAULT_TIER.to_owned(),
        order: Order::LAST,
        subject: own("all()"),
        ingress,
        egress,
        problems: vec![],
    }
}

/// What is selected in `shop`.
fn own(text: &str) -> EndpointSelector {
    EndpointSelector::own(NamespaceScope::Named("shop".to_owned()), text.parse().unwrap())
}

fn anywhere(text: &str) -> EndpointSelector {
    EndpointSelector::own(NamespaceScope::Everywhere, text.parse().unwrap())
}

fn when(action: Action, conditions: Conditions) -> PolicyRule {
    PolicyRule { conditions, ..PolicyRule::everything(action) }
}

fn tcp(action: Action, conditions: Conditions) -> PolicyRule {
    PolicyRule { services: Some(vec![Service::Protocol(6)]), ..when(action, conditions) }
}

fn from(source: Entity) -> Conditions {
    Conditions { source, ..Conditions::default() }
}

fn to(destination: Entity) -> Conditions {
    Conditions { destination, ..Conditions::default() }
}

fn with(policies: impl IntoIterator<Item = Policy>) -> Model {
    let mut model = town().model();
    model.policies = policies.into_iter().map(|policy| (policy.id.clone(), policy)).collect();
    model
}

fn all(model: &Model) -> Program {
    compile(model, &model.endpoints.keys().cloned().collect())
}

fn packet(from: &str, to: &str, service: &str) -> Packet {
    town().packet(from, to, service)
}

fn passes(program: &Program, packet: &Packet) -> bool {
    evaluate(program, packet).verdict() == Verdict::Allow
}

#[track_caller]
fn check(model: &Model, packets: &[(&str, &str, &str, bool)]) {
    let program = all(model);
    for (from, to, service, allowed) in packets {
        assert_eq!(
            passes(&program, &packet(from, to, service)),
            *allowed,
            "{from} -> {to} {service}\n{program}"
        );
    }
}

#[test]
fn networks_and_their_opposites() {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let allowing = |entity| with([policy("p", Some(vec![when(Action::Allow, from(entity))]), None)]);
    let inside =
        Entity { nets: Some(nets(&["10.0.0.0/8"])), not_nets: nets(&["10.0.1.2/32"]), ..Entity::default() };
    let model = allowing(inside);
    check(
        &model,
        &[
            ("bank/web", "shop/db", "tcp/80", true),
            ("bank/vault", "shop/db", "tcp/80", false),
            ("192.0.2.1", "shop/db", "tcp/80", false),
        ],
    );
    assert_eq!(all(&model).sets.len(), 1, "the exceptions are subtracted");
    let outside = Entity { not_nets: nets(&["10.0.0.0/8"]), ..Entity::default() };
    check(
        &allowing(outside),
        &[
            ("bank/web", "shop/db", "tcp/80", false),
            ("192.0.2.1", "shop/db", "tcp/80", true),
            ("fd00::1:1", "fd00::2", "tcp/80", true),
        ],
    );
    let nobody = Entity { nets: Some(vec![]), ..Entity::default() };
    let swallowed =
        Entity { nets: Some(nets(&["10.0.0.0/8"])), not_nets: nets(&["10.0.0.0/7"]), ..Entity::default() };
    for entity in [nobody, swallowed] {
        check(&allowing(entity), &[("bank/web", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn selectors_select_networks_too_and_their_opposites_whoever_is_left() {
    let networks = NetworkSet {
        labels: [("app".to_owned(), "web".to_owned())].into(),
        networks: ["192.0.2.0/25", "192.0.2.64/26"].map(|text| text.parse().unwrap()).into(),
    };
    let id = NetworkSetId { namespace: None, name: "office".to_owned() };
    let with_set = |entity| {
        let mut model = with([policy("p", Some(vec![when(Action::Allow, from(entity))]), None)]);
        model.network_sets.insert(id.clone(), networks.clone());
        model
    };
    let packets = |allowed: [bool; 4]| {
        ["bank/web", "bank/vault", "192.0.2.1", "192.0.2.129"]
            .into_iter()
            .zip(allowed)
            .map(|(from, allowed)| (from, "shop/db", "tcp/80", allowed))
            .collect::<Vec<_>>()
    };
    let web = || Some(anywhere("app == 'web'"));
    let selected = with_set(Entity { selector: web(), ..Entity::default() });
    check(&selected, &packets([true, false, true, false]));
    check(
        &with_set(Entity { not_selector: web(), ..Entity::default() }),
        &packets([false, true, false, true]),
    );
    let local = Entity { selector: Some(own("app == 'web'")), ..Entity::default() };
    check(&with_set(local), &packets([false, false, false, false]));

    // Rules do not depend on who is selected.
    let mut without = selected.clone();
    without.network_sets.clear();
    assert_eq!(all(&without).profiles, all(&selected).profiles);
    let disjoint = all(&selected).sets.into_values().find(|set| matches!(set, Set::Networks(_)));
    assert_eq!(disjoint, Some(Set::Networks(["192.0.2.0/25".parse().unwrap()].into())));
}

#[test]
fn ports_of_either_end_by_number_and_name() {
    let named = |name: &str| PortMatch::Named(name.to_owned());
    let allow = |conditions| Some(vec![tcp(Action::Allow, conditions)]);
    let ports = |ports: Vec<PortMatch>| Entity { ports: Some(ports), ..Entity::default() };
    // The endpoint's own name, and a number.
    let model = with([policy("p", allow(to(ports(vec![named("sql"), PortMatch::Range(80, 81)]))), None)]);
    check(
        &model,
        &[
            ("bank/web", "shop/db", "tcp/5432", true),
            ("bank/web", "shop/web", "tcp/5432", false),
            ("bank/web", "shop/web", "tcp/81", true),
            ("bank/web", "shop/web", "udp/81", false),
        ],
    );
    // The other end's, which differs from one to the other.
    let model = with([policy("p", None, allow(to(ports(vec![named("sql"), PortMatch::Range(22, 22)]))))]);
    check(
        &model,
        &[
            ("shop/web", "shop/db", "tcp/5432", true),
            ("shop/web", "bank/vault", "tcp/6543", true),
            ("shop/web", "bank/vault", "tcp/5432", false),
            ("shop/web", "192.0.2.1", "tcp/22", true),
        ],
    );
    let not = Entity { not_ports: vec![named("sql"), PortMatch::Range(22, 22)], ..Entity::default() };
    check(
        &with([policy("p", None, allow(to(not)))]),
        &[
            ("shop/web", "shop/db", "tcp/5432", false),
            ("shop/web", "bank/vault", "tcp/5432", true),
            ("shop/web", "192.0.2.1", "tcp/22", false),
            ("shop/web", "192.0.2.1", "udp/23", false),
        ],
    );
    // Where it comes from: of the other end on ingress, one's own on egress.
    let program = all(&with([policy(
        "p",
        allow(from(ports(vec![named("sql")]))),
        allow(from(ports(vec![named("sql")]))),
    )]));
    let with_source = |from, to, source| Packet {
        transport: Transport::Port { protocol: Protocol::Tcp, source, destination: 1 },
        ..packet(from, to, "tcp/1")
    };
    assert!(passes(&program, &with_source("bank/vault", "shop/db", 6543)));
    assert!(!passes(&program, &with_source("bank/vault", "shop/db", 5432)));
    assert!(passes(&program, &with_source("shop/db", "bank/web", 5432)));
    assert!(!passes(&program, &with_source("shop/web", "bank/web", 5432)));
}

#[test]
fn ports_of_what_has_none() {
    let ports = Entity { ports: Some(vec![PortMatch::Range(1, 65535)]), ..Entity::default() };
    let not_ports = Entity { not_ports: vec![PortMatch::Range(1, 65535)], ..Entity::default() };
    for (entity, allowed) in [(ports, false), (not_ports, true)] {
        for services in [None, Some(vec![Service::Protocol(1)])] {
            let rule = PolicyRule { services, ..when(Action::Allow, to(entity.clone())) };
            check(&with([policy("p", Some(vec![rule]), None)]), &[("bank/web", "shop/db", "icmp", allowed)]);
        }
    }
}

#[test]
fn services_are_what_is_behind_them() {
    let id = ServiceId { namespace: "bank".to_owned(), name: "vault".to_owned() };
    let behind = Entity { service: Some(id.clone()), ..Entity::default() };
    let rules = |conditions| Some(vec![when(Action::Allow, conditions)]);
    let mut model = with([policy("p", rules(from(behind.clone())), rules(to(behind)))]);
    model.services.insert(id, [("10.0.1.2".parse().unwrap(), Protocol::Tcp, 6543)].into());
    check(
        &model,
        &[
            ("shop/web", "bank/vault", "tcp/6543", true),
            ("shop/web", "bank/vault", "tcp/80", false),
            ("shop/web", "bank/vault", "udp/6543", false),
            ("bank/vault", "shop/db", "udp/1", true),
            ("bank/web", "shop/db", "udp/1", false),
        ],
    );
    model.services.clear();
    check(&model, &[("shop/web", "bank/vault", "tcp/6543", false)]);
}

#[test]
fn families_protocols_and_icmp() {
    let only = |conditions| with([policy("p", Some(vec![when(Action::Allow, conditions)]), None)]);
    check(
        &only(Conditions { family: Some(Family::V6), ..Conditions::default() }),
        &[("bank/web", "shop/db", "tcp/80", false), ("fd00::1:1", "fd00::2", "tcp/80", true)],
    );
    check(
        &only(Conditions { not_protocol: Some(6), ..Conditions::default() }),
        &[("bank/web", "shop/db", "tcp/80", false), ("bank/web", "shop/db", "47", true)],
    );
    let echo = Icmp { family: Family::V4, kind: 8, code: None };
    check(
        &only(Conditions { icmp: Some(echo), ..Conditions::default() }),
        &[("bank/web", "shop/db", "icmp", true), ("fd00::1:1", "fd00::2", "icmp", false)],
    );
    let program = all(&only(Conditions { not_icmp: Some(echo), ..Conditions::default() }));
    assert!(!passes(&program, &packet("bank/web", "shop/db", "icmp")));
    let other =
        Packet { transport: Transport::Icmp { kind: 13, code: 0 }, ..packet("bank/web", "shop/db", "icmp") };
    assert!(passes(&program, &other));
}

#[test]
fn tiers_go_by_order_and_policies_within_them_too() {
    let mut tiers = [("early", 5.0, TierEnd::Pass), ("late", 2_000_000.0, TierEnd::Deny)]
        .map(|(name, order, end)| (name.to_owned(), model::Tier { order: Order::of(order), end }));
    let in_tier = |name: &str, tier: &str, order, action| Policy {
        tier: tier.to_owned(),
        order,
        ..policy(name, Some(vec![PolicyRule::everything(action)]), None)
    };
    let names = |policies: &[Policy], tiers: &[(String, model::Tier)]| {
        let mut model = with(policies.to_vec());
        model.tiers = tiers.iter().cloned().collect();
        let program = compile(&model, &ids(&["shop/db"]));
        let profile = program.profiles.into_values().next().unwrap();
        profile
            .tiers
            .iter()
            .map(|tier| {
                let policies: Vec<&str> = tier.policies.iter().map(|id| id.name.as_str()).collect();
                format!("{} {:?}: {}", tier.name, tier.end, policies.join(" "))
            })
            .collect::<Vec<_>>()
    };
    let policies = [
        in_tier("a", "late", Order::LAST, Action::Allow),
        in_tier("b", "default", Order::LAST, Action::Allow),
        in_tier("c", "default", Order::of(2.0), Action::Allow),
        in_tier("d", "early", Order::of(1.0), Action::Pass),
        in_tier("e", "early", Order::of(1.0), Action::Pass),
        in_tier("f", "nowhere", Order::of(-1.0), Action::Deny),
    ];
    let sorted = ["early Pass: d e", "default Deny: c b", "late Deny: a", "nowhere Deny: f"];
    assert_eq!(names(&policies, &tiers), sorted);
    tiers[0].1.order = Order::LAST;
    assert_eq!(names(&policies, &tiers), [sorted[1], sorted[2], sorted[0], sorted[3]]);
    // A tier is there only for the direction of which a policy says something.
    let egress_only = Policy { ingress: None, egress: Some(vec![]), ..policies[0].clone() };
    let program = compile(&with([egress_only, policies[1].clone()]), &ids(&["shop/db", "bank/web"]));
    let directions = |id| {
        let endpoint = &program.endpoints[&endpoint_id(id)];
        let names = |profile: &Option<ProfileId>| {
            let tiers = profile.iter().flat_map(|id| program.profiles[id].tiers.clone());
            tiers.map(|tier| tier.name).collect::<Vec<_>>()
        };
        (names(&endpoint.ingress), names(&endpoint.egress))
    };
    assert_eq!(directions("shop/db"), (vec!["default".to_owned()], vec!["late".to_owned()]));
    assert_eq!(directions("bank/web"), (vec![], vec![]));
}

#[test]
fn what_is_staged_is_only_in_the_pending_program() {
    let allowing = policy("p", Some(vec![PolicyRule::everything(Action::Allow)]), None);
    let denying = policy("p", Some(vec![PolicyRule::everything(Action::Deny)]), None);
    let other = policy("q", Some(vec![]), None);
    let mut model = with([allowing]);
    let http = packet("bank/web", "shop/db", "tcp/80");
    let verdicts = |model: &Model| {
        (passes(&all(model), &http), passes(&compile_pending(model, &ids(&["shop/db"])), &http))
    };
    assert_eq!(verdicts(&model), (true, true));
    model.staged.insert(denying.id.clone(), Staged::Set(Box::new(denying)));
    assert_eq!(verdicts(&model), (true, false));
    model.staged = [(other.id.clone(), Staged::Set(Box::new(other)))].into();
    assert_eq!(verdicts(&model), (true, true), "p still allows");
    model.staged.extend([(model.policies.keys().next().unwrap().clone(), Staged::Delete)]);
    assert_eq!(verdicts(&model), (true, false));
}

#[test]
fn ten_thousand_rules_and_the_longest_names() {
    let name = "x".repeat(253);
    let rules = (0..10_000u16).map(|port| PolicyRule {
        name: Some(name.clone()),
        services: Some(vec![Service::Range(Protocol::Tcp, port, port)]),
        peers: Some(vec![Peer::Endpoints(anywhere(&format!("app == 'a{port}'")))]),
        ..PolicyRule::everything(Action::Deny)
    });
    let subject = EndpointSelector::own(NamespaceScope::Named("shop".to_owned()), Default::default());
    let policy = Policy { tier: name.clone(), subject, ..policy(&name, Some(rules.collect()), None) };
    let block = lower(Direction::Ingress, &BTreeSet::new(), &policy);
    assert_eq!((block.rules.len(), block.sets.len()), (10_000, 10_000));
    assert!(block.rules.iter().zip(0..).all(|(rule, index)| rule.origin.rule == index));
    let program = compile(&with([policy]), &ids(&["shop/web", "shop/db"]));
    assert_eq!((program.profiles.len(), program.sets.len()), (1, 10_000));
}
