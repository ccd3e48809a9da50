//! Writing: transactions that compare and then do all or nothing.

use futures_util::future::FutureExt as _;

use super::api::compare::{CompareResult, CompareTarget, TargetUnion};
use super::api::request_op::Request;
use super::api::response_op::Response;
use super::api::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
};
use super::client::{Repeat, request};
use super::failure::Failure;
use super::keys::end_of;
use super::{ATOMIC_WRITES, Etcd, kv, number, revision, revision_of};
use crate::error::Error;
use crate::key::Key;
use crate::store::{self, CommitError, Precondition, Revision, Write};

/// So much a transaction may hold, well below etcd's own 1.5 MiB, as there is more in it than values.
const ATOMIC_BYTES: usize = 1 << 20;

/// A write as etcd has it.
struct Operation {
    key: Key,
    spelling: Vec<u8>,
    precondition: Precondition,
    value: Option<Vec<u8>>,
}

impl Operation {
    fn new(etcd: &Etcd, write: Write) -> Result<Self, Error> {
        let value = write.text()?.map(String::into_bytes);
        let spelling = etcd.root.encode(&write.key);
        Ok(Self { key: write.key, spelling, precondition: write.precondition, value })
    }

    fn size(&self) -> usize {
        self.spelling.len() + self.value.as_ref().map_or(0, Vec::len)
    }

    fn compare(&self) -> Option<Compare> {
        let expected = match self.precondition {
            Precondition::None => return None,
            // What is not there has revision 0,
            Precondition::Absent => 0,
            // so that what is there never has it.
            Precondition::Unchanged(Revision(0)) => -1,
            Precondition::Unchanged(revision) => number(revision),
        };
        Some(Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: self.spelling.clone(),
            target_union: Some(TargetUnion::ModRevision(expected)),
        })
    }

    fn perform(&self) -> RequestOp {
        let key = self.spelling.clone();
        let request = match self.value.clone() {
            Some(value) => Request::RequestPut(PutRequest { key, value }),
            None => Request::RequestDeleteRange(DeleteRangeRequest { key }),
        };
        RequestOp { request: Some(request) }
    }

    /// Asks for the revision only.
    fn look(&self) -> RequestOp {
        let key = self.spelling.clone();
        RequestOp {
            request: Some(Request::RequestRange(RangeRequest {
                key,
                keys_only: true,
                ..RangeRequest::default()
            })),
        }
    }
}

async fn transact(etcd: &Etcd, repeat: Repeat, message: TxnRequest) -> Result<TxnResponse, Failure> {
    etcd.client
        .call(repeat, |channel, token| {
            let message = request(message.clone(), token);
            async move { kv(channel).txn(message).await }.boxed()
        })
        .await
}

pub(super) async fn commit(etcd: &Etcd, writes: Vec<Write>) -> Result<Vec<Revision>, CommitError> {
    store::check(&writes)?;
    let operations = writes
        .into_iter()
        .enumerate()
        .map(|(index, write)| {
            Operation::new(etcd, write).map_err(|error| CommitError { index, done: 0, error })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut revisions = Vec::with_capacity(operations.len());
    let mut rest = operations.as_slice();
    while !rest.is_empty() {
        let (group, others) = rest.split_at(group(rest));
        let done = revisions.len();
        let revision = commit_group(etcd, group).await.map_err(|(index, error)| CommitError {
            index: done + index,
            done,
            error,
        })?;
        revisions.extend(group.iter().map(|_| revision));
        rest = others;
    }
    Ok(revisions)
}

/// How many of the first go into one transaction: one at least.
fn group(operations: &[Operation]) -> usize {
    let mut bytes = 0;
    let fits = |operation: &&Operation| {
        bytes += operation.size();
        bytes <= ATOMIC_BYTES
    };
    operations.iter().take(ATOMIC_WRITES).take_while(fits).count().max(1)
}

async fn commit_group(etcd: &Etcd, group: &[Operation]) -> Result<Revision, (usize, Error)> {
    let message = TxnRequest {
        compare: group.iter().filter_map(Operation::compare).collect(),
        success: group.iter().map(Operation::perform).collect(),
        failure: group.iter().map(Operation::look).collect(),
    };
    let answer = transact(etcd, Repeat::IfUnsent, message).await.map_err(|failure| (0, failure.into()))?;
    if answer.succeeded {
        return Ok(revision_of(answer.header.as_ref()));
    }
    let found = answer.responses.into_iter().map(|response| match response.response {
        Some(Response::ResponseRange(found)) => found.kvs.first().map(|kv| revision(kv.mod_revision)),
        Some(Response::ResponsePut(_) | Response::ResponseDeleteRange(_)) | None => None,
    });
    for (index, (operation, found)) in group.iter().zip(found).enumerate() {
        if !operation.precondition.holds(found) {
            return Err((index, Error::Conflict { key: operation.key.clone(), found }));
        }
    }
    Err((0, Error::Unavailable("etcd did not do a transaction whose conditions hold".to_owned())))
}

/// The value of the key that says whose the prefix is; written before, if it is given and nothing is under the prefix.
/// `None` if nothing is.
pub(super) async fn marker(etcd: &Etcd, value: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Error> {
    let (key, prefix) = (etcd.root.marker(), etcd.root.prefix());
    let range = |message| RequestOp { request: Some(Request::RequestRange(message)) };
    let marker = range(RangeRequest { key: key.clone(), ..RangeRequest::default() });
    let range_end = end_of(&prefix);
    let any =
        range(RangeRequest { key: prefix, range_end, limit: 1, keys_only: true, ..RangeRequest::default() });
    let message = match value {
        Some(value) => TxnRequest {
            compare: vec![Compare {
                result: CompareResult::Equal.into(),
                target: CompareTarget::Mod.into(),
                key: key.clone(),
                target_union: Some(TargetUnion::ModRevision(0)),
            }],
            success: vec![
                RequestOp { request: Some(Request::RequestPut(PutRequest { key, value })) },
                marker.clone(),
                any.clone(),
            ],
            failure: vec![marker, any],
        },
        None => TxnRequest { compare: Vec::new(), success: vec![marker, any], failure: Vec::new() },
    };
    // Writing it twice does no harm.
    let answer = transact(etcd, Repeat::Always, message).await?;
    let mut ranges = answer.responses.into_iter().filter_map(|response| match response.response {
        Some(Response::ResponseRange(found)) => Some(found),
        Some(Response::ResponsePut(_) | Response::ResponseDeleteRange(_)) | None => None,
    });
    let mut first = || ranges.next().and_then(|RangeResponse { mut kvs, .. }| kvs.pop());
    match (first(), first()) {
        (Some(marker), _) => Ok(Some(marker.value)),
        (None, None) => Ok(None),
        (None, Some(other)) => Err(Error::Refused(format!(
            "etcd has {} under {}, which is not Fabric's; use another prefix",
            String::from_utf8_lossy(&other.key),
            etcd.root.0
        ))),
    }
}
