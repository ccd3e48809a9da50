//! RFC 4271 §9.1: which route is best, which are as good, and why the rest are not.
//!
//! The decision is a chain of steps. Each looks at all routes still in the running and strikes out those that are worse
//! than another; so the outcome does not depend on the order of arrival, MED included (it is compared within the
//! same neighbouring AS, among all routes that got that far: "deterministic MED"). There is deliberately no "oldest
//! path" step. Whatever is left before the tie-breaking steps is equally good and can be used side by side.

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use super::path::NextHopId;
use crate::config::Multipath;

#[cfg(test)]
mod tests;

/// A route as the decision sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Announced by a peer, as opposed to ours.
    pub learned: bool,
    /// RFC 9494: kept beyond a graceful restart, here or at somebody before us.
    pub long_lived_stale: bool,
    pub local_pref: u32,
    pub hop_count: u16,
    pub origin: u8,
    pub med: u32,
    pub neighbour_as: u32,
    /// From a peer in our AS.
    pub internal: bool,
    pub cost: u32,
    /// The originator's, where a reflector names it (RFC 4456 §9).
    pub router_id: Ipv4Addr,
    pub cluster_list: u16,
    /// Of the peer; none for our own.
    pub address: Option<IpAddr>,
    pub path_id: u32,
    /// Two routes with one next hop are one way.
    pub way: Way,
}

/// Where packets would go: next hop, and the source that a link-local one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub next_hop: NextHopId,
    /// Number of the interface among those of unnumbered peers; 0 for others.
    pub interface: u16,
}

/// A step of the chain, named by what loses in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A prefix that this speaker originates needs no peer's path.
    NotOriginatedHere,
    /// RFC 9494 §4.2.
    LongLivedStale,
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
    /// §9.1.2.2 e.
    HigherCost,
    /// §9.1.2.2 f; the originator's where a reflector names it (RFC 4456 §9).
    HigherRouterId,
    /// RFC 4456 §9.
    LongerClusterList,
    /// §9.1.2.2 g.
    HigherPeerAddress,
    /// Of one peer's several paths (RFC 7911 leaves it open).
    HigherPathId,
}

/// Steps that tell better routes from worse.
const PREFERENCE: [Step; 8] = [
    Step::NotOriginatedHere,
    Step::LongLivedStale,
    Step::LowerLocalPref,
    Step::LongerAsPath,
    Step::WorseOrigin,
    Step::HigherMed,
    Step::Internal,
    Step::HigherCost,
];

/// Steps that choose among equally good ones.
const TIE_BREAK: [Step; 4] =
    [Step::HigherRouterId, Step::LongerClusterList, Step::HigherPeerAddress, Step::HigherPathId];

/// Positions in the slice of candidates; few as a rule.
pub(super) type Positions = SmallVec<[usize; 4]>;

/// The outcome for one destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Decision {
    /// The routes in use, the best first; empty only if there were no candidates.
    pub used: Positions,
    /// By candidate: the step that it lost in.
    pub lost: SmallVec<[Option<Step>; 4]>,
}

/// Runs the chain.
pub(super) fn decide(candidates: &[Candidate], multipath: Multipath) -> Decision {
    let mut lost = SmallVec::from_elem(None, candidates.len());
    let mut running: Positions = (0..candidates.len()).collect();
    for step in PREFERENCE {
        strike_out(step, candidates, &mut running, &mut lost);
    }
    let mut equal = running.clone();
    equal.sort_by_key(|&index| TIE_BREAK.map(|step| rank(step, &candidates[index])));
    for step in TIE_BREAK {
        strike_out(step, candidates, &mut running, &mut lost);
    }
    Decision { used: side_by_side(candidates, &equal, multipath), lost }
}

/// The candidate that a loser lost to, for people: the best one, which outlived it in every step. MED is the one step
/// where that need not have been the reason.
pub(super) fn better(candidates: &[Candidate], decision: &Decision, loser: usize) -> Option<usize> {
    let best = decision.used.first().copied();
    match decision.lost.get(loser).copied().flatten()? {
        Step::HigherMed => med_winner(candidates, decision, loser),
        Step::NotOriginatedHere
        | Step::LongLivedStale
        | Step::LowerLocalPref
        | Step::LongerAsPath
        | Step::WorseOrigin
        | Step::Internal
        | Step::HigherCost
        | Step::HigherRouterId
        | Step::LongerClusterList
        | Step::HigherPeerAddress
        | Step::HigherPathId => best,
    }
}

impl Step {
    /// In words, to be followed by "than" and the winner.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::NotOriginatedHere => "received, not originated",
            Self::LongLivedStale => "long-lived stale",
            Self::LowerLocalPref => "lower local preference",
            Self::LongerAsPath => "longer AS path",
            Self::WorseOrigin => "worse origin",
            Self::HigherMed => "higher MED",
            Self::Internal => "internal path, less preferred",
            Self::HigherCost => "higher cost to the next hop",
            Self::HigherRouterId => "higher router ID",
            Self::LongerClusterList => "longer cluster list",
            Self::HigherPeerAddress => "higher peer address",
            Self::HigherPathId => "higher path identifier",
        }
    }
}

/// Keeps those of `running` that are best in this step.
fn strike_out(step: Step, candidates: &[Candidate], running: &mut Positions, lost: &mut [Option<Step>]) {
    if running.len() < 2 {
        return;
    }
    if step == Step::HigherMed {
        return strike_out_by_med(candidates, running, lost);
    }
    let best = running.iter().map(|&index| rank(step, &candidates[index])).min();
    running.retain(|index| {
        let beaten = Some(rank(step, &candidates[*index])) != best;
        if beaten {
            lost[*index] = Some(step);
        }
        !beaten
    });
}

/// Compared among routes of the same neighbouring AS alone.
fn strike_out_by_med(candidates: &[Candidate], running: &mut Positions, lost: &mut [Option<Step>]) {
    let all = running.clone();
    running.retain(|index| {
        let Candidate { neighbour_as, med, .. } = candidates[*index];
        let beaten = all.iter().any(|&other| {
            let other = &candidates[other];
            other.neighbour_as == neighbour_as && other.med < med
        });
        if beaten {
            lost[*index] = Some(Step::HigherMed);
        }
        !beaten
    });
}

/// Lower is better.
fn rank(step: Step, candidate: &Candidate) -> u128 {
    match step {
        Step::NotOriginatedHere => u128::from(candidate.learned),
        Step::LongLivedStale => u128::from(candidate.long_lived_stale),
        Step::LowerLocalPref => u128::from(u32::MAX - candidate.local_pref),
        Step::LongerAsPath => u128::from(candidate.hop_count),
        Step::WorseOrigin => u128::from(candidate.origin),
        Step::HigherMed => u128::from(candidate.med),
        Step::Internal => u128::from(candidate.internal),
        Step::HigherCost => u128::from(candidate.cost),
        Step::HigherRouterId => u128::from(u32::from(candidate.router_id)),
        Step::LongerClusterList => u128::from(candidate.cluster_list),
        Step::HigherPeerAddress => match candidate.address {
            None => 0,
            // IPv4 peers before IPv6 ones, as IpAddr orders them.
            Some(IpAddr::V4(address)) => u128::from(u32::from(address)),
            Some(IpAddr::V6(address)) => u128::from(address).max(1 << 32),
        },
        Step::HigherPathId => u128::from(candidate.path_id),
    }
}

/// A route of the same neighbouring AS that got past the MED step; there is one, since this one lost to it.
fn med_winner(candidates: &[Candidate], decision: &Decision, loser: usize) -> Option<usize> {
    let got_further = |index: &usize| decision.lost[*index].is_none_or(|step| step > Step::HigherMed);
    (0..candidates.len())
        .filter(got_further)
        .filter(|&index| candidates[index].neighbour_as == candidates[loser].neighbour_as)
        .min_by_key(|&index| TIE_BREAK.map(|step| rank(step, &candidates[index])))
}

/// The first of equally good routes, each with a way of its own.
fn side_by_side(candidates: &[Candidate], equal: &[usize], multipath: Multipath) -> Positions {
    let mut used = Positions::new();
    let Some(best) = equal.first().map(|&index| &candidates[index]) else { return used };
    let limit = if best.internal { multipath.internal } else { multipath.external };
    for &index in equal {
        let candidate = &candidates[index];
        if used.len() >= limit.max(1) {
            break;
        }
        let same_as = multipath.relaxed_as_path || candidate.neighbour_as == best.neighbour_as;
        if same_as && !used.iter().any(|&other| candidates[other].way == candidate.way) {
            used.push(index);
        }
    }
    used
}
