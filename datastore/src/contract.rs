//! What every backend must pass.
//!
//! A backend's tests implement [`Backend`] and call [`run_all`], or the checks one by one. Each check works on
//! names of its own, so that all can run against one store, one after the other, and again on a fresh one.
//!
//! - [`single`]: one resource at a time, compare-and-swap, delete with precondition;
//! - [`commit`]: several writes at once;
//! - [`pages`]: listings with limits and selectors;
//! - [`watch`]: watching, resuming, compaction, disconnection;
//! - [`lease`]: elections, among clocks that disagree;
//! - [`scale`]: many objects.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, made callable from other crates"
)]

pub mod commit;
pub mod lease;
pub mod pages;
pub mod scale;
pub mod single;
pub mod watch;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;

use crate::{Change, Error, Key, Kind, Precondition, Resource, Store, Versioned, WorkloadEndpoint};

/// A change that does not come within this time never comes. Generous: this is not what the suite measures.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the suite gets at a backend.
pub trait Backend: Sync {
    /// Another handle on the same store, as another process would have.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>>;
    /// Makes the store forget what was deleted so far.
    fn compact(&self) -> BoxFuture<'_, ()>;
    /// Cuts all handles off from the store, and lets them in again before it returns. Where nothing can come between
    /// them, this does nothing.
    fn interrupt(&self) -> BoxFuture<'_, ()>;
}

/// Every check, one after the other.
pub async fn run_all(backend: &dyn Backend) {
    single::values_come_back_as_written(backend).await;
    single::preconditions_decide(backend).await;
    single::one_of_many_writers_wins(backend).await;
    single::no_increment_is_lost(backend).await;
    commit::writes_of_a_commit_are_done_together(backend).await;
    commit::a_commit_that_fails_says_how_far_it_came(backend).await;
    commit::large_commits_are_done_in_order(backend).await;
    commit::what_makes_no_sense_is_refused(backend).await;
    commit::sums_are_kept_between_two_keys(backend).await;
    commit::a_watch_can_break_off_within_a_commit(backend).await;
    pages::selectors_choose(backend).await;
    pages::pages_make_the_whole(backend).await;
    pages::pages_neither_skip_nor_repeat(backend).await;
    pages::a_place_that_is_none_is_refused(backend).await;
    watch::a_watch_from_a_listing_misses_nothing(backend).await;
    watch::a_watch_resumes_where_it_stopped(backend).await;
    watch::handles_see_each_others_changes(backend).await;
    watch::compaction_is_told(backend).await;
    watch::a_disconnection_loses_nothing(backend).await;
    lease::electors_take_turns(backend).await;
    scale::ten_thousand_objects(backend, 10_000).await;
}

/// What the suite writes: the one kind that has a name, a namespace and labels, and that every backend keeps to the letter.
/// (A Kubernetes API server adds to objects of its own kinds, and deletes a namespace when its controllers say so.)
const KIND: Kind = Kind::WorkloadEndpoint;

/// Where, unless a check is about namespaces.
const SPACE: &str = "contract";

fn record(name: &str, value: &str) -> Resource {
    record_in(SPACE, name, &[("value", value)])
}

fn record_in(space: &str, name: &str, labels: &[(&str, &str)]) -> Resource {
    Resource::WorkloadEndpoint(Box::new(WorkloadEndpoint {
        namespace: space.to_owned(),
        name: name.to_owned(),
        node: "contract".to_owned(),
        container_id: name.to_owned(),
        interface: "eth0".to_owned(),
        host_interface: "fab0".to_owned(),
        mac: "02:00:00:00:00:01".to_owned(),
        addresses: vec![IpAddr::from([10, 0, 0, 1])],
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        netns: String::new(),
    }))
}

fn key(name: &str) -> Key {
    Key::namespaced(KIND, SPACE, name)
}

fn value(versioned: &Versioned) -> String {
    let Resource::WorkloadEndpoint(endpoint) = &versioned.resource else {
        panic!("{} is not of the suite", versioned.resource.key())
    };
    endpoint.labels.get("value").cloned().unwrap_or_default()
}

/// Another handle, on a store that has the suite's namespace.
async fn open(backend: &dyn Backend) -> Arc<dyn Store> {
    let store = backend.open().await;
    make_spaces(store.as_ref(), &[SPACE]).await;
    store
}

/// Makes the namespaces that are missing: some backends refuse to write into one that is not there.
async fn make_spaces(store: &dyn Store, names: &[&str]) {
    for name in names {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some((*name).to_owned());
        let namespace = Resource::Namespace(Box::new(namespace));
        match store.put(namespace, Precondition::Absent).await {
            Ok(_) | Err(Error::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// The next change of what the suite writes, in reasonable time.
async fn next(changes: &mut BoxStream<'static, Result<Change, Error>>) -> Change {
    next_of(KIND, changes).await
}

/// The next change of a kind, in reasonable time. (Others may use the same store.)
pub(crate) async fn next_of(kind: Kind, changes: &mut BoxStream<'static, Result<Change, Error>>) -> Change {
    loop {
        let change = tokio::time::timeout(PATIENCE, changes.next()).await.expect("no change came");
        let change = change.expect("the watch ended").expect("the watch failed");
        if change.key.kind == kind {
            return change;
        }
    }
}
