//! Which nftables objects: the policies' program, lowered.

use std::collections::BTreeMap;

use policy::program::EndpointId;

use crate::dataplane::nftables::{Table, lower};
use crate::inputs::Inputs;

/// The table `inet fabric`.
#[must_use]
pub fn table(inputs: &Inputs) -> Table {
    let interfaces: BTreeMap<EndpointId, String> =
        inputs.workloads.iter().map(|(id, workload)| (id.clone(), workload.host_interface.clone())).collect();
    lower(inputs.cluster.program(), &interfaces)
}
