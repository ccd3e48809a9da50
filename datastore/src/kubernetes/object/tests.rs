use serde_json::json;

use super::*;
use crate::resource::WorkloadEndpoint;

fn endpoint(name: &str, node: &str, labels: &[(&str, &str)]) -> Resource {
    Resource::WorkloadEndpoint(Box::new(WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container_id: "9f2c".to_owned(),
        interface: "eth0".to_owned(),
        host_interface: "fab0".to_owned(),
        mac: "02:00:00:00:00:01".to_owned(),
        addresses: Vec::new(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        netns: String::new(),
    }))
}

/// As the API server would hold it.
fn stored(resource: &Resource) -> Value {
    let mut object = encode(resource).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.insert("resourceVersion".to_owned(), json!("7"));
    metadata.insert("uid".to_owned(), json!("e1fef614"));
    metadata.insert("managedFields".to_owned(), json!([{ "manager": "fabric" }]));
    object
}

fn namespace(value: Value) -> Resource {
    Resource::decode(Kind::Namespace, value).unwrap()
}

#[test]
fn an_object_is_read_as_the_resource_that_it_holds() {
    let resource = endpoint("Web_0", "node-1", &[("app", "web"), ("not a key", "x")]);
    let object = stored(&resource);
    let name = object["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-0.x"), "{name}");
    assert_eq!(object["metadata"]["labels"], json!({ "app": "web", "fabric.rs/node": "node-1" }));
    let (key, found) = decode(Kind::WorkloadEndpoint, object).unwrap();
    assert_eq!(key, resource.key());
    assert_eq!(found, Versioned { revision: Revision(7), resource });
}

#[test]
fn what_only_the_server_may_say_is_not_taken_for_content() {
    let object = json!({ "metadata": {
        "name": "shop", "uid": "u", "resourceVersion": "9", "managedFields": [{}], "labels": { "a": "b" },
    }});
    let (_, found) = decode(Kind::Namespace, object).unwrap();
    let Resource::Namespace(namespace) = &found.resource else { panic!("{found:?}") };
    assert_eq!((&namespace.metadata.resource_version, &namespace.metadata.managed_fields), (&None, &None));
    // Written elsewhere, or anew, it gets what the server gives it.
    let created = encode(&found.resource).unwrap();
    assert_eq!(created["metadata"], json!({ "name": "shop", "labels": { "a": "b" } }));
}

#[test]
fn objects_that_contradict_themselves_are_refused() {
    let mut other = stored(&endpoint("web", "node-1", &[]));
    other["metadata"]["name"] = json!("db");
    let error = decode(Kind::WorkloadEndpoint, other).unwrap_err().to_string();
    assert_eq!(
        error,
        "WorkloadEndpoint shop/db in the datastore cannot be understood: its spec is that of shop/web; delete or repair it"
    );
    let mut unknown = stored(&endpoint("web", "node-1", &[]));
    unknown["spec"]["colour"] = json!("red");
    let error = decode(Kind::WorkloadEndpoint, unknown).unwrap_err().to_string();
    assert!(
        error.contains("shop/web in the datastore cannot be understood: unknown field `colour`"),
        "{error}"
    );
    let error = parse_revision("abc").unwrap_err().to_string();
    assert!(error.starts_with("the API server numbers its writes as \"abc\""), "{error}");
}

#[test]
fn of_ours_only_what_is_ours_is_replaced() {
    let mut current = stored(&endpoint("web", "node-1", &[("app", "web"), ("tier", "front")]));
    let metadata = current["metadata"].as_object_mut().unwrap();
    metadata.insert("annotations".to_owned(), json!({ "who": "somebody" }));
    metadata.insert("finalizers".to_owned(), json!(["somebody.org/waits"]));
    metadata["labels"]["theirs"] = json!("1");
    current["status"] = json!({ "seen": true });
    let wanted = overlaid(current.clone(), &endpoint("web", "node-2", &[("app", "web")])).unwrap();
    // The revision read is the precondition of the write.
    let mut expected = current;
    expected["metadata"]["labels"] = json!({ "app": "web", "fabric.rs/node": "node-2", "theirs": "1" });
    expected["spec"]["node"] = json!("node-2");
    expected["spec"]["labels"] = json!({ "app": "web" });
    assert_eq!(wanted, expected);
}

#[test]
fn what_was_read_says_all_that_our_types_know() {
    let current = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "shop", "uid": "u", "resourceVersion": "9", "selfDestruct": "new",
            "labels": { "a": "1", "b": "2" }, "finalizers": ["x/y"],
        },
        "spec": { "finalizers": ["kubernetes"], "newer": 1 },
    });
    let (_, read) = decode(Kind::Namespace, current.clone()).unwrap();
    let Resource::Namespace(mut changed) = read.resource else { panic!() };
    changed.metadata.labels = Some([("a".to_owned(), "3".to_owned())].into());
    changed.metadata.finalizers = None;
    let wanted = overlaid(current.clone(), &Resource::Namespace(changed)).unwrap();
    let mut expected = current;
    expected["metadata"]["labels"] = json!({ "a": "3" });
    expected["metadata"].as_object_mut().unwrap().remove("finalizers");
    assert_eq!(wanted, expected);
}

#[test]
fn a_manifest_leaves_to_others_what_it_does_not_name() {
    let current = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "shop", "uid": "u", "resourceVersion": "9",
            "labels": { "a": "1", "b": "2" }, "annotations": { "c": "3" }, "finalizers": ["x/y"],
        },
        "spec": { "finalizers": ["kubernetes"] },
    });
    let manifest = json!({ "metadata": { "name": "shop", "labels": { "a": "4" }, "finalizers": ["ours"] } });
    let wanted = overlaid(current.clone(), &namespace(manifest)).unwrap();
    let mut expected = current;
    expected["metadata"]["labels"]["a"] = json!("4");
    expected["metadata"]["finalizers"] = json!(["ours", "x/y"]);
    assert_eq!(wanted, expected);
}

#[test]
fn rules_that_a_policy_no_longer_has_go() {
    let policy = |spec: Value| json!({ "metadata": { "name": "p", "namespace": "shop" }, "spec": spec });
    let current = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "p", "namespace": "shop", "uid": "u", "resourceVersion": "9" },
        "spec": {
            "podSelector": {}, "egress": [{}],
            "ingress": [
                { "ports": [{ "port": 80, "newer": 1 }] },
                { "ports": [{ "port": 81, "newer": 2 }] },
            ],
        },
    });
    let less = policy(
        json!({ "podSelector": {}, "ingress": [{ "ports": [{ "port": 81 }] }, { "ports": [{ "port": 82 }] }] }),
    );
    let wanted = overlaid(current, &Resource::decode(Kind::NetworkPolicy, less).unwrap()).unwrap();
    assert_eq!(wanted["spec"].get("egress"), None);
    // What stays keeps what we do not know of it; nothing passes from one rule to another.
    let ports = json!([{ "ports": [{ "port": 81, "newer": 2 }] }, { "ports": [{ "port": 82 }] }]);
    assert_eq!(wanted["spec"]["ingress"], ports);
}
