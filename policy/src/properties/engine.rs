//! Whatever it learns and in whatever order, an engine has the program of what it knows.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::compile::compile;
use crate::engine::{Engine, Stage};
use crate::program::PolicyId;
use crate::scenario::Scenario;
use crate::scenario::feed::Key;
use crate::scenario::random::changes::{Change, changes};
use crate::scenario::random::{cases, scenarios};

/// A change of the cluster, and what an engine hears after it.
#[derive(Debug, Clone)]
struct Step {
    change: Change,
    /// The objects that it is told of, as they are now: not those that changed, and some twice.
    told: Vec<Index>,
    /// Which pods are local from now on, by the order in which they are.
    local: Option<Vec<bool>>,
    /// Whether the program is asked for.
    asked: bool,
}

fn steps() -> impl Strategy<Value = Step> {
    let local = prop::option::weighted(0.1, vec(prop::bool::weighted(0.7), 8));
    (changes(), vec(any::<Index>(), 0..5), local, any::<bool>())
        .prop_map(|(change, told, local, asked)| Step { change, told, local, asked })
}

fn check(engine: &mut Engine) -> Result<(), TestCaseError> {
    engine.settle();
    let expected = compile(engine.model(), engine.local());
    prop_assert_eq!(engine.program(), &expected, "{}\n{}", engine.program(), expected);
    Ok(())
}

fn follow(mut scenario: Scenario, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut engine = scenario.engine();
    check(&mut engine)?;
    let mut known = scenario.keys();
    for step in steps {
        step.change.make(&mut scenario);
        known.extend(scenario.keys());
        if let Some(local) = step.local {
            let pods = scenario.pods().into_iter().zip(local).filter(|(_, is_local)| *is_local);
            engine.set_local(pods.map(|(id, _)| id).collect());
        }
        let keys: Vec<Key> = known.iter().cloned().collect();
        for index in step.told {
            scenario.deliver(&mut engine, index.get(&keys));
        }
        if step.asked {
            check(&mut engine)?;
        }
    }
    for key in known.iter().rev() {
        scenario.deliver(&mut engine, key);
    }
    check(&mut engine)?;
    let model = scenario.model();
    prop_assert_eq!(engine.model(), &model);
    // As one that has never known anything else.
    let mut fresh = Engine::new();
    fresh.set_local(engine.local().clone());
    for key in scenario.keys() {
        scenario.deliver(&mut fresh, &key);
    }
    fresh.settle();
    prop_assert_eq!(engine.program(), fresh.program());
    check_listings(&engine)
}

fn check_listings(engine: &Engine) -> Result<(), TestCaseError> {
    let model = engine.model();
    for endpoint in model.endpoints.values() {
        let selecting = model.policies.values().filter(|policy| model.selects(&policy.subject, endpoint));
        let selecting: BTreeSet<&PolicyId> = selecting.map(|policy| &policy.id).collect();
        prop_assert_eq!(engine.policies_of(&endpoint.id), selecting);
    }
    for summary in engine.summaries().iter().filter(|summary| summary.stage == Stage::Enforced) {
        let subject = &model.policies[&summary.id].subject;
        let selected = model.endpoints.values().filter(|endpoint| model.selects(subject, endpoint));
        prop_assert_eq!(summary.endpoints, selected.count());
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn after_any_changes_it_is_what_compiling_from_scratch_gives(
        scenario in scenarios(),
        steps in vec(steps(), 1..50),
    ) {
        follow(scenario, steps)?;
    }
}
