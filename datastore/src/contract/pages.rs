//! Listings with limits and selectors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Backend, KIND, key, make_spaces, next, open, record, record_in, value};
use crate::resource::NODE_LABEL;
use crate::{
    Continue, Error, Key, Kind, Page, Precondition, Query, Resource, Revision, Store, Versioned,
    WorkloadEndpoint, Write,
};

fn endpoint(namespace: &str, name: &str, node: &str, app: &str) -> Resource {
    Resource::WorkloadEndpoint(Box::new(WorkloadEndpoint {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container_id: name.to_owned(),
        interface: "eth0".to_owned(),
        host_interface: "fab0".to_owned(),
        mac: "02:00:00:00:00:01".to_owned(),
        addresses: vec![IpAddr::from([10, 0, 0, 1])],
        labels: [("app".to_owned(), app.to_owned())].into(),
        netns: String::new(),
    }))
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// All pages, one after the other; the first one's revision.
async fn pages(store: &dyn Store, kind: Kind, query: &Query) -> (Revision, Vec<Page>) {
    let mut pages: Vec<Page> = Vec::new();
    let mut query = query.clone();
    loop {
        let page = store.list_page(kind, &query).await.unwrap();
        query.after.clone_from(&page.next);
        pages.push(page);
        if query.after.is_none() {
            return (pages[0].revision, pages);
        }
    }
}

/// Namespace and labels choose, alone and together, in pages of any size; what is chosen comes with value and
/// revision.
pub async fn selectors_choose(backend: &dyn Backend) {
    let store = open(backend).await;
    make_spaces(store.as_ref(), &["choose-0", "choose-1"]).await;
    let mut written = BTreeMap::new();
    for index in 0..24 {
        let space = format!("choose-{}", index % 2);
        let (node, app) = (format!("choose-n{}", index % 3), format!("choose-{}", index % 4));
        let resource = endpoint(&space, &format!("pod-{index}"), &node, &app);
        let revision = store.put(resource.clone(), Precondition::Absent).await.unwrap();
        written.insert(resource.key(), Versioned { revision, resource });
    }
    let space = Some("choose-0".to_owned());
    for (space, wanted, count) in [
        (space.clone(), vec![], 12),
        (space.clone(), vec![(NODE_LABEL, "choose-n1")], 4),
        (space, vec![(NODE_LABEL, "choose-n1"), ("app", "choose-0")], 2),
        (None, vec![(NODE_LABEL, "choose-n1")], 8),
        (None, vec![("app", "choose-3")], 6),
        (None, vec![("app", "choose-3"), ("tier", "")], 0),
        (Some("choose-2".to_owned()), vec![], 0),
    ] {
        for limit in [None, Some(0), Some(1), Some(3), Some(12), Some(1000)] {
            let query = Query { namespace: space.clone(), labels: labels(&wanted), limit, after: None };
            let (_, pages) = pages(store.as_ref(), KIND, &query).await;
            let size = query.limit().unwrap_or(usize::MAX);
            assert!(pages.iter().all(|page| page.items.len() <= size), "{query:?}");
            let found: BTreeMap<Key, Versioned> = pages.into_iter().flat_map(|page| page.items).collect();
            let expected = written.iter().filter(|(_, item)| query.selects(&item.resource));
            assert_eq!(found, expected.map(|(key, item)| (key.clone(), item.clone())).collect(), "{query:?}");
            assert_eq!(found.len(), count, "{query:?}");
        }
    }
}

/// While nothing is written, pages of any size make the listing, without anything twice; also from several handles in
/// turn.
pub async fn pages_make_the_whole(backend: &dyn Backend) {
    let store = open(backend).await;
    let other = open(backend).await;
    // Names of which one begins another, with characters that sort around a separator.
    let spaces = ["whole", "whole-a", "whole0"];
    make_spaces(store.as_ref(), &spaces).await;
    for space in spaces {
        for name in ["a", "a-b", "a.b", "a0", "b", "ba"] {
            store.put(record_in(space, name, &[]), Precondition::Absent).await.unwrap();
        }
    }
    let whole = store.list(KIND).await.unwrap();
    for limit in [1, 2, 5, 7, 23, 24, 25, 100] {
        let mut query = Query { limit: Some(limit), ..Query::default() };
        let mut found = BTreeMap::new();
        for turn in 0.. {
            let store = if turn % 2 == 0 { &store } else { &other };
            let page = store.list_page(KIND, &query).await.unwrap();
            assert!(page.revision >= whole.revision);
            for (key, item) in page.items {
                assert_eq!(found.insert(key.clone(), item), None, "{key} is listed twice");
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(found, whole.items);
    }
    let query = Query { namespace: Some("whole".to_owned()), ..Query::default() };
    let page = store.list_page(KIND, &query).await.unwrap();
    assert_eq!((page.items.len(), page.next), (6, None));
}

/// While others come and go between the pages, and a compaction falls between them: what stays is listed once, and the
/// changes since the first page's revision make up for the rest.
pub async fn pages_neither_skip_nor_repeat(backend: &dyn Backend) {
    let store = open(backend).await;
    let stays: BTreeSet<Key> = (0..40).map(|index| key(&format!("stay-{index:02}"))).collect();
    let comes = |index: usize| format!("stay-{:02}-comes", index % 40);
    let writes = stays.iter().map(|key| Write::put(record(&key.name, "0"), Precondition::Absent));
    store.commit(writes.collect()).await.unwrap();
    for index in (0..40).step_by(2) {
        store.put(record(&comes(index), ""), Precondition::None).await.unwrap();
    }
    let mut query = Query { limit: Some(3), ..Query::default() };
    let (mut first, mut seen) = (None, Vec::new());
    let mut state = BTreeMap::new();
    for turn in 0.. {
        let page = store.list_page(KIND, &query).await.unwrap();
        first.get_or_insert(page.revision);
        seen.extend(page.items.keys().cloned());
        state.extend(page.items);
        let (made, removed) = (comes(2 * turn + 1), comes(2 * turn));
        store.put(record(&made, ""), Precondition::None).await.unwrap();
        store.delete(&key(&removed), Precondition::None).await.unwrap();
        let changed = record(&format!("stay-{:02}", (turn * 7) % 40), &turn.to_string());
        store.put(changed, Precondition::None).await.unwrap();
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let listed = seen.iter().filter(|key| stays.contains(key)).cloned();
    let mut listed: Vec<Key> = listed.collect();
    listed.sort();
    assert_eq!(listed, stays.into_iter().collect::<Vec<_>>());

    let end = store.put(record("stay-end", ""), Precondition::None).await.unwrap();
    let mut changes = store.watch(first.unwrap()).await.unwrap();
    loop {
        let change = next(&mut changes).await;
        match change.value {
            Some(value) => drop(state.insert(change.key, value)),
            None => drop(state.remove(&change.key)),
        }
        if change.revision >= end {
            break;
        }
    }
    assert_eq!(state, store.list(KIND).await.unwrap().items);
    a_compaction_between_pages(backend, store.as_ref()).await;
}

/// The store forgets what was when the first page was read.
async fn a_compaction_between_pages(backend: &dyn Backend, store: &dyn Store) {
    let mut query = Query { limit: Some(7), labels: labels(&[("value", "compacted")]), ..Query::default() };
    let names: Vec<String> = (0..20).map(|index| format!("compacted-{index:02}")).collect();
    let put = |name: &String| Write::put(record(name, "compacted"), Precondition::Absent);
    store.commit(names.iter().map(put).collect()).await.unwrap();
    let page = store.list_page(KIND, &query).await.unwrap();
    let mut seen: Vec<String> = page.items.values().map(|item| item.resource.key().name).collect();
    assert!(page.items.values().all(|item| value(item) == "compacted"));
    query.after = page.next;
    store.put(record("stay-end", "again"), Precondition::None).await.unwrap();
    backend.compact().await;
    let (_, pages) = pages(store, KIND, &query).await;
    seen.extend(pages.into_iter().flat_map(|page| page.items).map(|(key, _)| key.name));
    seen.sort();
    assert_eq!(seen, names);
}

/// A text that is no place of a page is refused, not taken for the beginning or the end.
pub async fn a_place_that_is_none_is_refused(backend: &dyn Backend) {
    let store = open(backend).await;
    let query = Query { after: Some(Continue::new("nonsense")), limit: Some(1), ..Query::default() };
    let refused = store.list_page(KIND, &query).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(what) if what.contains("list from the beginning")),
        "{refused}"
    );
}
