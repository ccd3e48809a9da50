use super::*;

fn node(labels: &[(&str, &str)], addresses: &[&str]) -> config::Node {
    config::Node {
        name: "n1".to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

fn labels(object: &Node) -> Vec<(&str, &str)> {
    let labels = object.metadata.labels.iter().flatten();
    labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn a_node_is_written_once_and_then_left_alone() {
    let node = node(&[("rack", "a")], &["10.255.0.1", "fd00:ff::1"]);
    let object = wanted(None, &node).unwrap();
    assert_eq!(object.metadata.name.as_deref(), Some("n1"));
    assert_eq!(labels(&object), [("rack", "a")]);
    let addresses = object.status.as_ref().and_then(|status| status.addresses.as_ref()).unwrap();
    let texts: Vec<_> =
        addresses.iter().map(|address| (address.type_.as_str(), address.address.as_str())).collect();
    assert_eq!(texts, [("InternalIP", "10.255.0.1"), ("InternalIP", "fd00:ff::1")]);
    assert_eq!(wanted(Some(&object), &node), None);
}

#[test]
fn only_what_is_the_agents_changes() {
    let before = node(&[("rack", "a"), ("zone", "west")], &["10.255.0.1"]);
    let mut object = wanted(None, &before).unwrap();
    // Others label it, mark it unschedulable, and know it by a name.
    object.metadata.labels.as_mut().unwrap().insert("role".into(), "worker".into());
    object.spec.get_or_insert_default().unschedulable = Some(true);
    let host_name = NodeAddress { address: "n1.example".into(), type_: "Hostname".into() };
    object.status.as_mut().unwrap().addresses.as_mut().unwrap().push(host_name.clone());
    let after = wanted(Some(&object), &node(&[("rack", "b")], &["10.255.0.2"])).unwrap();
    assert_eq!(labels(&after), [("rack", "b"), ("role", "worker")]);
    assert_eq!(after.spec, object.spec);
    let addresses = after.status.as_ref().and_then(|status| status.addresses.clone()).unwrap();
    assert_eq!(addresses[0], host_name);
    assert_eq!(addresses[1].address, "10.255.0.2");
    assert_eq!(addresses.len(), 2);
    // Nothing of the agent's is left when nothing is configured.
    let bare = wanted(Some(&after), &node(&[], &[])).unwrap();
    assert_eq!(labels(&bare), [("role", "worker")]);
    assert_eq!(bare.metadata.annotations, None);
    assert_eq!(bare.status.and_then(|status| status.addresses), Some(vec![host_name]));
}

#[test]
fn a_label_that_another_wrote_becomes_the_agents_when_it_is_configured() {
    let mut object = wanted(None, &node(&[], &[])).unwrap();
    object.metadata.labels = Some(BTreeMap::from([("rack".into(), "other".into())]));
    let taken = wanted(Some(&object), &node(&[("rack", "a")], &[])).unwrap();
    assert_eq!(labels(&taken), [("rack", "a")]);
    assert_eq!(labels(&wanted(Some(&taken), &node(&[], &[])).unwrap()), []);
}
