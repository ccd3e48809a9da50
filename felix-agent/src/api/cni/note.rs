//! Noting in the journal what the datastore cannot be told now.
//!
//! What is noted of an attachment is all that is done about it until it has been settled: nothing else is written of it in
//! the datastore, so that nothing can come after it that comes before it.

use std::collections::BTreeSet;

use ::ipam::Attributes;
use datastore::{Key, WorkloadEndpoint};
use tonic::Status;

use super::Attacher;
use super::attachment::Attachment;
use crate::api::failure as status;
use crate::ipam::journal::{Entries, Entry, Gone, JournalError};

/// The runtime tries again.
pub(super) fn failure(error: &JournalError) -> Status {
    status::unavailable(error.to_string())
}

impl Attacher {
    /// Whether the datastore is known not to answer, and can be done without.
    pub(super) fn does_without(&self) -> bool {
        self.notes && self.known.away().is_some()
    }

    /// Whether something is noted of it that the datastore does not know.
    pub(super) fn is_noted(&self, attachment: &Attachment) -> bool {
        self.journal.entry(&attachment.handle).is_some()
    }

    /// A container that was detached, and comes again, has to be gone first.
    pub(super) async fn end_former_life(&self, attachment: &Attachment) -> Result<(), Status> {
        let Some(entry) = self.journal.entry(&attachment.handle) else { return Ok(()) };
        if let Some(lost) = entry.lost {
            return Err(status::precondition("STANDBY", &attachment.handle, lost));
        }
        match entry.gone {
            Some(_) => self.settle(entry).await,
            None => Ok(()),
        }
    }

    /// That this endpoint is to be written.
    pub(super) async fn note_endpoint(
        &self,
        attachment: &Attachment,
        workload: &WorkloadEndpoint,
    ) -> Result<(), Status> {
        let noted = self.journal.entry(&attachment.handle);
        let entry = noted.unwrap_or_else(|| self.nothing_of(attachment));
        let entry = Entry { endpoint: Some(Box::new(workload.clone())), ..entry };
        self.journal.put(entry).await.map_err(|error| failure(&error))
    }

    /// That nothing of it is left here, and nothing is to be left in the datastore, where it may be written under these names.
    pub(super) async fn note_gone(
        &self,
        attachment: &Attachment,
        written: BTreeSet<Key>,
    ) -> Result<(), Status> {
        let nothing = self.nothing_of(attachment);
        let mut endpoints: BTreeSet<(String, String)> =
            written.into_iter().map(|key| (key.namespace, key.name)).collect();
        let host_interface = attachment.host_interface.clone();
        let note = move |entries: &mut Entries| {
            let entry = entries.entry(nothing.handle.clone()).or_insert(nothing);
            if let Some(endpoint) = entry.endpoint.take() {
                endpoints.insert((endpoint.namespace, endpoint.name));
            }
            endpoints.extend(entry.gone.take().into_iter().flat_map(|gone| gone.endpoints));
            entry.lost = None;
            entry.gone = Some(Gone { host_interface, endpoints });
        };
        self.journal.update(note).await.map_err(|error| failure(&error))?;
        if let (None, Some(entry)) = (self.known.away(), self.journal.entry(&attachment.handle))
            && let Err(later) = self.settle(entry).await
        {
            tracing::info!(handle = attachment.handle, error = later.message(), "to be settled later");
        }
        Ok(())
    }

    /// An entry that asks for nothing.
    fn nothing_of(&self, attachment: &Attachment) -> Entry {
        Entry {
            handle: attachment.handle.clone(),
            container_id: attachment.container_id.clone(),
            attributes: Attributes {
                node: self.node.clone(),
                interface: attachment.interface.clone(),
                ..Attributes::default()
            },
            slots: Vec::new(),
            endpoint: None,
            gone: None,
            lost: None,
        }
    }
}
