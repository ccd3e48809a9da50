//! `ipam release`: `{dryRun, released: [...], refused: [{address, reason, code}]}`.

use proto::v1;
use proto::v1::ReleaseRefusalCode as Code;
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
    /// `notInUse`, `otherHolder`, `givenOutAgain`; `unavailable` and `contended`: to be asked again; `datastore`; empty if
    /// the agent does not say.
    code: &'static str,
}

/// As it is written.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Unspecified => "",
        Code::NotInUse => "notInUse",
        Code::OtherHolder => "otherHolder",
        Code::GivenOutAgain => "givenOutAgain",
        Code::Unavailable => "unavailable",
        Code::Contended => "contended",
        Code::Datastore => "datastore",
    }
}

/// Whether it is no refusal: nobody knows what became of it, and whoever asks again is told.
fn is_unknown(code: &str) -> bool {
    [Code::Unavailable, Code::Contended].map(name).contains(&code)
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
        for v1::ReleaseRefusal { address, reason, code } in refused {
            // One of a newer agent.
            let code = Code::try_from(code).unwrap_or(Code::Unspecified);
            self.refuse(address, reason, code);
        }
    }

    /// This one would be given back.
    pub(crate) fn release(&mut self, allocation: v1::Allocation) {
        self.released.push(allocation.into());
    }

    /// This one is not.
    pub(crate) fn refuse(&mut self, address: String, reason: String, code: Code) {
        self.refused.push(Refusal { address, reason, code: name(code) });
    }

    /// Of how many nobody knows whether they were given back.
    pub(crate) fn count_unknown(&self) -> usize {
        self.refused.iter().filter(|refusal| is_unknown(refusal.code)).count()
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
        let refused = self.refused.iter().map(|Refusal { address, reason, code }| {
            let none = String::new;
            let outcome = if is_unknown(code) { "not known" } else { "refused" };
            [address.clone(), outcome.to_owned(), none(), none(), none(), reason.clone()]
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
