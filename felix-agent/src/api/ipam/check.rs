//! `Check`: everything compared with everything, of one moment.
//!
//! The datastore is listed for it, as memory knows neither everything (the endpoints of other nodes) nor of one moment. One
//! check at a time, in a thread of its own; a reader that goes away or is slow costs nothing but its progress.

use std::sync::Arc;

use ::ipam::audit::{self, Progress, Report};
use datastore::Revision;
use futures_util::stream::{BoxStream, StreamExt as _};
use proto::v1;
use proto::v1::check_response::Step;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Service;
use crate::api::failure;
use crate::leader::facts::{self, Gathered};

/// Steps of progress that may wait for the reader; what does not fit is left out.
const WAITING: usize = 8;

type Steps = BoxStream<'static, Result<v1::CheckResponse, Status>>;

impl Service {
    pub(super) async fn run_check(&self) -> Result<Steps, Status> {
        let turn = Arc::clone(&self.checking).lock_owned().await;
        let snapshot = self.store.snapshot(&facts::KINDS).await;
        let listing = snapshot.map_err(|error| failure::datastore(&error))?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let progress = sender.clone();
            let checking = tokio::task::spawn_blocking(move || {
                let revision = listing.revision;
                let Gathered { index, facts, .. } = facts::gather(listing.items, &listing.unreadable);
                let report = audit::check(&index, &facts, |at| {
                    let _ = progress.try_send(Ok(step(Step::Progress(describe_progress(at)))));
                });
                describe_report(revision, report)
            });
            let report = checking.await.map(|report| step(Step::Report(report)));
            drop(turn);
            // Whoever asked may have gone.
            let _ = sender.send(report.map_err(failure::stopped)).await;
        });
        Ok(ReceiverStream::new(receiver).boxed())
    }
}

fn step(step: Step) -> v1::CheckResponse {
    v1::CheckResponse { step: Some(step) }
}

fn describe_progress(progress: Progress) -> v1::CheckProgress {
    let Progress { stage, done, total } = progress;
    v1::CheckProgress { stage: stage.name().to_owned(), done, total }
}

fn describe_report(revision: Revision, report: Report) -> v1::CheckReport {
    let audit::Counts { pools, blocks, affinities, handles, allocations, standby, endpoints, nodes } =
        report.counts;
    v1::CheckReport {
        revision: revision.0,
        pools,
        blocks,
        affinities,
        handles,
        allocations,
        standby,
        endpoints,
        nodes,
        problems: report.problems.into_iter().map(describe_problem).collect(),
    }
}

fn describe_problem(problem: audit::Problem) -> v1::CheckProblem {
    let audit::Problem { kind, subject, what, remedy, release } = problem;
    let release = release.map(|item| v1::ReleaseItem {
        address: item.address.to_string(),
        handle: item.handle,
        sequence: item.sequence,
    });
    v1::CheckProblem { kind: kind.name().to_owned(), what, remedy, subject, release }
}
