use super::*;
use crate::model::{Conditions, Entity, Icmp, PortMatch, Service};
use crate::program::Family;
use crate::scenario::yaml;

fn named(spec: &str) -> Policy {
    let id = PolicyId::namespaced(PolicyKind::FabricNetworkPolicy, "shop", "p");
    Policy::from_own(id, &yaml(&format!("{{spec: {spec}}}")), false)
}

fn global(spec: &str) -> Policy {
    let id = PolicyId::global(PolicyKind::GlobalNetworkPolicy, "p");
    Policy::from_own(id, &yaml(&format!("{{spec: {spec}}}")), false)
}

fn problems(policy: &Policy) -> Vec<String> {
    policy.problems.iter().map(ToString::to_string).collect()
}

fn selector(text: &str) -> OwnSelector {
    text.parse().unwrap()
}

/// The only rule of a policy of one ingress rule, and its problems.
fn rule(text: &str) -> (PolicyRule, Vec<String>) {
    let policy = named(&format!("{{ingress: [{text}]}}"));
    let problems = problems(&policy);
    let mut rules = policy.ingress.unwrap();
    assert_eq!(rules.len(), 1);
    (rules.remove(0), problems)
}

/// That rule, which must be read without a problem.
fn whole(text: &str) -> PolicyRule {
    let (rule, problems) = rule(text);
    assert_eq!(problems, [""; 0], "{text}");
    rule
}

#[test]
fn directions_follow_from_the_rules_unless_they_are_said() {
    for (spec, ingress, egress) in [
        ("{}", true, false),
        ("{ingress: [{action: Deny}]}", true, false),
        ("{egress: [{action: Deny}]}", false, true),
        ("{ingress: [{action: Deny}], egress: [{action: Deny}]}", true, true),
        ("{types: [Egress]}", false, true),
        ("{types: [Egress], ingress: [{action: Deny}]}", false, true),
        ("{types: [Ingress, Egress]}", true, true),
        ("{types: [Sideways]}", true, true),
    ] {
        let policy = named(spec);
        assert_eq!((policy.ingress.is_some(), policy.egress.is_some()), (ingress, egress), "{spec}");
    }
}

#[test]
fn tiers_and_places_in_them() {
    let policy = named("{}");
    assert_eq!((policy.tier.as_str(), policy.order), ("default", Order::LAST));
    let policy = named("{tier: security, order: 1.5}");
    assert_eq!((policy.tier.as_str(), policy.order), ("security", Order::of(1.5)));
    let tier = |spec: &str| Tier::from_own(&yaml(&format!("{{spec: {spec}}}")));
    assert_eq!(tier("{}"), Tier { order: Order::LAST, end: TierEnd::Deny });
    assert_eq!(tier("{order: 7, defaultAction: Pass}"), Tier { order: Order::of(7.0), end: TierEnd::Pass });
    assert_eq!(tier("{defaultAction: Explode}").end, TierEnd::Deny);
}

#[test]
fn subjects() {
    let shop = NamespaceScope::Named("shop".to_owned());
    assert_eq!(named("{}").subject, EndpointSelector::own(shop.clone(), selector("")));
    let accounts = ServiceAccounts { selector: selector("has(a)"), ..ServiceAccounts::default() };
    let subject = named("{selector: x == 'y', serviceAccountSelector: has(a)}").subject;
    assert_eq!(
        subject,
        EndpointSelector {
            service_accounts: Some(accounts),
            ..EndpointSelector::own(shop, selector("x == 'y'"))
        }
    );
    assert_eq!(global("{}").subject, EndpointSelector::own(NamespaceScope::Everywhere, selector("")));
    let scope = NamespaceScope::Matching(Predicate::Expression(selector("env == 'prod'")));
    let subject = global("{namespaceSelector: env == 'prod'}").subject;
    assert_eq!(subject, EndpointSelector::own(scope, selector("")));
    let scope = NamespaceScope::Named("shop".to_owned());
    let subject = global("{namespaceSelector: projectcalico.org/name == 'shop'}").subject;
    assert_eq!(subject, EndpointSelector::own(scope, selector("")));
}

#[test]
fn a_rule_with_every_condition() {
    let read = whole(
        "{action: Pass, ipVersion: 4, protocol: TCP, notProtocol: 47,
          source: {nets: [10.0.0.0/8, 192.0.2.1], notNets: [10.1.0.0/16], selector: a == 'b', notSelector: has(c)},
          destination: {ports: [80, '8000:9000', http], notPorts: [443], namespaceSelector: global()}}",
    );
    let network = |text: &str| text.parse::<ipnetwork::IpNetwork>().unwrap();
    let own = EndpointSelector::own;
    let shop = NamespaceScope::Named("shop".to_owned());
    let named = |name: &str| PortMatch::Named(name.to_owned());
    let expected = PolicyRule {
        services: Some(vec![Service::Protocol(6)]),
        conditions: Conditions {
            family: Some(Family::V4),
            not_protocol: Some(47),
            source: Entity {
                nets: Some(vec![network("10.0.0.0/8"), network("192.0.2.1/32")]),
                not_nets: vec![network("10.1.0.0/16")],
                selector: Some(own(shop, selector("a == 'b'"))),
                // What it negates is everywhere.
                not_selector: Some(own(NamespaceScope::Everywhere, selector("has(c)"))),
                ..Entity::default()
            },
            destination: Entity {
                selector: Some(own(NamespaceScope::Global, selector(""))),
                ports: Some(vec![PortMatch::Range(80, 80), PortMatch::Range(8000, 9000), named("http")]),
                not_ports: vec![PortMatch::Range(443, 443)],
                ..Entity::default()
            },
            ..Conditions::default()
        },
        ..PolicyRule::everything(Action::Pass)
    };
    assert_eq!(read, expected);
}

#[test]
fn icmp_services_and_service_accounts() {
    let icmp = whole("{action: Allow, protocol: ICMPv6, icmp: {type: 128}, notICMP: {type: 1, code: 2}}");
    assert_eq!(icmp.services, Some(vec![Service::Protocol(58)]));
    assert_eq!(icmp.conditions.icmp, Some(Icmp { family: Family::V6, kind: 128, code: None }));
    assert_eq!(icmp.conditions.not_icmp, Some(Icmp { family: Family::V6, kind: 1, code: Some(2) }));
    let service = |text: &str| whole(&format!("{{action: Allow, destination: {{services: {text}}}}}"));
    let id = |namespace: &str| ServiceId { namespace: namespace.to_owned(), name: "db".to_owned() };
    assert_eq!(service("{name: db}").conditions.destination.service, Some(id("shop")));
    assert_eq!(service("{name: db, namespace: bank}").conditions.destination.service, Some(id("bank")));
    let accounts = whole("{action: Allow, source: {serviceAccounts: {names: [web], selector: has(a)}}}");
    let read = accounts.conditions.source.selector.unwrap();
    assert_eq!(read.namespaces, NamespaceScope::Named("shop".to_owned()));
    let names = BTreeSet::from(["web".to_owned()]);
    assert_eq!(read.service_accounts, Some(ServiceAccounts { names, selector: selector("has(a)") }));
}

/// What cannot be read of a rule.
const BROKEN: [(&str, &str); 15] = [
    ("http: {methods: [GET]}", "http: requests cannot be judged: there is no proxy that reads them"),
    ("newer: 1", "newer: no such field is known"),
    ("ipVersion: 5", "ipVersion: 5 is not one of 4, 6"),
    (
        "protocol: tcp",
        "protocol: \"tcp\" is not one of TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite, or a number from 1 to 255",
    ),
    ("icmp: {type: 8}", "icmp: needs protocol ICMP or ICMPv6"),
    ("protocol: ICMP, icmp: {type: 256}", "icmp.type: 256 is not one of 0 to 254"),
    ("protocol: ICMP, icmp: {code: 1}", "icmp: needs a type"),
    ("source: {newer: 1}", "source.newer: no such field is known"),
    (
        "source: {nets: [10.0.0.0/8, x]}",
        "source.nets[1]: \"x\" is no network (like 10.0.0.0/8) and no address",
    ),
    ("source: {notNets: [x]}", "source.notNets[0]: \"x\" is no network (like 10.0.0.0/8) and no address"),
    ("source: {ports: [80]}", "source.ports: needs protocol TCP, UDP or SCTP"),
    (
        "protocol: UDP, source: {ports: [80, '9:1']}",
        "source.ports[1]: \"9:1\" is no port, range (\"1000:2000\") or name",
    ),
    ("source: {selector: 'a ='}", "source.selector: \"a =\" is no selector: "),
    ("source: {serviceAccounts: {selector: '('}}", "source.serviceAccounts.selector: \"(\" is no selector: "),
    ("source: {services: {name: ''}}", "source.services.name: is missing"),
];

#[test]
fn what_cannot_be_read_never_lets_more_pass() {
    for (text, problem) in BROKEN {
        for (action, treatment) in [
            (Action::Allow, "the rule matches nothing"),
            (Action::Log, "the rule matches nothing"),
            (Action::Deny, "the rule denies whatever that is"),
            (Action::Pass, "the rule denies, whatever that is"),
        ] {
            let also = "ipVersion: 6";
            let also = if text.starts_with("ipVersion") { "notProtocol: 47" } else { also };
            let (read, problems) = rule(&format!("{{action: {action:?}, {also}, {text}}}"));
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            let start = format!("spec.ingress[0].{problem}");
            assert!(problems[0].starts_with(&start) && problems[0].ends_with(treatment), "{problems:?}");
            match action {
                Action::Allow | Action::Log => assert_eq!(read, PolicyRule::nothing(action), "{text}"),
                Action::Deny | Action::Pass => {
                    assert_eq!((read.action, &read.peers), (Action::Deny, &None), "{text}");
                    // The conditions that can be read stay, and the one that cannot is gone as a whole.
                    let Conditions { family, not_protocol, icmp, source, .. } = read.conditions;
                    assert!(family == Some(Family::V6) || not_protocol == Some(47), "{text}");
                    assert_eq!((icmp, source), (None, Entity::default()), "{text}");
                }
            }
        }
    }
}

#[test]
fn a_policy_that_is_not_understood_keeps_what_it_denies() {
    let rules = "ingress: [{action: Allow}, {action: Deny, protocol: TCP}, {action: Pass}]";
    for (broken, problem) in [
        (
            "newer: 1",
            "spec.newer: no such field is known; only what the policy denies or passes is used, to deny it, and the end of its tier",
        ),
        (
            "namespaceSelector: all()",
            "spec.namespaceSelector: has no place in an object of this kind; only what the policy denies or passes is used, to deny it, and the end of its tier",
        ),
        ("selector: '(('", "spec.selector: \"((\" is no selector: "),
        ("serviceAccountSelector: '(('", "spec.serviceAccountSelector: \"((\" is no selector: "),
    ] {
        let policy = named(&format!("{{{broken}, {rules}}}"));
        let said = problems(&policy);
        assert!(said.len() == 1 && said[0].starts_with(problem), "{said:?}");
        let denied =
            PolicyRule { services: Some(vec![Service::Protocol(6)]), ..PolicyRule::everything(Action::Deny) };
        let rules = vec![PolicyRule::nothing(Action::Allow), denied, PolicyRule::everything(Action::Deny)];
        assert_eq!(policy.ingress, Some(rules), "{broken}");
        // It is for all that it could be for.
        assert_eq!(policy.subject, named("{}").subject);
    }
    let (broken, said) = rule("{action: Explode, protocol: TCP}");
    assert_eq!((broken.action, broken.services), (Action::Deny, Some(vec![Service::Protocol(6)])));
    assert_eq!(
        said,
        ["spec.ingress[0].action: \"Explode\" is not one of Allow, Deny, Pass, Log; the rule denies"]
    );
}

#[test]
fn policies_of_host_endpoints_do_not_isolate_pods() {
    for field in ["doNotTrack", "preDNAT"] {
        let policy = global(&format!("{{{field}: true, applyOnForward: true, ingress: [{{action: Deny}}]}}"));
        assert_eq!((policy.ingress, policy.egress), (None, None));
        let what =
            "is for host endpoints, whose policies are not enforced; the policy says nothing about pods";
        assert_eq!(policy.problems, [Problem::new(format!("spec.{field}"), what)]);
    }
    assert_eq!(global("{applyOnForward: true}").ingress, Some(Vec::new()));
    // Of a policy without a namespace a service must tell its own.
    let policy = global("{egress: [{action: Allow, destination: {services: {name: db}}}]}");
    assert_eq!(policy.egress, Some(vec![PolicyRule::nothing(Action::Allow)]));
    assert_eq!(policy.problems.len(), 1);
}

#[test]
fn staged_policies() {
    let id = || PolicyId::global(PolicyKind::GlobalNetworkPolicy, "p");
    let staged = |spec: &str| Staged::from_own(id(), &yaml(&format!("{{spec: {spec}}}")));
    let Some(Staged::Set(policy)) = staged("{stagedAction: Set, ingress: [{action: Allow}]}") else {
        panic!()
    };
    assert_eq!(
        (policy.ingress, policy.problems),
        (Some(vec![PolicyRule::everything(Action::Allow)]), Vec::new())
    );
    assert!(matches!(staged("{}"), Some(Staged::Set(_))));
    assert_eq!(staged("{stagedAction: Delete}"), Some(Staged::Delete));
    for action in ["Learn", "Ignore", "Explode"] {
        assert_eq!(staged(&format!("{{stagedAction: {action}}}")), None, "{action}");
    }
    // What is not staged has no such action.
    assert_eq!(global("{stagedAction: Set}").problems.len(), 1);
    let text = "{metadata: {name: p}, spec: {podSelector: {}, ingress: [{}]}}";
    let Some(Staged::Set(policy)) = Staged::from_kubernetes("shop", "p", &yaml(text)) else { panic!() };
    assert_eq!(policy.id, PolicyId::namespaced(PolicyKind::NetworkPolicy, "shop", "p"));
    assert_eq!(policy.ingress, Some(vec![PolicyRule::everything(Action::Allow)]));
}

#[test]
fn sets_and_services() {
    let (set, problems) =
        NetworkSet::from_own(&yaml("{metadata: {labels: {a: b}}, spec: {nets: [10.0.0.0/8, x, '::1']}}"));
    assert_eq!(set.labels["a"], "b");
    assert_eq!(set.networks, ["10.0.0.0/8", "::1/128"].map(|text| text.parse().unwrap()).into());
    assert_eq!(problems.len(), 1);
    let slice: EndpointSlice = yaml(
        "{metadata: {namespace: shop, labels: {kubernetes.io/service-name: db}}, addressType: IPv4,
          endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}],
          ports: [{port: 5432}, {port: 53, protocol: UDP}, {protocol: TCP}]}",
    );
    let (id, found) = backends(&slice).unwrap();
    assert_eq!(id, ServiceId { namespace: "shop".to_owned(), name: "db".to_owned() });
    let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
    let expected = [one, two].map(|address| [(address, Protocol::Tcp, 5432), (address, Protocol::Udp, 53)]);
    assert_eq!(found, expected.into_iter().flatten().collect());
    let none: EndpointSlice = yaml("{metadata: {namespace: shop}, addressType: IPv4, endpoints: []}");
    assert_eq!(backends(&none), None);
}
