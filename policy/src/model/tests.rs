use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

use super::*;
use crate::program::{Action, Direction, Protocol, TierEnd};
use crate::scenario::{endpoint_id, town, yaml};
use crate::selector::{Predicate, Selector};

fn policy(spec: &str) -> Policy {
    Policy::from_kubernetes("shop", "p", &yaml(&format!("{{metadata: {{}}, spec: {spec}}}")))
}

fn problems(spec: &str) -> Vec<String> {
    policy(spec).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn peers_that_the_api_rejects_are_named_and_match_nothing() {
    let cases = [
        // Row 18.
        (
            "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
            "spec.ingress[0].from[0]: ipBlock cannot be combined with a selector; this peer matches nothing",
        ),
        (
            "{}",
            "spec.ingress[0].from[0]: needs one of ipBlock, namespaceSelector, podSelector; this peer matches nothing",
        ),
        // Row 20.
        (
            "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16]}}",
            "spec.ingress[0].from[0].ipBlock.except[1]: 11.0.0.0/16 is not a smaller network inside of 10.0.0.0/8; this peer matches nothing",
        ),
        (
            "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}",
            "spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is not a smaller network inside of 10.0.0.0/8; this peer matches nothing",
        ),
        (
            "{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/64']}}",
            "spec.ingress[0].from[0].ipBlock.except[0]: fd00::/64 is not a smaller network inside of 10.0.0.0/8; this peer matches nothing",
        ),
        (
            "{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}",
            "spec.ingress[0].from[0].ipBlock.except[0]: \"x\" is no network (like 10.0.0.0/8 or fd00::/64); this peer matches nothing",
        ),
        (
            "{namespaceSelector: {matchLabels: {'a b': c}}}",
            "spec.ingress[0].from[0].namespaceSelector.matchLabels: \"a b\" is no label key (like app or example.com/app); this peer matches nothing",
        ),
    ];
    for (peer, wanted) in cases {
        let spec = format!("{{ingress: [{{from: [{peer}]}}]}}");
        assert_eq!(problems(&spec), [wanted]);
        assert_eq!(policy(&spec).ingress, Some(vec![PolicyRule::nothing(Action::Allow)]));
    }
}

#[test]
fn ports_that_the_api_rejects_are_named_and_match_nothing() {
    let cases = [
        // Row 13.
        ("{port: 80, endPort: 79}", "endPort: 79 is less than port 80; this port matches nothing"),
        ("{port: http, endPort: 80}", "endPort: needs a number in port; this port matches nothing"),
        ("{endPort: 80}", "endPort: needs a number in port; this port matches nothing"),
        ("{port: 80, endPort: 65536}", "endPort: 65536 is no port (1 to 65535); this port matches nothing"),
        ("{port: 0}", "port: 0 is no port (1 to 65535); this port matches nothing"),
        ("{port: -1}", "port: -1 is no port (1 to 65535); this port matches nothing"),
        (
            "{port: '80'}",
            "port: \"80\" is no port name (up to 15 of a-z, 0-9 and '-', with a letter; a number is not quoted); this port matches nothing",
        ),
        (
            "{port: 80, protocol: tcp}",
            "protocol: \"tcp\" is not one of TCP, UDP, SCTP; this port matches nothing",
        ),
        ("{protocol: ICMP}", "protocol: \"ICMP\" is not one of TCP, UDP, SCTP; this port matches nothing"),
    ];
    for (port, wanted) in cases {
        let spec = format!("{{policyTypes: [Egress], egress: [{{}}, {{ports: [{port}]}}]}}");
        assert_eq!(problems(&spec), [format!("spec.egress[1].ports[0].{wanted}")]);
        let nothing = PolicyRule { services: Some(vec![]), ..PolicyRule::everything(Action::Allow) };
        assert_eq!(policy(&spec).egress.unwrap()[1], nothing);
    }
}

#[test]
fn a_subject_that_cannot_be_read_isolates_and_allows_nothing() {
    let spec = "{podSelector: {matchLabels: {app: db}, matchExpressions: [{key: tier, operator: Is}]}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}";
    let scenario = town().policy("shop/p", spec);
    assert_eq!(
        scenario.problems(),
        [
            "spec.podSelector.matchExpressions[0].operator: \"Is\" is not one of In, NotIn, Exists, DoesNotExist; the policy isolates what the rest of the selector selects, and allows nothing"
        ]
    );
    assert!(!scenario.allows("192.0.2.1", "shop/db", "tcp/80"));
    assert!(!scenario.allows("shop/db", "192.0.2.1", "tcp/80"));
    assert!(scenario.allows("192.0.2.1", "shop/web", "tcp/80"));
}

#[test]
fn an_unknown_policy_type_isolates_in_both_directions() {
    let policy = policy("{policyTypes: [egress], egress: [{}]}");
    assert_eq!(policy.directions().collect::<Vec<_>>(), [Direction::Ingress, Direction::Egress]);
    assert_eq!(
        policy.problems[0].to_string(),
        "spec.policyTypes[0]: \"egress\" is not one of Ingress, Egress; the policy isolates in both directions"
    );
}

#[test]
fn a_policy_without_a_spec_isolates_the_namespace_for_ingress() {
    let policy = Policy::from_kubernetes("shop", "p", &yaml("{metadata: {}}"));
    assert_eq!(policy.subject.endpoints, Predicate::Kubernetes(Selector::everything()));
    assert_eq!((policy.ingress, policy.egress, policy.problems), (Some(vec![]), None, vec![]));
}

#[test]
fn networks_lose_their_host_bits() {
    let policy = policy("{ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/8, except: [10.9.9.9/16]}}]}]}");
    assert_eq!(policy.problems, []);
    let block =
        Peer::Block { network: "10.0.0.0/8".parse().unwrap(), except: vec!["10.9.0.0/16".parse().unwrap()] };
    assert_eq!(policy.ingress.unwrap()[0].peers, Some(vec![block]));
}

#[test]
fn a_pod_becomes_an_endpoint() {
    let pod: Pod = yaml(
        "{metadata: {namespace: shop, name: web, labels: {app: web}}, spec: {hostNetwork: true, serviceAccountName: bot, containers: [{name: a, ports: [{name: http, containerPort: 80}, {containerPort: 81}, {name: odd, containerPort: 0}, {name: icmp, containerPort: 1, protocol: ICMP}]}]}, status: {phase: Failed, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}, {ip: none}]}}",
    );
    let (endpoint, problems) = Endpoint::from_kubernetes(&pod).unwrap();
    let expected = Endpoint {
        id: endpoint_id("shop/web"),
        labels: Labels::from([("app".to_owned(), "web".to_owned())]),
        addresses: BTreeSet::from(["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
        named_ports: BTreeSet::from([NamedPort {
            name: "http".to_owned(),
            protocol: Protocol::Tcp,
            number: 80,
        }]),
        service_account: Some("bot".to_owned()),
        host_network: true,
        finished: true,
    };
    assert_eq!(endpoint, expected);
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["status.podIPs", "spec.containers.ports", "spec.containers.ports"]);
}

#[test]
fn objects_without_names_are_refused() {
    assert_eq!(Endpoint::from_kubernetes(&yaml("{metadata: {name: web}}")), Err(Unnamed));
    assert_eq!(Namespace::from_kubernetes(&yaml("{metadata: {}}")), Err(Unnamed));
    let (name, namespace) = Namespace::from_kubernetes(&yaml("{metadata: {name: shop}}")).unwrap();
    assert_eq!(name, "shop");
    assert_eq!(namespace.labels[NAMESPACE_NAME_LABEL], "shop");
}

#[test]
fn a_node_has_addresses_and_names_are_none() {
    let node = yaml(
        "{metadata: {name: n1, labels: {zone: a}}, status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 10.9.0.1}, {type: ExternalIP, address: 'fd00::9'}]}}",
    );
    let (name, node) = Node::from_kubernetes(&node).unwrap();
    assert_eq!(name, "n1");
    assert_eq!(node.labels["zone"], "a");
    assert_eq!(node.addresses, BTreeSet::from(["10.9.0.1".parse().unwrap(), "fd00::9".parse().unwrap()]));
}

#[test]
fn orders_are_numbers_and_then_the_last() {
    let sorted = [f64::NEG_INFINITY, -1.5, 0.0, 1000.0, f64::INFINITY].map(Order::of);
    assert!(sorted.is_sorted() && sorted.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(sorted.iter().all(|order| *order < Order::LAST));
    assert_eq!(Order::of(0.0), Order::of(-0.0));
    assert_eq!(Order::of(f64::NAN), Order::LAST);
    assert_eq!((Order::of(7.5).number(), Order::LAST.number()), (Some(7.5), None));
}

#[test]
fn built_in_tiers_stay_what_they_are_and_unknown_ones_end_in_deny() {
    let first = Tier { order: Order::of(1.0), end: TierEnd::Pass };
    let tiers = ["default", "mine"].map(|name| (name.to_owned(), first.clone()));
    let model = Model { tiers: tiers.into(), ..Model::default() };
    assert_eq!(model.tier("default"), Tier { order: Order::of(1e6), end: TierEnd::Deny });
    assert_eq!(model.tier("mine"), first);
    assert_eq!(model.tier("nowhere"), Tier { order: Order::LAST, end: TierEnd::Deny });
    assert_eq!(["kube-baseline", "mine", "nowhere"].map(|name| model.has_tier(name)), [true, true, false]);
    assert!(model.tier(ADMIN_TIER).order < model.tier(DEFAULT_TIER).order);
    assert!(model.tier(DEFAULT_TIER).order < model.tier(BASELINE_TIER).order);
}

#[test]
fn a_scope_of_one_name_is_that_namespace() {
    let expression = |text: &str| NamespaceScope::matching(Predicate::Expression(text.parse().unwrap()));
    let named = NamespaceScope::Named("shop".to_owned());
    assert_eq!(expression("projectcalico.org/name == 'shop'"), named);
    assert_eq!(expression("kubernetes.io/metadata.name == 'shop'"), named);
    assert_eq!(expression("global()"), NamespaceScope::Global);
    let labels = Selector::label(NAMESPACE_NAME_LABEL, "shop");
    assert_eq!(NamespaceScope::matching(Predicate::Kubernetes(labels)), named);
    assert!(matches!(expression("team == 'red'"), NamespaceScope::Matching(_)));
}

#[test]
fn what_is_in_no_namespace_belongs_only_where_it_is_asked_for() {
    let covers = |text: &str| {
        NamespaceScope::matching(Predicate::Expression(text.parse().unwrap())).covers(&Place::Global, None)
    };
    let cases = [
        ("all()", false),
        ("team != 'red'", false),
        ("!has(team)", false),
        ("global()", true),
        ("team == 'red' || global()", true),
        ("team == 'red' && global()", false),
        ("!global()", false),
    ];
    for (text, wanted) in cases {
        assert_eq!(covers(text), wanted, "{text}");
    }
}

#[test]
fn of_a_namespace_that_is_not_known_only_its_name_is_certain() {
    let contains = |text: &str, labels: Option<&Labels>| {
        NamespaceScope::Matching(Predicate::Expression(text.parse().unwrap())).contains("shop", labels)
    };
    let red = Labels::from([("team".to_owned(), "red".to_owned())]);
    let cases = [
        ("team == 'red'", true, false),
        ("team != 'blue'", true, false),
        ("all()", true, true),
        ("projectcalico.org/name in {'shop', 'bank'}", true, true),
        ("kubernetes.io/metadata.name != 'shop' || team == 'red'", true, false),
        ("kubernetes.io/metadata.name == 'bank' && team == 'red'", false, false),
    ];
    for (text, known, unknown) in cases {
        assert_eq!(contains(text, Some(&red)), known, "{text}");
        assert_eq!(contains(text, None), unknown, "{text}");
    }
}
