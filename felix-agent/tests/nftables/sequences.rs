//! However the node got there: what its kernel holds follows from what is wanted now.

use std::collections::BTreeSet;
use std::time::Duration;

use felix_agent::dataplane::enforce::{Enforcer, World};
use felix_agent::dataplane::nftables::{Options, Scope, lower};
use policy::program::{Action, Match, Program, Rule, Set, SetId, Side};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use crate::apply::without_counts;
use crate::namespace::Namespace;
use crate::programs::{Interfaces, endpoint_id};
use crate::random::programs;

/// What happens besides a change of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    Nothing,
    /// The agent starts anew.
    Restart,
    /// The kernel refuses a part of the policy.
    Refusal,
    /// Somebody else does this.
    Disturbance(&'static str),
    /// The pod b is not there.
    Absence,
}

fn incidents() -> impl Strategy<Value = Incident> {
    select(vec![
        Incident::Nothing,
        Incident::Nothing,
        Incident::Restart,
        Incident::Refusal,
        Incident::Absence,
        Incident::Disturbance("delete table inet fabric"),
        Incident::Disturbance("flush ruleset"),
        Incident::Disturbance("flush table inet fabric"),
        Incident::Disturbance("flush chain inet fabric endpoints"),
        Incident::Disturbance("add rule inet fabric forward ct mark set 5 accept"),
        Incident::Disturbance("add rule inet fabric endpoints tcp dport 5 reject"),
        Incident::Disturbance("flush set inet fabric s14"),
        Incident::Disturbance("flush map inet fabric to_ep"),
    ])
}

struct Node {
    namespace: Namespace,
    enforcer: Enforcer,
}

impl Node {
    fn new() -> Node {
        let namespace = Namespace::new();
        let enforcer = open(&namespace);
        Node { namespace, enforcer }
    }

    /// How many endpoints do not have what they should.
    fn enforce(&mut self, program: &Program, interfaces: &Interfaces) -> usize {
        let lowered = lower(program, interfaces, &Options::default());
        let world = World { program, delta: None, lives: &|_| true, own: &BTreeSet::new() };
        self.enforcer.apply(&lowered, Scope::Everywhere, &world).unwrap().unfulfilled.len()
    }

    fn meet(&mut self, incident: Incident, program: &Program) {
        match incident {
            Incident::Nothing => {}
            Incident::Restart => self.enforcer = open(&self.namespace),
            Incident::Refusal => {
                self.enforce(&with_something_impossible(program), &interfaces());
            }
            Incident::Absence => {
                let mut fewer = interfaces();
                fewer.remove(&endpoint_id("b"));
                self.enforce(program, &fewer);
            }
            Incident::Disturbance(text) => {
                // It may find nothing to disturb.
                let _ = self.namespace.run(|| std::process::Command::new("nft").arg(text).output());
            }
        }
    }

    /// What the kernel holds, but for counters, generations, and the order in which sets and chains were made.
    fn holds(&self) -> Vec<String> {
        let mut of_endpoint = false;
        let line = |line: &str| {
            of_endpoint = line.starts_with("\tchain ep_") || (of_endpoint && line.starts_with("\t\t"));
            match line.split_once("ct mark") {
                Some((before, after)) if of_endpoint => {
                    let end = if after.ends_with("return") { "return" } else { "" };
                    format!("{before}ct mark … {end}")
                }
                _ => line.to_owned(),
            }
        };
        let text = without_counts(&self.namespace.list()).lines().map(line).collect::<Vec<_>>().join("\n");
        let inside = text.trim_start_matches("table inet fabric {\n").trim_end_matches("\n}");
        let mut objects: Vec<String> = inside.split("\n\n").map(str::to_owned).collect();
        objects.sort();
        objects
    }
}

fn open(namespace: &Namespace) -> Enforcer {
    namespace.run(|| Enforcer::open(Duration::ZERO).unwrap())
}

fn interfaces() -> Interfaces {
    Interfaces::from([(endpoint_id("a"), "fab-a".to_owned()), (endpoint_id("b"), "fab-b".to_owned())])
}

/// Every profile asks a set whose name no kernel takes.
fn with_something_impossible(program: &Program) -> Program {
    let mut program = program.clone();
    let name = SetId("s".repeat(300));
    program.sets.insert(name.clone(), Set::Addresses(BTreeSet::new()));
    let profiles = std::mem::take(&mut program.profiles);
    for (id, mut profile) in profiles {
        if let Some(tier) = profile.tiers.first_mut() {
            let origin =
                policy::program::RuleOrigin { policy: tier.policies[0].clone(), rule: 99, name: None };
            let asked = Match::Address { side: Side::Source, set: name.clone(), negated: false };
            tier.rules.insert(0, Rule { origin, matches: vec![asked], action: Action::Allow });
        }
        let other = policy::program::ProfileId(format!("{}x", id.0));
        for endpoint in program.endpoints.values_mut() {
            for end in [&mut endpoint.ingress, &mut endpoint.egress] {
                if end.as_ref() == Some(&id) {
                    *end = Some(other.clone());
                }
            }
        }
        program.profiles.insert(other, profile);
    }
    program
}

#[test]
fn any_way_leads_to_what_a_fresh_start_gives() {
    let steps = proptest::collection::vec((programs(), incidents()), 1..6);
    let node = std::cell::RefCell::new(Node::new());
    proptest!(Config::with_cases(40), |(steps in steps, last in programs())| {
        let mut node = node.borrow_mut();
        for (program, incident) in &steps {
            prop_assert_eq!(node.enforce(program, &interfaces()), 0);
            node.meet(*incident, program);
        }
        let mut fresh = Node::new();
        // Once more, for the rule about SYN comes only then.
        for _ in 0..2 {
            prop_assert_eq!(node.enforce(&last, &interfaces()), 0);
            prop_assert_eq!(fresh.enforce(&last, &interfaces()), 0);
        }
        prop_assert_eq!(node.holds(), fresh.holds());
    });
}
