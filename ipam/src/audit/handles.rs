//! Handles, against what the blocks say that they hold.

use super::judge::Known;
use super::report::{Kind, Problem};
use super::{Audit, Progress, Stage, count};
use crate::index::Holder;

impl<P: FnMut(Progress)> Audit<'_, P> {
    pub(super) fn handles(&mut self) {
        let index = self.index;
        let total = count(index.holders().len());
        for (id, holder) in index.holders() {
            self.tell(Stage::Handles, self.report.counts.handles, total);
            self.report.counts.handles += 1;
            let Some(known) = self.judge.known(id) else { continue };
            let problem = if known.holds_any() { untrue(id, holder, known) } else { Some(orphan(id, known)) };
            self.report.problems.extend(problem);
        }
        self.over(Stage::Handles, total);
    }
}

fn orphan(id: &str, known: &Known<'_>) -> Problem {
    let what = format!("handle {id} holds no address");
    Problem {
        kind: Kind::OrphanHandle,
        subject: id.to_owned(),
        what,
        remedy: remedy(id, known),
        release: None,
    }
}

/// What to say if a count is wrong. That a block is not named at all is told with the address
/// ([`Kind::MissingHandle`]).
fn untrue(id: &str, holder: &Holder, known: &Known<'_>) -> Option<Problem> {
    let wrong = holder.blocks.iter().map(|(cidr, said)| (cidr, said, known.held_of(cidr)));
    let wrong: Vec<String> = wrong
        .filter(|(_, said, held)| held != *said)
        .map(|(cidr, said, held)| format!("{said} of block {cidr} where it holds {held}"))
        .collect();
    (!wrong.is_empty()).then(|| Problem {
        kind: Kind::UntrueHandle,
        subject: id.to_owned(),
        what: format!("handle {id} says {}", wrong.join(", ")),
        remedy: remedy(id, known),
        release: None,
    })
}

fn remedy(id: &str, known: &Known<'_>) -> String {
    match known.endpoint {
        _ if known.is_garbage() => String::new(),
        Some(endpoint) => format!("delete pod {}; the handle goes with it", endpoint.name),
        None => format!("release {id} when it is no longer needed; the handle goes with it"),
    }
}
