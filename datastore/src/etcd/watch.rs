//! Watching all keys of the prefix.
//!
//! A watch begins *at* the revision from which it is resumed, and passes over what it already knows: then etcd
//! itself says for certain whether anything in between is no longer kept. (Asked for the revision after it, etcd 3.4
//! may have dropped exactly the deletion that was made there.) All changes of one revision come in one answer, which
//! may come in pieces (`fragment`); only the last of them brings the watcher to that revision.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::timeout;
use tonic::Streaming;

use super::api::event::EventType;
use super::api::watch_client::WatchClient;
use super::api::watch_request::RequestUnion;
use super::api::{Event, RangeRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use super::client::{DEADLINE, LARGEST_ANSWER, Repeat, request};
use super::failure::Failure;
use super::keys::{Root, end_of};
use super::read::{self, decode};
use super::{Etcd, number, revision, revision_of};
use crate::error::Error;
use crate::store::{Change, Revision};

/// A watch: what it has heard, and not passed on.
struct Watch {
    etcd: Arc<Etcd>,
    answers: Streaming<WatchResponse>,
    from: Revision,
    /// Of an answer that is not yet complete.
    pieces: Vec<Event>,
    pending: VecDeque<Result<Change, Error>>,
    failed: bool,
}

/// Every change after `from`.
pub(super) async fn watch(
    etcd: Arc<Etcd>,
    from: Revision,
) -> Result<impl Stream<Item = Result<Change, Error>> + Send + 'static, Error> {
    let start = number(from).max(1);
    // First, so that a revision too far back or ahead is an error of the call, and the token is a good one.
    let probe = RangeRequest {
        key: etcd.root.marker(),
        revision: start,
        count_only: true,
        ..RangeRequest::default()
    };
    let is_compacted = match read::range(&etcd, probe).await {
        Ok(_) => false,
        Err(Failure::Compacted) => true,
        // The revision is of a store that was here before.
        Err(Failure::Future) => return Err(Error::Compacted { oldest: head(&etcd).await? }),
        Err(failure) => return Err(failure.into()),
    };
    let answers = open(&etcd, start).await?;
    let mut watch =
        Watch { etcd, answers, from, pieces: Vec::new(), pending: VecDeque::new(), failed: false };
    if is_compacted {
        // The watch ends with the revision from which one can.
        let refused = timeout(DEADLINE, watch.next()).await;
        let oldest = match refused {
            Ok(Some(Err(error @ Error::Compacted { .. }))) => return Err(error),
            Ok(_) | Err(_) => head(&watch.etcd).await?,
        };
        return Err(Error::Compacted { oldest });
    }
    Ok(stream::unfold(watch, |mut watch| async move { Some((watch.next().await?, watch)) }))
}

/// The newest revision.
async fn head(etcd: &Etcd) -> Result<Revision, Error> {
    let message = RangeRequest { key: etcd.root.marker(), count_only: true, ..RangeRequest::default() };
    Ok(revision_of(read::range(etcd, message).await?.header.as_ref()))
}

async fn open(etcd: &Etcd, start: i64) -> Result<Streaming<WatchResponse>, Error> {
    let prefix = etcd.root.prefix();
    let create = WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            range_end: end_of(&prefix),
            key: prefix,
            start_revision: start,
            progress_notify: true,
            fragment: true,
        })),
    };
    let opened = etcd.client.call(Repeat::Always, |channel, token| {
        // Never ends: that would end the watch.
        let requests = stream::iter([create.clone()]).chain(stream::pending());
        let message = request(requests, token);
        async move {
            WatchClient::new(channel).max_decoding_message_size(LARGEST_ANSWER).watch(message).await
        }
        .boxed()
    });
    Ok(opened.await?)
}

impl Watch {
    /// The next change, or the error that ends the watch.
    async fn next(&mut self) -> Option<Result<Change, Error>> {
        loop {
            if let Some(next) = self.pending.pop_front() {
                self.failed |= matches!(&next, Err(error) if !matches!(error, Error::Unreadable { .. }));
                return Some(next);
            }
            if self.failed {
                return None;
            }
            match self.answers.message().await {
                Ok(Some(answer)) => self.take(answer),
                Ok(None) => self.fail("etcd has ended the watch"),
                Err(status) => self.fail(&format!("the watch of etcd broke off: {}", status.message())),
            }
        }
    }

    fn fail(&mut self, why: &str) {
        self.pending.push_back(Err(Error::Unavailable(why.to_owned())));
    }

    fn take(&mut self, answer: WatchResponse) {
        if answer.compact_revision > 0 {
            let oldest = revision(answer.compact_revision);
            return self.pending.push_back(Err(Error::Compacted { oldest }));
        }
        if answer.canceled {
            return self.fail(&format!("etcd has ended the watch: {}", answer.cancel_reason));
        }
        self.pieces.extend(answer.events);
        if !answer.fragment {
            let events = std::mem::take(&mut self.pieces);
            self.pending.extend(changes(&self.etcd.root, self.from, events));
        }
    }
}

/// The changes of a whole answer, in the order in which they were made.
fn changes(root: &Root, from: Revision, events: Vec<Event>) -> Vec<Result<Change, Error>> {
    let marker = root.marker();
    let mut found = Vec::with_capacity(events.len());
    for event in events {
        let is_put = event.r#type() == EventType::Put;
        let Some(kv) = event.kv.filter(|kv| revision(kv.mod_revision) > from && kv.key != marker) else {
            continue;
        };
        let change = root.decode(&kv.key).and_then(|key| {
            let value = if is_put { Some(decode(&key, &kv)?) } else { None };
            let revision = revision(kv.mod_revision);
            Ok(Change { key, value, revision, resume: revision })
        });
        found.push(change);
    }
    let mut following = None;
    for change in found.iter_mut().rev().flatten() {
        let own = change.revision;
        if following == Some(own) {
            change.resume = Revision(own.0 - 1);
        }
        following = Some(own);
    }
    found
}

#[cfg(test)]
mod tests;
