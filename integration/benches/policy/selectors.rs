//! 10,000 different selectors in use on one node: as many policies' peers, each another label, over 250 local endpoints.
//!
//! Beside ours, the same rules with a named set for each selector and family, as messages that are ready: the kernel finds a set
//! by going through all of them.

use std::time::Instant;

use anyhow::Result;
use integration::measure::report::{Goal, Measure, Report};
use policy::Engine;
use policy::model::Namespace;
use serde_json::{Value, json};

use crate::node::{Node, SHOP, Site, address, endpoint, id, set_policy};
use crate::raw::{Messages, Raw};

const SELECTORS: u32 = 10_000;
const ENDPOINTS: u32 = 250;
/// Selectors of a policy.
const PEERS: u32 = 8;
/// Endpoints elsewhere, each selected once.
const REMOTE: u32 = SELECTORS;

const NAMED: &str = "a named set for each, messages";

/// Measures the cold load.
pub fn compare(report: &mut Report) -> Result<()> {
    let row = format!("cold load of {SELECTORS} different selectors on one node");
    let (ours, theirs) = (Site::new()?, Site::new()?);
    let engine = engine()?;
    let mut node = ours.namespace.run(|| Node::new(engine))??;
    let began = Instant::now();
    node.enforce_anew()?;
    report.add_ours(&row, Measure::Time, Goal::Under(0.5), began.elapsed().as_secs_f64());

    let engine = self::engine()?;
    let mut apart = theirs.namespace.run(|| Node::apart(engine))??;
    let messages = Messages::loading(&apart.table());
    let mut raw = theirs.namespace.run(|| Raw::open(&messages))??;
    let began = Instant::now();
    raw.send(&messages)?;
    report.add(&row, NAMED, Measure::Time, began.elapsed().as_secs_f64());
    Ok(())
}

fn engine() -> Result<Engine> {
    let mut engine = Engine::new();
    engine.set_namespace(SHOP, Some(Namespace { labels: [("name".to_owned(), SHOP.to_owned())].into() }));
    let local = |number: u32| id(SHOP, &format!("pod{number}"));
    engine.set_local((0..ENDPOINTS).map(local).collect());
    for number in 0..ENDPOINTS {
        let pod = endpoint(&local(number), ("app", &number.to_string()), address([10, 1, 0, 0], number));
        engine.set_endpoint(&local(number), Some(pod));
    }
    for number in 0..REMOTE {
        let id = id(SHOP, &format!("remote{number}"));
        let remote = endpoint(&id, ("role", &number.to_string()), address([10, 64, 0, 0], number));
        engine.set_endpoint(&id, Some(remote));
    }
    for number in 0..SELECTORS / PEERS {
        let peers: Vec<Value> = (0..PEERS)
            .map(|peer| json!({ "podSelector": { "matchLabels": { "role": (number * PEERS + peer).to_string() } } }))
            .collect();
        let spec = json!({
            "podSelector": { "matchLabels": { "app": (number % ENDPOINTS).to_string() } },
            "ingress": [{ "from": peers }],
        });
        set_policy(&mut engine, &format!("policy{number}"), &spec)?;
    }
    engine.settle();
    Ok(engine)
}
