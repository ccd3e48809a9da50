//! `WatchAllocations`: everything in use, then what changes.
//!
//! What there is and the changes from then on are taken in one look, so that nothing lies between them. Events are made
//! as the reader takes them: a reader that is slow costs a copy of the blocks that it has not been told of yet, and no
//! more. Changes wait in a queue that all readers share; who falls further behind than that is long is told so and has
//! to begin anew.

use std::collections::VecDeque;

use ::ipam::index::{self, Change, Filter, Holding};
use ::ipam::{Block, Index};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use ipnetwork::IpNetwork;
use proto::v1;
use proto::v1::allocation_event::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use super::{describe, list};
use crate::api::failure;
use crate::ipam::Known;
use crate::ipam::known::BlockChange;

/// Everything in use that the request selects, then what changes of it.
pub(super) fn follow(
    known: &Known,
    request: &v1::WatchAllocationsRequest,
) -> Result<BoxStream<'static, Result<v1::AllocationEvent, Status>>, Status> {
    let (state, changes) = known.follow_blocks();
    list::demand_pool(&state.index, &request.pool)?;
    let node = (!request.node.is_empty()).then(|| request.node.clone());
    let pool = state.index.pool(&request.pool);
    let present = present(&state.index, node.as_deref(), pool.map(|pool| pool.name.as_str()));
    let within = pool.map(|pool| pool.cidr);
    drop(state);
    let watch = Watch {
        known: known.clone(),
        node,
        within,
        ready: VecDeque::new(),
        stage: Stage::Present(present.into_iter()),
        changes,
    };
    Ok(stream::unfold(watch, |mut watch| async move { watch.next().await.map(|event| (event, watch)) })
        .boxed())
}

/// The blocks in which something is in use that is asked for.
fn present(index: &Index, node: Option<&str>, pool: Option<&str>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for Holding { block, .. } in index.allocations(Filter { node, pool, ..Filter::default() }, None) {
        if blocks.last().is_none_or(|last| last.cidr() != block.cidr()) {
            blocks.push(block.clone());
        }
    }
    blocks
}

/// A reader, and how far it is.
struct Watch {
    known: Known,
    node: Option<String>,
    /// The pool's prefix: the pool may be cut or go while it is watched.
    within: Option<IpNetwork>,
    ready: VecDeque<Event>,
    stage: Stage,
    changes: broadcast::Receiver<BlockChange>,
}

enum Stage {
    /// These are to be told yet.
    Present(std::vec::IntoIter<Block>),
    Following,
    Ended,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<v1::AllocationEvent, Status>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(v1::AllocationEvent { event: Some(event) }));
            }
            match &mut self.stage {
                Stage::Present(blocks) => match blocks.next() {
                    Some(block) => self.prepare(None, Some(&block)),
                    None => {
                        self.stage = Stage::Following;
                        self.ready.push_back(Event::Synchronised(v1::Synchronised {}));
                    }
                },
                Stage::Following => match self.changes.recv().await {
                    Ok(BlockChange { before, after }) => self.prepare(before.as_deref(), after.as_deref()),
                    Err(error) => {
                        self.stage = Stage::Ended;
                        return Some(Err(cut_off(&error)));
                    }
                },
                Stage::Ended => return None,
            }
        }
    }

    /// Makes events of what is different.
    fn prepare(&mut self, before: Option<&Block>, after: Option<&Block>) {
        let state = self.known.read();
        let is_selected = |holding: &Holding<'_>| {
            let node = self.node.as_ref().is_none_or(|node| holding.allocation.attributes.node == *node);
            node && self.within.is_none_or(|pool| pool.contains(holding.address))
        };
        for change in index::changes(before, after) {
            match change {
                Change::Assigned(holding) if is_selected(&holding) => {
                    self.ready.push_back(Event::Assigned(describe::allocation(&state.index, &holding)));
                }
                Change::Released(holding) if is_selected(&holding) => {
                    self.ready.push_back(Event::Released(describe::allocation(&state.index, &holding)));
                }
                Change::Assigned(_) | Change::Released(_) => {}
            }
        }
    }
}

fn cut_off(error: &RecvError) -> Status {
    match error {
        RecvError::Lagged(missed) => failure::aborted(format!(
            "the reader is too slow: {missed} changes of blocks came before it took the ones before them; begin the \
             watch again, and read faster"
        )),
        RecvError::Closed => failure::stopped("the agent is stopping"),
    }
}
