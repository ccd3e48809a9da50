//! What of an Adj-RIB-In may be used, and as what: loops, route leaks, and the import policy.
//!
//! Judging has two halves. What depends on the path alone is asked once for all prefixes of a message ([`Judge::new`]);
//! a filter is asked for each prefix, since it may look at it. What was received is kept beside what became of
//! it, so that another policy can judge anew without asking the peer.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::path::{PathId, Paths};
use super::{Import, Kind, Neighbour, Unusable};
use crate::config::Policy;
use crate::filter::{Decision, Filter, NextHopChange, Outcome, Subject};
use crate::wire::{Attributes, Community, NextHop, Role};

#[cfg(test)]
mod tests;

/// [`Unusable`] without its words, as routes keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    OwnAs,
    OwnOriginatorId,
    OwnClusterId,
    OwnNextHop,
    RouteLeak,
    NoPolicy,
    Rejected,
}

/// What is decided of one path of one peer before its prefixes are looked at.
pub(super) struct Judge<'a> {
    received: PathId,
    attributes: Cow<'a, Attributes>,
    next_hop: NextHop,
    /// With what is to be changed whatever the policy says.
    path: PathId,
    verdict: Verdict<'a>,
    /// RFC 8326 §4: the sender is about to go. Least preferred, whatever a filter says, but better than nothing.
    leaving: bool,
    /// What the filter made of the path last: neighbouring prefixes mostly share it.
    last: Option<(Outcome, PathId)>,
}

enum Verdict<'a> {
    Settled(Option<Reason>),
    Ask(&'a Filter),
}

impl<'a> Judge<'a> {
    /// Judges a received path as far as it can be without a prefix.
    pub fn new(
        import: &'a Import,
        from: &Neighbour,
        attributes: &'a Attributes,
        next_hop: NextHop,
        paths: &mut Paths,
    ) -> Self {
        let received = paths.intern(attributes, Some(next_hop));
        let adapted = adapt(import, from, attributes);
        let path = adapted.as_ref().map_or(received, |adapted| paths.intern(adapted, Some(next_hop)));
        let verdict = match loops(import, from, attributes, next_hop) {
            Some(reason) => Verdict::Settled(Some(reason)),
            None => match &import.policy {
                Policy::Unset if from.kind == Kind::External => Verdict::Settled(Some(Reason::NoPolicy)),
                Policy::Unset | Policy::Accept => Verdict::Settled(None),
                Policy::Reject | Policy::Originated => Verdict::Settled(Some(Reason::Rejected)),
                Policy::Filter(filter) => Verdict::Ask(filter),
            },
        };
        let attributes = adapted.map_or(Cow::Borrowed(attributes), Cow::Owned);
        let leaving = is_leaving(from, &attributes);
        Self { received, attributes, next_hop, path, verdict, leaving, last: None }
    }

    /// As announced.
    pub fn received(&self) -> PathId {
        self.received
    }

    /// What becomes of one prefix.
    pub fn judge(&mut self, prefix: &IpNetwork, paths: &mut Paths) -> (PathId, Option<Reason>) {
        match self.verdict {
            Verdict::Settled(reason) => (self.path, reason),
            Verdict::Ask(filter) => self.ask(filter, prefix, paths),
        }
    }

    fn ask(&mut self, filter: &Filter, prefix: &IpNetwork, paths: &mut Paths) -> (PathId, Option<Reason>) {
        let outcome = filter.evaluate(&subject(prefix, &self.attributes, self.next_hop));
        if outcome.decision == Decision::Reject {
            return (self.path, Some(Reason::Rejected));
        }
        if let Some((last, path)) = &self.last
            && *last == outcome
        {
            return (*path, None);
        }
        let next_hop = match outcome.next_hop {
            NextHopChange::To(address) => plain(address),
            // These are about telling others.
            NextHopChange::Untouched | NextHopChange::Itself | NextHopChange::Unchanged => self.next_hop,
        };
        let mut changed = outcome.attributes.clone();
        if let Some(changed) = changed.as_mut().filter(|_| self.leaving) {
            changed.local_pref = Some(0);
        }
        let path = match &changed {
            None if next_hop == self.next_hop => self.path,
            changed => paths.intern(changed.as_ref().unwrap_or(&self.attributes), Some(next_hop)),
        };
        self.last = Some((outcome, path));
        (path, None)
    }
}

/// The words of a reason, for a path as received, and those of the filter's rule that let it in.
pub(super) fn explain(
    import: &Import,
    from: &Neighbour,
    prefix: &IpNetwork,
    received: &Attributes,
    next_hop: NextHop,
    reason: Option<Reason>,
) -> (Option<Unusable>, String) {
    let rule = || {
        let Policy::Filter(filter) = &import.policy else { return String::new() };
        let adapted = adapt(import, from, received);
        let attributes = adapted.as_ref().unwrap_or(received);
        filter.describe(filter.evaluate(&subject(prefix, attributes, next_hop)).rule)
    };
    let unusable = match reason {
        None => return (None, rule()),
        Some(Reason::OwnAs) => Unusable::OwnAs,
        Some(Reason::OwnOriginatorId) => Unusable::OwnOriginatorId,
        Some(Reason::OwnClusterId) => Unusable::OwnClusterId,
        Some(Reason::OwnNextHop) => Unusable::OwnNextHop,
        Some(Reason::RouteLeak) => Unusable::RouteLeak,
        Some(Reason::NoPolicy) => Unusable::NoPolicy,
        Some(Reason::Rejected) => Unusable::Rejected(match &import.policy {
            Policy::Filter(_) => rule(),
            Policy::Unset | Policy::Accept | Policy::Reject | Policy::Originated => {
                "import policy".to_owned()
            }
        }),
    };
    (Some(unusable), String::new())
}

fn subject<'a>(prefix: &'a IpNetwork, attributes: &'a Attributes, next_hop: NextHop) -> Subject<'a> {
    Subject { prefix, attributes, next_hop: Some(next_hop), origination: None }
}

fn plain(address: IpAddr) -> NextHop {
    match address {
        IpAddr::V4(address) => NextHop::V4(address),
        IpAddr::V6(global) => NextHop::V6 { global, link_local: None },
    }
}

/// RFC 4271 §9.1.2, RFC 4456 §8, RFC 9234 §5.
fn loops(import: &Import, from: &Neighbour, attributes: &Attributes, next_hop: NextHop) -> Option<Reason> {
    let own_as: usize = import.own_as.iter().map(|asn| attributes.as_path.count(*asn)).sum();
    let internal = from.kind != Kind::External;
    if own_as > usize::from(import.allow_own_as) {
        Some(Reason::OwnAs)
    } else if internal && attributes.originator_id == Some(import.router_id) {
        Some(Reason::OwnOriginatorId)
    } else if internal && attributes.cluster_list.contains(&import.cluster_id) {
        Some(Reason::OwnClusterId)
    } else if import.addresses.contains(&next_hop.address()) {
        Some(Reason::OwnNextHop)
    } else if leaked(import.role, from, attributes) {
        Some(Reason::RouteLeak)
    } else {
        None
    }
}

/// RFC 9234 §5, ingress 1 and 2.
fn leaked(role: Option<Role>, from: &Neighbour, attributes: &Attributes) -> bool {
    match (role, attributes.only_to_customer) {
        (Some(Role::Provider | Role::RouteServer), Some(_)) => true,
        (Some(Role::Peer), Some(asn)) => asn != from.asn,
        (Some(_) | None, _) => false,
    }
}

fn is_leaving(from: &Neighbour, attributes: &Attributes) -> bool {
    from.kind == Kind::External && attributes.communities.contains(&Community::GRACEFUL_SHUTDOWN)
}

/// What a received path becomes before the policy sees it; none if it stays as it is.
fn adapt(import: &Import, from: &Neighbour, attributes: &Attributes) -> Option<Attributes> {
    let leaving = is_leaving(from, attributes);
    // RFC 9234 §5, ingress 3.
    let mark = matches!(import.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient))
        && attributes.only_to_customer.is_none();
    if import.prepend.is_none() && !leaving && !mark {
        return None;
    }
    let mut adapted = attributes.clone();
    if let Some(asn) = import.prepend {
        adapted.as_path.prepend(asn, 1);
    }
    if leaving {
        adapted.local_pref = Some(0);
    }
    if mark {
        adapted.only_to_customer = Some(from.asn);
    }
    Some(adapted)
}
