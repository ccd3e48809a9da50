use super::super::api::KeyValue;
use super::*;
use crate::{Key, Kind};

fn event(name: &str, revision: i64) -> Event {
    let key = format!("/fabric/Namespace//{name}").into_bytes();
    let value =
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{name}\"}}}}");
    let kv = KeyValue { key, mod_revision: revision, value: value.into_bytes() };
    Event { r#type: EventType::Put.into(), kv: Some(kv) }
}

#[test]
fn only_the_last_change_of_a_revision_brings_the_watcher_there() {
    let mut gone = event("b", 7);
    gone.r#type = EventType::Delete.into();
    let events = vec![event("old", 5), event("a", 7), gone, event("c", 7), event("d", 8), event("e", 12)];
    let root = Root("/fabric/".to_owned());
    let found: Vec<Change> = changes(&root, Revision(5), events).into_iter().map(Result::unwrap).collect();
    let told: Vec<_> = found.iter().map(|change| (change.key.name.as_str(), change.resume.0)).collect();
    assert_eq!(told, [("a", 6), ("b", 6), ("c", 7), ("d", 8), ("e", 12)]);
    assert!(found.iter().map(|change| change.revision.0).eq([7, 7, 7, 8, 12]));
    assert_eq!(found[0].value.as_ref().unwrap().revision, Revision(7));
    assert_eq!(found[1].value, None);
}

#[test]
fn the_key_that_says_whose_the_prefix_is_is_no_change() {
    let mut marker = event("", 3);
    marker.kv.as_mut().unwrap().key = b"/fabric/format".to_vec();
    let root = Root("/fabric/".to_owned());
    let found = changes(&root, Revision(0), vec![marker, event("a", 4)]);
    let keys: Vec<Key> = found.into_iter().map(|change| change.unwrap().key).collect();
    assert_eq!(keys, [Key::global(Kind::Namespace, "a")]);
}
