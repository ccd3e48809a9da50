//! Claims, against the blocks and nodes that they name.

use super::report::{Kind, Problem};
use super::{Audit, Progress, Stage, count};
use crate::affinity::{Affinity, AffinityState};

impl<P: FnMut(Progress)> Audit<'_, P> {
    pub(super) fn affinities(&mut self) {
        let index = self.index;
        let total = count(index.affinities().count());
        for affinity in index.affinities() {
            self.tell(Stage::Affinities, self.report.counts.affinities, total);
            self.report.counts.affinities += 1;
            self.affinity(&affinity.value);
        }
        self.over(Stage::Affinities, total);
    }

    fn affinity(&mut self, affinity: &Affinity) {
        let Affinity { node, cidr, state } = affinity;
        let owner = self.index.block(cidr).map(|block| block.value.node());
        let (kind, what) = match (state, owner) {
            (_, _) if !self.judge.node_exists(node) => {
                (Kind::GoneNode, format!("node {node}, which does not exist, has a claim to block {cidr}"))
            }
            (_, None) => {
                (Kind::HalfAffinity, format!("node {node} has a claim to block {cidr}, which does not exist"))
            }
            (_, Some(owner)) if owner != node => (
                Kind::HalfAffinity,
                format!("node {node} has a claim to block {cidr}, which belongs to node {owner}"),
            ),
            (AffinityState::Pending, Some(_)) => {
                (Kind::HalfAffinity, format!("node {node} has not finished claiming block {cidr}"))
            }
            (AffinityState::PendingDeletion, Some(_)) => {
                (Kind::HalfAffinity, format!("node {node} has not finished giving back block {cidr}"))
            }
            (AffinityState::Confirmed, Some(_)) => return,
        };
        // The claim of a node that is gone stays as long as its block does, which is told there.
        let remedy = String::new();
        self.problem(Problem { kind, subject: cidr.to_string(), what, remedy, release: None });
    }
}
