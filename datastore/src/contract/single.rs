//! One resource at a time: what is written is read, and preconditions decide.

use super::{Backend, KIND, key, make_spaces, open, record, record_in, value};
use crate::{Error, Key, Kind, Precondition, Revision, Versioned};

/// What is written is read, with its revision, in its kind and namespace only.
pub async fn values_come_back_as_written(backend: &dyn Backend) {
    let store = open(backend).await;
    make_spaces(store.as_ref(), &["back-a"]).await;
    let pod = record_in("back-a", "back", &[("app", "back"), ("tier", "front")]);
    assert_eq!(store.get(&pod.key()).await.unwrap(), None);
    let revision = store.put(pod.clone(), Precondition::None).await.unwrap();
    let expected = Versioned { revision, resource: pod.clone() };
    assert_eq!(store.get(&pod.key()).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.get(&Key { namespace: "back-b".to_owned(), ..pod.key() }).await.unwrap(), None);
    assert_eq!(store.get(&key("back")).await.unwrap(), None);
    let listing = store.list(KIND).await.unwrap();
    assert!(listing.revision >= revision);
    assert_eq!(listing.items.get(&pod.key()), Some(&expected));
    assert!(!store.list(Kind::NetworkPolicy).await.unwrap().items.contains_key(&pod.key()));
    // The value is the whole value: what the next one lacks is gone.
    let less = record_in("back-a", "back", &[("app", "back")]);
    let revision = store.put(less.clone(), Precondition::Unchanged(revision)).await.unwrap();
    let expected = Versioned { revision, resource: less };
    assert_eq!(store.get(&pod.key()).await.unwrap(), Some(expected));
    store.delete(&pod.key(), Precondition::None).await.unwrap();
    assert_eq!(store.get(&pod.key()).await.unwrap(), None);
    assert!(!store.list(KIND).await.unwrap().items.contains_key(&pod.key()));
}

/// Each precondition, on what is there and on what is not.
pub async fn preconditions_decide(backend: &dyn Backend) {
    let store = open(backend).await;
    let (name, key) = ("decide", key("decide"));
    let conflict = |found| Error::Conflict { key: key.clone(), found };
    let put = |value, precondition| store.put(record(name, value), precondition);
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
        let store = open(backend).await;
        writers.push(tokio::spawn(async move {
            store.put(record("race", &index.to_string()), Precondition::Absent).await
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
    let first = open(backend).await;
    first.put(record("sum", "0"), Precondition::Absent).await.unwrap();
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let store = open(backend).await;
        writers.push(tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let current = store.get(&key("sum")).await.unwrap().unwrap();
                let sum: u32 = value(&current).parse().unwrap();
                let next = record("sum", &(sum + 1).to_string());
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
