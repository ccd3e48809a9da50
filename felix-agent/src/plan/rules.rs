//! Which nftables objects: the policies' program, lowered.

use std::collections::BTreeMap;

use policy::delta::Delta;
use policy::program::EndpointId;

use crate::dataplane::nftables::{Kept, Scope};
use crate::inputs::Inputs;

/// Brings the policy of the local endpoints up to date with a program that became different from the one of the last time
/// (`None`: from whatever it was). Where the table may differ then.
///
/// At any time it is what lowering all of it anew would give.
#[must_use]
pub fn follow(policy: &mut Kept, inputs: &Inputs, delta: Option<&Delta>) -> Scope {
    let interfaces: BTreeMap<EndpointId, String> =
        inputs.workloads.iter().map(|(id, workload)| (id.clone(), workload.host_interface.clone())).collect();
    policy.follow(inputs.cluster.program(), delta, &interfaces, &inputs.enforcement)
}
