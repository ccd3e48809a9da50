use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::*;
use crate::compile::compile;
use crate::program::Set;
use crate::scenario::{endpoint_id, ids, policy_id, town, yaml};

mod arbitrary;
mod changes;

fn settled(engine: &mut Engine) -> &Program {
    engine.settle();
    engine.program()
}

#[test]
fn forgetting_everything_leaves_nothing() {
    let scenario = town()
        .policy("shop/a", "{policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}], egress: [{ports: [{port: sql}]}]}")
        .policy("bank/b", "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}");
    let mut engine = scenario.engine();
    assert_eq!(settled(&mut engine).sets.len(), 4);
    let model = scenario.model();
    for id in model.policies.keys() {
        engine.set_policy(id, None);
    }
    for id in model.endpoints.keys() {
        engine.set_endpoint(id, None);
    }
    for name in model.namespaces.keys() {
        engine.set_namespace(name, None);
    }
    engine.set_local(BTreeSet::new());
    assert_eq!(settled(&mut engine), &Program::default());
    assert_eq!(format!("{:?}", engine.index).matches("SelectorHandle(").count(), 0);
    assert_eq!(format!("{:?}", engine.live), format!("{:?}", Live::default()));
    assert_eq!(format!("{:?}", engine.blocks), format!("{:?}", Blocks::default()));
    assert!(engine.owners.is_empty() && engine.isolating.is_empty() && engine.subjects.is_empty());
}

#[test]
fn only_what_local_endpoints_need_is_in_the_program() {
    let scenario = town()
        .policy("shop/a", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}")
        .policy("bank/b", "{ingress: [{from: [{namespaceSelector: {}}]}]}");
    let mut engine = scenario.engine();
    engine.set_local(ids(&["shop/web"]));
    let program = settled(&mut engine);
    assert_eq!((program.endpoints.len(), program.profiles.len(), program.sets.len()), (1, 0, 0));
    engine.set_local(ids(&["shop/web", "shop/db", "shop/unknown"]));
    let program = settled(&mut engine);
    assert_eq!((program.endpoints.len(), program.profiles.len(), program.sets.len()), (2, 1, 1));
}

#[test]
fn an_address_that_passes_from_one_pod_to_the_next_stays_in_the_set() {
    let mut engine = town()
        .policy("bank/b", "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}")
        .engine();
    let addresses = |engine: &mut Engine| match settled(engine).sets.values().next() {
        Some(Set::Addresses(addresses)) => addresses.iter().filter(|address| address.is_ipv4()).count(),
        other => panic!("{other:?}"),
    };
    assert_eq!(addresses(&mut engine), 2);
    let mut heir = Endpoint::new(endpoint_id("shop/heir"));
    heir.addresses.insert("10.0.0.1".parse().unwrap());
    engine.set_endpoint(&heir.id.clone(), Some(heir));
    assert_eq!(addresses(&mut engine), 2);
    engine.set_endpoint(&endpoint_id("shop/web"), None);
    assert_eq!(addresses(&mut engine), 2);
    assert_eq!(engine.owner("10.0.0.1".parse().unwrap()), Some(&endpoint_id("shop/heir")));
    engine.set_endpoint(&endpoint_id("shop/heir"), None);
    assert_eq!(addresses(&mut engine), 1);
}

#[test]
fn summaries_tell_types_endpoints_and_problems() {
    let mut engine = town()
        .policy("shop/a", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}")
        .policy("bank/b", "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]}")
        .engine();
    let expected = [
        PolicySummary {
            id: policy_id("bank/b"),
            stage: Stage::Enforced,
            tier: "default".to_owned(),
            directions: vec![Direction::Ingress],
            endpoints: 2,
            problems: vec![
                "spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0\" is no network (like 10.0.0.0/8 or fd00::/64); this peer matches nothing"
                    .to_owned(),
            ],
        },
        PolicySummary {
            id: policy_id("shop/a"),
            stage: Stage::Enforced,
            tier: "default".to_owned(),
            directions: vec![Direction::Egress],
            endpoints: 1,
            problems: vec![],
        },
    ];
    assert_eq!(engine.summaries(), expected);
    assert_eq!(engine.policies_of(&endpoint_id("shop/db")), BTreeSet::from([&policy_id("shop/a")]));
    assert_eq!(engine.policies_of(&endpoint_id("shop/unknown")), BTreeSet::new());

    let object: NetworkPolicy = yaml("{metadata: {}, spec: {podSelector: {}}}");
    engine.set_policy(&policy_id("shop/a"), Some(Policy::from_kubernetes("shop", "a", &object)));
    assert_eq!(engine.summaries()[1].endpoints, 2);
}

#[test]
fn a_pod_that_finishes_leaves_and_its_address_is_nobodys() {
    let mut engine = town().policy("shop/p", "{ingress: [{from: [{podSelector: {}}]}]}").engine();
    let id = endpoint_id("shop/web");
    let running = engine.model().endpoints[&id].clone();
    let before = settled(&mut engine).clone();
    for finished in [true, false] {
        engine.set_endpoint(&id, Some(Endpoint { finished, ..running.clone() }));
        assert_eq!(engine.owner("10.0.0.1".parse().unwrap()).is_none(), finished);
        assert_eq!(engine.policies_of(&id).is_empty(), finished);
        assert_eq!(settled(&mut engine).endpoints.contains_key(&id), !finished);
        assert_eq!(settled(&mut engine) == &before, !finished);
        let expected = compile(engine.model(), &engine.local().clone());
        assert_eq!(settled(&mut engine), &expected);
    }
}
