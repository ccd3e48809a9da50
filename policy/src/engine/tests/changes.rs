//! Whatever an engine is told of, in whatever order, its program is that of what it knows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::arbitrary::{self, PODS};
use super::settled;
use crate::compile::{compile, compile_pending};
use crate::delta::{Delta, Member, SetDelta};
use crate::engine::{Engine, Stage, put};
use crate::evaluate::evaluate;
use crate::model::*;
use crate::program::{EndpointId, Program, Set};
use crate::selector::Labels;

/// One update, as a watcher would bring it.
#[derive(Debug, Clone)]
pub(super) enum Update {
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
    let local = prop::collection::vec(prop::bool::weighted(0.8), usize::from(PODS)).prop_map(|flags| {
        let local = flags.into_iter().zip(0..).filter(|(local, _)| *local);
        Update::Local(local.map(|(_, number)| arbitrary::endpoint_id(number)).collect())
    });
    prop_oneof![
        12 => arbitrary::policy(),
        6 => arbitrary::surroundings(),
        2 => arbitrary::namespace(),
        12 => arbitrary::endpoint(),
        1 => local,
    ]
}

/// An engine that is told everything, and what it is told. At first every endpoint is local.
fn told(updates: impl IntoIterator<Item = Update>) -> (Engine, Model) {
    let (mut engine, mut model) = (Engine::new(), Model::default());
    engine.set_local((0..PODS).map(arbitrary::endpoint_id).collect());
    for update in updates {
        apply(&mut engine, &mut model, update);
    }
    (engine, model)
}

/// Does to a program what a delta says, as far as it says it.
fn follow(program: &mut Program, delta: &Delta, new: &Program) {
    for (id, delta) in &delta.sets {
        match delta {
            SetDelta::Whole => put(&mut program.sets, id, new.sets.get(id).cloned()),
            SetDelta::Members { added, removed } => {
                assert!(!added.is_empty() || !removed.is_empty());
                let set = program.sets.get_mut(id).unwrap();
                assert!(removed.iter().all(|member| change(set, *member, false)), "it had them");
                assert!(added.iter().all(|member| change(set, *member, true)), "it had them not");
            }
        }
    }
    for id in &delta.profiles {
        put(&mut program.profiles, id, new.profiles.get(id).cloned());
    }
    for id in &delta.endpoints {
        put(&mut program.endpoints, id, new.endpoints.get(id).cloned());
    }
}

fn change(set: &mut Set, member: Member, joins: bool) -> bool {
    fn of<T: Ord>(set: &mut BTreeSet<T>, member: T, joins: bool) -> bool {
        if joins { set.insert(member) } else { set.remove(&member) }
    }
    match (set, member) {
        (Set::Addresses(set), Member::Address(address)) => of(set, address, joins),
        (Set::AddressPorts(set), Member::AddressPort(address, protocol, port)) => {
            of(set, (address, protocol, port), joins)
        }
        (Set::Networks(set), Member::Network(network)) => of(set, network, joins),
        (set, member) => panic!("{member:?} in {set:?}"),
    }
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
        first in prop::collection::vec(updates(), 0..60),
        updates in prop::collection::vec((updates(), any::<bool>()), 1..80),
    ) {
        let (mut engine, mut model) = told(first);
        let mut followed = settled(&mut engine).clone();
        prop_assert_eq!(engine.take_delta(), None);
        for (update, look) in updates {
            apply(&mut engine, &mut model, update);
            // Not after each, so that changes also pile up.
            if look {
                let expected = compile(&model, &engine.local().clone());
                prop_assert_eq!(settled(&mut engine), &expected);
                let delta = engine.take_delta().unwrap();
                follow(&mut followed, &delta, &expected);
                prop_assert_eq!(&followed, &expected, "{:?}", delta);
                prop_assert!(engine.take_delta().unwrap().is_empty());
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
        updates in prop::collection::vec(updates(), 0..100),
        packets in prop::collection::vec(arbitrary::packet(), 20),
    ) {
        let (engine, model) = told(updates);
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
                let evaluation = evaluate(program, packet);
                prop_assert_eq!(explanation.verdict, evaluation.verdict());
                let decided: Vec<_> = evaluation.ends().map(|end| (end.direction, &end.endpoint, end.verdict())).collect();
                let explained: Vec<_> =
                    explanation.directions.iter().map(|end| (end.direction, &end.endpoint, end.verdict)).collect();
                prop_assert_eq!(explained, decided);
            }
        }
    }
}
