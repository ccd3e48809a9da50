//! After any changes, each applied by what it changed, the kernel holds what a fresh start would put there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use felix_agent::dataplane::enforce::{Enforcer, World};
use felix_agent::dataplane::nftables::{Kept, Options, Scope};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::Engine;
use policy::delta::Delta;
use policy::model::{Endpoint, Policy, PolicyId, PolicyKind};
use policy::program::EndpointId;
use serde_json::json;

use crate::namespace::Namespace;

const PODS: u32 = 8;
const POLICIES: u32 = 6;
const STEPS: u32 = 150;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}

fn pod(number: u32) -> EndpointId {
    EndpointId { namespace: "shop".to_owned(), name: format!("pod{number}") }
}

fn set_pod(engine: &mut Engine, numbers: &mut Numbers) {
    let id = pod(numbers.below(PODS));
    let mut endpoint = Endpoint::new(id.clone());
    endpoint.labels.insert("app".to_owned(), numbers.below(3).to_string());
    endpoint.addresses.insert(IpAddr::from([10, 0, 0, u8::try_from(numbers.below(PODS)).unwrap()]));
    engine.set_endpoint(&id, (numbers.below(5) > 0).then_some(endpoint));
}

fn set_policy(engine: &mut Engine, numbers: &mut Numbers) {
    let name = format!("policy{}", numbers.below(POLICIES));
    let app = |numbers: &mut Numbers| json!({ "matchLabels": { "app": numbers.below(3).to_string() } });
    let object: NetworkPolicy = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "podSelector": app(numbers),
            "ingress": [
                { "from": [{ "podSelector": app(numbers) }], "ports": [{ "port": 80 + numbers.below(2) }] },
                { "from": [{ "ipBlock": { "cidr": format!("10.{}.0.0/16", numbers.below(3)) } }] },
            ],
        },
    }))
    .unwrap();
    let id = PolicyId::namespaced(PolicyKind::NetworkPolicy, "shop", &name);
    let policy = Policy::from_kubernetes("shop", &name, &object);
    engine.set_policy(&id, (numbers.below(4) > 0).then_some(policy));
}

/// The kernel as one agent keeps it, and as the next one finds it.
fn apply(
    enforcer: &mut Enforcer,
    kept: &Kept,
    scope: Scope,
    engine: &Engine,
    delta: Option<&Delta>,
) -> (usize, bool) {
    let lives = |address: &IpAddr| engine.owner(*address).is_some();
    let world = World { program: engine.program(), delta, lives: &lives, own: &BTreeSet::new() };
    let enforced = enforcer.apply(kept.lowered(), scope, &world).unwrap();
    assert_eq!((&enforced.problems, &enforced.unfulfilled), (&Vec::new(), &BTreeMap::new()));
    (enforced.applied.changes, enforced.applied.replaced)
}

#[test]
fn what_changed_is_enough() {
    for shared_from in [4, usize::MAX] {
        let node = Namespace::new();
        let open = || node.run(|| Enforcer::open(Duration::ZERO).unwrap());
        let (mut engine, mut kept, mut numbers) = (Engine::new(), Kept::default(), Numbers(1));
        engine.set_local((0..PODS / 2).map(pod).collect());
        let interfaces = (0..PODS).map(|number| (pod(number), format!("fab{number}"))).collect();
        let options = Options { shared_from, ..Options::default() };
        let mut enforcer = open();
        let mut changed = 0;
        for step in 0..STEPS {
            if step > 20 || numbers.below(2) == 0 {
                set_pod(&mut engine, &mut numbers);
            }
            if numbers.below(3) == 0 {
                set_policy(&mut engine, &mut numbers);
            }
            engine.settle();
            let delta = engine.take_delta();
            let scope = kept.follow(engine.program(), delta.as_ref(), &interfaces, &options);
            let (changes, replaced) = apply(&mut enforcer, &kept, scope, &engine, delta.as_ref());
            assert_eq!(replaced, step == 0);
            changed += changes;
            // The first two also let connections begin in the middle, and no more.
            if step > 1 && step % 5 == 0 {
                let (changes, _) = apply(&mut open(), &kept, Scope::Everywhere, &engine, None);
                assert_eq!(changes, 0, "step {step}");
            }
        }
        assert!(changed > 200, "{changed}");
    }
}
