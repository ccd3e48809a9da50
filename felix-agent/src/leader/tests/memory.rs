//! A store in memory, so that time can be paused: nothing here waits for a thread. And a way to it that can be cut.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use datastore::{Change, CommitError, Error, Key, Kind, Page, Query, Revision, Store, Versioned, Write};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;

#[derive(Debug, Default)]
struct Content {
    items: BTreeMap<Key, Versioned>,
    /// The change of each revision, from 1 on.
    log: Vec<Change>,
}

/// The store.
#[derive(Debug, Default)]
pub(super) struct Memory {
    content: Mutex<Content>,
    written: watch::Sender<usize>,
}

/// One client's way to it.
#[derive(Debug)]
pub(super) struct Line {
    memory: Arc<Memory>,
    pub(super) is_cut: AtomicBool,
}

impl Line {
    pub(super) fn to(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { memory: Arc::clone(memory), is_cut: AtomicBool::new(false) })
    }

    fn check(&self) -> Result<(), Error> {
        if self.is_cut.load(Ordering::SeqCst) {
            Err(Error::Unavailable("cut off".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Memory {
    fn commit(&self, writes: Vec<Write>) -> Result<Vec<Revision>, CommitError> {
        let mut content = self.content.lock().unwrap();
        for (index, write) in writes.iter().enumerate() {
            let found = content.items.get(&write.key).map(|item| item.revision);
            if !write.precondition.holds(found) {
                let error = Error::Conflict { key: write.key.clone(), found };
                return Err(CommitError { index, done: 0, error });
            }
        }
        let mut revisions = Vec::new();
        for Write { key, value, .. } in writes {
            let revision = Revision(content.log.len() as u64 + 1);
            let value = value.map(|resource| Versioned { revision, resource });
            match &value {
                Some(value) => drop(content.items.insert(key.clone(), value.clone())),
                None => drop(content.items.remove(&key)),
            }
            content.log.push(Change { key, value, revision, resume: revision });
            revisions.push(revision);
        }
        self.written.send_replace(content.log.len());
        Ok(revisions)
    }
}

impl Store for Line {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>> {
        let found = self.memory.content.lock().unwrap().items.get(key).cloned();
        ready(self.check().map(|()| found)).boxed()
    }

    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>> {
        let content = self.memory.content.lock().unwrap();
        let selected =
            content.items.iter().filter(|(key, item)| key.kind == kind && query.selects(&item.resource));
        let items = selected.map(|(key, item)| (key.clone(), item.clone())).collect();
        let revision = Revision(content.log.len() as u64);
        ready(self.check().map(|()| Page { revision, items, unreadable: Default::default(), next: None }))
            .boxed()
    }

    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>> {
        let checked = self.check().map_err(|error| CommitError { index: 0, done: 0, error });
        ready(checked.and_then(|()| self.memory.commit(writes))).boxed()
    }

    fn is_atomic(&self) -> bool {
        true
    }

    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        let (memory, written) = (Arc::clone(&self.memory), self.memory.written.subscribe());
        let changes =
            stream::unfold((memory, written, from.0 as usize), |(memory, mut written, at)| async move {
                written.wait_for(|length| *length > at).await.ok()?;
                let change = memory.content.lock().unwrap().log[at].clone();
                Some((Ok(change), (memory, written, at + 1)))
            });
        ready(self.check().map(|()| changes.boxed())).boxed()
    }
}
