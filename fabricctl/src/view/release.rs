//! `ipam release`: `{dryRun, released: [...], refused: [{address, reason}]}`.

use proto::v1;
use serde::Serialize;

use super::ipam::allocation::Allocation;
use crate::output::View;
use crate::output::table;

/// What was given back, or would be, and what not.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Released {
    dry_run: bool,
    /// As they were before.
    released: Vec<Allocation>,
    refused: Vec<Refusal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    address: String,
    reason: String,
}

impl Released {
    /// Nothing yet.
    pub(crate) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// What the agent did.
    pub(crate) fn add(&mut self, message: v1::ReleaseResponse) {
        let v1::ReleaseResponse { released, refused } = message;
        self.released.extend(released.into_iter().map(Allocation::from));
        for v1::ReleaseRefusal { address, reason } in refused {
            self.refuse(address, reason);
        }
    }

    /// This one would be given back.
    pub(crate) fn release(&mut self, allocation: v1::Allocation) {
        self.released.push(allocation.into());
    }

    /// This one is not.
    pub(crate) fn refuse(&mut self, address: String, reason: String) {
        self.refused.push(Refusal { address, reason });
    }

    /// How many were given back, and how many not.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.released.len(), self.refused.len())
    }

    fn rows(&self) -> impl Iterator<Item = [String; 6]> {
        let outcome = if self.dry_run { "would be released" } else { "released" };
        let released = self.released.iter().map(move |allocation| {
            let [address, pod, node, _block, _pool, handle] = allocation.row();
            [address, outcome.to_owned(), pod, node, handle, String::new()]
        });
        let refused = self.refused.iter().map(|Refusal { address, reason }| {
            let none = String::new;
            [address.clone(), "refused".to_owned(), none(), none(), none(), reason.clone()]
        });
        released.chain(refused)
    }
}

impl View for Released {
    fn render(&self) -> String {
        table::render(["ADDRESS", "OUTCOME", "POD", "NODE", "HANDLE", "REASON"], self.rows())
    }

    fn remark_if_empty(&self) -> &'static str {
        "There was nothing to release."
    }
}
