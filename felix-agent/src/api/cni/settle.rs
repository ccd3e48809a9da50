//! Making in the datastore what was noted while it was away.
//!
//! Entry by entry, each while no call is about its container: first the addresses, then the endpoint, then the entry goes,
//! and the loop hears that the datastore's word counts again. A crash between any two of these leaves the entry, and it is
//! done again, which changes nothing where it has been done.
//!
//! An endpoint that another node wrote under the same name is left alone: the entry stays until one of the two goes.

use std::sync::Weak;
use std::time::Duration;

use datastore::{Error, Key, Kind, Precondition, Resource, Revision, WorkloadEndpoint};
use policy::program::EndpointId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Attacher, PROGRAM_TIMEOUT, address_error, endpoint_key, note};
use crate::agent::Event;
use crate::api::failure;
use crate::ipam;
use crate::ipam::journal::{Entry, Gone};

/// Between two attempts, at least and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(10);

/// While there is nothing to do.
const REST: Duration = Duration::from_secs(60);

/// How often to write an endpoint that others write.
const ATTEMPTS: usize = 10;

/// Settles what is noted, again and again, as long as there is somebody who notes.
pub(super) async fn keep_settling(attacher: Weak<Attacher>) {
    let Some(mut entries) = attacher.upgrade().map(|attacher| attacher.journal.watch()) else { return };
    loop {
        entries.borrow_and_update();
        let Some(working) = attacher.upgrade() else { return };
        let began = Instant::now();
        let is_done = working.settle_all().await;
        drop(working);
        if is_done {
            if let Ok(Err(_)) = tokio::time::timeout(REST, entries.changed()).await {
                return;
            }
        } else {
            // Whatever is noted meanwhile: one that does not answer is not to be asked all the time.
            tokio::time::sleep((began.elapsed() * 2).clamp(SOON, LATE)).await;
        }
    }
}

impl Attacher {
    /// Settles what can be; false if something is left.
    async fn settle_all(&self) -> bool {
        let entries = self.journal.entries();
        let open: Vec<&Entry> = entries.values().filter(|entry| entry.lost.is_none()).collect();
        if open.is_empty() && self.known.away().is_none() {
            return true;
        }
        if !self.known.is_listed() || !self.is_there().await {
            return false;
        }
        let mut is_done = true;
        for Entry { handle, container_id, .. } in open {
            let _turn = self.turn(container_id).await;
            // As it is by now.
            let Some(entry) = self.journal.entry(handle).filter(|entry| entry.lost.is_none()) else {
                continue;
            };
            if let Err(error) = self.settle(entry).await {
                tracing::warn!(handle, error = error.message(), "not settled yet");
                is_done = false;
                if error.code() == Code::Unavailable && self.known.away().is_some() {
                    return false;
                }
            }
        }
        is_done
    }

    /// Whether the datastore does what it is asked, found out by a write that changes nothing: one that can only be read is no
    /// good, and whoever promises must not wait for it.
    async fn is_there(&self) -> bool {
        let nothing = Key::global(Kind::IpamHandle, &format!("standby:{}:none", self.node));
        match self.store.delete(&nothing, Precondition::None).await {
            Err(Error::Unavailable(why)) => {
                self.known.lost(&why);
                false
            }
            Ok(()) | Err(_) => {
                self.known.answered();
                true
            }
        }
    }

    /// Makes an entry so, and removes it. The caller has the container's turn.
    pub(super) async fn settle(&self, entry: Entry) -> Result<(), Status> {
        match entry.gone.clone() {
            Some(gone) => self.settle_gone(entry, gone).await,
            None => self.settle_attached(entry).await,
        }
    }

    async fn settle_gone(&self, entry: Entry, gone: Gone) -> Result<(), Status> {
        for (namespace, name) in &gone.endpoints {
            let id = EndpointId { namespace: namespace.clone(), name: name.clone() };
            self.forget(&gone.host_interface, &endpoint_key(&id)).await?;
        }
        self.allocator.settle(entry.clone()).await.map_err(|error| address_error(&error))?;
        self.journal.settle(entry).await.map_err(|error| note::failure(&error))?;
        self.agent.send(Event::Forgotten(gone.host_interface)).await.map_err(super::super::stopped)
    }

    async fn settle_attached(&self, entry: Entry) -> Result<(), Status> {
        match self.allocator.settle(entry.clone()).await {
            Ok(()) => {}
            Err(ipam::Error::Lost(lost)) => return self.cut_off(entry, &lost).await,
            Err(error) => return Err(address_error(&error)),
        }
        let Some(endpoint) = entry.endpoint.clone() else {
            // It never came to that; the runtime asks again, or for its end.
            return self.journal.settle(entry).await.map(drop).map_err(|error| note::failure(&error));
        };
        let written = self.write_noted(&entry, &endpoint).await?;
        let container_id = entry.container_id.clone();
        if !self.journal.settle(entry).await.map_err(|error| note::failure(&error))? {
            return Err(failure::aborted("it was changed meanwhile"));
        }
        let event = Event::Written { endpoint: endpoint.id(), container_id, written };
        self.agent.send(event).await.map_err(super::super::stopped)
    }

    /// Writes the endpoint, unless another node has one of that name.
    async fn write_noted(&self, entry: &Entry, endpoint: &WorkloadEndpoint) -> Result<Revision, Status> {
        let key = endpoint_key(&endpoint.id());
        let wanted = Resource::WorkloadEndpoint(Box::new(endpoint.clone()));
        for _ in 0..ATTEMPTS {
            let found = self.store.get(&key).await.map_err(|error| super::super::datastore_error(&error))?;
            let precondition = match found {
                None => Precondition::Absent,
                Some(found) if found.resource == wanted => return Ok(found.revision),
                Some(found) => {
                    if let Resource::WorkloadEndpoint(other) = &found.resource
                        && other.node != self.node
                    {
                        let message =
                            format!("{key} is of node {} by now; delete one of the two pods", other.node);
                        return Err(failure::precondition("ENDPOINT", &key.to_string(), message));
                    }
                    Precondition::Unchanged(found.revision)
                }
            };
            // A newer container of the pod says so before it writes.
            if self.journal.entry(&entry.handle).as_ref() != Some(entry) {
                break;
            }
            match self.store.put(wanted.clone(), precondition).await {
                Ok(written) => {
                    self.known.answered();
                    return Ok(written);
                }
                Err(Error::Conflict { .. }) => {}
                Err(error) => {
                    if let Error::Unavailable(why) = &error {
                        self.known.lost(why);
                    }
                    return Err(super::super::datastore_error(&error));
                }
            }
        }
        Err(failure::aborted(format!("{key} is being changed by others; retry later")))
    }

    /// Others have been given what this pod was promised: it must not use it.
    async fn cut_off(&self, entry: Entry, lost: &::ipam::plan::Lost) -> Result<(), Status> {
        let Some(endpoint) = entry.endpoint.clone() else {
            // Nobody uses it. What is left of it goes.
            let gone = Gone { host_interface: String::new(), endpoints: Default::default() };
            let abandoned = Entry { gone: Some(gone), ..entry.clone() };
            self.allocator.settle(abandoned).await.map_err(|error| address_error(&error))?;
            return self.journal.settle(entry).await.map(drop).map_err(|error| note::failure(&error));
        };
        let id = endpoint.id();
        let why = format!("pod {id} was cut off: {lost}; delete it");
        tracing::error!("{why}");
        let noted = Entry { lost: Some(why), ..entry };
        self.journal.put(noted).await.map_err(|error| note::failure(&error))?;
        let WorkloadEndpoint { container_id, host_interface, .. } = *endpoint;
        let (reply, done) = oneshot::channel();
        let event = Event::Withdraw { endpoint: id, container_id, host_interface, reply };
        self.agent.send(event).await.map_err(super::super::stopped)?;
        // The loop goes on with it in any case.
        let _ = tokio::time::timeout(PROGRAM_TIMEOUT, done).await;
        Ok(())
    }
}
