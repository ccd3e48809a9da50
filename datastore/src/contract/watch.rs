//! Watching: nothing is missed, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt as _;

use super::{Backend, KIND, PATIENCE, key, next, open, record, value};
use crate::{Error, Key, Precondition, Revision, Store, Versioned};

/// A listing with the changes after it is what there is, however writes fall between; and revisions never fall.
pub async fn a_watch_from_a_listing_misses_nothing(backend: &dyn Backend) {
    let store = open(backend).await;
    let writer = open(backend).await;
    let writing = tokio::spawn(async move {
        for round in 0..30 {
            for index in 0..5 {
                let name = format!("miss-{index}");
                if (round + index) % 4 == 3 {
                    writer.delete(&key(&name), Precondition::None).await.unwrap();
                } else {
                    writer.put(record(&name, &round.to_string()), Precondition::None).await.unwrap();
                }
            }
        }
        writer.put(record("miss-end", ""), Precondition::None).await.unwrap()
    });
    // Somewhere in the middle.
    while store.get(&key("miss-0")).await.unwrap().is_none() && !writing.is_finished() {
        tokio::task::yield_now().await;
    }
    let listing = store.list(KIND).await.unwrap();
    let mut seen: BTreeMap<Key, Versioned> = listing.items;
    let mut changes = store.watch(listing.revision).await.unwrap();
    let end = writing.await.unwrap();
    let (mut last, mut position) = (listing.revision, listing.revision);
    while last < end {
        let change = next(&mut changes).await;
        assert!(change.revision >= last, "{last:?} then {change:?}");
        assert!(
            position <= change.resume && change.resume <= change.revision,
            "{position:?} then {change:?}"
        );
        (last, position) = (change.revision, change.resume);
        match change.value {
            Some(value) => {
                assert_eq!(value.revision, change.revision);
                seen.insert(change.key, value);
            }
            None => drop(seen.remove(&change.key)),
        }
    }
    assert_eq!(seen, store.list(KIND).await.unwrap().items);
}

/// A watch broken off and begun again from its last change misses nothing; begun from an older one it
/// repeats, ending in the same.
pub async fn a_watch_resumes_where_it_stopped(backend: &dyn Backend) {
    let store = open(backend).await;
    let start = store.list(KIND).await.unwrap().revision;
    let first = store.put(record("resume-a", "1"), Precondition::None).await.unwrap();
    let second = store.put(record("resume-b", "1"), Precondition::None).await.unwrap();
    let mut changes = store.watch(start).await.unwrap();
    let change = next(&mut changes).await;
    assert_eq!(change.revision, first);
    drop(changes);
    let third = store.put(record("resume-b", "2"), Precondition::None).await.unwrap();
    let mut changes = store.watch(change.resume).await.unwrap();
    let mut change = next(&mut changes).await;
    // The first may be told again, and the write in between may be merged into the last.
    while change.revision == first || change.revision == second {
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
    let (left, right) = (open(backend).await, open(backend).await);
    let start = left.list(KIND).await.unwrap().revision;
    let answering = tokio::spawn(answer(right, start, "ping", "pong", ROUNDS));
    tokio::task::yield_now().await;
    left.put(record("ping", "0"), Precondition::None).await.unwrap();
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
        store.put(record(said, &said_in.to_string()), Precondition::None).await.unwrap();
    }
}

/// Who watches from before a compaction is told to list again, also if the watch is from before a store was replaced.
pub async fn compaction_is_told(backend: &dyn Backend) {
    let store = open(backend).await;
    let before = store.put(record("compact", ""), Precondition::None).await.unwrap();
    store.delete(&key("compact"), Precondition::None).await.unwrap();
    backend.compact().await;
    for lost in [before, Revision(before.0 + 1_000_000)] {
        // At once, or as the first that the watch says.
        let error = match store.watch(lost).await {
            Ok(mut changes) => {
                tokio::time::timeout(PATIENCE, changes.next()).await.unwrap().unwrap().unwrap_err()
            }
            Err(error) => error,
        };
        assert!(matches!(error, Error::Compacted { .. }), "{error}");
    }
    let listing = store.list(KIND).await.unwrap();
    let mut changes = store.watch(listing.revision).await.unwrap();
    let after = store.put(record("compact", "again"), Precondition::Absent).await.unwrap();
    assert_eq!(next(&mut changes).await.revision, after);
}

/// Cut off and let in again: a watch goes on, or ends as unavailable and is resumed. What was written while it could
/// not hear is told then; reading and writing work again with the handles that there were.
pub async fn a_disconnection_loses_nothing(backend: &dyn Backend) {
    let (store, other) = (open(backend).await, open(backend).await);
    let start = store.put(record("cut-0", "before"), Precondition::Absent).await.unwrap();
    let gone = store.put(record("cut-gone", ""), Precondition::Absent).await.unwrap();
    let mut changes = store.watch(start).await.unwrap();
    let change = next(&mut changes).await;
    assert_eq!(change.revision, gone);
    let (mut last, mut position) = (change.revision, change.resume);
    for round in 0..3 {
        backend.interrupt().await;
        let name = format!("cut-{round}");
        let end = eventually(|| other.put(record(&name, "after"), Precondition::None)).await;
        if round == 1 {
            eventually(|| other.delete(&key("cut-gone"), Precondition::Unchanged(gone))).await;
        }
        let mut heard = BTreeMap::new();
        while last < end || (round == 1 && !heard.contains_key(&key("cut-gone"))) {
            match tokio::time::timeout(PATIENCE, changes.next()).await.expect("no change came") {
                Some(Ok(change)) if change.key.kind != KIND => position = change.resume,
                Some(Ok(change)) => {
                    (last, position) = (last.max(change.revision), change.resume);
                    heard.insert(change.key, change.value);
                }
                Some(Err(Error::Unavailable(_))) | None => {
                    changes = eventually(|| store.watch(position)).await;
                }
                Some(Err(other)) => panic!("{other}"),
            }
        }
        assert_eq!(heard[&key(&name)].as_ref().map(value).as_deref(), Some("after"));
        assert!(round != 1 || heard[&key("cut-gone")].is_none());
        assert_eq!(
            eventually(|| store.get(&key(&name))).await.map(|found| value(&found)).as_deref(),
            Some("after")
        );
    }
}

/// Tries until it is done; unavailable is the only excuse.
async fn eventually<'a, T>(mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, Error>>) -> T {
    let mut last = None;
    for _ in 0..100 {
        match attempt().await {
            Ok(done) => return done,
            Err(Error::Unavailable(why)) => last = Some(why),
            Err(other) => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("still unavailable: {last:?}")
}
