//! Reports that wait for their reader. Of each peer at most two: the last failure, which must not be lost behind a quick
//! recovery, and where the session is now.

use std::collections::BTreeMap;

use crate::bfd::{Report, State};
use crate::config::PeerKey;

#[cfg(test)]
mod tests;

#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<PeerKey, Waiting>);

#[derive(Debug)]
struct Waiting {
    failure: Option<Report>,
    latest: Report,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, peer: PeerKey, report: Report) {
        let failure = self.0.remove(&peer).and_then(|waiting| {
            // A failure that an operator ordered (AdminDown) is none.
            let is_failure = waiting.latest.state == State::Down && !waiting.latest.remote_admin_down;
            if is_failure { Some(waiting.latest) } else { waiting.failure }
        });
        self.0.insert(peer, Waiting { failure, latest: report });
    }

    pub(super) fn forget(&mut self, peer: &PeerKey) {
        self.0.remove(peer);
    }

    pub(super) fn pop(&mut self) -> Option<(PeerKey, Report)> {
        let (peer, waiting) = self.0.pop_first()?;
        let Some(failure) = waiting.failure else { return Some((peer, waiting.latest)) };
        self.0.insert(peer.clone(), Waiting { failure: None, ..waiting });
        Some((peer, failure))
    }
}
