//! Many assignments and releases planned on one snapshot, whose writes are merged: requests that arrive together share
//! the rewrite of their block.
//!
//! Tasks are planned one after the other, each on what the ones before it leave. One that fails changes nothing, and fails
//! alone. What a task needs beyond one write a record waits for the next batch: a second task of the same handle, and whatever
//! needs a block that this batch claims.
//!
//! A conflict ends the commit. What was committed before it stands, as after a crash: the tasks whose last write is
//! among that are done ([`Answer::writes`]); take the writes over into the snapshot, read again what met the conflict,
//! and plan the other tasks again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::assign::{self, Attempt};
use super::draft::Draft;
use super::error::AssignError;
use super::release::{self, ReleaseError, ReleaseItem};
use super::request::Request;
use crate::snapshot::{Key, Scope, Snapshot, Write};
use crate::timestamp::Timestamp;

/// Something to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// [`assign::assign`].
    Assign(Box<Request>),
    /// [`release::release`].
    Release {
        /// Whose addresses.
        handle: String,
        /// When.
        now: Timestamp,
    },
    /// [`release::release_addresses`].
    ReleaseAddresses {
        /// Which.
        items: Vec<ReleaseItem>,
        /// When.
        now: Timestamp,
    },
}

/// The plan of many tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// To be committed in order. The writes of all tasks, each record once.
    pub writes: Vec<Write>,
    /// What becomes of each task, in their order.
    pub answers: Vec<Answer>,
}

/// What becomes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What holds as soon as its writes are committed.
    pub outcome: Outcome,
    /// How many of the batch's writes, from the first, must be committed for that.
    pub writes: usize,
}

/// What becomes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The handle holds these, in the order of the request.
    Assigned(Vec<IpAddr>),
    /// These are free; none if there is no such handle.
    Released(Vec<IpAddr>),
    /// Commit the batch, apply it to the snapshot, plan the task again.
    Again,
    /// The snapshot does not tell: plan the task again with one of [`Scope::All`].
    ReadAll,
    /// It cannot be done.
    Refused(Refusal),
}

/// Why a task cannot be done. Nothing of it is among the writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are no such addresses.
    #[error(transparent)]
    Assign(#[from] AssignError),
    /// They are not to be given back.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

impl Batch {
    /// Plans these tasks. The snapshot must hold what each of them needs by itself.
    #[must_use]
    pub fn plan<'t>(snapshot: &Snapshot, tasks: impl IntoIterator<Item = &'t Task>) -> Self {
        let mut draft = Draft::new(snapshot);
        let planned: Vec<(Outcome, Vec<Key>)> =
            tasks.into_iter().map(|task| (plan_one(&mut draft, task), draft.take_log())).collect();
        let writes = draft.into_writes();
        let places: BTreeMap<&Key, usize> =
            writes.iter().enumerate().map(|(index, write)| (&write.key, index + 1)).collect();
        let answer = |(outcome, keys): (Outcome, Vec<Key>)| {
            let last = keys.iter().filter_map(|key| places.get(key).copied()).max();
            Answer { outcome, writes: last.unwrap_or(0) }
        };
        let answers = planned.into_iter().map(answer).collect();
        Self { writes, answers }
    }
}

fn plan_one(draft: &mut Draft<'_>, task: &Task) -> Outcome {
    match task {
        Task::Assign(request) if draft.has_touched_handle(&request.handle) => Outcome::Again,
        Task::Assign(request) => match assign::attempt(draft, request) {
            Ok(Attempt::Held(addresses) | Attempt::Taken(addresses)) => Outcome::Assigned(addresses),
            Ok(Attempt::Prepared) => Outcome::Again,
            Ok(Attempt::ReadAll) => Outcome::ReadAll,
            Err(_) if draft.snapshot().scope == Scope::Part => Outcome::ReadAll,
            Err(error) => Outcome::Refused(error.into()),
        },
        Task::Release { handle, .. } if draft.has_touched_handle(handle) => Outcome::Again,
        Task::Release { handle, now } => {
            Outcome::Released(release::whole(draft, handle, *now).unwrap_or_default())
        }
        Task::ReleaseAddresses { items, .. }
            if items.iter().any(|item| draft.has_touched_handle(&item.handle)) =>
        {
            Outcome::Again
        }
        Task::ReleaseAddresses { items, now } => match release::single(draft, items, *now) {
            Ok(Some(addresses)) => Outcome::Released(addresses),
            Ok(None) => Outcome::ReadAll,
            Err(_) if draft.snapshot().scope == Scope::Part => Outcome::ReadAll,
            Err(error) => Outcome::Refused(error.into()),
        },
    }
}
