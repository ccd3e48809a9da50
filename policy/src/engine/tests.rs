use k8s_openapi::api::networking::v1::NetworkPolicy;
use proptest::prelude::*;

use super::*;
use crate::compile::{compile, compile_pending};
use crate::program::Set;
use crate::scenario::random::{self, NAMESPACES, kubernetes_scenarios, packets};
use crate::scenario::{endpoint_id, ids, policy_id, town, yaml};

mod arbitrary;

fn settled(engine: &mut Engine) -> &Program {
    engine.settle();
    engine.program()
}

/// One update, as a watcher would bring it.
#[derive(Debug, Clone)]
enum Update {
    Policy(PolicyId, Option<Box<Policy>>),
    Staged(PolicyId, Option<Staged>),
    Tier(String, Option<Tier>),
    Namespace(String, Option<Namespace>),
    NetworkSet(NetworkSetId, Option<NetworkSet>),
    Node(String, Option<Node>),
    ServiceAccount(ServiceAccountId, Option<Labels>),
    Service(ServiceId, Option<Backends>),
    Endpoint(EndpointId, Option<Endpoint>),
    Local(BTreeSet<EndpointId>),
}

fn updates() -> impl Strategy<Value = Update> {
    let policy = (0usize..6, prop::option::weighted(0.8, random::kubernetes::policy_spec())).prop_map(
        |(index, spec)| {
            let namespace = NAMESPACES[index % NAMESPACES.len()];
            let name = format!("p{index}");
            let policy = spec
                .map(|spec| {
                    Policy::from_kubernetes(namespace, &name, &random::kubernetes::policy(index, spec))
                })
                .map(Box::new);
            Update::Policy(policy_id(&format!("{namespace}/{name}")), policy)
        },
    );
    let namespace = prop::sample::select(NAMESPACES.to_vec())
        .prop_flat_map(|name| (Just(name), prop::option::weighted(0.8, random::objects::namespace(name))))
        .prop_map(|(name, object)| {
            let namespace = object.map(|object| Namespace::from_kubernetes(&object).unwrap().1);
            Update::Namespace(name.to_owned(), namespace)
        });
    let endpoint =
        (random::objects::pods(), any::<u8>(), arbitrary::account()).prop_map(|(pod, chance, account)| {
            let (mut endpoint, _) = Endpoint::from_kubernetes(&pod).unwrap();
            endpoint.service_account = account;
            // Two pods may have one address while it passes from one to the other.
            if chance % 2 == 0 {
                endpoint.addresses.insert("10.0.0.1".parse().unwrap());
            }
            Update::Endpoint(endpoint.id.clone(), (chance > 40).then_some(endpoint))
        });
    let local = prop::collection::vec(prop::bool::weighted(0.8), 8).prop_map(|flags| {
        let numbers = flags.into_iter().enumerate().filter(|(_, local)| *local);
        let id = |(index, _)| endpoint_id(&format!("{}/pod{index}", NAMESPACES[index % NAMESPACES.len()]));
        Update::Local(numbers.map(id).collect())
    });
    let own = arbitrary::policy();
    prop_oneof![4 => policy, 8 => own, 6 => arbitrary::surroundings(), 2 => namespace, 12 => endpoint, 1 => local]
}

fn apply(engine: &mut Engine, model: &mut Model, update: Update) {
    match update {
        Update::Policy(id, policy) => {
            let policy = policy.map(|policy| *policy);
            engine.set_policy(&id, policy.clone());
            put(&mut model.policies, &id, policy);
        }
        Update::Staged(id, staged) => {
            engine.set_staged(&id, staged.clone());
            put(&mut model.staged, &id, staged);
        }
        Update::Tier(name, tier) => {
            engine.set_tier(&name, tier.clone());
            put(&mut model.tiers, &name, tier);
        }
        Update::Namespace(name, namespace) => {
            engine.set_namespace(&name, namespace.clone());
            put(&mut model.namespaces, &name, namespace);
        }
        Update::NetworkSet(id, set) => {
            engine.set_network_set(&id, set.clone());
            put(&mut model.network_sets, &id, set);
        }
        Update::Node(name, node) => {
            engine.set_node(&name, node.clone());
            put(&mut model.nodes, &name, node);
        }
        Update::ServiceAccount(id, labels) => {
            engine.set_service_account(&id, labels.clone());
            put(&mut model.service_accounts, &id, labels);
        }
        Update::Service(id, backends) => {
            engine.set_service(&id, backends.clone());
            put(&mut model.services, &id, backends);
        }
        Update::Endpoint(id, endpoint) => {
            engine.set_endpoint(&id, endpoint.clone());
            put(&mut model.endpoints, &id, endpoint);
        }
        Update::Local(local) => engine.set_local(local),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_updates_it_is_what_compiling_from_scratch_gives(
        scenario in kubernetes_scenarios(),
        updates in prop::collection::vec((updates(), any::<bool>()), 1..80),
    ) {
        let mut engine = scenario.engine();
        let mut model = scenario.model();
        prop_assert_eq!(settled(&mut engine), &scenario.program());
        for (update, look) in updates {
            apply(&mut engine, &mut model, update);
            // Not after each, so that changes also pile up.
            if look {
                let expected = compile(&model, &engine.local().clone());
                prop_assert_eq!(settled(&mut engine), &expected);
            }
        }
        let expected = compile(&model, &engine.local().clone());
        prop_assert_eq!(settled(&mut engine), &expected);
        prop_assert_eq!(engine.model(), &model);
        prop_assert_eq!(engine.pending_program(), compile_pending(&model, engine.local()));
        for endpoint in model.endpoints.values() {
            let selecting = model.policies.values().filter(|policy| model.selects(&policy.subject, endpoint));
            let selecting: BTreeSet<&PolicyId> = selecting.map(|policy| &policy.id).collect();
            prop_assert_eq!(engine.policies_of(&endpoint.id), selecting);
        }
        for summary in engine.summaries() {
            let policy = match (summary.stage, model.staged.get(&summary.id)) {
                (Stage::Enforced, _) => &model.policies[&summary.id],
                (Stage::Staged, Some(Staged::Set(policy))) => policy,
                (Stage::Staged, other) => panic!("{other:?}"),
            };
            let selected =
                model.endpoints.values().filter(|endpoint| model.selects(&policy.subject, endpoint));
            prop_assert_eq!(summary.endpoints, selected.count());
        }
    }

    #[test]
    fn explanations_say_what_the_program_decides(
        scenario in kubernetes_scenarios(),
        updates in prop::collection::vec(updates(), 0..40),
        packets in prop::collection::vec(packets(), 20),
    ) {
        let mut engine = scenario.engine();
        let mut model = scenario.model();
        for update in updates {
            apply(&mut engine, &mut model, update);
        }
        let owners = |address| {
            let has = |endpoint: &&Endpoint| endpoint.is_policed() && endpoint.addresses.contains(&address);
            model.endpoints.values().filter(has).count()
        };
        let all = model.endpoints.keys().cloned().collect();
        let (now, pending) = (compile(&model, &all), compile_pending(&model, &all));
        // An address that several have for a moment is one's or another's.
        for packet in packets.iter().filter(|packet| owners(packet.source) < 2 && owners(packet.destination) < 2) {
            for (program, explanation) in
                [(&now, engine.explain(packet)), (&pending, engine.explain_pending(packet))]
            {
                let evaluation = crate::evaluate::evaluate(program, packet);
                prop_assert_eq!(explanation.verdict, evaluation.verdict());
                let decided: Vec<_> = evaluation.ends().map(|end| (end.direction, &end.endpoint, end.verdict())).collect();
                let explained: Vec<_> =
                    explanation.directions.iter().map(|end| (end.direction, &end.endpoint, end.verdict)).collect();
                prop_assert_eq!(explained, decided);
            }
        }
    }
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
