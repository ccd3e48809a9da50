//! One pass: plan, apply, announce, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use policy::program::EndpointId;
use tokio::time::Instant;

use super::{Agent, NotProgrammed, RETRY, Status};
use crate::dataplane::Outcome;
use crate::dataplane::netlink::NetlinkEvent;
use crate::plan;
use crate::plan::desired::{Desired, Route};

impl Agent {
    /// Makes the kernel agree with the inputs, tells BGP what it may announce, and everyone what holds.
    pub(super) async fn pass(&mut self) {
        self.dirty = false;
        match self.dataplane.uplinks(&self.peers).await {
            Ok(uplinks) => self.inputs.uplinks = uplinks,
            Err(error) => tracing::warn!(%error, "the links cannot be read"),
        }
        self.inputs.cluster.settle();
        let desired = plan::plan(&self.inputs);
        let outcome = self.dataplane.apply(&desired, self.inputs.fib.synchronised).await;
        self.announce(&outcome).await;
        self.report(&desired, &outcome);
        self.retry_at = (!outcome.problems.is_empty()).then(|| Instant::now() + RETRY);
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
        let problems: Vec<String> =
            self.speaker_problem.iter().cloned().chain(outcome.problems.iter().cloned()).collect();
        for problem in problems.iter().filter(|problem| !self.status.borrow().problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        let learned = |(prefix, route): &(&IpNetwork, &Route)| {
            matches!(route, Route::Via { .. }) && desired.routes.get(*prefix) == Some(*route)
        };
        let status = Status {
            node: self.config.node.name.clone(),
            started: self.started,
            // One pod's trouble is that pod's; the node can still take others.
            ready: outcome.stands() && self.speaker_problem.is_none(),
            problems,
            endpoints,
            installed: outcome.routes.iter().filter(learned).map(|(prefix, _)| *prefix).collect(),
            routes: outcome.routes.len(),
        };
        self.status.send_replace(Arc::new(status));
    }

    /// Answers those whose wish is fulfilled, and those whose wish cannot be any more. The others wait on, while passes
    /// are repeated.
    fn answer(&mut self, endpoints: &BTreeMap<EndpointId, Option<String>>, outcome: &Outcome) {
        for (id, replies) in std::mem::take(&mut self.arriving) {
            let result = match endpoints.get(&id) {
                Some(None) => Ok(()),
                Some(Some(_)) => {
                    let waiting: Vec<_> = replies.into_iter().filter(|reply| !reply.is_closed()).collect();
                    if !waiting.is_empty() {
                        self.arriving.insert(id, waiting);
                    }
                    continue;
                }
                None => Err(NotProgrammed(format!("{}/{} was detached meanwhile", id.namespace, id.name))),
            };
            for reply in replies {
                // The runtime may have given up waiting.
                let _ = reply.send(result.clone());
            }
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
