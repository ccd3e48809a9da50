//! A node's policy from the engine to the kernel, by the agent's own parts and in its own order, without the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use felix_agent::dataplane::enforce::{Enforcer, World};
use felix_agent::dataplane::nftables::assemble::{Refusals, assemble};
use felix_agent::dataplane::nftables::transact::Former;
use felix_agent::dataplane::nftables::{Applied, Kept, Options, Table};
use integration::lab::Lab;
use integration::namespace::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::Engine;
use policy::delta::Delta;
use policy::model::{Endpoint, Policy, PolicyId, PolicyKind};
use policy::program::EndpointId;
use serde_json::{Value, json};

/// What everything local is in.
pub const SHOP: &str = "shop";

/// A namespace for a kernel's tables, and a lab that removes it.
pub struct Site {
    /// Where the tables are.
    pub namespace: Arc<Namespace>,
    /// The rest of it.
    pub lab: Lab,
}

impl Site {
    /// Makes one.
    pub fn new() -> Result<Self> {
        let lab = Lab::new("bench-policy")?;
        Ok(Self { namespace: lab.namespace("node")?, lab })
    }
}

/// A node's policy.
pub struct Node {
    /// What it is made of.
    pub engine: Engine,
    kept: Kept,
    interfaces: BTreeMap<EndpointId, String>,
    options: Options,
    enforcer: Enforcer,
}

impl Node {
    /// Of an engine whose local endpoints are behind an interface each; in the calling thread's network namespace.
    pub fn new(engine: Engine) -> Result<Self> {
        let interfaces =
            engine.local().iter().enumerate().map(|(number, id)| (id.clone(), format!("fab{number:012}")));
        let interfaces = interfaces.collect();
        // Nobody is connected who was before.
        let enforcer = Enforcer::open(Duration::ZERO)?;
        Ok(Self { engine, kept: Kept::default(), interfaces, options: Options::default(), enforcer })
    }

    /// The same with interfaces of these names.
    pub fn behind(engine: Engine, interfaces: BTreeMap<EndpointId, String>) -> Result<Self> {
        Ok(Self { interfaces, ..Self::new(engine)? })
    }

    /// The same that gives each selector a set of its own, however many there are.
    pub fn apart(engine: Engine) -> Result<Self> {
        let node = Self::new(engine)?;
        Ok(Self { options: Options { shared_from: usize::MAX, ..node.options }, ..node })
    }

    /// Brings the kernel up to date with the engine.
    pub fn enforce(&mut self) -> Result<Applied> {
        self.engine.settle();
        let delta = self.engine.take_delta();
        self.enforce_delta(delta.as_ref())
    }

    /// The same from a program that is settled, as if nothing of it were known.
    pub fn enforce_anew(&mut self) -> Result<Applied> {
        self.enforce_delta(None)
    }

    fn enforce_delta(&mut self, delta: Option<&Delta>) -> Result<Applied> {
        let Self { engine, kept, interfaces, options, enforcer } = self;
        let program = engine.program();
        let scope = kept.follow(program, delta, interfaces, options);
        let lives = |address: &IpAddr| engine.owner(*address).is_some();
        let world = World { program, delta, lives: &lives, own: &BTreeSet::new() };
        let enforced = enforcer.apply(kept.lowered(), scope, &world)?;
        let problem = enforced.problems.first().or_else(|| enforced.unfulfilled.values().next());
        ensure!(problem.is_none(), "{problem:?}");
        Ok(enforced.applied)
    }

    /// What the kernel is to hold, whatever it holds now.
    pub fn table(&mut self) -> Table {
        self.kept.follow(self.engine.program(), None, &self.interfaces, &self.options);
        assemble(self.kept.lowered(), Former::None, &Refusals::default(), &|_| true).table
    }
}

/// The name of an endpoint.
pub fn id(namespace: &str, name: &str) -> EndpointId {
    EndpointId { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// An endpoint with one label and one address.
pub fn endpoint(id: &EndpointId, label: (&str, &str), address: Ipv4Addr) -> Endpoint {
    let mut endpoint = Endpoint::new(id.clone());
    endpoint.labels.insert(label.0.to_owned(), label.1.to_owned());
    endpoint.addresses.insert(address.into());
    endpoint
}

/// A NetworkPolicy of [`SHOP`], in an engine.
pub fn set_policy(engine: &mut Engine, name: &str, spec: &Value) -> Result<()> {
    let object: NetworkPolicy =
        serde_json::from_value(json!({ "metadata": {}, "spec": spec })).context("a NetworkPolicy")?;
    let id = PolicyId::namespaced(PolicyKind::NetworkPolicy, SHOP, name);
    engine.set_policy(&id, Some(Policy::from_kubernetes(SHOP, name, &object)));
    Ok(())
}

/// Adds so many to an address.
pub fn address(first: [u8; 4], number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes(first) + number)
}
