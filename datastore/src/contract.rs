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

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;

use crate::{Change, Error, Key, Kind, Resource, Store, Versioned};

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
