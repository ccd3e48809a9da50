//! One pass: plan, apply, announce, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::program::EndpointId;
use tokio::time::Instant;

use super::{Agent, NotProgrammed, RETRY, Status};
use crate::dataplane::netlink::NetlinkEvent;
use crate::dataplane::{Outcome, Sweep};
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
        let fib = &self.inputs.fib;
        let sweep = if fib.synchronised { Sweep::All } else { Sweep::Only(&fib.withdrawn) };
        let outcome = self.dataplane.apply(&desired, sweep).await;
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
        for (id, replies) in std::mem::take(&mut self.waiting) {
            let result = match endpoints.get(&id) {
                Some(None) => Ok(()),
                Some(Some(missing)) => Err(NotProgrammed(missing.clone())),
                None => Err(NotProgrammed(format!("{}/{} was detached meanwhile", id.namespace, id.name))),
            };
            for reply in replies {
                // The runtime may have given up waiting.
                let _ = reply.send(result.clone());
            }
        }
        let problems: Vec<String> =
            self.speaker_problem.iter().cloned().chain(outcome.problems.iter().cloned()).collect();
        let installed = outcome
            .routes
            .iter()
            .filter(|(prefix, route)| {
                matches!(route, Route::Via { .. }) && desired.routes.get(*prefix) == Some(*route)
            })
            .map(|(prefix, _)| *prefix)
            .collect();
        let status = Status {
            node: self.config.node.name.clone(),
            started: self.started,
            ready: problems.is_empty(),
            problems,
            endpoints,
            installed,
            routes: outcome.routes.len(),
        };
        self.status.send_replace(Arc::new(status));
    }

    /// Takes in what the kernel told; true if a pass is due.
    pub(super) async fn notice(&mut self, event: &NetlinkEvent) -> bool {
        for peer in self.dataplane.peers_behind(event) {
            self.speaker.link_down(peer).await;
        }
        self.dataplane.notice(event)
    }
}
