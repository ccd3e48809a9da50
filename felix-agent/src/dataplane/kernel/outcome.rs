//! What a pass leaves behind, and what that means for a pod.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use datastore::WorkloadEndpoint;
use ipnetwork::IpNetwork;
use policy::program::EndpointId;

use crate::plan::desired::{InterfaceName, Route, Routes};

/// What holds after a pass.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Routes of ours in the kernel.
    pub routes: Routes,
    /// What could not be made true, a sentence each.
    pub problems: Vec<String>,
    /// Routes of ours were there before this process.
    pub restarted: bool,
    /// Apply again after this time, though nothing is wrong.
    pub settles_in: Option<Duration>,
    /// Endpoints that do not have the policy that they should, and why.
    pub(super) unfulfilled: BTreeMap<EndpointId, String>,
    /// Host ends that are open.
    pub(super) open: BTreeSet<InterfaceName>,
    /// The policy in the kernel is the one planned.
    pub(super) policy_stands: bool,
    /// The kernel could be read and written.
    pub(super) kernel_answers: bool,
}

impl Outcome {
    /// The kernel could be read and written, so that `routes` is what it holds.
    #[must_use]
    pub fn kernel_answers(&self) -> bool {
        self.kernel_answers
    }

    /// The node as such is as planned, whatever a single route or link lacks.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.policy_stands && self.kernel_answers
    }

    /// Something in the kernel may still send packets to this host end, or let it send.
    #[must_use]
    pub fn leads_to(&self, host_interface: &str) -> bool {
        let is_there =
            |route: &Route| matches!(route, Route::Device { interface, .. } if interface == host_interface);
        !self.stands() || self.routes.values().any(is_there)
    }

    /// What an endpoint still lacks; `None` if nothing.
    #[must_use]
    pub fn missing_of(&self, workload: &WorkloadEndpoint) -> Option<String> {
        if !self.policy_stands {
            return Some("its policy is not in the kernel".to_owned());
        }
        if let Some(reason) = self.unfulfilled.get(&workload.id()) {
            return Some(format!(
                "its newest policy is not in the kernel, and what is there is no wider: {reason}"
            ));
        }
        if !self.open.contains(&workload.host_interface) {
            return Some(format!("its link {} is not open", workload.host_interface));
        }
        let has_route = |address: &IpAddr| match self.routes.get(&IpNetwork::from(*address)) {
            Some(Route::Device { interface, .. }) => *interface == workload.host_interface,
            Some(Route::Blackhole | Route::Via { .. }) | None => false,
        };
        let address = workload.addresses.iter().find(|address| !has_route(address))?;
        Some(format!("{address} has no route to {}", workload.host_interface))
    }
}
