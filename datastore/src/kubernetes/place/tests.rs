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
        assert_eq!(field(&["spec", "names", "kind"]), kind.name());
        assert_eq!(field(&["spec", "names", "plural"]), plural(kind));
        let scope = if kind.is_namespaced() { "Namespaced" } else { "Cluster" };
        assert_eq!(field(&["spec", "scope"]), scope);
    }
}
