//! Tiers, policies and host endpoints.

use serde_json::{Value, json};

use super::{Fields, Notes, known, rule, take};

/// Fields of a policy, but for its rules and types.
const POLICY: [&str; 9] = [
    "stagedAction",
    "tier",
    "order",
    "selector",
    "namespaceSelector",
    "serviceAccountSelector",
    "doNotTrack",
    "preDNAT",
    "applyOnForward",
];
/// Fields of a staged policy of Kubernetes.
pub(super) const STAGED_KUBERNETES: [&str; 5] =
    ["stagedAction", "podSelector", "ingress", "egress", "policyTypes"];
/// Tiers that there are here as there, with the same order and default.
const BUILT_IN: [&str; 3] = ["kube-admin", "default", "kube-baseline"];
/// How names begin under which policies of Kubernetes itself are shown there.
const KUBERNETES: [&str; 3] = ["knp.", "kcnp.", "kanp."];

/// A tier; `None` for one that need not be written.
pub(super) fn tier(name: &str, spec: Fields, notes: &mut Notes<'_>) -> Option<Fields> {
    let spec = known(spec, &["order", "defaultAction"], notes);
    (!BUILT_IN.contains(&name)).then_some(spec)
}

/// What a policy says; `None` if it is another's.
pub(super) fn policy(name: &str, mut spec: Fields, notes: &mut Notes<'_>) -> Option<Fields> {
    if KUBERNETES.iter().any(|prefix| name.starts_with(prefix)) {
        notes.lose("", "shows a policy of Kubernetes, which is used as it is; export that one");
        return None;
    }
    let types = types(&spec);
    let mut converted = take(&mut spec, &POLICY);
    for field in ["selector", "namespaceSelector", "serviceAccountSelector"] {
        rule::note_selector(&format!("spec.{field}"), converted.get(field), notes);
    }
    let mut lost_rules = false;
    for section in ["ingress", "egress"] {
        let Some(Value::Array(rules)) = spec.remove(section) else { continue };
        let count = rules.len();
        let rules = rule::rules(&format!("spec.{section}"), rules, notes);
        lost_rules |= rules.len() < count;
        converted.insert(section.to_owned(), rules.into());
    }
    match spec.remove("types") {
        Some(types) => drop(converted.insert("types".to_owned(), types)),
        // They depend on which rules there are.
        None if lost_rules => drop(converted.insert("types".to_owned(), types)),
        None => {}
    }
    if spec.remove("performanceHints").is_some() {
        notes.lose("spec.performanceHints", "changes nothing that is enforced, and has no counterpart");
    }
    notes.lose_rest("spec", &spec);
    Some(converted)
}

/// The directions of a policy that does not say them.
fn types(spec: &Fields) -> Value {
    let some =
        |section: &str| spec.get(section).and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    match (some("ingress"), some("egress")) {
        (_, false) => json!(["Ingress"]),
        (false, true) => json!(["Egress"]),
        (true, true) => json!(["Ingress", "Egress"]),
    }
}

/// A host endpoint.
pub(super) fn host(mut spec: Fields, notes: &mut Notes<'_>) -> Fields {
    if let Some(Value::Array(profiles)) = spec.remove("profiles")
        && !profiles.is_empty()
    {
        let names: Vec<&str> = profiles.iter().filter_map(Value::as_str).collect();
        let what = format!(
            "there are no profiles ({}): what no policy allows is denied, but for the failsafe ports; allow it by a \
             GlobalNetworkPolicy of high order first",
            names.join(", ")
        );
        notes.lose("spec.profiles", what);
    }
    known(spec, &["node", "interfaceName", "expectedIPs", "ports"], notes)
}
