//! One watch of all kinds, made of one of each.
//!
//! The API server closes a watch every few minutes, a connection breaks, an API server restarts: each kind's
//! watch is then opened again where it stood, and nobody outside hears of it. Only when that fails for some
//! seconds does the whole end.
//!
//! A watch that is asked to begin where the API server has not come yet would wait for it in silence, and
//! skip what happens until then: after a backup was restored, that is everything. So before a watch is
//! opened, the API server is asked how far it has come.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use kube::api::{TypeMeta, WatchEvent};
use kube::core::watch::{Bookmark, BookmarkMeta};
use serde_json::Value;

use super::api::{Api, Events};
use super::failure::{Call, Outcome, failed, judge, judge_status};
use super::object;
use super::positions::Positions;
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::store::{Change, Revision, Versioned};

/// Watches that say nothing for so long, not even how far they are, are dead: bookmarks come every minute.
const SILENCE: Duration = Duration::from_secs(150);
/// The first pause before a watch is opened again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause before asking again for a kind that is not served: as long as between two bookmarks.
const UNSERVED_PAUSE: Duration = Duration::from_secs(60);
/// So many attempts, about six seconds, to open a watch again.
const ATTEMPTS: u32 = 7;

/// What the watch of one kind tells.
enum Told {
    Change {
        key: Key,
        value: Option<Versioned>,
        revision: Revision,
    },
    /// Everything up to here was told.
    Position(Revision),
}

/// The watch of one kind.
struct Follower {
    api: Api,
    kind: Kind,
    position: Revision,
    /// Where the API server was when last asked.
    head: Revision,
    events: Option<Events>,
    failures: u32,
}

/// Every change after `from`, of all `kinds`.
pub(super) async fn watch(
    api: &Api,
    kinds: &[Kind],
    from: Revision,
) -> Result<BoxStream<'static, Result<Change, Error>>, Error> {
    let opening = kinds.iter().map(|kind| async move {
        let mut follower = Follower::new(api.clone(), *kind, from);
        match follower.open().await {
            Ok(()) => Ok(follower),
            Err(outcome) => Err(follower.lost(outcome)),
        }
    });
    let followers = try_join_all(opening).await?;
    let told = stream::select_all(followers.into_iter().map(|follower| {
        let kind = follower.kind;
        follower.follow().map(move |told| (kind, told)).boxed()
    }));
    Ok(merge(told, Positions::new(kinds, from)).boxed())
}

/// Changes of all kinds, with how far all have come; ends after the first error.
fn merge(
    told: impl Stream<Item = (Kind, Result<Told, Error>)> + Send + 'static,
    positions: Positions,
) -> impl Stream<Item = Result<Change, Error>> + Send + 'static {
    told.scan((positions, false), |(positions, failed), (kind, told)| {
        let said = match told {
            _ if *failed => None,
            Ok(Told::Position(position)) => {
                positions.advance(kind, position);
                Some(None)
            }
            Ok(Told::Change { key, value, revision }) => {
                let resume = positions.advance(kind, revision);
                Some(Some(Ok(Change { key, value, revision, resume })))
            }
            Err(unreadable @ Error::Unreadable { .. }) => Some(Some(Err(unreadable))),
            Err(error) => {
                *failed = true;
                Some(Some(Err(error)))
            }
        };
        std::future::ready(said)
    })
    .filter_map(std::future::ready)
}

/// What a watch of a kind tells that the API server does not serve: that nothing happened up to `head`, which was
/// asked for before. After a while it ends, and what has been served since is told by the next, or is too old for it.
fn unserved(head: Revision) -> Events {
    let metadata = BookmarkMeta { resource_version: head.0.to_string(), annotations: BTreeMap::new() };
    let bookmark = WatchEvent::Bookmark(Bookmark { types: TypeMeta::default(), metadata });
    let pause = stream::once(tokio::time::sleep(UNSERVED_PAUSE)).filter_map(|()| std::future::ready(None));
    stream::iter([Ok(bookmark)]).chain(pause).boxed()
}

impl Follower {
    const fn new(api: Api, kind: Kind, position: Revision) -> Self {
        Self { api, kind, position, head: position, events: None, failures: 0 }
    }

    /// What it is told, without end but for an error.
    fn follow(self) -> impl Stream<Item = Result<Told, Error>> + Send + 'static {
        stream::unfold(Some(self), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(told) => Some((Ok(told), Some(follower))),
                Err(unreadable @ Error::Unreadable { .. }) => Some((Err(unreadable), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Told, Error> {
        loop {
            let Some(events) = &mut self.events else {
                self.reopen().await?;
                continue;
            };
            match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => {
                    if let Some(told) = self.take(event)? {
                        return Ok(told);
                    }
                }
                Ok(Some(Err(error))) => self.interrupted(judge(self.call(), &error))?,
                Ok(None) | Err(_) => self.events = None,
            }
        }
    }

    /// What an event tells; nothing if it is that the watch ends.
    fn take(&mut self, event: WatchEvent<Value>) -> Result<Option<Told>, Error> {
        let told = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let decoded = object::decode(self.kind, object);
                if let Err(Error::Unreadable { revision, .. }) = &decoded {
                    self.position = self.position.max(*revision);
                }
                let (key, value) = decoded?;
                Told::Change { key, revision: value.revision, value: Some(value) }
            }
            WatchEvent::Deleted(object) => {
                let (key, revision) = match object::decode(self.kind, object) {
                    Ok((key, last)) => (key, last.revision),
                    Err(Error::Unreadable { key, revision, .. }) => (key, revision),
                    Err(error) => return Err(error),
                };
                Told::Change { key, value: None, revision }
            }
            WatchEvent::Bookmark(bookmark) => {
                Told::Position(object::parse_revision(&bookmark.metadata.resource_version)?)
            }
            WatchEvent::Error(status) => {
                return self.interrupted(judge_status(self.call(), &status)).map(|()| None);
            }
        };
        let (Told::Change { revision, .. } | Told::Position(revision)) = &told;
        self.position = self.position.max(*revision);
        self.failures = 0;
        Ok(Some(told))
    }

    /// Opens the watch again, with pauses between attempts.
    async fn reopen(&mut self) -> Result<(), Error> {
        if self.failures > 0 {
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(self.failures.min(ATTEMPTS) - 1)).await;
        }
        // Counted until something is told: a watch that opens and ends at once is a failure too.
        self.failures += 1;
        match self.open().await {
            Ok(()) => Ok(()),
            Err(outcome) => self.interrupted(outcome),
        }
    }

    async fn open(&mut self) -> Result<(), Outcome> {
        self.head = self.api.head(self.kind).await?;
        if self.head < self.position {
            return Err(Outcome::Expired(None));
        }
        let events = match self.api.watch(self.kind, self.position).await {
            Err(Outcome::Unserved) => unserved(self.head),
            events => events?,
        };
        self.events = Some(events);
        Ok(())
    }

    /// Bears what may be over in a moment, a few times.
    fn interrupted(&mut self, outcome: Outcome) -> Result<(), Error> {
        self.events = None;
        let error = self.lost(outcome);
        if matches!(error, Error::Unavailable(_)) && self.failures < ATTEMPTS {
            tracing::debug!(kind = %self.kind, %error, "a watch of the API server was interrupted");
            return Ok(());
        }
        Err(error)
    }

    fn lost(&self, outcome: Outcome) -> Error {
        if matches!(outcome, Outcome::Expired(_)) {
            Error::Compacted { oldest: self.head }
        } else {
            failed(self.call(), outcome)
        }
    }

    const fn call(&self) -> Call {
        Call { verb: "watch", kind: self.kind }
    }
}
