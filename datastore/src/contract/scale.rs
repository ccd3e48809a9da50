//! Many objects.

use std::collections::BTreeSet;

use futures_util::stream::StreamExt as _;

use super::{Backend, make_spaces, next_of, open};
use crate::{Kind, Precondition, Query, Resource, Revision};

/// Many objects, written by many at once: all are listed, whole and in pages, and a watch from the start brings all.
/// `count` is a multiple of 100.
pub async fn ten_thousand_objects(backend: &dyn Backend, count: usize) {
    let store = open(backend).await;
    let spaces: Vec<String> = (0..100).map(|index| format!("many-{index}")).collect();
    make_spaces(store.as_ref(), &spaces.iter().map(String::as_str).collect::<Vec<_>>()).await;
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
    let mut query = Query { limit: Some(333), ..Query::default() };
    let mut paged = BTreeSet::new();
    loop {
        let page = store.list_page(Kind::NetworkPolicy, &query).await.unwrap();
        assert!(page.items.len() <= 333);
        for key in page.items.into_keys() {
            assert!(paged.insert(key.clone()), "{key} is listed twice");
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert!(paged.into_iter().eq(listing.items.into_keys()));
    let one = Query { namespace: Some("many-7".to_owned()), ..Query::default() };
    let one = store.list_page(Kind::NetworkPolicy, &one).await.unwrap();
    assert_eq!(one.items.len(), count / 100);
    let mut changes = store.watch(start).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let change = next_of(Kind::NetworkPolicy, &mut changes).await;
        if change.key.namespace.starts_with("many-") {
            seen.insert(change.key);
        }
    }
}
