//! Kubernetes' label selectors (`metav1.LabelSelector`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::Cluster;

pub(super) type Labels = BTreeMap<String, String>;

/// The label that every namespace has, with its name.
const NAME: &str = "kubernetes.io/metadata.name";

/// "The result of matchLabels and matchExpressions are ANDed. An empty label selector matches all objects."
///
/// Requirements that the API would reject are as if they were not there: see [`is_valid`].
pub(super) fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    for (key, value) in selector.match_labels.iter().flatten() {
        if is_key(key) && is_value(value) && labels.get(key) != Some(value) {
            return false;
        }
    }
    for expression in selector.match_expressions.iter().flatten().filter(|expression| is_usable(expression)) {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|item| item == value));
        let holds = match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        };
        if !holds {
            return false;
        }
    }
    true
}

/// Whether the API would take it.
pub(super) fn is_valid(selector: &LabelSelector) -> bool {
    let labels = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    labels.into_iter().all(|(key, value)| is_key(key) && is_value(value)) && expressions.all(is_usable)
}

/// "values must be non-empty if the operator is In or NotIn, and must be empty if it is Exists or DoesNotExist."
fn is_usable(expression: &LabelSelectorRequirement) -> bool {
    let values: Vec<&String> = expression.values.iter().flatten().collect();
    let fits = match expression.operator.as_str() {
        "In" | "NotIn" => !values.is_empty(),
        "Exists" | "DoesNotExist" => values.is_empty(),
        _ => false,
    };
    fits && is_key(&expression.key) && values.iter().all(|value| is_value(value))
}

/// "An optional prefix and name, separated by a slash. [...] The prefix [...] must be a DNS subdomain."
fn is_key(key: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => {
            let is_part = |part: &str| {
                part.starts_with(lower) && part.ends_with(lower) && part.chars().all(|c| lower(c) || c == '-')
            };
            prefix.len() <= 253 && prefix.split('.').all(is_part) && is_name(name)
        }
    }
}

fn is_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

/// "63 characters or less, beginning and ending with an alphanumeric character, with dashes, underscores, dots and
/// alphanumerics between."
fn is_name(name: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let inside = |c: char| ends(c) || matches!(c, '-' | '_' | '.');
    name.len() <= 63 && name.starts_with(ends) && name.ends_with(ends) && name.chars().all(inside)
}

/// Labels of the namespace with this name; `None`: it is not known (yet).
pub(super) fn of_namespace(cluster: &Cluster, name: &str) -> Option<Labels> {
    let namespace =
        cluster.namespaces.iter().find(|namespace| namespace.metadata.name.as_deref() == Some(name))?;
    let mut labels = namespace.metadata.labels.clone().unwrap_or_default();
    labels.insert(NAME.to_owned(), name.to_owned());
    Some(labels)
}

/// Whether the namespace is selected. One that is not known is (our choice) if that depends on its name alone.
pub(super) fn selects_namespace(cluster: &Cluster, selector: &LabelSelector, name: &str) -> bool {
    if let Some(labels) = of_namespace(cluster, name) {
        return selects(selector, &labels);
    }
    let keys = selector.match_labels.iter().flat_map(|labels| labels.keys());
    let more_keys = selector.match_expressions.iter().flatten().map(|expression| &expression.key);
    let certain = keys.chain(more_keys).all(|key| key == NAME);
    certain && selects(selector, &Labels::from([(NAME.to_owned(), name.to_owned())]))
}
