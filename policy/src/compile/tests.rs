//! The semantics of `networking.k8s.io/v1`, case by case. Each test names its row in the table of cases that
//! was made from the types' documentation, the concept page, upstream's end-to-end tests and issues of other engines.
//! Rows that concern the kernel (own node, neighbour discovery, established connections, masquerade) are tested with
//! the agent; invalid objects (rows 13, 18, 20, 49) with the model.

use crate::model::Endpoint;
use crate::program::*;
use crate::scenario::{Scenario, endpoint_id, ids, policy_id, town};

const OUTSIDE: &str = "192.0.2.1";

#[test]
fn row_1_a_pod_that_no_policy_selects_is_open() {
    town().policy("shop/p", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}").check(
        &[
            ("shop/web", OUTSIDE, "tcp/80", true),
            (OUTSIDE, "shop/web", "tcp/80", true),
            ("bank/web", "shop/web", "icmp", true),
            ("bank/web", "shop/db", "tcp/80", false),
        ],
    );
}

#[test]
fn row_2_an_empty_or_missing_pod_selector_is_the_whole_namespace_and_no_other() {
    for spec in ["{podSelector: {}}", "{}"] {
        town().policy("shop/p", spec).check(&[
            (OUTSIDE, "shop/web", "tcp/80", false),
            (OUTSIDE, "shop/db", "tcp/80", false),
            (OUTSIDE, "bank/web", "tcp/80", true),
        ]);
    }
}

#[test]
fn rows_3_to_5_types_default_by_the_rules_that_are_there() {
    let into_and_out_of = |spec: &str| {
        let scenario = town().policy("shop/p", spec);
        (scenario.allows(OUTSIDE, "shop/web", "tcp/80"), scenario.allows("shop/web", OUTSIDE, "tcp/80"))
    };
    for types in ["", "policyTypes: [], "] {
        // Row 3: no egress section.
        assert_eq!(into_and_out_of(&format!("{{{types}podSelector: {{}}}}")), (false, true));
        assert_eq!(into_and_out_of(&format!("{{{types}ingress: [{{}}]}}")), (true, true));
        // Row 4: an egress rule; ingress is isolated all the same.
        assert_eq!(into_and_out_of(&format!("{{{types}egress: [{{}}]}}")), (false, true));
        let elsewhere = "egress: [{to: [{ipBlock: {cidr: 10.9.0.0/16}}]}]";
        assert_eq!(into_and_out_of(&format!("{{{types}{elsewhere}}}")), (false, false));
        // Row 5: an empty egress section is none.
        assert_eq!(into_and_out_of(&format!("{{{types}egress: []}}")), (false, true));
    }
    assert_eq!(into_and_out_of("{policyTypes: [Egress], egress: []}"), (true, false));
}

#[test]
fn row_6_rules_of_a_type_that_is_not_listed_are_ignored() {
    town()
        .policy("shop/p", "{policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]}")
        .check(&[(OUTSIDE, "shop/web", "tcp/80", true), ("shop/web", OUTSIDE, "tcp/80", false)]);
    town()
        .policy("shop/p", "{policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}]}")
        .check(&[(OUTSIDE, "shop/web", "tcp/80", false), ("shop/web", OUTSIDE, "tcp/80", true)]);
}

#[test]
fn row_7_no_rules_deny_all() {
    for spec in ["{policyTypes: [Ingress]}", "{policyTypes: [Ingress], ingress: []}"] {
        town()
            .policy("shop/p", spec)
            .check(&[("shop/web", "shop/db", "tcp/80", false), ("shop/web", "shop/db", "icmp", false)]);
    }
}

#[test]
fn row_8_an_empty_rule_allows_everything() {
    town().policy("shop/p", "{ingress: [{}]}").check(&[
        (OUTSIDE, "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "sctp/80", true),
        (OUTSIDE, "shop/db", "icmp", true),
        (OUTSIDE, "shop/db", "47", true),
    ]);
}

#[test]
fn row_9_missing_or_empty_peers_are_anyone() {
    for from in ["", "from: [], "] {
        town().policy("shop/p", &format!("{{ingress: [{{{from}ports: [{{port: 80}}]}}]}}")).check(&[
            (OUTSIDE, "shop/db", "tcp/80", true),
            ("bank/web", "shop/db", "tcp/80", true),
            (OUTSIDE, "shop/db", "tcp/81", false),
        ]);
    }
}

#[test]
fn rows_10_and_32_missing_or_empty_ports_are_every_protocol() {
    for ports in ["", ", ports: []"] {
        let rule = format!("{{ingress: [{{from: [{{podSelector: {{}}}}]{ports}}}]}}");
        town().policy("shop/p", &rule).check(&[
            ("shop/web", "shop/db", "tcp/1", true),
            ("shop/web", "shop/db", "udp/65535", true),
            ("shop/web", "shop/db", "icmp", true),
            ("shop/web", "shop/db", "47", true),
            ("bank/web", "shop/db", "icmp", false),
        ]);
    }
    // Row 32: with ports, ICMP is not among them.
    let ports = "{ingress: [{ports: [{port: 80}, {protocol: UDP}, {protocol: SCTP}]}]}";
    town().policy("shop/p", ports).check(&[("shop/web", "shop/db", "icmp", false)]);
}

#[test]
fn row_11_the_default_protocol_is_tcp() {
    town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}").check(&[
        (OUTSIDE, "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "udp/80", false),
        (OUTSIDE, "shop/db", "sctp/80", false),
    ]);
}

#[test]
fn row_12_a_protocol_without_a_port_is_all_of_its_ports() {
    town().policy("shop/p", "{ingress: [{ports: [{protocol: UDP}]}]}").check(&[
        (OUTSIDE, "shop/db", "udp/1", true),
        (OUTSIDE, "shop/db", "udp/65535", true),
        (OUTSIDE, "shop/db", "tcp/1", false),
        (OUTSIDE, "shop/db", "icmp", false),
    ]);
}

#[test]
fn row_13_a_range_includes_both_ends() {
    town()
        .policy("shop/p", "{ingress: [{ports: [{port: 80, endPort: 82}, {port: 65535, endPort: 65535}]}]}")
        .check(&[
            (OUTSIDE, "shop/db", "tcp/79", false),
            (OUTSIDE, "shop/db", "tcp/80", true),
            (OUTSIDE, "shop/db", "tcp/81", true),
            (OUTSIDE, "shop/db", "tcp/82", true),
            (OUTSIDE, "shop/db", "tcp/83", false),
            (OUTSIDE, "shop/db", "tcp/65535", true),
            (OUTSIDE, "shop/db", "udp/81", false),
        ]);
}

#[test]
fn row_14_a_pod_selector_alone_is_for_the_policys_namespace() {
    town().policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}").check(&[
        ("shop/web", "shop/db", "tcp/80", true),
        ("bank/web", "shop/db", "tcp/80", false),
        ("bank/vault", "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_15_a_namespace_selector_alone_is_all_of_its_pods() {
    let blue = "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}";
    town().policy("shop/p", blue).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", false),
        (OUTSIDE, "shop/db", "tcp/80", false),
    ]);
    town().policy("shop/p", "{ingress: [{from: [{namespaceSelector: {}}]}]}").check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_16_one_item_is_and_and_two_items_are_or() {
    let namespaces = "namespaceSelector: {matchLabels: {team: blue}}";
    let pods = "podSelector: {matchLabels: {app: web}}";
    town().policy("shop/p", &format!("{{ingress: [{{from: [{{{namespaces}, {pods}}}]}}]}}")).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", false),
        ("shop/web", "shop/db", "tcp/80", false),
    ]);
    town().policy("shop/p", &format!("{{ingress: [{{from: [{{{namespaces}}}, {{{pods}}}]}}]}}")).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        ("shop/db", "shop/web", "tcp/80", false),
    ]);
}

#[test]
fn row_17_both_empty_is_every_pod_and_nobody_else() {
    town().policy("shop/p", "{ingress: [{from: [{namespaceSelector: {}, podSelector: {}}]}]}").check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_19_an_exception_is_for_its_own_peer_only() {
    let block = "{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/31]}}";
    let first = town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"));
    first.check(&[("192.0.2.1", "shop/db", "tcp/80", false), ("192.0.2.2", "shop/db", "tcp/80", true)]);
    // Another peer, another rule, another policy.
    let narrow = "{ipBlock: {cidr: 192.0.2.1/32}}";
    let others = [
        town().policy("shop/p", &format!("{{ingress: [{{from: [{block}, {narrow}]}}]}}")),
        town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}, {{from: [{narrow}]}}]}}")),
        first.policy("shop/q", &format!("{{ingress: [{{from: [{narrow}]}}]}}")),
    ];
    for scenario in others {
        scenario
            .check(&[("192.0.2.1", "shop/db", "tcp/80", true), ("192.0.2.0", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn row_21_a_block_of_one_family_leaves_the_other_isolated() {
    town().policy("shop/p", "{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}").check(&[
        (OUTSIDE, "10.0.0.2", "tcp/80", true),
        ("2001:db8::1", "fd00::2", "tcp/80", false),
        ("fd00::1", "fd00::2", "tcp/80", false),
    ]);
    town()
        .policy("shop/p", "{ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}")
        .check(&[(OUTSIDE, "10.0.0.2", "tcp/80", false), ("2001:db8::1", "fd00::2", "tcp/80", true)]);
}

#[test]
fn row_22_a_block_matches_pods_too() {
    let block = "{ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.2/32]}}";
    town()
        .policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"))
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("bank/vault", "shop/db", "tcp/80", false)]);
    town()
        .policy("shop/p", &format!("{{policyTypes: [Egress], egress: [{{to: [{block}]}}]}}"))
        .check(&[("shop/web", "bank/web", "tcp/80", true), ("shop/web", "bank/vault", "tcp/80", false)]);
}

#[test]
fn row_24_an_ingress_name_is_the_subjects() {
    let named = "{ingress: [{ports: [{port: sql}]}]}";
    town().policy("shop/p", named).policy("bank/p", named).check(&[
        (OUTSIDE, "shop/db", "tcp/5432", true),
        (OUTSIDE, "shop/db", "tcp/6543", false),
        (OUTSIDE, "bank/vault", "tcp/6543", true),
        (OUTSIDE, "bank/vault", "tcp/5432", false),
        (OUTSIDE, "shop/db", "udp/5432", false),
    ]);
}

#[test]
fn row_25_an_egress_name_is_each_destinations() {
    let named = "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: sql}]}]}";
    town().policy("shop/p", named).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "shop/db", "tcp/6543", false),
        ("shop/web", "bank/vault", "tcp/6543", true),
        ("shop/web", "bank/vault", "tcp/5432", false),
        ("shop/web", OUTSIDE, "tcp/5432", false),
        ("fd00::1", "fd00::2", "tcp/5432", true),
    ]);
    // A selector that leaves the vault out.
    let own = "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: sql}]}]}";
    town()
        .policy("shop/p", own)
        .check(&[("shop/web", "shop/db", "tcp/5432", true), ("shop/web", "bank/vault", "tcp/6543", false)]);
}

#[test]
fn row_26_a_name_that_is_not_served_matches_nothing() {
    let cases = ["{port: http}", "{port: sql, protocol: UDP}", "{port: dns}"];
    for port in cases {
        town().policy("shop/p", &format!("{{ingress: [{{ports: [{port}]}}]}}")).check(&[
            (OUTSIDE, "shop/db", "tcp/5432", false),
            (OUTSIDE, "shop/db", "tcp/53", false),
            (OUTSIDE, "shop/db", "udp/5432", false),
            (OUTSIDE, "shop/db", "udp/53", false),
            (OUTSIDE, "shop/web", "tcp/80", false),
        ]);
        let egress = format!("{{policyTypes: [Egress], egress: [{{ports: [{port}]}}]}}");
        town().policy("shop/p", &egress).check(&[
            ("shop/web", "shop/db", "tcp/5432", false),
            ("shop/web", "shop/db", "udp/5432", false),
            ("shop/web", OUTSIDE, "tcp/5432", false),
        ]);
    }
    let protocol = "{ingress: [{ports: [{port: dns, protocol: UDP}, {port: sql}]}]}";
    town().policy("shop/p", protocol).check(&[
        (OUTSIDE, "shop/db", "udp/53", true),
        (OUTSIDE, "shop/db", "tcp/5432", true),
        (OUTSIDE, "shop/db", "tcp/53", false),
    ]);
}

fn pod_with(spec: &str) -> Scenario {
    town()
        .pod("shop/db", "10.0.0.2", "{app: db}", spec)
        .policy("shop/p", "{ingress: [{ports: [{port: api}]}]}")
}

#[test]
fn row_27_sidecars_serve_names_and_ordinary_init_containers_do_not() {
    let init = |restart| {
        format!(
            "{{containers: [], initContainers: [{{name: i, {restart}ports: [{{name: api, containerPort: 8000}}]}}]}}"
        )
    };
    pod_with(&init("restartPolicy: Always, ")).check(&[(OUTSIDE, "shop/db", "tcp/8000", true)]);
    pod_with(&init("")).check(&[(OUTSIDE, "shop/db", "tcp/8000", false)]);
}

#[test]
fn row_28_a_name_with_two_numbers_is_both() {
    let spec = "{containers: [{name: a, ports: [{name: api, containerPort: 8000}, {name: api, containerPort: 9000, protocol: UDP}]}, {name: b, ports: [{name: api, containerPort: 8001}]}]}";
    pod_with(spec).check(&[
        (OUTSIDE, "shop/db", "tcp/8000", true),
        (OUTSIDE, "shop/db", "tcp/8001", true),
        (OUTSIDE, "shop/db", "tcp/9000", false),
        (OUTSIDE, "shop/db", "udp/9000", false),
    ]);
}

#[test]
fn row_29_of_a_block_only_pods_serve_names() {
    let block = "{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24]}}";
    let spec = format!("{{policyTypes: [Egress], egress: [{{to: [{block}], ports: [{{port: sql}}]}}]}}");
    town().policy("shop/p", &spec).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "10.0.0.99", "tcp/5432", false),
        ("shop/web", "bank/vault", "tcp/6543", false),
        ("fd00::1", "fd00::2", "tcp/5432", false),
    ]);
}

#[test]
fn rows_30_and_31_a_rule_for_one_protocol_opens_no_other() {
    for (protocol, own, others) in [
        ("SCTP", "sctp/80", ["tcp/80", "udp/80"]),
        ("UDP", "udp/80", ["tcp/80", "sctp/80"]),
        ("TCP", "tcp/80", ["udp/80", "sctp/80"]),
    ] {
        let rule = format!("{{ingress: [{{ports: [{{port: 80, protocol: {protocol}}}]}}]}}");
        let scenario = town().policy("shop/p", &rule);
        assert!(scenario.allows(OUTSIDE, "shop/db", own), "{protocol}");
        for other in others {
            assert!(!scenario.allows(OUTSIDE, "shop/db", other), "{protocol} {other}");
        }
    }
}

#[test]
fn row_33_a_pod_reaches_itself() {
    town().policy("shop/p", "{policyTypes: [Ingress, Egress]}").check(&[
        ("shop/web", "shop/web", "tcp/80", true),
        ("fd00::1", "fd00::1", "icmp", true),
        ("shop/web", "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn rows_36_and_37_nodes_are_ordinary_peers() {
    let node = "172.16.0.1";
    let spec = "{policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {}}]}]}";
    town()
        .policy("shop/p", spec)
        .check(&[(node, "shop/web", "tcp/80", false), ("shop/web", node, "tcp/80", false)]);
    let block = "[{ipBlock: {cidr: 172.16.0.0/24}}]";
    let spec = format!(
        "{{policyTypes: [Ingress, Egress], ingress: [{{from: {block}}}], egress: [{{to: {block}}}]}}"
    );
    town()
        .policy("shop/p", &spec)
        .check(&[(node, "shop/web", "tcp/80", true), ("shop/web", node, "tcp/80", true)]);
}

#[test]
fn rows_38_and_39_pods_on_the_hosts_network_are_neither_subjects_nor_selected_peers() {
    let agent = "{hostNetwork: true, containers: [{name: a, ports: [{name: sql, containerPort: 5432}]}]}";
    let town = || town().pod("shop/agent", "172.16.0.1", "{app: web}", agent);
    let from_all = town().policy("shop/p", "{ingress: [{from: [{namespaceSelector: {}}]}]}");
    from_all.check(&[
        (OUTSIDE, "shop/agent", "tcp/80", true),
        ("shop/agent", "shop/db", "tcp/80", false),
        ("shop/web", "shop/db", "tcp/80", true),
    ]);
    assert!(!from_all.program().endpoints.contains_key(&endpoint_id("shop/agent")));
    // Its named ports are no service of a pod either.
    let named = "{policyTypes: [Egress], egress: [{ports: [{port: sql}]}]}";
    town()
        .policy("shop/p", named)
        .check(&[("shop/web", "172.16.0.1", "tcp/5432", false), ("shop/web", "shop/db", "tcp/5432", true)]);
    let block = "{ingress: [{from: [{ipBlock: {cidr: 172.16.0.1/32}}]}]}";
    town().policy("shop/p", block).check(&[("shop/agent", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_44_a_terminating_pod_stays() {
    let scenario = town().policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}");
    let scenario = ["shop/web", "shop/db"].into_iter().fold(scenario, |scenario, id| {
        scenario.change_pod(id, |pod| {
            let now = "2026-08-01T00:00:00Z";
            pod.metadata.deletion_timestamp = Some(crate::scenario::yaml(now));
        })
    });
    scenario.check(&[("shop/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_45_a_pod_that_has_finished_leaves_all_sets() {
    for phase in ["Succeeded", "Failed"] {
        let scenario = town()
            .policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")
            .phase("shop/web", phase);
        scenario.check(&[("10.0.0.1", "shop/db", "tcp/80", false), (OUTSIDE, "10.0.0.1", "tcp/80", true)]);
        assert!(!scenario.program().endpoints.contains_key(&endpoint_id("shop/web")));
        // The address goes to another pod, which has its own labels.
        let reused = scenario.pod("bank/new", "10.0.0.1", "{app: new}", "{containers: []}");
        reused.check(&[("bank/new", "shop/db", "tcp/80", false), (OUTSIDE, "bank/new", "tcp/80", true)]);
    }
}

#[test]
fn row_46_labels_count_as_they_are_now() {
    let scenario = town().policy(
        "shop/p",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: web}}}]}]}",
    );
    scenario.check(&[("bank/web", "shop/db", "tcp/80", true)]);
    let labels = |labels: &'static str| {
        move |pod: &mut k8s_openapi::api::core::v1::Pod| {
            pod.metadata.labels = Some(crate::scenario::yaml(labels))
        }
    };
    let peer = scenario.clone().change_pod("bank/web", labels("{app: other}"));
    peer.check(&[("bank/web", "shop/db", "tcp/80", false)]);
    let subject = scenario.clone().change_pod("shop/db", labels("{app: other}"));
    subject.check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
    let namespace = scenario.namespace("bank", "{team: green}");
    namespace.check(&[("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_47_a_namespace_has_its_name_as_a_label() {
    let by_name =
        "{ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}}]}]}";
    let packets = [("bank/web", "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)];
    town().policy("shop/p", by_name).check(&packets);
    let not_other = "{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}}]}]}";
    town().policy("shop/p", not_other).check(&packets);
}

#[test]
fn a_namespace_that_is_not_known_is_selected_only_if_any_labels_would_do() {
    let mut scenario = town();
    scenario.cluster.namespaces.clear();
    let cases = [
        ("{}", true),
        ("{matchLabels: {kubernetes.io/metadata.name: bank}}", true),
        ("{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}", true),
        ("{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [bank]}]}", false),
        ("{matchLabels: {team: blue}}", false),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}", false),
        ("{matchExpressions: [{key: team, operator: DoesNotExist}]}", false),
    ];
    for (selector, allowed) in cases {
        let spec = format!("{{ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]}}");
        scenario.clone().policy("shop/p", &spec).check(&[("bank/web", "shop/db", "tcp/80", allowed)]);
    }
}

#[test]
fn row_48_isolation_ends_with_the_last_policy() {
    let both = town().policy("shop/p", "{}").policy("shop/q", "{policyTypes: [Ingress, Egress]}");
    both.check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("shop/db", OUTSIDE, "tcp/80", false)]);
    let one = both.without_policy("shop/q");
    one.check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("shop/db", OUTSIDE, "tcp/80", true)]);
    one.without_policy("shop/p").check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
}

#[test]
fn row_49_what_cannot_be_used_matches_nothing_and_isolation_holds() {
    let good = "{podSelector: {matchLabels: {app: web}}}";
    let bad = "{podSelector: {matchExpressions: [{key: app, operator: Like, values: [w]}]}}";
    let scenario = town().policy("shop/p", &format!("{{ingress: [{{from: [{bad}]}}]}}"));
    assert_eq!(scenario.problems().len(), 1);
    scenario.check(&[("shop/web", "shop/db", "tcp/80", false)]);
    town()
        .policy("shop/p", &format!("{{ingress: [{{from: [{bad}, {good}]}}]}}"))
        .check(&[("shop/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/80", false)]);
    for cidr in ["10.0.0.0", "10.0.0.0/33", "ten/8", "10.0.0.0/255.0.0.0", "010.0.0.0/8", "10.0.0.0/+8"] {
        let rule = format!("{{ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}");
        let scenario = town().policy("shop/p", &rule);
        assert_eq!(scenario.problems().len(), 1, "{cidr}");
        assert!(!scenario.program_allows("shop/web", "shop/db", "tcp/80"), "{cidr}");
    }
}

#[test]
fn row_50_a_services_own_address_is_no_pods() {
    let spec = "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}";
    town()
        .policy("shop/p", spec)
        .check(&[("shop/web", "10.96.0.10", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", true)]);
}

#[test]
fn both_ends_must_allow() {
    let egress = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}";
    let ingress = "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}";
    town().policy("shop/out", egress).policy("shop/in", ingress).check(&[
        ("shop/web", "shop/db", "tcp/80", true),
        ("shop/web", "bank/web", "tcp/80", false),
        ("bank/web", "shop/db", "tcp/80", false),
        ("bank/web", "shop/web", "tcp/80", true),
    ]);
}

#[test]
fn equal_policies_share_profiles_and_sets_and_names_tell_content() {
    let spec = "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]}";
    let longhand = "{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}], ports: [{port: 80, protocol: TCP}]}]}";
    let program = town().policy("shop/p", spec).program();
    assert_eq!((program.profiles.len(), program.sets.len()), (1, 1));
    assert_eq!(town().policy("shop/p", longhand).program(), program);

    // Members come and go under the same names.
    let more = town()
        .policy("shop/p", spec)
        .pod("shop/more", "10.0.0.3", "{app: web}", "{containers: []}")
        .program();
    assert_eq!(more.profiles, program.profiles);
    assert!(more.sets.keys().eq(program.sets.keys()));
    assert_ne!(more.sets, program.sets);

    // Profiles without rules differ by the policies that isolate.
    let p = town().policy("shop/p", "{}").program();
    let q = town().policy("shop/q", "{}").program();
    assert!(p.profiles.keys().ne(q.profiles.keys()));
}

#[test]
fn ports_merge_and_blocks_share_one_set() {
    let spec = "{ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/25}}, {ipBlock: {cidr: 192.0.2.128/25}}, {ipBlock: {cidr: 'fd00::/8', except: ['fd80::/9']}}], ports: [{port: 443}, {port: 80}, {port: 81, endPort: 90}, {port: 53, protocol: UDP}, {port: 5000, protocol: SCTP}, {protocol: SCTP}]}]}";
    let program = town().policy("shop/p", spec).program();
    let profile = program.profiles.values().next().unwrap();
    let set = program.sets.keys().next().unwrap();
    let side = Side::Source;
    let from = || Match::Address { side, set: set.clone(), negated: false };
    let is = |protocol: Protocol| Match::Protocol { number: protocol.number(), negated: false };
    let ports = |ranges| Match::Ports { side: Side::Destination, ranges, negated: false };
    let rules: Vec<_> = profile.tiers[0].rules.iter().map(|rule| rule.matches.clone()).collect();
    assert_eq!(
        rules,
        [
            vec![is(Protocol::Tcp), from(), ports(vec![(80, 90), (443, 443)])],
            vec![is(Protocol::Udp), from(), ports(vec![(53, 53)])],
            vec![is(Protocol::Sctp), from()],
        ]
    );
    let networks = ["192.0.2.0/24", "fd00::/9"].map(|text| text.parse().unwrap());
    assert_eq!(program.sets.values().collect::<Vec<_>>(), [&Set::Networks(networks.into())]);
}

#[test]
fn endpoints_that_serve_a_name_elsewhere_have_their_own_profile() {
    let named = "{ingress: [{ports: [{port: api}]}]}";
    let serving =
        |port| format!("{{containers: [{{name: a, ports: [{{name: api, containerPort: {port}}}]}}]}}");
    let program = Scenario::default()
        .pod("shop/a", "10.0.0.1", "{}", &serving(80))
        .pod("shop/b", "10.0.0.2", "{}", &serving(80))
        .pod("shop/c", "10.0.0.3", "{}", &serving(81))
        .policy("shop/p", named)
        .program();
    let profile = |id| program.endpoints[&endpoint_id(id)].ingress.clone().unwrap();
    assert_eq!(profile("shop/a"), profile("shop/b"));
    assert_ne!(profile("shop/a"), profile("shop/c"));
}

#[test]
fn an_endpoint_without_addresses_is_in_the_program() {
    let mut model = town().policy("shop/p", "{}").model();
    let id = endpoint_id("shop/starting");
    model.endpoints.insert(id.clone(), Endpoint::new(id.clone()));
    let program = super::compile(&model, &ids(&["shop/starting"]));
    assert!(program.endpoints[&id].ingress.is_some(), "row 42: isolated before it has an address");
    let profile = program.profiles.values().next().unwrap();
    assert_eq!(profile.tiers[0].policies, [policy_id("shop/p")]);
}
