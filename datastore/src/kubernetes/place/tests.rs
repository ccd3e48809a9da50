use policy::api::host::HostEndpointSpec;
use policy::api::own::{PolicySpec, StagedKubernetesNetworkPolicySpec, TierSpec};
use policy::api::rule::{EntityRule, Rule};
use policy::api::set::NetworkSetSpec;

use super::*;
use crate::document::{Document, Node};
use crate::kubernetes::object::is_ours;

#[test]
fn each_kind_has_its_place() {
    let path = |kind, namespace| collection(kind, namespace);
    assert_eq!(path(Kind::Pod, None), "/api/v1/pods");
    assert_eq!(path(Kind::Pod, Some("shop")), "/api/v1/namespaces/shop/pods");
    assert_eq!(path(Kind::Lease, None), "/apis/coordination.k8s.io/v1/leases");
    assert_eq!(path(Kind::IpPool, None), "/apis/fabric.rs/v1/ippools");
    let version = "/apis/policy.networking.k8s.io/v1alpha2";
    assert_eq!(path(Kind::ClusterNetworkPolicy, None), format!("{version}/clusternetworkpolicies"));
    // Two kinds of one name are told apart by their groups.
    let ours = "/apis/fabric.rs/v1/namespaces/shop/networkpolicies";
    assert_eq!(path(Kind::FabricNetworkPolicy, Some("shop")), ours);
    let theirs = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies";
    assert_eq!(path(Kind::NetworkPolicy, Some("shop")), theirs);
    assert_eq!(qualified_plural(Kind::NetworkPolicy), "networkpolicies.networking.k8s.io");
    assert_eq!(qualified_plural(Kind::Node), "nodes");
}

#[test]
fn where_nothing_can_be_is_no_place() {
    let error = |key: Key| Place::of(&key).unwrap_err().to_string();
    assert_eq!(error(Key::global(Kind::Pod, "web")), "Pod web: a Pod needs a namespace");
    let pool = Key::namespaced(Kind::IpPool, "shop", "a");
    assert_eq!(error(pool), "IPPool shop/a: a IPPool has no namespace");
    let outside = error(Key::namespaced(Kind::Pod, "../nodes", "web"));
    assert!(outside.starts_with("Pod ../nodes/web: no namespace can be named \"../nodes\""), "{outside}");
    assert!(error(Key::namespaced(Kind::Pod, "shop", "a/b")).starts_with("Pod \"a/b\" cannot be named so"));
    let place = Place::of(&Key::namespaced(Kind::WorkloadEndpoint, "shop", "A/b")).unwrap();
    assert!(place.name.starts_with("a-b.x"), "{place:?}");
}

#[test]
fn the_definitions_are_of_our_kinds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/crds");
    let ours: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| is_ours(*kind)).collect();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), ours.len());
    for kind in ours {
        let file = format!("{folder}/{}.yaml", plural(kind));
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = Document::parse(&file, &text).unwrap();
        let [document] = documents.as_slice() else { panic!("{file}: one document") };
        let field = |path: &[&str]| {
            let node = path.iter().try_fold(document.root(), |node: &Node, name| node.get(name));
            node.and_then(Node::as_str).unwrap_or_default().to_owned()
        };
        assert_eq!(field(&["metadata", "name"]), qualified_plural(kind));
        assert_eq!(field(&["spec", "group"]), "fabric.rs");
        assert_eq!(field(&["spec", "names", "kind"]), kind.manifest_name());
        assert_eq!(field(&["spec", "names", "plural"]), plural(kind));
        let scope = if kind.is_namespaced() { "Namespaced" } else { "Cluster" };
        assert_eq!(field(&["spec", "scope"]), scope);
    }
}

/// What a definition lacks, an API server takes out of what people write.
#[test]
fn the_definitions_of_policies_have_the_fields_of_the_types() {
    let (policy, global, staged) = (PolicySpec::FIELDS, PolicySpec::GLOBAL_FIELDS, PolicySpec::STAGED_FIELDS);
    for (kind, fields) in [
        (Kind::Tier, &[TierSpec::FIELDS][..]),
        (Kind::FabricNetworkPolicy, &[policy]),
        (Kind::GlobalNetworkPolicy, &[policy, global]),
        (Kind::StagedNetworkPolicy, &[policy, staged]),
        (Kind::StagedGlobalNetworkPolicy, &[policy, global, staged]),
        (Kind::StagedKubernetesNetworkPolicy, &[StagedKubernetesNetworkPolicySpec::FIELDS]),
        (Kind::NetworkSet, &[NetworkSetSpec::FIELDS]),
        (Kind::GlobalNetworkSet, &[NetworkSetSpec::FIELDS]),
        (Kind::HostEndpoint, &[HostEndpointSpec::FIELDS]),
    ] {
        let file = format!("{}/../deploy/crds/{}.yaml", env!("CARGO_MANIFEST_DIR"), plural(kind));
        let document = Document::parse(&file, &std::fs::read_to_string(&file).unwrap()).unwrap().remove(0);
        let definition: serde_json::Value = document.read().unwrap();
        let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(keys(&spec["properties"]), sorted(fields), "{file}");
        let rule = &spec["properties"]["ingress"]["items"];
        if kind != Kind::StagedKubernetesNetworkPolicy && !rule.is_null() {
            assert_eq!(keys(&rule["properties"]), sorted(&[Rule::FIELDS]), "{file}");
            let source = &rule["properties"]["source"];
            assert_eq!(keys(&source["properties"]), sorted(&[EntityRule::FIELDS]), "{file}");
            assert_eq!(spec["properties"]["egress"]["items"], *rule, "{file}");
            // What is not known must reach us, to be refused.
            for part in [spec, rule, source] {
                assert_eq!(part["x-kubernetes-preserve-unknown-fields"], true, "{file}");
            }
        }
        let columns = &definition["spec"]["versions"][0]["additionalPrinterColumns"];
        assert!(columns.as_array().is_some_and(|columns| !columns.is_empty()), "{file}");
    }
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<'a>(lists: &[&[&'a str]]) -> Vec<&'a str> {
    let mut all = lists.concat();
    all.sort_unstable();
    all
}
