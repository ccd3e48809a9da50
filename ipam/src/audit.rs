//! Compares everything that is recorded about addresses with everything else, and with who exists: what does
//! not fit is a problem, in words, with what would mend it.
//!
//! [`check`] looks at each block, address, handle, endpoint and claim a fixed number of times, so that it
//! takes time in proportion to all of them together. It judges one moment. What is under way at that moment
//! looks like a problem — a pod whose address is taken and whose endpoint is not written yet, a claim that is
//! not confirmed — and is none unless it stays: two reports tell, as the garbage collection
//! ([`crate::collector`]) takes two looks. Both judge by the same rules:
//!
//! - An address with an interface in its attributes was taken for a pod's interface. It is in use as long as
//!   the endpoint with its handle exists, on a node that exists.
//! - Any other address belongs to whoever asked for it, until that gives it back or its node is gone. So do those that a
//!   node keeps ready ([`crate::standby`]).
//! - An address that some endpoint uses is never garbage, whoever holds it.
//! - A handle is garbage if all that it holds is.
//!
//! Deliberately absent: mending. A problem whose remedy is empty goes by itself; a problem with a release
//! item can be mended by releasing just that; the others need a human.

mod affinities;
mod blocks;
mod endpoints;
mod facts;
mod handles;
mod judge;
mod report;

pub use facts::{Corrupt, Endpoint, Facts};
pub(crate) use judge::Judge;
pub use report::{Counts, Kind, Problem, Progress, Report, Stage};

use crate::index::Index;

/// How many things are compared between two calls of `progress`.
const STRIDE: u64 = 1024;

/// Compares everything with everything. `progress` hears of each stage at least once, when it is over.
pub fn check(index: &Index, facts: &Facts, progress: impl FnMut(Progress)) -> Report {
    let judge = Judge::new(index, facts);
    let mut audit = Audit { index, judge, progress, report: Report::default() };
    audit.corrupt();
    audit.blocks();
    audit.handles();
    audit.endpoints();
    audit.affinities();
    let Audit { mut report, .. } = audit;
    report.counts.pools = count(index.pools().len());
    report.counts.nodes = count(facts.nodes.len());
    report
}

/// A check under way.
struct Audit<'a, P> {
    index: &'a Index,
    judge: Judge<'a>,
    progress: P,
    report: Report,
}

impl<P: FnMut(Progress)> Audit<'_, P> {
    /// Tells how far a stage is, now and then.
    fn tell(&mut self, stage: Stage, done: u64, total: u64) {
        if done.is_multiple_of(STRIDE) && done < total {
            (self.progress)(Progress { stage, done, total });
        }
    }

    /// Tells that a stage is over.
    fn over(&mut self, stage: Stage, total: u64) {
        (self.progress)(Progress { stage, done: total, total });
    }

    fn problem(&mut self, problem: Problem) {
        self.report.problems.push(problem);
    }

    fn corrupt(&mut self) {
        for corrupt in &self.judge.facts().corrupt {
            let is_block = !corrupt.record.contains(' ');
            let (whose, remedy) = if is_block {
                (
                    "the record of block ",
                    "restore the record from an export, or delete the pods with addresses of the block, and \
                 then the record",
                )
            } else {
                ("the record ", "restore it from an export, or delete it")
            };
            self.report.problems.push(Problem {
                kind: Kind::CorruptBlock,
                subject: corrupt.record.clone(),
                what: format!("{whose}{} cannot be read: {}", corrupt.record, corrupt.why),
                remedy: remedy.to_owned(),
                release: None,
            });
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
