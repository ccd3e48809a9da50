//! Which nftables objects: the policies' program, lowered.

use std::collections::BTreeMap;

use policy::program::EndpointId;

use crate::dataplane::nftables::{Lowered, lower};
use crate::inputs::Inputs;

/// The policy of the local endpoints.
#[must_use]
pub fn policy(inputs: &Inputs) -> Lowered {
    let interfaces: BTreeMap<EndpointId, String> =
        inputs.workloads.iter().map(|(id, workload)| (id.clone(), workload.host_interface.clone())).collect();
    lower(inputs.cluster.program(), &interfaces, &inputs.enforcement)
}
