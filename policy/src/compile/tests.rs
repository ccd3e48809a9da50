//! How programs are made: what shares a set or a profile, and what names tell. (What they decide is in `cases`.)

use crate::model::Endpoint;
use crate::program::*;
use crate::scenario::{Scenario, endpoint_id, ids, policy_id, town};

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
