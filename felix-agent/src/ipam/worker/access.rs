//! The worker's way to the datastore: reading what is in doubt, and writing.

use ipam::Key;

use super::pending::{Pending, Wish, note_created};
use super::{Step, Worker};
use crate::ipam::Error;
use crate::ipam::commit::{self, Committed};
use crate::ipam::memory::Sight;

impl Worker {
    /// Brings the memory up to date with what is known, and reads what is in doubt.
    pub(in crate::ipam) async fn refresh(&mut self, batch: &mut [Pending]) -> Result<(), Error> {
        self.catch_up();
        {
            let state = self.known.read();
            for pending in batch.iter_mut() {
                let key = Key::Handle(pending.handle().to_owned());
                if self.memory.snapshot.handle(pending.handle()).is_none() && !pending.was_read {
                    self.memory.take(&key, &state);
                    // Nobody gives back what others may have assigned a moment ago without looking.
                    let is_unknown = self.memory.snapshot.handle(pending.handle()).is_none();
                    if is_unknown && matches!(pending.job.wish, Wish::Release(_)) {
                        self.memory.doubt(key);
                    }
                }
            }
        }
        for key in self.memory.doubtful() {
            self.read(&key).await?;
            if let Key::Handle(handle) = &key
                && let Some(pending) = batch.iter_mut().find(|pending| pending.handle() == handle)
            {
                pending.was_read = true;
            }
        }
        self.fetch_named(batch).await
    }

    /// Brings the memory up to date with what is known.
    pub(in crate::ipam) fn catch_up(&mut self) {
        let touched = self.known.take_touched();
        let state = self.known.read();
        self.memory.take_settings(&state);
        for key in &touched {
            self.memory.take(key, &state);
        }
        if self.memory.sight() > Sight::Own {
            self.memory.take_all(&state);
        }
    }

    /// Sees to it that the blocks are here that the handles name: none may be taken for absent that is not known to be.
    async fn fetch_named(&mut self, batch: &[Pending]) -> Result<(), Error> {
        let snapshot = &self.memory.snapshot;
        let handles = batch.iter().filter_map(|pending| snapshot.handle(pending.handle()));
        let named = handles.flat_map(|handle| handle.value.blocks.keys());
        let missing: Vec<Key> =
            named.filter(|cidr| snapshot.block(cidr).is_none()).map(|cidr| Key::Block(*cidr)).collect();
        for key in missing {
            // Alone what the datastore says tells that a block is gone.
            self.memory.take(&key, &self.known.read());
            let Key::Block(cidr) = &key else { continue };
            if self.memory.snapshot.block(cidr).is_none() {
                self.read(&key).await?;
            }
        }
        Ok(())
    }

    pub(in crate::ipam) async fn read(&mut self, key: &Key) -> Result<(), Error> {
        let read = commit::read(self.store.as_ref(), key).await;
        if let Err(datastore::Error::Unreadable { key: unreadable, why, .. }) = &read {
            self.known.misunderstood(unreadable, why);
            self.memory.misunderstood(key);
        }
        self.memory.read(key, read?);
        Ok(())
    }

    /// Writes, and takes over what was written; says how many of the writes are done.
    pub(in crate::ipam) async fn commit(
        &mut self,
        batch: &mut [Pending],
        writes: &[ipam::Write],
    ) -> Result<(Step, usize), Error> {
        self.meter.commit();
        let committed = commit::commit(self.store.as_ref(), writes).await;
        match committed {
            Committed::All(revisions) => {
                self.known.answered();
                for (write, revision) in writes.iter().zip(revisions) {
                    self.memory.wrote(write, revision);
                    self.known.wrote(&write.key, write.value.as_ref(), revision.into());
                }
                Ok((Step::Forward, writes.len()))
            }
            Committed::UpTo { index, done, error } => {
                self.known.answered();
                self.meter.conflict();
                let written = writes.get(..done).unwrap_or(writes);
                self.doubt(written);
                self.doubt(writes.get(index..=index).unwrap_or_default());
                note_created(batch, written);
                let is_conflict = matches!(error, datastore::Error::Conflict { .. });
                if is_conflict { Ok((Step::Conflict, done)) } else { Err(error.into()) }
            }
            Committed::Unknown(error) => {
                self.meter.conflict();
                tracing::warn!(%error, "reading again what became of a write");
                self.doubt(writes);
                Ok((Step::Unknown(error), 0))
            }
        }
    }

    fn doubt(&mut self, writes: &[ipam::Write]) {
        for write in writes {
            self.memory.doubt(write.key.clone());
        }
    }

    /// Sees more.
    pub(in crate::ipam) async fn look_further(&mut self, batch: &mut [Pending]) -> Result<(), Error> {
        if self.memory.sight() == Sight::Own {
            self.memory.take_all(&self.known.read());
            return Ok(());
        }
        let node = self.known.read().node().to_owned();
        let namespaces = batch.iter().filter_map(Pending::namespace).collect();
        for found in commit::settings(self.store.as_ref(), &node, namespaces).await? {
            self.known.found(&found);
        }
        // What names blocks is read before the blocks.
        for pending in batch {
            self.read(&Key::Handle(pending.handle().to_owned())).await?;
            pending.was_read = true;
        }
        let (records, unreadable) = commit::list(self.store.as_ref()).await?;
        for (key, why) in &unreadable {
            self.known.misunderstood(key, why);
        }
        self.meter.listing();
        self.memory.take_listing(records, &self.known.read());
        Ok(())
    }
}
