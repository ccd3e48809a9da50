//! Wishes that wait for their answer, and which of them may share a commit.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use ipam::Key;
use ipam::plan::{Answer, Outcome, Refusal, ReleaseError, ReleaseItem};
use tokio::sync::oneshot;

use crate::ipam::memory::Sight;
use crate::ipam::{Entry, Error, Request};

/// Wishes that share a commit, at most: each may write a handle and share a few blocks, and what every atomic store does
/// all or none is [`datastore::ATOMIC_WRITES`].
const BATCH: usize = 100;

/// Where an answer goes.
pub(in crate::ipam) type Reply = oneshot::Sender<Result<Vec<IpAddr>, Error>>;

/// What the worker is asked.
#[derive(Debug)]
pub(in crate::ipam) enum Wish {
    /// Addresses for somebody.
    Assign(Box<Request>),
    /// That somebody holds nothing any more.
    Release(String),
    /// That somebody does not hold this address any more.
    ReleaseAddress(ReleaseItem),
    /// That what was promised is so.
    Settle(Box<Entry>),
}

/// A wish, and who waits for the answer.
#[derive(Debug)]
pub(in crate::ipam) struct Job {
    pub(in crate::ipam) wish: Wish,
    pub(in crate::ipam) reply: Reply,
}

/// A wish that has not been answered yet.
#[derive(Debug)]
pub(in crate::ipam) struct Pending {
    pub(in crate::ipam) job: Job,
    /// Whether its handle was read from the datastore in this batch, rather than known or taken to be absent.
    pub(super) was_read: bool,
    /// Whether this batch wrote the handle, which had not been there.
    pub(super) has_created: bool,
    /// What earlier attempts of this batch may have given back.
    released: BTreeSet<IpAddr>,
}

impl Wish {
    fn handle(&self) -> &str {
        match self {
            Self::Assign(request) => &request.handle,
            Self::Release(handle) => handle,
            Self::ReleaseAddress(item) => &item.handle,
            Self::Settle(entry) => &entry.handle,
        }
    }
}

impl Pending {
    fn new(job: Job) -> Self {
        Self { job, was_read: false, has_created: false, released: BTreeSet::new() }
    }

    pub(in crate::ipam) fn handle(&self) -> &str {
        self.job.wish.handle()
    }

    /// The Kubernetes namespace of whoever it is for.
    pub(super) fn namespace(&self) -> Option<&str> {
        let Wish::Assign(request) = &self.job.wish else { return None };
        Some(request.attributes.namespace.as_str()).filter(|namespace| !namespace.is_empty())
    }

    pub(in crate::ipam) fn answer(self, result: Result<Vec<IpAddr>, Error>) {
        // Who asked may have gone; then it is as after a crash: asked again, or released.
        let _ = self.job.reply.send(result);
    }

    /// What to answer once the wish has come to this; `None` if it has not come to an end.
    pub(super) fn conclusion(&self, outcome: &Outcome, sight: Sight) -> Option<Result<Vec<IpAddr>, Error>> {
        match outcome {
            Outcome::Assigned(addresses) => Some(Ok(addresses.clone())),
            Outcome::Released(addresses) => Some(Ok(addresses
                .iter()
                .copied()
                .chain(self.released.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect())),
            Outcome::Again | Outcome::ReadAll => None,
            Outcome::Refused(_) if sight < Sight::Store => None,
            Outcome::Refused(Refusal::Release(ReleaseError::NotInUse { address }))
                if self.released.contains(address) =>
            {
                Some(Ok(vec![*address]))
            }
            Outcome::Refused(refusal) => Some(Err(refusal.clone().into())),
        }
    }
}

/// The next wishes that may share a commit: of each handle one, in the order in which they came.
pub(super) fn next_batch(waiting: &mut VecDeque<Job>) -> Vec<Pending> {
    let mut handles = BTreeSet::new();
    let (mut batch, mut later) = (Vec::new(), VecDeque::new());
    for job in waiting.drain(..) {
        if matches!(job.wish, Wish::Assign(_)) && job.reply.is_closed() {
            continue;
        }
        if batch.len() < BATCH && handles.insert(job.wish.handle().to_owned()) {
            batch.push(Pending::new(job));
        } else {
            later.push_back(job);
        }
    }
    *waiting = later;
    batch
}

/// Remembers of whom a handle was written that had not been there.
pub(super) fn note_created(batch: &mut [Pending], written: &[ipam::Write]) {
    let created = written.iter().filter(|write| write.expected.is_none());
    for handle in created.filter_map(|write| match &write.key {
        Key::Handle(handle) => Some(handle),
        Key::Block(_) | Key::Affinity(..) => None,
    }) {
        for pending in batch.iter_mut().filter(|pending| pending.handle() == handle) {
            pending.has_created |= matches!(pending.job.wish, Wish::Assign(_));
        }
    }
}

/// Remembers what a commit may give back, whatever is heard of it.
pub(super) fn note_released(batch: &mut [Pending], answers: &[Answer]) {
    for (pending, answer) in batch.iter_mut().zip(answers) {
        if let Outcome::Released(addresses) = &answer.outcome {
            pending.released.extend(addresses);
        }
    }
}
