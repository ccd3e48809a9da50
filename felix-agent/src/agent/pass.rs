//! One pass: plan, apply, announce, report.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use datastore::WorkloadEndpoint;
use ipnetwork::IpNetwork;
use policy::delta::Delta;
use policy::program::EndpointId;
use tokio::time::Instant;

use super::{Agent, Arriving, NotProgrammed, RETRY, Status};
use crate::dataplane::netlink::NetlinkEvent;
use crate::dataplane::nftables::Scope;
use crate::dataplane::{Facts, Outcome, Policy};
use crate::inputs::Inputs;
use crate::inputs::statuses::Enforcement;
use crate::plan;
use crate::plan::desired::{Desired, Route};

impl Agent {
    /// Makes the kernel agree with the inputs, tells BGP what it may announce, and everyone what holds.
    pub(super) async fn pass(&mut self) {
        self.dirty = false;
        let uplinks = self.dataplane.uplinks(&self.peers).await;
        let unread = uplinks.map(|uplinks| self.inputs.uplinks = uplinks).err();
        let delta = self.inputs.cluster.settle();
        let scope = plan::rules::follow(&mut self.policy, &self.inputs, delta.as_ref());
        let desired = plan::plan(&self.inputs);
        let Inputs { fib, cluster, .. } = &self.inputs;
        let lives = |address: &IpAddr| cluster.has_address(address);
        let (lowered, program) = (self.policy.lowered(), cluster.program());
        let policy = Policy { lowered, scope, program, delta: delta.as_ref(), lives: &lives };
        let facts = Facts { may_sweep: &|prefix| fib.may_sweep(prefix), policy };
        let mut outcome = self.dataplane.apply(&desired, facts).await;
        outcome.problems.extend(unread.map(|error| format!("the links cannot be read: {error}")));
        // What the kernel holds is not known to be less because it did not answer.
        if outcome.kernel_answers() {
            self.announce(&outcome).await;
        }
        let is_complete = outcome.problems.is_empty() && self.speaker_problem.is_none();
        let waited = self.best_paths_since.take().map(|since| since.elapsed());
        self.meter.pass(is_complete, waited);
        self.report(&desired, &outcome);
        let wait = if is_complete { outcome.settles_in } else { Some(RETRY) };
        self.retry_at = wait.map(|wait| Instant::now() + wait);
    }

    /// Puts back what somebody else took away, before anything else is read or planned: until then everything passes. The
    /// pass that follows sees to the rest.
    pub(super) fn repair_policy(&mut self) {
        self.dirty = true;
        // Before the first pass nothing is known.
        if !self.policy.has_begun() {
            return;
        }
        let cluster = &self.inputs.cluster;
        let lives = |address: &IpAddr| cluster.has_address(address);
        let nothing = Delta::default();
        let problems = self.dataplane.repair_policy(Policy {
            lowered: self.policy.lowered(),
            scope: Scope::default(),
            program: cluster.program(),
            delta: Some(&nothing),
            lives: &lives,
        });
        problems.iter().for_each(|problem| tracing::warn!("{problem}"));
    }

    /// Tells the speaker what the kernel carries. The first time this also starts it: a peer that had our routes
    /// before a restart must hear all of them before it hears End-of-RIB.
    async fn announce(&mut self, outcome: &Outcome) {
        let bgp = &self.config.bgp;
        let prefixes = plan::bgp::originate(&self.inputs, &outcome.routes, bgp.advertise_node_addresses);
        if let Err(error) = self.speaker.originate(&self.config, prefixes, outcome.restarted).await {
            tracing::error!(%error, "BGP cannot start");
            self.speaker_problem = Some(format!("BGP cannot start: {error}"));
        } else {
            self.speaker_problem = None;
        }
    }

    fn report(&mut self, desired: &Desired, outcome: &Outcome) {
        let endpoints: BTreeMap<EndpointId, Option<String>> = self
            .inputs
            .workloads
            .iter()
            .map(|(id, workload)| (id.clone(), outcome.missing_of(workload)))
            .collect();
        self.answer(&endpoints, outcome);
        let problems: Vec<String> = self
            .datastore_problem
            .iter()
            .chain(&self.speaker_problem)
            .chain(&self.config_problem)
            .chain(&outcome.problems)
            .cloned()
            .collect();
        for problem in problems.iter().filter(|problem| !self.status.borrow().problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        let as_planned = |(prefix, route): &(&IpNetwork, &Route)| desired.routes.get(*prefix) == Some(*route);
        let status = Status {
            node: self.config.node.name.clone(),
            started: self.started,
            listed: true,
            ready: self.is_ready(outcome),
            problems,
            endpoints,
            installed: outcome.routes.iter().filter(as_planned).map(|(prefix, _)| *prefix).collect(),
            routes: outcome.routes.len(),
            enforcement: Enforcement {
                stands: outcome.stands(),
                seen: self.inputs.statuses.seen().clone(),
                unfulfilled: outcome.unfulfilled().clone(),
            },
            policies: self.count_policies(),
            meter: self.meter,
        };
        self.status.send_replace(Arc::new(status));
    }

    fn count_policies(&self) -> (usize, usize) {
        let policies = &self.inputs.cluster.engine().model().policies;
        (policies.len(), policies.values().filter(|policy| !policy.problems.is_empty()).count())
    }

    /// Whether pods can be attached here and reached. One pod's or one learned route's trouble is no reason to say no.
    fn is_ready(&self, outcome: &Outcome) -> bool {
        // A block of one address is carried by its pod's route.
        let is_carried = |block: &IpNetwork| {
            matches!(outcome.routes.get(block), Some(Route::Blackhole | Route::Device { .. }))
        };
        outcome.stands()
            && self.inputs.blocks.iter().all(is_carried)
            && self.speaker_problem.is_none()
            && self.datastore_problem.is_none()
    }

    /// Answers those whose wish is fulfilled, and those whose wish cannot be any more. The others wait on, while passes
    /// are repeated.
    fn answer(&mut self, endpoints: &BTreeMap<EndpointId, Option<String>>, outcome: &Outcome) {
        for waiting in std::mem::take(&mut self.arriving) {
            let Arriving { endpoint: id, container_id, reply } = &waiting;
            let is_it = |workload: &&WorkloadEndpoint| workload.container_id == *container_id;
            let result = match self.inputs.workloads.get(id).filter(is_it).and(endpoints.get(id)) {
                Some(None) => Ok(()),
                Some(Some(_)) if reply.is_closed() => continue,
                Some(Some(_)) => {
                    self.arriving.push(waiting);
                    continue;
                }
                None => Err(NotProgrammed(format!("{id} was detached or replaced meanwhile"))),
            };
            // The runtime may have given up waiting.
            let _ = waiting.reply.send(result);
        }
        for (interface, reply) in std::mem::take(&mut self.leaving) {
            if outcome.leads_to(&interface) && !reply.is_closed() {
                self.leaving.push((interface, reply));
            } else {
                let _ = reply.send(());
            }
        }
    }

    /// Takes in what the kernel told; true if a pass is due.
    pub(super) async fn notice(&mut self, event: &NetlinkEvent) -> bool {
        for peer in self.dataplane.peers_behind(event) {
            self.speaker.link_down(peer).await;
        }
        self.dataplane.notice(event)
    }
}
