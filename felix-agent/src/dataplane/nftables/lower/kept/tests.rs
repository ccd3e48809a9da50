use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::Engine;
use policy::delta::Update;
use policy::model::{Endpoint, Policy, PolicyId, PolicyKind};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::dataplane::nftables::assemble::{Refusals, assemble};
use crate::dataplane::nftables::diff::diff;
use crate::dataplane::nftables::scope::Window;
use crate::dataplane::nftables::table::Table;
use crate::dataplane::nftables::transact::Former;

const PODS: u8 = 6;

fn pod(number: u8) -> EndpointId {
    EndpointId { namespace: "shop".to_owned(), name: format!("pod{number}") }
}

/// What may change between two looks.
#[derive(Debug, Clone)]
enum Step {
    Pod { number: u8, label: u8, address: u8, port: u8, exists: bool },
    Policy { number: u8, spec: Option<Json> },
    Local(Vec<bool>),
    Interface { number: u8, interface: Option<u8> },
    Syn(bool),
}

fn specs() -> impl Strategy<Value = Json> {
    let subject = prop_oneof![
        Just(json!({})),
        (0u8..3).prop_map(|label| json!({ "matchLabels": { "app": label.to_string() } }))
    ];
    let peer = prop_oneof![
        (0u8..3).prop_map(|label| json!({ "podSelector": { "matchLabels": { "app": label.to_string() } } })),
        Just(json!({ "podSelector": {} })),
        (0u8..4).prop_map(
            |third| json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": [format!("10.{third}.0.0/16")] } })
        ),
    ];
    let port = prop_oneof![Just(json!({ "port": "http" })), Just(json!({ "port": 80, "endPort": 90 }))];
    let rule = (prop::collection::vec(peer, 0..3), prop::collection::vec(port, 0..2));
    let rules = || prop::collection::vec(rule.clone(), 0..3);
    (subject, rules(), rules(), any::<bool>()).prop_map(|(subject, ingress, egress, both)| {
        let written = |rules: Vec<(Vec<Json>, Vec<Json>)>, side: &str| -> Vec<Json> {
            rules.into_iter().map(|(peers, ports)| json!({ side: peers, "ports": ports })).collect()
        };
        json!({
            "podSelector": subject, "policyTypes": if both { vec!["Ingress", "Egress"] } else { vec!["Ingress"] },
            "ingress": written(ingress, "from"), "egress": written(egress, "to"),
        })
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let pods = (0..PODS, 0u8..3, 0u8..5, 0u8..2, prop::bool::weighted(0.8)).prop_map(
        |(number, label, address, port, exists)| Step::Pod { number, label, address, port, exists },
    );
    let policies = (0u8..4, prop::option::weighted(0.8, specs()))
        .prop_map(|(number, spec)| Step::Policy { number, spec });
    let local = prop::collection::vec(prop::bool::weighted(0.8), usize::from(PODS)).prop_map(Step::Local);
    let interfaces = (0..PODS, prop::option::weighted(0.8, 0..PODS))
        .prop_map(|(number, interface)| Step::Interface { number, interface });
    prop_oneof![8 => pods, 4 => policies, 1 => local, 2 => interfaces, 1 => any::<bool>().prop_map(Step::Syn)]
}

/// Everything that a table is made of, and both ways to it.
struct World {
    engine: Engine,
    interfaces: BTreeMap<EndpointId, InterfaceName>,
    options: Options,
    addresses: BTreeMap<u8, u8>,
    kept: Kept,
    copy: Program,
}

impl World {
    fn new() -> Self {
        let mut engine = Engine::new();
        engine.set_local((0..PODS).map(pod).collect());
        let interfaces = (0..PODS).map(|number| (pod(number), format!("fab{number}"))).collect();
        // Few enough for both forms to come up.
        let options = Options { shared_from: 4, ..Options::default() };
        let (addresses, kept) = (BTreeMap::new(), Kept::default());
        Self { engine, interfaces, options, addresses, kept, copy: Program::default() }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pod { number, exists: false, .. } => {
                self.addresses.remove(&number);
                self.engine.set_endpoint(&pod(number), None);
            }
            Step::Pod { number, label, address, port, .. } => {
                self.addresses.insert(number, address);
                let mut endpoint = Endpoint::new(pod(number));
                endpoint.labels.insert("app".to_owned(), label.to_string());
                endpoint.addresses.extend(addresses(address));
                let named = json!([{ "name": "http", "containerPort": 80 + u16::from(port) }]);
                let object = serde_json::from_value(json!({
                    "metadata": { "namespace": "shop", "name": format!("pod{number}") },
                    "spec": { "containers": [{ "name": "c", "ports": named }] },
                }));
                let (known, _) = Endpoint::from_kubernetes(&object.unwrap()).unwrap();
                self.engine.set_endpoint(
                    &pod(number),
                    Some(Endpoint { labels: endpoint.labels, addresses: endpoint.addresses, ..known }),
                );
            }
            Step::Policy { number, spec } => {
                let name = format!("policy{number}");
                let id = PolicyId::namespaced(PolicyKind::NetworkPolicy, "shop", &name);
                let object = |spec| -> NetworkPolicy {
                    serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
                };
                let policy = spec.map(|spec| Policy::from_kubernetes("shop", &name, &object(spec)));
                self.engine.set_policy(&id, policy);
            }
            Step::Local(flags) => {
                let local = (0..PODS).zip(flags).filter(|(_, is_local)| *is_local);
                self.engine.set_local(local.map(|(number, _)| pod(number)).collect());
            }
            // Two may have one for a moment.
            Step::Interface { number, interface: Some(interface) } => {
                self.interfaces.insert(pod(number), format!("fab{interface}"));
            }
            Step::Interface { number, interface: None } => drop(self.interfaces.remove(&pod(number))),
            Step::Syn(require_syn) => self.options.require_syn = require_syn,
        }
    }

    fn follow(&mut self) -> Scope {
        self.engine.settle();
        let delta = self.engine.take_delta();
        let program = self.engine.program();
        Update::of(program, delta.as_ref()).apply(&mut self.copy);
        assert_eq!(self.copy, *program);
        self.kept.follow(program, delta.as_ref(), &self.interfaces, &self.options)
    }

    fn lives(&self, address: &IpAddr) -> bool {
        self.addresses.values().any(|number| addresses(*number).contains(address))
    }
}

fn addresses(number: u8) -> [IpAddr; 2] {
    [IpAddr::from([10, number, 0, 1]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)])]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_any_time_it_is_what_lowering_from_scratch_gives(
        steps in prop::collection::vec((steps(), any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        for (step, look) in steps {
            world.take(step);
            if look {
                world.follow();
                let expected = lower(world.engine.program(), &world.interfaces, &world.options);
                prop_assert_eq!(world.kept.lowered(), &expected);
            }
        }
    }

    #[test]
    fn the_transaction_between_parts_is_the_one_between_tables(
        steps in prop::collection::vec((steps(), any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        let (mut held, mut scope) = (Table::default(), Scope::Everywhere);
        for (step, look) in steps {
            world.take(step);
            // Scopes pile up, as they do while the kernel cannot be reached.
            scope.absorb(world.follow());
            if !look {
                continue;
            }
            let lowered = world.kept.lowered();
            let lives = |address: &IpAddr| world.lives(address);
            let whole = assemble(lowered, Former::Held(&held), &Refusals::default(), &lives);
            if let Scope::Within(places) = std::mem::take(&mut scope) {
                let window = Window::of(&places, &held, lowered);
                let before = window.part(&held);
                let part = assemble(
                    &window.part_of(lowered, &places.ends), Former::Held(&before), &Refusals::default(), &lives,
                );
                prop_assert_eq!(diff(&before, &part.table), diff(&held, &whole.table));
                prop_assert_eq!((&part.narrowed, &part.widened), (&whole.narrowed, &whole.widened));
                prop_assert_eq!((&part.wrapped, &part.departed), (&whole.wrapped, &whole.departed));
                window.put(&part.table, &mut held);
                prop_assert_eq!(&held, &whole.table);
            }
            held = whole.table;
        }
    }
}
