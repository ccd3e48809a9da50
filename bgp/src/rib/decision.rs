//! RFC 4271 §9.1: which path is best, which are as good, and why the rest are not.
//!
//! The decision is a chain of steps. Each looks at all paths still in the running and strikes out those that are worse
//! than another; so the outcome does not depend on the order of arrival, MED included (it is compared within the
//! same neighbouring AS, among all paths that got that far: "deterministic MED"). There is deliberately no "oldest
//! path" step. Whatever is left before the tie-breaking steps is equally good and can be used side by side.

use std::net::{IpAddr, Ipv4Addr};

use super::loc::Candidate;

/// RFC 4271 §9.1.1: of paths that carry none, and of what external peers send.
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// A step of the chain, named by what loses in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A prefix that this speaker originates needs no peer's path.
    NotOriginatedHere,
    /// §9.1.1: degree of preference.
    LowerLocalPref,
    /// §9.1.2.2 a.
    LongerAsPath,
    /// §9.1.2.2 b.
    WorseOrigin,
    /// §9.1.2.2 c.
    HigherMed,
    /// §9.1.2.2 d.
    Internal,
    /// §9.1.2.2 f; the originator's where a reflector names it (RFC 4456 §9).
    HigherRouterId,
    /// RFC 4456 §9.
    LongerClusterList,
    /// §9.1.2.2 g.
    HigherPeerAddress,
}

/// Steps that tell better paths from worse. (§9.1.2.2 e, interior cost, does not arise: there is no IGP.)
const PREFERENCE: [Step; 6] = [
    Step::NotOriginatedHere,
    Step::LowerLocalPref,
    Step::LongerAsPath,
    Step::WorseOrigin,
    Step::HigherMed,
    Step::Internal,
];

/// Steps that choose among equally good paths.
const TIE_BREAK: [Step; 3] = [Step::HigherRouterId, Step::LongerClusterList, Step::HigherPeerAddress];

/// The outcome for one prefix. Numbers are positions in the slice of candidates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The paths in use, the best first; empty only if there were no candidates.
    pub used: Vec<usize>,
    /// By candidate: the step that it lost in.
    pub lost: Vec<Option<Step>>,
}

impl Decision {
    /// The best path.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        self.used.first().copied()
    }
}

/// Runs the chain. At most `limit` paths with different next hops are used, at least one.
#[must_use]
pub fn decide(candidates: &[Candidate], limit: usize) -> Decision {
    let mut running: Vec<usize> = (0..candidates.len()).collect();
    let mut lost = vec![None; candidates.len()];
    for step in PREFERENCE {
        strike_out(step, candidates, &mut running, &mut lost);
    }
    let mut equal = running.clone();
    equal.sort_by_key(|&index| tie_break(candidates, index));
    for step in TIE_BREAK {
        strike_out(step, candidates, &mut running, &mut lost);
    }
    Decision { used: side_by_side(candidates, &equal, limit), lost }
}

/// Why a path was not used, in words: "longer AS path than 10.0.1.1"; empty if it was.
#[must_use]
pub fn explain(candidates: &[Candidate], decision: &Decision, index: usize) -> String {
    let (false, Some(Some(step))) = (decision.used.contains(&index), decision.lost.get(index)) else {
        return String::new();
    };
    // The best path outlived the loser in every step, and MED is the one step where it need not have been the reason.
    let better = match step {
        Step::HigherMed => med_winner(candidates, decision, index),
        Step::NotOriginatedHere
        | Step::LowerLocalPref
        | Step::LongerAsPath
        | Step::WorseOrigin
        | Step::Internal
        | Step::HigherRouterId
        | Step::LongerClusterList
        | Step::HigherPeerAddress => decision.best(),
    };
    let name = |index: usize| candidates.get(index).and_then(Candidate::address);
    match (step, better.and_then(name)) {
        (Step::NotOriginatedHere, _) => "this speaker originates the prefix".to_owned(),
        (step, Some(address)) => format!("{} than {address}", describe(*step)),
        (step, None) => describe(*step).to_owned(),
    }
}

fn describe(step: Step) -> &'static str {
    match step {
        Step::NotOriginatedHere => "received, not originated",
        Step::LowerLocalPref => "lower local preference",
        Step::LongerAsPath => "longer AS path",
        Step::WorseOrigin => "worse origin",
        Step::HigherMed => "higher MED",
        Step::Internal => "internal path, less preferred",
        Step::HigherRouterId => "higher router ID",
        Step::LongerClusterList => "longer cluster list",
        Step::HigherPeerAddress => "higher peer address",
    }
}

/// Keeps those of `running` that are best in this step.
fn strike_out(step: Step, candidates: &[Candidate], running: &mut Vec<usize>, lost: &mut [Option<Step>]) {
    if running.len() < 2 {
        return;
    }
    let all = running.clone();
    let rank = |index: usize| candidates.get(index).map(|candidate| rank(step, candidate));
    let comparable = |a: usize, b: usize| step != Step::HigherMed || same_neighbour_as(candidates, a, b);
    running.retain(|&index| {
        let beaten = all.iter().any(|&other| comparable(index, other) && rank(other) < rank(index));
        if beaten && let Some(entry) = lost.get_mut(index) {
            *entry = Some(step);
        }
        !beaten
    });
}

/// Lower is better.
fn rank(step: Step, candidate: &Candidate) -> u128 {
    let attributes = &candidate.path.attributes;
    match step {
        Step::NotOriginatedHere => u128::from(candidate.from.is_some()),
        Step::LowerLocalPref => u128::from(u32::MAX - attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)),
        Step::LongerAsPath => attributes.as_path.hop_count() as u128,
        Step::WorseOrigin => attributes.origin as u128,
        Step::HigherMed => u128::from(attributes.med.unwrap_or(0)),
        Step::Internal => u128::from(candidate.from.as_ref().is_some_and(|from| !from.external)),
        Step::HigherRouterId => u128::from(u32::from(router_id(candidate))),
        Step::LongerClusterList => attributes.cluster_list.len() as u128,
        Step::HigherPeerAddress => match candidate.address() {
            None => 0,
            // IPv4 peers before IPv6 ones, as IpAddr orders them.
            Some(IpAddr::V4(address)) => u128::from(u32::from(address)),
            Some(IpAddr::V6(address)) => u128::from(address).max(1 << 32),
        },
    }
}

fn tie_break(candidates: &[Candidate], index: usize) -> [Option<u128>; 3] {
    TIE_BREAK.map(|step| candidates.get(index).map(|candidate| rank(step, candidate)))
}

fn router_id(candidate: &Candidate) -> Ipv4Addr {
    let peer = candidate.from.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |from| from.router_id);
    candidate.path.attributes.originator_id.unwrap_or(peer)
}

fn same_neighbour_as(candidates: &[Candidate], a: usize, b: usize) -> bool {
    let neighbour =
        |index: usize| candidates.get(index).map(|candidate| candidate.path.attributes.as_path.neighbour());
    neighbour(a) == neighbour(b)
}

/// A path of the same neighbouring AS that got past the MED step; there is one, since this one lost to it.
fn med_winner(candidates: &[Candidate], decision: &Decision, loser: usize) -> Option<usize> {
    let got_further = |index: &usize| {
        matches!(
            decision.lost.get(*index),
            Some(
                None | Some(
                    Step::Internal | Step::HigherRouterId | Step::LongerClusterList | Step::HigherPeerAddress
                )
            )
        )
    };
    (0..candidates.len())
        .filter(got_further)
        .filter(|&index| same_neighbour_as(candidates, index, loser))
        .min_by_key(|&index| tie_break(candidates, index))
}

/// The first `limit` of equally good paths, each with a next hop of its own.
fn side_by_side(candidates: &[Candidate], equal: &[usize], limit: usize) -> Vec<usize> {
    let next_hop = |index: usize| candidates.get(index).and_then(|candidate| candidate.path.next_hop);
    let mut used: Vec<usize> = Vec::new();
    for &index in equal {
        if used.len() >= limit.max(1) {
            break;
        }
        if !used.iter().any(|&other| next_hop(other) == next_hop(index)) {
            used.push(index);
        }
    }
    used
}
