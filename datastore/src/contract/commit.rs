//! Several writes at once.

use std::sync::Arc;

use super::{Backend, KIND, key, next, open, record, value};
use crate::{CommitError, Error, Key, Precondition, Revision, Store, Write};

fn put(name: &str, value: &str, precondition: Precondition) -> Write {
    Write::put(record(name, value), precondition)
}

async fn read(store: &dyn Store, name: &str) -> Option<String> {
    store.get(&key(name)).await.unwrap().map(|found| value(&found))
}

/// Creating, changing and deleting in one: each gets its revision, and each is read with it.
pub async fn writes_of_a_commit_are_done_together(backend: &dyn Backend) {
    let store = open(backend).await;
    assert_eq!(store.commit(Vec::new()).await, Ok(Vec::new()));
    let old = store.put(record("together-old", "1"), Precondition::Absent).await.unwrap();
    let gone = store.put(record("together-gone", "1"), Precondition::Absent).await.unwrap();
    let writes = vec![
        put("together-new", "1", Precondition::Absent),
        put("together-old", "2", Precondition::Unchanged(old)),
        Write::delete(key("together-gone"), Precondition::Unchanged(gone)),
        Write::delete(key("together-never"), Precondition::None),
    ];
    let revisions = store.commit(writes).await.unwrap();
    assert_eq!(revisions.len(), 4);
    assert!(revisions.is_sorted() && revisions[0] > gone, "{revisions:?}");
    let new = store.get(&key("together-new")).await.unwrap().unwrap();
    assert_eq!((new.revision, value(&new).as_str()), (revisions[0], "1"));
    let old = store.get(&key("together-old")).await.unwrap().unwrap();
    assert_eq!((old.revision, value(&old).as_str()), (revisions[1], "2"));
    assert_eq!(read(store.as_ref(), "together-gone").await, None);
    // Those revisions are good for the next.
    let again = vec![
        put("together-new", "3", Precondition::Unchanged(revisions[0])),
        Write::delete(key("together-old"), Precondition::Unchanged(revisions[1])),
    ];
    store.commit(again).await.unwrap();
    assert_eq!(read(store.as_ref(), "together-new").await.as_deref(), Some("3"));
}

/// The write that failed is named, with what was found; of the others, as many are done as is said.
pub async fn a_commit_that_fails_says_how_far_it_came(backend: &dyn Backend) {
    let store = open(backend).await;
    let there = store.put(record("far-2", "there"), Precondition::Absent).await.unwrap();
    for failing in [
        put("far-2", "new", Precondition::Absent),
        put("far-2", "new", Precondition::Unchanged(Revision(there.0 + 1))),
        Write::delete(key("far-2"), Precondition::Unchanged(Revision(there.0 + 1))),
    ] {
        let writes = vec![
            put("far-0", "new", Precondition::Absent),
            put("far-1", "new", Precondition::None),
            failing,
            put("far-3", "new", Precondition::None),
        ];
        let failed = store.commit(writes).await.unwrap_err();
        let error = Error::Conflict { key: key("far-2"), found: Some(there) };
        let done = if store.is_atomic() { 0 } else { 2 };
        assert_eq!(failed, CommitError { index: 2, done, error });
        for (index, name) in ["far-0", "far-1"].into_iter().enumerate() {
            assert_eq!(read(store.as_ref(), name).await.is_some(), index < done, "{name}");
            store.delete(&key(name), Precondition::None).await.unwrap();
        }
        assert_eq!(read(store.as_ref(), "far-2").await.as_deref(), Some("there"));
        assert_eq!(read(store.as_ref(), "far-3").await, None);
    }
    // Of one that is not there, that is said.
    let gone = vec![put("far-3", "", Precondition::None), put("far-4", "", Precondition::Unchanged(there))];
    let failed = store.commit(gone).await.unwrap_err();
    assert_eq!((failed.index, failed.error), (1, Error::Conflict { key: key("far-4"), found: None }));
}

/// More than fit in one transaction: all are done, or as many of the first as is said.
pub async fn large_commits_are_done_in_order(backend: &dyn Backend) {
    const COUNT: usize = 700;
    let store = open(backend).await;
    let name = |index: usize| format!("large-{index:03}");
    let absent = |index| put(&name(index), "1", Precondition::Absent);
    let revisions = store.commit((0..COUNT).map(absent).collect()).await.unwrap();
    assert!(revisions.len() == COUNT && revisions.is_sorted());
    let rewrites = |stale: usize| {
        let rewrite = move |(index, revision): (usize, &Revision)| {
            let revision = if index == stale { Revision(revision.0 - 1) } else { *revision };
            put(&name(index), "2", Precondition::Unchanged(revision))
        };
        revisions.iter().enumerate().map(rewrite).collect::<Vec<_>>()
    };
    let failed = store.commit(rewrites(500)).await.unwrap_err();
    assert_eq!(failed.index, 500);
    assert!(failed.done <= 500);
    for index in 0..COUNT {
        let expected = if index < failed.done { "2" } else { "1" };
        assert_eq!(read(store.as_ref(), &name(index)).await.as_deref(), Some(expected), "{index}");
    }
    let deletions = (0..COUNT).map(|index| Write::delete(key(&name(index)), Precondition::None));
    store.commit(deletions.collect()).await.unwrap();
    assert_eq!(read(store.as_ref(), &name(COUNT - 1)).await, None);
}

/// A key without a name, a key twice, another's value: an error, and nothing done.
pub async fn what_makes_no_sense_is_refused(backend: &dyn Backend) {
    let store = open(backend).await;
    let nameless = Write::delete(Key::global(KIND, ""), Precondition::None);
    let twice = put("sense", "2", Precondition::None);
    let others = Write { key: key("sense-other"), ..put("sense-third", "", Precondition::None) };
    for (wrong, complaint) in [(nameless, "has no name"), (twice, "twice"), (others, "value of another")] {
        let failed = store.commit(vec![put("sense", "1", Precondition::None), wrong]).await.unwrap_err();
        assert!(matches!(&failed.error, Error::Refused(what) if what.contains(complaint)), "{failed}");
        assert_eq!((failed.index, failed.done), (1, 0));
        assert_eq!(read(store.as_ref(), "sense").await, None);
    }
}

/// Many move ones from a key to another. Where that is atomic nobody ever sees one missing; and none is lost at the
/// end.
pub async fn sums_are_kept_between_two_keys(backend: &dyn Backend) {
    const MOVES: u32 = 20;
    let first = open(backend).await;
    if !first.is_atomic() {
        return;
    }
    let start = vec![put("move-a", "1000", Precondition::Absent), put("move-b", "0", Precondition::Absent)];
    first.commit(start).await.unwrap();
    let mut movers = Vec::new();
    for _ in 0..3 {
        let store = open(backend).await;
        movers.push(tokio::spawn(async move {
            let mut done = 0;
            while done < MOVES {
                done += u32::from(move_one(store.as_ref()).await);
            }
        }));
    }
    loop {
        let finished = movers.iter().all(tokio::task::JoinHandle::is_finished);
        let items = first.list(KIND).await.unwrap().items;
        let [a, b] = ["move-a", "move-b"].map(|name| value(&items[&key(name)]).parse::<u32>().unwrap());
        assert_eq!(a + b, 1000);
        if finished {
            assert_eq!(b, 3 * MOVES);
            break;
        }
    }
    for mover in movers {
        mover.await.unwrap();
    }
}

/// False if someone else was faster.
async fn move_one(store: &dyn Store) -> bool {
    let mut writes = Vec::new();
    for (name, up) in [("move-a", false), ("move-b", true)] {
        let found = store.get(&key(name)).await.unwrap().unwrap();
        let count: u32 = value(&found).parse().unwrap();
        let count = if up { count + 1 } else { count - 1 };
        writes.push(put(name, &count.to_string(), Precondition::Unchanged(found.revision)));
    }
    match store.commit(writes).await {
        Ok(_) => true,
        Err(CommitError { error: Error::Conflict { .. }, .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Whoever stops watching after any change of a commit, and goes on from there later, misses none of its others.
pub async fn a_watch_can_break_off_within_a_commit(backend: &dyn Backend) {
    let store: Arc<dyn Store> = open(backend).await;
    let mut position = store.list(KIND).await.unwrap().revision;
    let names: Vec<String> = (0..5).map(|index| format!("within-{index}")).collect();
    let writes = names.iter().map(|name| put(name, "1", Precondition::Absent)).collect();
    let revisions = store.commit(writes).await.unwrap();
    let mut missing = names.clone();
    // Each watch is for one change more than the last one was; the same may be told again, but never none.
    for round in 1..=5 {
        let mut changes = store.watch(position).await.unwrap();
        for _ in 0..round {
            if position >= revisions[4] {
                break;
            }
            let change = next(&mut changes).await;
            assert!(position <= change.resume && change.resume <= change.revision, "{change:?}");
            position = change.resume;
            missing.retain(|name| *name != change.key.name);
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(position <= revisions[4]);
    let written = store.put(record("within-0", "2"), Precondition::None).await.unwrap();
    let mut changes = store.watch(position).await.unwrap();
    let mut after = next(&mut changes).await;
    while after.revision < written {
        after = next(&mut changes).await;
    }
    assert_eq!(after.value.map(|found| value(&found)).as_deref(), Some("2"));
}
