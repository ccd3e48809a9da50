//! `Release`: all of a handle, and single addresses as they were seen.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ::ipam::Index;
use ::ipam::index::Holding;
use ::ipam::plan::{Refusal, ReleaseError, ReleaseItem};
use futures_util::stream::{self, StreamExt as _};
use proto::v1;
use tonic::Status;

use super::{Service, argument, describe};
use crate::api::failure;
use crate::ipam;

/// Items under way at once: as many as the allocator puts into one commit.
const AT_ONCE: usize = 64;

/// The most items of one request, so that it is answered before anybody grows impatient.
const MOST: usize = 10_000;

impl Service {
    pub(super) async fn release_all(
        &self,
        request: v1::ReleaseRequest,
    ) -> Result<v1::ReleaseResponse, Status> {
        let v1::ReleaseRequest { handle, items } = request;
        if handle.is_empty() && items.is_empty() {
            return Err(failure::field(
                "items",
                "nothing to release; give a handle, or addresses with their handles",
            ));
        }
        if items.len() > MOST {
            return Err(failure::field(
                "items",
                format!("{} are too many at once; at most {MOST}", items.len()),
            ));
        }
        let items = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        if !handle.is_empty() {
            argument::handle("handle", &handle)?;
        }
        // As they are before they are given back.
        let before = {
            let state = self.state();
            let of_handle = held_by(&state.index, &handle);
            let of_items = items.iter().filter_map(|item| {
                let holding = state.index.who_has(item.address)?;
                let is_it = item.sequence.is_none_or(|sequence| sequence == holding.allocation.sequence);
                (is_it && holding.allocation.handle == item.handle).then_some(holding)
            });
            let all = of_handle.into_iter().chain(of_items);
            all.map(|holding| (holding.address, describe::allocation(&state.index, &holding))).collect()
        };
        let mut answer = v1::ReleaseResponse::default();
        if !handle.is_empty() {
            let released = self.allocator.release(&handle).await;
            let released = released.map_err(|error| failure::addresses(&error))?;
            answer
                .released
                .extend(released.iter().map(|address| describe_released(&before, *address, &handle)));
        }
        if !items.is_empty() {
            self.release_single(items, &before, &mut answer).await?;
        }
        Ok(answer)
    }

    async fn release_single(
        &self,
        items: Vec<ReleaseItem>,
        before: &BTreeMap<IpAddr, v1::Allocation>,
        answer: &mut v1::ReleaseResponse,
    ) -> Result<(), Status> {
        let outcomes: Vec<(ReleaseItem, Result<(), ipam::Error>)> = stream::iter(items)
            .map(|item| async move {
                let released = self.allocator.release_address(item.clone()).await;
                (item, released)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let has_released = !answer.released.is_empty() || outcomes.iter().any(|(_, outcome)| outcome.is_ok());
        for (item, outcome) in outcomes {
            match outcome {
                Ok(()) => answer.released.push(describe_released(before, item.address, &item.handle)),
                // What has been given back must not go untold because of what has not.
                Err(error) if has_released || matches!(error, ipam::Error::Refused(_)) => {
                    let (address, reason) = (item.address.to_string(), error.to_string());
                    answer.refused.push(v1::ReleaseRefusal { address, reason, code: code(&error).into() });
                }
                Err(error) => return Err(failure::addresses(&error)),
            }
        }
        Ok(())
    }
}

fn item(item: &v1::ReleaseItem) -> Result<ReleaseItem, Status> {
    let address = argument::address("items.address", &item.address)?;
    if item.handle.is_empty() {
        let what = format!("is missing for {address}; say who held it, so that nobody else's is released");
        return Err(failure::field("items.handle", what));
    }
    argument::handle("items.handle", &item.handle)?;
    Ok(ReleaseItem { address, handle: item.handle.clone(), sequence: item.sequence })
}

/// Why an address was not given back, for programs.
fn code(error: &ipam::Error) -> v1::ReleaseRefusalCode {
    use v1::ReleaseRefusalCode as Code;
    match error {
        ipam::Error::Refused(Refusal::Release(ReleaseError::NotInUse { .. })) => Code::NotInUse,
        ipam::Error::Refused(Refusal::Release(ReleaseError::OtherHolder { .. })) => Code::OtherHolder,
        ipam::Error::Refused(Refusal::Release(ReleaseError::GivenOutAgain { .. })) => Code::GivenOutAgain,
        ipam::Error::Store(datastore::Error::Refused(_) | datastore::Error::Unreadable { .. }) => {
            Code::Datastore
        }
        ipam::Error::Store(datastore::Error::Unavailable(_))
        | ipam::Error::Away { .. }
        | ipam::Error::Unsettled(_)
        | ipam::Error::Stopping => Code::Unavailable,
        ipam::Error::Store(datastore::Error::Conflict { .. } | datastore::Error::Compacted { .. })
        | ipam::Error::Contended => Code::Contended,
        // Nothing that a release comes to.
        ipam::Error::Refused(Refusal::Assign(_)) | ipam::Error::Lost(_) => Code::Unspecified,
    }
}

/// What a handle holds, as far as its record says so.
fn held_by<'a>(index: &'a Index, handle: &str) -> Vec<Holding<'a>> {
    let blocks = index.handle(handle).into_iter().flat_map(|record| record.value.blocks.into_keys());
    let blocks = blocks.filter_map(|cidr| index.block(&cidr)).map(|block| &block.value);
    blocks
        .flat_map(|block| {
            let held = block.allocations().filter(|(_, allocation)| allocation.handle == handle);
            held.map(move |(address, allocation)| Holding { address, allocation, block })
        })
        .collect()
}

fn describe_released(
    before: &BTreeMap<IpAddr, v1::Allocation>,
    address: IpAddr,
    handle: &str,
) -> v1::Allocation {
    before.get(&address).cloned().unwrap_or_else(|| v1::Allocation {
        address: address.to_string(),
        handle: handle.to_owned(),
        ..v1::Allocation::default()
    })
}
