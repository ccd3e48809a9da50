use crate::compile::compile;
use crate::scenario::{ids, town};

/// Also that names do not change from release to release: they are in the kernel of running nodes.
#[test]
fn a_program_reads_like_a_ruleset() {
    let scenario = town()
        .policy("shop/backend", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}, {port: 8000, endPort: 8010}]}, {from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25]}}], ports: [{protocol: UDP}]}]}")
        .policy("shop/out", "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: sql}]}, {to: [{podSelector: {matchLabels: {app: none}}}]}]}");
    let program = compile(&scenario.model(), &ids(&["bank/web", "shop/db"]));
    assert_eq!(super::render(&program), include_str!("golden.txt"));
}
