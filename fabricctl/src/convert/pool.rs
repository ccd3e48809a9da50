//! Pools, and how addresses are assigned.

use serde_json::Value;

use super::{Fields, Notes, known};

/// Fields of a pool that mean the same.
const POOL: [&str; 7] =
    ["cidr", "blockSize", "disabled", "assignmentMode", "nodeSelector", "namespaceSelector", "allowedUses"];
/// Fields of the configuration of assignment that mean the same.
const CONFIGURATION: [&str; 4] =
    ["strictAffinity", "maxBlocksPerHost", "autoAllocateBlocks", "ipCooldownSeconds"];

/// A pool.
pub(super) fn pool(mut spec: Fields, notes: &mut Notes<'_>) -> Fields {
    for mode in ["ipipMode", "vxlanMode"] {
        let value = spec.remove(mode);
        if let Some(value) = value.as_ref().and_then(Value::as_str).filter(|value| *value != "Never") {
            let what = format!(
                "is {value}, and there are no tunnels: the network itself must carry the pool's addresses"
            );
            notes.lose(format!("spec.{mode}"), what);
        }
    }
    for (field, what) in [
        ("natOutgoing", "addresses are not translated here: what is outside must know the way back"),
        (
            "disableBGPExport",
            "blocks of every pool are announced; keep them back by export filters (docs/bgp.md)",
        ),
    ] {
        if spec.remove(field) == Some(Value::Bool(true)) {
            notes.lose(format!("spec.{field}"), what);
        }
    }
    known(spec, &POOL, notes)
}

/// The configuration of assignment.
pub(super) fn configuration(mut spec: Fields, notes: &mut Notes<'_>) -> Fields {
    // Of no meaning without virtual machines that move.
    if spec.get("kubeVirtVMAddressPersistence").and_then(Value::as_str) == Some("Disabled") {
        spec.remove("kubeVirtVMAddressPersistence");
    }
    known(spec, &CONFIGURATION, notes)
}
