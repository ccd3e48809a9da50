//! What every backend must pass.
//!
//! A backend's tests implement [`Backend`] and call [`run_all`], or the checks one by one. Each check works on
//! names of its own, so that all can run against one store, also at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, made callable from other crates"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;

use crate::{Change, Error, Key, Kind, Precondition, Resource, Revision, Store, Versioned};

/// A change that does not come within this time never comes. Generous: this is not what the suite measures.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the suite gets at a backend.
pub trait Backend: Sync {
    /// Another handle on the same store, as another process would have.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>>;
    /// Makes the store forget what was deleted so far.
    fn compact(&self) -> BoxFuture<'_, ()>;
}

/// Every check, one after the other.
pub async fn run_all(backend: &dyn Backend) {
    values_come_back_as_written(backend).await;
    preconditions_decide(backend).await;
    one_of_many_writers_wins(backend).await;
    no_increment_is_lost(backend).await;
    a_watch_from_a_listing_misses_nothing(backend).await;
    a_watch_resumes_where_it_stopped(backend).await;
    handles_see_each_others_changes(backend).await;
    compaction_is_told(backend).await;
    ten_thousand_objects(backend, 10_000).await;
}

fn namespace(name: &str, value: &str) -> Resource {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    namespace.metadata.labels = Some([("value".to_owned(), value.to_owned())].into());
    Resource::Namespace(Box::new(namespace))
}

fn key(name: &str) -> Key {
    Key::global(Kind::Namespace, name)
}

fn value(versioned: &Versioned) -> String {
    let Resource::Namespace(namespace) = &versioned.resource else {
        panic!("{} is no namespace", versioned.resource.key())
    };
    namespace.metadata.labels.as_ref().and_then(|labels| labels.get("value").cloned()).unwrap_or_default()
}

/// The next change, in reasonable time.
pub(crate) async fn next(changes: &mut BoxStream<'static, Result<Change, Error>>) -> Change {
    let change = tokio::time::timeout(PATIENCE, changes.next()).await.expect("no change came");
    change.expect("the watch ended").expect("the watch failed")
}

/// What is written is read, with its revision, in its kind and namespace only.
pub async fn values_come_back_as_written(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut pod = k8s_openapi::api::core::v1::Pod::default();
    pod.metadata.name = Some("back".to_owned());
    pod.metadata.namespace = Some("back-a".to_owned());
    let pod = Resource::Pod(Box::new(pod));
    assert_eq!(store.get(&pod.key()).await.unwrap(), None);
    let revision = store.put(pod.clone(), Precondition::None).await.unwrap();
    let expected = Versioned { revision, resource: pod.clone() };
    assert_eq!(store.get(&pod.key()).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.get(&Key { namespace: "back-b".to_owned(), ..pod.key() }).await.unwrap(), None);
    assert_eq!(store.get(&key("back")).await.unwrap(), None);
    let listing = store.list(Kind::Pod).await.unwrap();
    assert!(listing.revision >= revision);
    assert_eq!(listing.items.get(&pod.key()), Some(&expected));
    assert!(!store.list(Kind::NetworkPolicy).await.unwrap().items.contains_key(&pod.key()));
    store.delete(&pod.key(), Precondition::None).await.unwrap();
    assert_eq!(store.get(&pod.key()).await.unwrap(), None);
    assert!(!store.list(Kind::Pod).await.unwrap().items.contains_key(&pod.key()));
}

/// Each precondition, on what is there and on what is not.
pub async fn preconditions_decide(backend: &dyn Backend) {
    let store = backend.open().await;
    let (name, key) = ("decide", key("decide"));
    let conflict = |found| Error::Conflict { key: key.clone(), found };
    let put = |value, precondition| store.put(namespace(name, value), precondition);
    let never = Revision(u64::from(u32::MAX));

    assert_eq!(put("a", Precondition::Unchanged(never)).await, Err(conflict(None)));
    assert_eq!(store.delete(&key, Precondition::Unchanged(never)).await, Err(conflict(None)));
    assert_eq!(store.delete(&key, Precondition::None).await, Ok(()));
    let first = put("a", Precondition::Absent).await.unwrap();
    assert_eq!(put("b", Precondition::Absent).await, Err(conflict(Some(first))));
    let second = put("b", Precondition::Unchanged(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(put("c", Precondition::Unchanged(first)).await, Err(conflict(Some(second))));
    assert_eq!(store.delete(&key, Precondition::Unchanged(first)).await, Err(conflict(Some(second))));
    assert_eq!(value(&store.get(&key).await.unwrap().unwrap()), "b");
    store.delete(&key, Precondition::Unchanged(second)).await.unwrap();
    assert_eq!(put("d", Precondition::Unchanged(second)).await, Err(conflict(None)));
    // Created anew, it does not get a revision that it had before.
    assert!(put("e", Precondition::Absent).await.unwrap() > second);
    store.delete(&key, Precondition::None).await.unwrap();
}

/// Of many that create the same, one does.
pub async fn one_of_many_writers_wins(backend: &dyn Backend) {
    let mut writers = Vec::new();
    for index in 0..8 {
        let store = backend.open().await;
        writers.push(tokio::spawn(async move {
            store.put(namespace("race", &index.to_string()), Precondition::Absent).await
        }));
    }
    let mut winners = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(_) => winners += 1,
            Err(Error::Conflict { found: Some(_), .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners, 1);
}

/// Read, add one, compare and swap: from several handles at once, the sum is right.
pub async fn no_increment_is_lost(backend: &dyn Backend) {
    const WRITERS: u32 = 4;
    const EACH: u32 = 15;
    let first = backend.open().await;
    first.put(namespace("sum", "0"), Precondition::Absent).await.unwrap();
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let store = backend.open().await;
        writers.push(tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let current = store.get(&key("sum")).await.unwrap().unwrap();
                let sum: u32 = value(&current).parse().unwrap();
                let next = namespace("sum", &(sum + 1).to_string());
                match store.put(next, Precondition::Unchanged(current.revision)).await {
                    Ok(_) => done += 1,
                    Err(Error::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let sum = first.get(&key("sum")).await.unwrap().unwrap();
    assert_eq!(value(&sum), (WRITERS * EACH).to_string());
}

/// A listing with the changes after it is what there is, however writes fall between; and revisions only rise.
pub async fn a_watch_from_a_listing_misses_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let writer = backend.open().await;
    let writing = tokio::spawn(async move {
        for round in 0..30 {
            for index in 0..5 {
                let name = format!("miss-{index}");
                if (round + index) % 4 == 3 {
                    writer.delete(&key(&name), Precondition::None).await.unwrap();
                } else {
                    writer.put(namespace(&name, &round.to_string()), Precondition::None).await.unwrap();
                }
            }
        }
        writer.put(namespace("miss-end", ""), Precondition::None).await.unwrap()
    });
    // Somewhere in the middle.
    while store.get(&key("miss-0")).await.unwrap().is_none() && !writing.is_finished() {
        tokio::task::yield_now().await;
    }
    let listing = store.list(Kind::Namespace).await.unwrap();
    let mut seen: BTreeMap<Key, Versioned> = listing.items;
    let mut changes = store.watch(listing.revision).await.unwrap();
    let end = writing.await.unwrap();
    let mut position = listing.revision;
    while position < end {
        let change = next(&mut changes).await;
        assert!(change.revision > position, "{position:?} then {change:?}");
        position = change.revision;
        match change.value {
            Some(value) => {
                assert_eq!(value.revision, change.revision);
                seen.insert(change.key, value);
            }
            None => drop(seen.remove(&change.key)),
        }
    }
    assert_eq!(seen, store.list(Kind::Namespace).await.unwrap().items);
}

/// A watch broken off and begun again from its last change misses nothing; begun from an older one it
/// repeats, ending in the same.
pub async fn a_watch_resumes_where_it_stopped(backend: &dyn Backend) {
    let store = backend.open().await;
    let start = store.list(Kind::Namespace).await.unwrap().revision;
    let first = store.put(namespace("resume-a", "1"), Precondition::None).await.unwrap();
    let second = store.put(namespace("resume-b", "1"), Precondition::None).await.unwrap();
    let mut changes = store.watch(start).await.unwrap();
    assert_eq!(next(&mut changes).await.revision, first);
    drop(changes);
    let third = store.put(namespace("resume-b", "2"), Precondition::None).await.unwrap();
    let mut changes = store.watch(first).await.unwrap();
    let mut change = next(&mut changes).await;
    // The write in between may be merged into the last.
    if change.revision == second {
        change = next(&mut changes).await;
    }
    assert_eq!((change.revision, change.value.as_ref().map(value)), (third, Some("2".to_owned())));
    store.delete(&key("resume-b"), Precondition::None).await.unwrap();
    let gone = next(&mut changes).await;
    assert_eq!((gone.key, gone.value), (key("resume-b"), None));
    // From the beginning once more: it ends in the same.
    let mut changes = store.watch(start).await.unwrap();
    let mut last = next(&mut changes).await;
    while last.revision < gone.revision {
        last = next(&mut changes).await;
    }
    assert_eq!((last.key, last.value), (key("resume-b"), None));
}

/// Two handles answer each other. Each waits before the other writes, so each must be woken.
pub async fn handles_see_each_others_changes(backend: &dyn Backend) {
    const ROUNDS: u32 = 20;
    let (left, right) = (backend.open().await, backend.open().await);
    let start = left.list(Kind::Namespace).await.unwrap().revision;
    let answering = tokio::spawn(answer(right, start, "ping", "pong", ROUNDS));
    tokio::task::yield_now().await;
    left.put(namespace("ping", "0"), Precondition::None).await.unwrap();
    answer(left, start, "pong", "ping", ROUNDS - 1).await;
    answering.await.unwrap();
}

/// Waits for `heard` in each round, and then writes `said`.
async fn answer(store: Arc<dyn Store>, from: Revision, heard: &str, said: &str, rounds: u32) {
    let mut changes = store.watch(from).await.unwrap();
    for round in 0..rounds {
        let mut change = next(&mut changes).await;
        while change.key != key(heard) {
            change = next(&mut changes).await;
        }
        assert_eq!(change.value.as_ref().map(value), Some(round.to_string()));
        let said_in = if said == "ping" { round + 1 } else { round };
        store.put(namespace(said, &said_in.to_string()), Precondition::None).await.unwrap();
    }
}

/// Who watches from before a compaction is told to list again, also if the watch is from before a store was replaced.
pub async fn compaction_is_told(backend: &dyn Backend) {
    let store = backend.open().await;
    let before = store.put(namespace("compact", ""), Precondition::None).await.unwrap();
    store.delete(&key("compact"), Precondition::None).await.unwrap();
    backend.compact().await;
    assert!(matches!(store.watch(before).await.map(drop), Err(Error::Compacted { .. })));
    let ahead = Revision(before.0 + 1_000_000);
    assert!(matches!(store.watch(ahead).await.map(drop), Err(Error::Compacted { .. })));
    let listing = store.list(Kind::Namespace).await.unwrap();
    let mut changes = store.watch(listing.revision).await.unwrap();
    let after = store.put(namespace("compact", "again"), Precondition::Absent).await.unwrap();
    assert_eq!(next(&mut changes).await.revision, after);
}

/// Many objects, written by many at once: all are listed, and a watch from the start brings all.
pub async fn ten_thousand_objects(backend: &dyn Backend, count: usize) {
    let store = backend.open().await;
    let start = store.list(Kind::NetworkPolicy).await.unwrap().revision;
    let policy = |index: usize| {
        let mut policy = k8s_openapi::api::networking::v1::NetworkPolicy::default();
        policy.metadata.name = Some(format!("policy-{index:05}"));
        policy.metadata.namespace = Some(format!("many-{}", index % 100));
        Resource::NetworkPolicy(Box::new(policy))
    };
    let writes =
        futures_util::stream::iter(0..count).map(|index| store.put(policy(index), Precondition::Absent));
    let written: Vec<Revision> = writes.buffer_unordered(256).map(Result::unwrap).collect().await;
    assert_eq!(written.len(), count);
    let listing = store.list(Kind::NetworkPolicy).await.unwrap();
    assert_eq!(listing.items.keys().filter(|key| key.namespace.starts_with("many-")).count(), count);
    let mut changes = store.watch(start).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count {
        let change = next(&mut changes).await;
        if change.key.namespace.starts_with("many-") {
            seen.insert(change.key);
        }
    }
}
