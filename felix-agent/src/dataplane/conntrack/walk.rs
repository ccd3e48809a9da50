//! Going through the connections after policy has changed.
//!
//! What the program denies is revoked, so that answers pass no more; what was revoked and is allowed again goes back to not
//! being judged, so that answers pass until the next packet from its beginner is. What else is to be done to a mark, the
//! rules do, packet by packet.
//!
//! A connection that no end of ours has judged is left alone: it never came by a rule, like those of the node itself with its
//! pods, which are always allowed. Only after a time without rules it is judged here, unless the node began it.
//!
//! Jobs that wait are done at once, by the newest program, of which the thread keeps a copy that follows by what changes. A job
//! that comes while connections are being changed interrupts, and what is left is done over: nothing is decided by a program
//! that is known to be outdated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use policy::delta::Update;
use policy::evaluate::{Decision, decide as judge};
use policy::program::{Direction, EndpointId, Program, Verdict};

use crate::dataplane::nftables::mark::{Generation, MarkLayout, REVOKED, UNJUDGED};
use crate::dataplane::nftables::table::Bits;

use super::{Change, Conntrack, Entry};

#[cfg(test)]
mod tests;

/// How soon a walk that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Connections that are changed before looking whether there is something newer to do.
const CHUNK: usize = 1024;

/// What is to be gone through.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where in the mark the fields are.
    pub mark: MarkLayout,
    /// Ends whose rules have changed, by the address that is theirs.
    pub ends: BTreeMap<(IpAddr, Direction), Concerned>,
    /// Addresses that are nobody's any more.
    pub departed: BTreeSet<IpAddr>,
    /// There was a time without rules: connections that nobody has judged are to be, but for those that these addresses,
    /// the node's own, have begun.
    pub unguarded: Option<BTreeSet<IpAddr>>,
}

/// What may have become of an end's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concerned {
    /// Whose end it is.
    pub endpoint: EndpointId,
    /// Something that passed may be denied.
    pub narrowed: bool,
    /// Something that was denied may pass.
    pub widened: bool,
    /// Generations begin again with this one; no other may be left.
    pub restarted: Option<Generation>,
}

impl Concerned {
    /// Nothing has become of them yet.
    #[must_use]
    pub fn new(endpoint: EndpointId) -> Self {
        Self { endpoint, narrowed: false, widened: false, restarted: None }
    }
}

impl Job {
    /// Does both.
    fn absorb(&mut self, newer: Job) {
        let Job { mark, ends, departed, unguarded } = newer;
        for (end, new) in ends {
            let known = self.ends.entry(end).or_insert_with(|| Concerned::new(new.endpoint.clone()));
            known.narrowed |= new.narrowed;
            known.widened |= new.widened;
            known.restarted = new.restarted.or(known.restarted);
            known.endpoint = new.endpoint;
        }
        self.departed.extend(departed);
        self.unguarded = unguarded.or(self.unguarded.take());
        self.mark = mark;
    }

    /// Only connections that were revoked matter.
    fn is_about_revoked_ones(&self) -> bool {
        let only_widened = |end: &Concerned| !end.narrowed && end.restarted.is_none();
        self.departed.is_empty() && self.unguarded.is_none() && self.ends.values().all(only_widened)
    }
}

/// What to do with a connection; `None`: nothing.
#[must_use]
pub fn decide(job: &Job, program: &Program, entry: &Entry) -> Option<Change> {
    if entry.ends().any(|end| job.departed.contains(&end)) {
        return Some(Change::Delete);
    }
    let packet = entry.packet();
    let ends = [(packet.source, Direction::Egress), (packet.destination, Direction::Ingress)];
    let mut bits = Bits { mask: 0, value: 0 };
    for (address, direction) in ends {
        let Some(concerned) = job.ends.get(&(address, direction)) else { continue };
        let Some(decision) = judge(program, &concerned.endpoint, direction, &packet) else { continue };
        let field = job.mark.field(direction, entry.mark);
        if let Some(becomes) = becomes(job, concerned, field, &decision, packet.source) {
            let change = job.mark.bits(direction, becomes);
            bits = Bits { mask: bits.mask | change.mask, value: bits.value | change.value };
        }
    }
    (bits.mask != 0).then_some(Change::Mark(bits))
}

fn becomes(
    job: &Job,
    concerned: &Concerned,
    field: Generation,
    decision: &Decision,
    source: IpAddr,
) -> Option<Generation> {
    let denied = decision.verdict() == Verdict::Deny;
    match field {
        REVOKED => (concerned.widened && !denied).then_some(UNJUDGED),
        UNJUDGED => {
            let is_unguarded = job.unguarded.as_ref().is_some_and(|own| !own.contains(&source));
            (is_unguarded && concerned.narrowed && denied).then_some(REVOKED)
        }
        _ if concerned.narrowed && denied => Some(REVOKED),
        former => concerned.restarted.filter(|present| former != *present).map(|_| UNJUDGED),
    }
}

impl Conntrack {
    /// Does the whole of a job, by this program.
    ///
    /// # Errors
    /// As [`Self::dump`] and [`Self::change`].
    pub fn perform(&mut self, job: &Job, program: &Program) -> io::Result<usize> {
        let entries = self.dump(None)?;
        self.change(entries.iter().filter_map(|entry| Some((entry, decide(job, program, entry)?))))
    }
}

/// Walks on a thread of its own, as long as this value lives.
pub struct Walker {
    told: Sender<Told>,
}

/// What the thread is told.
enum Told {
    /// The program that decides has changed.
    Program(Box<Update>),
    /// Something is to be gone through.
    Job(Job),
}

/// What the thread has to do, and by what.
#[derive(Default)]
struct Work {
    program: Program,
    job: Option<Job>,
}

impl Work {
    /// Whether there is more to do.
    fn take(&mut self, told: Told) -> bool {
        match (told, &mut self.job) {
            (Told::Program(update), _) => {
                update.apply(&mut self.program);
                return false;
            }
            (Told::Job(newer), Some(job)) => job.absorb(newer),
            (Told::Job(newer), None) => self.job = Some(newer),
        }
        true
    }
}

impl Walker {
    /// Starts the thread, in the calling thread's network namespace.
    ///
    /// # Errors
    /// Of the socket, or when no thread is to be had.
    pub fn start() -> io::Result<Self> {
        let conntrack = Conntrack::open()?;
        let (told, waiting) = channel();
        thread::Builder::new().name("conntrack".to_owned()).spawn(move || work(conntrack, &waiting))?;
        Ok(Self { told })
    }

    /// Tells what has changed of the program that decides, which is empty at first.
    ///
    /// # Errors
    /// The thread has gone, which it does not do by itself.
    pub fn follow(&self, update: Update) -> io::Result<()> {
        self.tell(Told::Program(Box::new(update)))
    }

    /// Hands a job in; it is done soon.
    ///
    /// # Errors
    /// The thread has gone, which it does not do by itself.
    pub fn walk(&self, job: Job) -> io::Result<()> {
        self.tell(Told::Job(job))
    }

    fn tell(&self, told: Told) -> io::Result<()> {
        self.told.send(told).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn work(mut conntrack: Conntrack, waiting: &Receiver<Told>) {
    let mut work = Work::default();
    while let Ok(told) = waiting.recv() {
        work.take(told);
        let mut has_failed = false;
        while work.job.is_some() {
            for told in waiting.try_iter() {
                work.take(told);
            }
            match walk(&mut conntrack, &mut work, waiting) {
                Ok(Walked::Whole) => work.job = None,
                Ok(Walked::Interrupted) => {}
                Err(error) => {
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(%error, "connections cannot be gone through; trying again and again");
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }
}

/// How far a walk got.
enum Walked {
    Whole,
    /// The job is a newer one.
    Interrupted,
}

fn walk(conntrack: &mut Conntrack, work: &mut Work, waiting: &Receiver<Told>) -> io::Result<Walked> {
    let Some(job) = &work.job else { return Ok(Walked::Whole) };
    let entries = if job.is_about_revoked_ones() {
        let mut entries = conntrack.dump(Some(job.mark.bits(Direction::Egress, REVOKED)))?;
        entries.extend(conntrack.dump(Some(job.mark.bits(Direction::Ingress, REVOKED)))?);
        entries
    } else {
        conntrack.dump(None)?
    };
    let mut changed = 0;
    for chunk in entries.chunks(CHUNK) {
        // All that waits: a program that is not the newest decides nothing.
        let mut is_outdated = false;
        for told in waiting.try_iter() {
            is_outdated |= work.take(told);
        }
        if is_outdated {
            return Ok(Walked::Interrupted);
        }
        let Work { program, job: Some(job) } = &*work else { return Ok(Walked::Whole) };
        let decided = chunk.iter().filter_map(|entry| Some((entry, decide(job, program, entry)?)));
        changed += conntrack.change(decided)?;
    }
    if changed > 0 {
        tracing::debug!(connections = entries.len(), changed, "gone through after a change of policy");
    }
    Ok(Walked::Whole)
}
