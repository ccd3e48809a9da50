//! A table of 250 endpoints and 1,000 policies, one of whose selectors has 10,000 members: its cold load, and a pod that joins
//! and leaves the selector.
//!
//! 50 applications of five replicas each, with 20 policies of their own. Every policy opens a port to networks or to the
//! 10,000 clients, and another to everybody; those of five applications are about the clients.
//!
//! Ours begins with the endpoint's change (or, for the load, with a settled program) and ends when the kernel has
//! answered. `nft -f` and the messages load exactly the table that ours makes, from a file and a buffer that are there.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use felix_agent::dataplane::nftables::Table;
use felix_agent::dataplane::nftables::table::{Datatype, Elements, Set, Value};
use integration::measure::report::{Goal, Measure, Report};
use integration::measure::sorted;
use policy::Engine;
use policy::model::Namespace;
use policy::program::Set as Members;
use serde_json::json;

use crate::node::{Node, SHOP, Site, address, endpoint, id, set_policy};
use crate::raw::{File, Messages, Raw};
use crate::{NFT, RAW};

const ENDPOINTS: u32 = 250;
const POLICIES: u32 = 1_000;
const MEMBERS: u32 = 10_000;
const REPLICAS: u32 = 5;
const APPLICATIONS: u32 = ENDPOINTS / REPLICAS;

/// Changes of a round, half of them a member that leaves.
const SAMPLES: usize = 200;
/// The same by `nft`, which takes its time.
const NFT_SAMPLES: usize = 20;

const CLIENTS: &str = "clients";
const FIRST_CLIENT: [u8; 4] = [10, 64, 0, 0];

/// Measures all of it.
pub fn compare(report: &mut Report) -> Result<()> {
    let (ours, theirs) = (Site::new()?, Site::new()?);
    let table = load(&ours, &theirs, report)?;
    joins_and_leaves(&ours, &theirs, &table, report)
}

fn engine() -> Result<Engine> {
    let mut engine = Engine::new();
    for name in [SHOP, CLIENTS] {
        let labels = [("name".to_owned(), name.to_owned())].into();
        engine.set_namespace(name, Some(Namespace { labels }));
    }
    let local = |number: u32| id(SHOP, &format!("pod{number}"));
    engine.set_local((0..ENDPOINTS).map(local).collect());
    for number in 0..ENDPOINTS {
        let label = format!("app{}", number / REPLICAS);
        let pod = endpoint(&local(number), ("app", &label), address([10, 1, 0, 0], number));
        engine.set_endpoint(&local(number), Some(pod));
    }
    for number in 0..MEMBERS {
        set_client(&mut engine, number, true);
    }
    for number in 0..POLICIES {
        set_policy(&mut engine, &format!("policy{number}"), &spec(number))?;
    }
    engine.settle();
    Ok(engine)
}

fn set_client(engine: &mut Engine, number: u32, exists: bool) {
    let id = id(CLIENTS, &format!("client{number}"));
    let client = endpoint(&id, ("role", "client"), address(FIRST_CLIENT, number));
    engine.set_endpoint(&id, exists.then_some(client));
}

fn spec(number: u32) -> serde_json::Value {
    let peer = if number.is_multiple_of(10) {
        let matching = json!({ "matchLabels": { "name": CLIENTS } });
        json!({ "namespaceSelector": matching, "podSelector": { "matchLabels": { "role": "client" } } })
    } else {
        json!({ "ipBlock": { "cidr": format!("172.16.{}.0/24", number % 16) } })
    };
    json!({
        "podSelector": { "matchLabels": { "app": format!("app{}", number % APPLICATIONS) } },
        "ingress": [
            { "from": [peer], "ports": [{ "port": 8_000 + number }] },
            { "ports": [{ "port": 10_000 + number }] },
        ],
    })
}

/// The cold load, by all three, each into a kernel without the table.
fn load(ours: &Site, theirs: &Site, report: &mut Report) -> Result<Table> {
    let engine = engine()?;
    let mut node = ours.namespace.run(|| Node::new(engine))??;
    let began = Instant::now();
    node.enforce_anew()?;
    let took = began.elapsed().as_secs_f64();
    ours.namespace.output("nft", &["delete", "table", "inet", "fabric"])?;

    let table = node.table();
    let rules: usize = table.chains.values().map(|chain| chain.rules.len()).sum();
    let elements: usize = table.sets.values().map(|set| set.elements.len()).sum();
    let row = format!(
        "cold load of {ENDPOINTS} endpoints and {POLICIES} policies ({rules} rules, {elements} elements)"
    );
    report.add_ours(&row, Measure::Time, Goal::AtMost(1.3, RAW), took);

    let file = File::loading(&theirs.lab.directory(), &table)?;
    report.add(&row, NFT, Measure::Time, timed(|| file.load(&theirs.namespace))?);
    theirs.namespace.output("nft", &["delete", "table", "inet", "fabric"])?;

    let messages = Messages::loading(&table);
    let mut raw = theirs.namespace.run(|| Raw::open(&messages))??;
    report.add(&row, RAW, Measure::Time, timed(|| raw.send(&messages))?);
    Ok(table)
}

/// The table is in the kernel of theirs already.
fn joins_and_leaves(ours: &Site, theirs: &Site, table: &Table, report: &mut Report) -> Result<()> {
    let row = format!("a pod joins or leaves a selector of {MEMBERS}, on that table");
    let engine = engine()?;
    let mut node = ours.namespace.run(|| Node::new(engine))??;
    node.enforce_anew()?;
    // What comes with the end of the beginning is not what is measured.
    node.enforce()?;
    let name = client_set(&node, table)?;

    let (last, mut took) = (MEMBERS - 1, Vec::new());
    for sample in 0..SAMPLES {
        let began = Instant::now();
        set_client(&mut node.engine, last, sample % 2 == 1);
        let applied = node.enforce()?;
        took.push(began.elapsed().as_secs_f64());
        ensure!(applied.changes == 1 && !applied.disturbed, "another change than meant: {applied:?}");
    }
    let took = sorted(took);
    let median = took.pick(500).context("no samples")?;
    report.add_ours(&row, Measure::Median, Goal::Below(0.02, NFT), median);
    report.add(&row, crate::OURS, Measure::P99, took.pick(990).context("no samples")?);
    report.add_ours(&format!("{row}: plan and kernel"), Measure::Median, Goal::Under(0.001), median);

    let member = address(FIRST_CLIENT, last);
    let files = ["delete", "add"].map(|verb| {
        let text = format!("{verb} element inet fabric {name} {{ {member} }}\n");
        File::new(&theirs.lab.directory(), &format!("{verb}.nft"), &text)
    });
    let [delete, add] = files;
    let files = [delete?, add?];
    let mut took = Vec::new();
    for file in files.iter().cycle().take(NFT_SAMPLES) {
        took.push(timed(|| file.load(&theirs.namespace))?);
    }
    report.add(&row, NFT, Measure::Median, sorted(took).pick(500).context("no samples")?);

    let keys = Elements::Keys([vec![Value::Address(member.into())]].into());
    let element = Set { key: vec![Datatype::Ipv4Address], elements: keys };
    let messages = [false, true].map(|is_given| Messages::element(&name, &element, is_given));
    let mut raw = theirs.namespace.run(|| Raw::open(&messages[0]))??;
    let mut took = Vec::new();
    for messages in messages.iter().cycle().take(SAMPLES) {
        took.push(timed(|| raw.send(messages))?);
    }
    report.add(&row, RAW, Measure::Median, sorted(took).pick(500).context("no samples")?);
    Ok(())
}

/// The kernel's name for the clients' IPv4 addresses.
fn client_set(node: &Node, table: &Table) -> Result<String> {
    let is_it =
        |set: &Members| matches!(set, Members::Addresses(members) if members.len() == MEMBERS as usize);
    let (id, _) =
        node.engine.program().sets.iter().find(|(_, set)| is_it(set)).context("no set of all clients")?;
    let has_all =
        |(name, set): &(&String, &Set)| name.starts_with(&id.0) && set.elements.len() == MEMBERS as usize;
    let (name, _) = table.sets.iter().find(has_all).context("no such set in the kernel")?;
    Ok(name.clone())
}

/// How long something takes, seconds.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}
