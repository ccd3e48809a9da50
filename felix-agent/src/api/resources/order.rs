//! What is right in each object, and perhaps does not do what was meant: policies of a tier that does not exist, two
//! tiers or two policies of the same order, of which the names decide, and host endpoints, which nobody polices here.
//!
//! Nothing is refused for it: a tier may come with the next manifest, and orders may be equal on purpose.

use std::collections::BTreeMap;

use datastore::{Key, Kind, Resource};
use policy::api::own::PolicySpec;

/// What has to be known of.
pub(super) const KINDS: [Kind; 3] = [Kind::Tier, Kind::FabricNetworkPolicy, Kind::GlobalNetworkPolicy];

/// Tiers that there are without an object.
const BUILT_IN: [&str; 3] = ["kube-admin", "default", "kube-baseline"];

/// Whether there may be something to say about it.
pub(super) fn concerns(resource: &Resource) -> bool {
    matches!(resource, Resource::Tier(_) | Resource::HostEndpoint(_)) || policy(resource).is_some()
}

/// What is to be said about what is applied, beside what is stored.
pub(super) fn remarks<'a>(
    applied: impl Iterator<Item = &'a Resource>,
    stored: &'a [Resource],
) -> Vec<String> {
    let applied: Vec<&Resource> = applied.collect();
    let both = stored.iter().chain(applied.iter().copied());
    let all: BTreeMap<Key, &Resource> = both.map(|resource| (resource.key(), resource)).collect();
    let mut remarks = Vec::new();
    for resource in applied.into_iter().filter(|resource| concerns(resource)) {
        let key = resource.key();
        if matches!(resource, Resource::HostEndpoint(_)) {
            remarks.push(format!("{key}: is kept, and no policy is enforced on interfaces of hosts"));
        }
        if let Some(spec) = policy(resource)
            && !BUILT_IN.contains(&spec.tier())
            && !all.contains_key(&Key::global(Kind::Tier, spec.tier()))
        {
            let what =
                "there is no such tier; until a Tier is applied, it goes after all others and ends in deny";
            remarks.push(format!("{key}: spec.tier: \"{}\": {what}", spec.tier()));
        }
        let mut equals = all
            .iter()
            .filter(|(other, found)| **other != key && meets(&key, other) && is_equal(resource, found));
        if let Some((other, _)) = equals.next() {
            let more = match equals.count() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            remarks.push(format!(
                "{key}: spec.order: {other}{more} has the same; of these, the names say which goes first"
            ));
        }
    }
    remarks
}

/// Whether there can be an endpoint that both are for.
fn meets(one: &Key, other: &Key) -> bool {
    one.namespace == other.namespace || one.namespace.is_empty() || other.namespace.is_empty()
}

/// Whether both are tiers, or enforced policies of one tier, and of the same order.
fn is_equal(one: &Resource, other: &Resource) -> bool {
    if let (Resource::Tier(one), Resource::Tier(other)) = (one, other) {
        return one.spec.order.is_some() && one.spec.order == other.spec.order;
    }
    match (policy(one), policy(other)) {
        (Some(one), Some(other)) => {
            one.order.is_some() && one.order == other.order && one.tier() == other.tier()
        }
        _ => false,
    }
}

/// What a policy says that has a tier and is enforced.
fn policy(resource: &Resource) -> Option<&PolicySpec> {
    if let Resource::FabricNetworkPolicy(policy) | Resource::GlobalNetworkPolicy(policy) = resource {
        Some(&policy.spec)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tier(name: &str, order: i32) -> Resource {
        let object = json!({ "metadata": { "name": name }, "spec": { "order": order } });
        Resource::decode(Kind::Tier, object).unwrap()
    }

    fn policy(kind: Kind, namespace: &str, name: &str, order: Option<i32>) -> Resource {
        let metadata = json!({ "name": name, "namespace": namespace });
        let object = json!({ "metadata": metadata, "spec": { "tier": "security", "order": order } });
        Resource::decode(kind, object).unwrap()
    }

    #[test]
    fn a_tier_may_come_later() {
        let applied = policy(Kind::GlobalNetworkPolicy, "", "deny", None);
        let expected = "GlobalNetworkPolicy deny: spec.tier: \"security\": there is no such tier; until a Tier is applied, \
                        it goes after all others and ends in deny";
        assert_eq!(remarks([&applied].into_iter(), &[]), [expected]);
        assert_eq!(remarks([&applied].into_iter(), &[tier("security", 1)]), [""; 0]);
        assert_eq!(remarks([&applied, &tier("security", 1)].into_iter(), &[]), [""; 0]);
    }

    #[test]
    fn what_is_kept_only_is_told() {
        let object = json!({ "metadata": { "name": "h" }, "spec": { "node": "n1", "interfaceName": "*" } });
        let host = Resource::decode(Kind::HostEndpoint, object).unwrap();
        let expected = "HostEndpoint h: is kept, and no policy is enforced on interfaces of hosts";
        assert_eq!(remarks([&host].into_iter(), &[]), [expected]);
    }

    #[test]
    fn equal_orders_are_told_where_both_may_count() {
        let named = |namespace, name| policy(Kind::FabricNetworkPolicy, namespace, name, Some(5));
        let global = |name, order| policy(Kind::GlobalNetworkPolicy, "", name, order);
        let stored = [
            tier("security", 1),
            tier("other", 1),
            named("shop", "a"),
            named("bank", "b"),
            global("c", Some(5)),
            global("d", Some(6)),
            global("e", None),
        ];
        let said = |applied: &Resource| remarks([applied].into_iter(), &stored);
        let end = "of these, the names say which goes first";
        assert_eq!(
            said(&named("shop", "new")),
            [format!(
                "FabricNetworkPolicy shop/new: spec.order: FabricNetworkPolicy shop/a and 1 more has the same; {end}"
            )]
        );
        assert_eq!(
            said(&global("new", Some(6))),
            [format!("GlobalNetworkPolicy new: spec.order: GlobalNetworkPolicy d has the same; {end}")]
        );
        assert_eq!(said(&global("new", None)), [""; 0]);
        // The same again is not another.
        assert_eq!(said(&global("d", Some(6))), [""; 0]);
        assert_eq!(
            said(&tier("other", 1)),
            [format!("Tier other: spec.order: Tier security has the same; {end}")]
        );
    }
}
