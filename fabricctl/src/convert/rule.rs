//! Rules of policies.
//!
//! A rule without one of its conditions matches more. Of a rule that denies, the rest denies more, and stays; a rule
//! that allows, passes on or logs is left out as a whole.

use serde_json::Value;

use super::{Fields, Notes, take};

/// Fields of a rule, but for its two ends.
const RULE: [&str; 7] = ["action", "ipVersion", "protocol", "notProtocol", "icmp", "notICMP", "metadata"];
/// Fields of an end.
const ENTITY: [&str; 9] = [
    "nets",
    "notNets",
    "selector",
    "notSelector",
    "namespaceSelector",
    "services",
    "ports",
    "notPorts",
    "serviceAccounts",
];
/// Labels that endpoints have there without anybody writing them, and not here.
const IMPLICIT: [&str; 3] = ["pcns.", "pcsa.", "projectcalico.org/orchestrator"];

/// Those of the rules that can be carried over.
pub(super) fn rules(place: &str, rules: Vec<Value>, notes: &mut Notes<'_>) -> Vec<Value> {
    let numbered = rules.into_iter().enumerate();
    numbered.filter_map(|(index, rule)| convert(&format!("{place}[{index}]"), rule, notes)).collect()
}

fn convert(place: &str, rule: Value, notes: &mut Notes<'_>) -> Option<Value> {
    let Value::Object(mut rule) = rule else {
        notes.lose(place, "is no rule");
        return None;
    };
    let mut converted = take(&mut rule, &RULE);
    let before = notes.losses.len();
    if rule.remove("http").is_some() {
        notes.lose(format!("{place}.http"), "needs a proxy that reads requests, and there is none");
    }
    for end in ["source", "destination"] {
        let Some(Value::Object(entity)) = rule.remove(end) else { continue };
        let entity = convert_entity(&format!("{place}.{end}"), entity, notes);
        if !entity.is_empty() {
            converted.insert(end.to_owned(), entity.into());
        }
    }
    notes.lose_rest(place, &rule);
    let is_whole = notes.losses.len() == before;
    if is_whole || converted.get("action").and_then(Value::as_str) == Some("Deny") {
        return Some(converted.into());
    }
    notes.lose(place, "is left out, as without that it would match more");
    None
}

fn convert_entity(place: &str, mut entity: Fields, notes: &mut Notes<'_>) -> Fields {
    let converted = take(&mut entity, &ENTITY);
    for field in ["selector", "notSelector", "namespaceSelector"] {
        note_selector(&format!("{place}.{field}"), converted.get(field), notes);
    }
    notes.lose_rest(place, &entity);
    converted
}

/// Notes labels that nothing has here.
pub(super) fn note_selector(place: &str, selector: Option<&Value>, notes: &mut Notes<'_>) {
    let Some(text) = selector.and_then(Value::as_str) else { return };
    for label in IMPLICIT {
        if text.contains(label) {
            let what = format!("asks for the label {label}, which nothing has here unless you write it");
            notes.lose(place, what);
        }
    }
}
