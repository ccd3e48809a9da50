//! What a node computes of a whole fabric: every endpoint and policy from nothing, then one label.
//!
//! A tenth as many policies as endpoints, which are in namespaces of 500. Of all endpoints, 250 are local, spread evenly, so that
//! nearly every namespace's policies matter. Each policy selects an application of its namespace; its peers are a role of the
//! namespace, and an application in the namespaces of a team. Sets have members of the whole fabric.
//!
//! Measured is the policy engine and the lowering, up to what the kernel should hold: first from objects as they come out of the
//! datastore, then after another label on one endpoint of anywhere. Each size is a process of its own, whose memory is read.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use felix_agent::dataplane::nftables::{Kept, Options};
use integration::measure::report::{Goal, Measure, Report};
use integration::measure::{read_peak_mb, sorted};
use integration::random::Random;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::Engine;
use policy::model::{Endpoint, Namespace, Policy, PolicyId, PolicyKind};
use policy::program::EndpointId;
use serde_json::{Value, json};

use crate::node::{address, id};

const NAMESPACE: u32 = 500;
const LOCAL: u32 = 250;
const TEAMS: u32 = 20;
const APPLICATIONS: u32 = 50;
const ROLES: u32 = 10;

/// Labels that are changed.
const CHANGES: usize = 500;

/// Measures each of these sizes, in a process of its own.
pub fn measure(sizes: &[u32], report: &mut Report) -> Result<()> {
    for size in sizes {
        let output = Command::new(std::env::current_exe()?)
            .arg(format!("--compute={size}"))
            .stderr(Stdio::inherit())
            .output()
            .context("starting a process for one size")?;
        ensure!(output.status.success(), "computing with {size} endpoints: {}", output.status);
        let figures: Value = serde_json::from_slice(&output.stdout).context("its figures")?;
        let figure = |name: &str| figures[name].as_f64().with_context(|| format!("no figure {name}"));
        let row = format!("{size} endpoints, {} policies, {LOCAL} endpoints local", size / 10);
        let all = format!("{row}: from nothing");
        report.add_ours(&all, Measure::Time, Goal::Under(5.0), figure("all")?);
        report.add_ours(&all, Measure::Memory, Goal::Under(1_000.0), figure("memory")?);
        let one = format!("{row}: another label");
        report.add_ours(&one, Measure::Median, Goal::Under(0.005), figure("one")?);
        report.add_ours(&one, Measure::P99, Goal::Under(0.005), figure("p99")?);
    }
    Ok(())
}

/// Does it and tells the figures.
pub fn alone(size: u32) -> Result<Value> {
    let policies: Vec<(PolicyId, NetworkPolicy)> =
        (0..size / 10).map(|number| object(number, size)).collect::<Result<_>>()?;
    let step = (size / LOCAL).max(1);
    let local: Vec<EndpointId> =
        (0..size).step_by(step as usize).take(LOCAL as usize).map(endpoint_id).collect();
    let interfaces: BTreeMap<EndpointId, String> =
        local.iter().enumerate().map(|(number, id)| (id.clone(), format!("fab{number:012}"))).collect();
    let (mut kept, options) = (Kept::default(), Options::default());

    let began = Instant::now();
    let mut engine = Engine::new();
    engine.set_local(local.into_iter().collect());
    for number in 0..namespaces(size) {
        let labels = [("team".to_owned(), (number % TEAMS).to_string())].into();
        engine.set_namespace(&namespace(number), Some(Namespace { labels }));
    }
    for number in 0..size {
        engine.set_endpoint(&endpoint_id(number), Some(endpoint(number, number % ROLES)));
    }
    for (id, object) in policies {
        let space = id.namespace.clone().unwrap_or_default();
        engine.set_policy(&id, Some(Policy::from_kubernetes(&space, &id.name, &object)));
    }
    engine.settle();
    let delta = engine.take_delta();
    kept.follow(engine.program(), delta.as_ref(), &interfaces, &options);
    let all = began.elapsed().as_secs_f64();
    ensure!(kept.lowered().ends.len() == 2 * LOCAL as usize, "{} ends", kept.lowered().ends.len());

    let (mut random, mut took) = (Random(1), Vec::with_capacity(CHANGES));
    for _ in 0..CHANGES {
        let (number, role) = (random.below(size), random.below(ROLES));
        let changed = endpoint(number, role);
        let began = Instant::now();
        engine.set_endpoint(&endpoint_id(number), Some(changed));
        engine.settle();
        let delta = engine.take_delta();
        kept.follow(engine.program(), delta.as_ref(), &interfaces, &options);
        took.push(began.elapsed().as_secs_f64());
    }
    let took = sorted(took);
    Ok(json!({
        "all": all, "memory": read_peak_mb(std::process::id())?,
        "one": took.pick(500), "p99": took.pick(990),
    }))
}

fn namespaces(size: u32) -> u32 {
    size.div_ceil(NAMESPACE)
}

fn namespace(number: u32) -> String {
    format!("namespace{number}")
}

fn endpoint_id(number: u32) -> EndpointId {
    id(&namespace(number / NAMESPACE), &format!("pod{number}"))
}

fn endpoint(number: u32, role: u32) -> Endpoint {
    let mut endpoint = Endpoint::new(endpoint_id(number));
    let labels = [("app", number % APPLICATIONS), ("role", role), ("zone", number % 3)];
    endpoint.labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    endpoint.addresses.insert(address([10, 0, 0, 0], number).into());
    endpoint
}

fn object(number: u32, size: u32) -> Result<(PolicyId, NetworkPolicy)> {
    let space = namespace(number % namespaces(size));
    let place = number / namespaces(size);
    let matching = |key: &str, value: u32| json!({ "matchLabels": { key: value.to_string() } });
    let peers = json!([
        { "podSelector": matching("role", place % ROLES) },
        {
            "namespaceSelector": matching("team", number % TEAMS),
            "podSelector": matching("app", place % APPLICATIONS),
        },
    ]);
    let object = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "podSelector": matching("app", place % APPLICATIONS),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": peers, "ports": [{ "port": 8_080 }] }],
            "egress": [{ "to": peers }, { "ports": [{ "port": 53, "protocol": "UDP" }] }],
        },
    }))?;
    Ok((PolicyId::namespaced(PolicyKind::NetworkPolicy, space, format!("policy{number}")), object))
}
