//! RFC 4271 §9.2 and §5: which routes the peers of an update group are told, and with which attributes.
//!
//! Pure functions of a route and the group's [`Export`]: what a group has been told is kept as numbers of paths, and
//! whenever somebody wants to know the attributes, they are worked out again.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Export, Kind, Neighbour};
use crate::config::{self, NextHopMode, Policy};
use crate::filter::{Decision, Filter, NextHopChange, Outcome, Subject};
use crate::wire::{Attributes, Community, DEFAULT_LOCAL_PREF, ExtendedCommunity, Family, NextHop, Role};

#[cfg(test)]
mod tests;

/// A route on its way out.
#[derive(Debug, Clone)]
pub(super) struct Leaving<'a> {
    pub prefix: &'a IpNetwork,
    /// As the import policy left it.
    pub attributes: Attributes,
    /// None for our own.
    pub next_hop: Option<NextHop>,
    /// Who announced it; none for our own.
    pub from: Option<&'a Neighbour>,
    /// Why we originate it.
    pub origination: Option<config::Source>,
}

/// A route as peers are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Outgoing {
    pub attributes: Attributes,
    pub next_hop: NextHop,
}

/// Why a route is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Withheld {
    NoNextHop,
    NoPolicy,
    Policy,
    Filter(String),
    Internal,
    BetweenClients,
    Community(Community),
    LongLivedStale,
    OnlyToCustomer,
}

impl std::fmt::Display for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoNextHop => f.write_str("there is no address of ours for this family on the connection"),
            Self::NoPolicy => f.write_str("external peer without export policy (RFC 8212)"),
            Self::Policy => f.write_str("export policy"),
            Self::Filter(words) => write!(f, "rejected by {words}"),
            Self::Internal => f.write_str("internal routes are not passed on to internal peers"),
            Self::BetweenClients => f.write_str("clients' routes are not reflected to clients"),
            Self::Community(community) => write!(f, "community {community}"),
            Self::LongLivedStale => {
                f.write_str("long-lived stale, and the peer does not speak long-lived graceful restart")
            }
            Self::OnlyToCustomer => f.write_str("only for customers (RFC 9234)"),
        }
    }
}

/// What can be said without looking at prefix and attributes: whether routes of this source are told at all.
pub(super) fn admits_source(export: &Export, from: Option<Kind>) -> Result<(), Withheld> {
    if export.own_next_hop.is_none() {
        return Err(Withheld::NoNextHop);
    }
    match &export.policy {
        Policy::Unset if export.kind == Kind::External => return Err(Withheld::NoPolicy),
        Policy::Reject => return Err(Withheld::Policy),
        Policy::Originated if from.is_some() => return Err(Withheld::Policy),
        Policy::Unset | Policy::Accept | Policy::Originated | Policy::Filter(_) => {}
    }
    match (from, export.kind) {
        // RFC 4271 §9.2, RFC 4456 §6.
        (Some(Kind::Internal), Kind::Internal) => Err(Withheld::Internal),
        (Some(Kind::Client), Kind::Client) if !export.client_to_client => Err(Withheld::BetweenClients),
        (None | Some(_), _) => Ok(()),
    }
}

/// The route as the group is told of it.
pub(super) fn export(export: &Export, mut route: Leaving<'_>) -> Result<Outgoing, Withheld> {
    admits_source(export, route.from.map(|from| from.kind))?;
    admits_attributes(export, &route.attributes)?;
    let mut own_med = route.from.is_none();
    let mut change = NextHopChange::Untouched;
    if let Policy::Filter(filter) = &export.policy {
        let outcome = ask(filter, &route)?;
        change = outcome.next_hop;
        // A MED that the filter set is ours to tell; one that came from elsewhere is not (RFC 4271 §5.1.4).
        own_med |= outcome.med_set;
        if let Some(changed) = outcome.attributes {
            route.attributes = changed;
        }
    }
    let next_hop = next_hop(export, &route, change).ok_or(Withheld::NoNextHop)?;
    let Leaving { mut attributes, from, .. } = route;
    match export.kind {
        Kind::External => to_external(export, &mut attributes, own_med),
        Kind::Internal | Kind::Client => to_internal(export, from, &mut attributes),
    }
    if export.graceful_shutdown {
        shut_down(export, &mut attributes);
    }
    Ok(Outgoing { attributes, next_hop })
}

fn admits_attributes(export: &Export, attributes: &Attributes) -> Result<(), Withheld> {
    let barred = attributes.communities.iter().find(|community| match **community {
        Community::NO_ADVERTISE => true,
        // Without confederations the two are the same.
        Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED => export.kind == Kind::External,
        // RFC 9494 §4.3.
        Community::LLGR_STALE => !export.long_lived,
        _ => false,
    });
    match barred {
        Some(&Community::LLGR_STALE) => return Err(Withheld::LongLivedStale),
        Some(community) => return Err(Withheld::Community(*community)),
        None => {}
    }
    // RFC 9234 §5, egress 2.
    let upwards = matches!(export.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient));
    if upwards && attributes.only_to_customer.is_some() {
        return Err(Withheld::OnlyToCustomer);
    }
    Ok(())
}

fn ask(filter: &Filter, route: &Leaving<'_>) -> Result<Outcome, Withheld> {
    let Leaving { prefix, attributes, next_hop, origination, .. } = route;
    let (next_hop, origination) = (*next_hop, *origination);
    let outcome = filter.evaluate(&Subject { prefix, attributes, next_hop, origination });
    match outcome.decision {
        Decision::Accept => Ok(outcome),
        Decision::Reject => Err(Withheld::Filter(filter.describe(outcome.rule))),
    }
}

fn to_external(export: &Export, attributes: &mut Attributes, own_med: bool) {
    if let (Some(theirs), Some(ours)) = (export.override_as, export.prepend.first()) {
        attributes.as_path.replace(theirs, *ours);
    }
    for asn in export.prepend.iter().rev() {
        attributes.as_path.prepend(*asn, 1);
    }
    attributes.local_pref = None;
    if !own_med {
        attributes.med = None;
    }
    attributes.originator_id = None;
    attributes.cluster_list.clear();
    attributes.extended_communities.retain(is_transitive);
    // RFC 9234 §5, egress 1.
    let downwards = matches!(export.role, Some(Role::Provider | Role::Peer | Role::RouteServer));
    if downwards && attributes.only_to_customer.is_none() {
        attributes.only_to_customer = Some(export.local_as);
    }
}

/// RFC 4360 §2: the T bit says that it is not.
fn is_transitive(community: &ExtendedCommunity) -> bool {
    community.0 >> 62 & 1 == 0
}

fn to_internal(export: &Export, from: Option<&Neighbour>, attributes: &mut Attributes) {
    attributes.local_pref = Some(attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF));
    if let Some(from) = from.filter(|from| from.kind != Kind::External) {
        // RFC 4456 §8: reflected.
        attributes.originator_id.get_or_insert(from.router_id);
        attributes.cluster_list.insert(0, export.cluster_id);
    }
}

/// RFC 8326 §4.
fn shut_down(export: &Export, attributes: &mut Attributes) {
    if !attributes.communities.contains(&Community::GRACEFUL_SHUTDOWN) {
        attributes.communities.push(Community::GRACEFUL_SHUTDOWN);
    }
    if export.kind != Kind::External {
        attributes.local_pref = Some(0);
    }
}

/// RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §4.
fn next_hop(export: &Export, route: &Leaving<'_>, change: NextHopChange) -> Option<NextHop> {
    let mode = match change {
        NextHopChange::Untouched => export.next_hop,
        NextHopChange::Itself => NextHopMode::Itself,
        NextHopChange::Unchanged => NextHopMode::Unchanged,
        NextHopChange::To(IpAddr::V4(address)) => {
            return Some(NextHop::V4(address)).filter(|it| fits(export, it));
        }
        NextHopChange::To(IpAddr::V6(global)) => {
            return Some(NextHop::V6 { global, link_local: None }).filter(|it| fits(export, it));
        }
    };
    let received = route.next_hop.filter(|next_hop| fits(export, next_hop) && !next_hop.is_link_local());
    let kept = received.filter(|received| match (mode, export.kind) {
        (NextHopMode::Itself, _) => false,
        (NextHopMode::Unchanged, _) | (NextHopMode::Usual, Kind::Internal | Kind::Client) => true,
        (NextHopMode::Usual, Kind::External) => {
            export.shared_link.iter().any(|network| network.contains(received.address()))
        }
    });
    kept.map(without_link_local).or(export.own_next_hop)
}

/// Whether a next hop can be written for the group's family.
fn fits(export: &Export, next_hop: &NextHop) -> bool {
    match (export.family, next_hop) {
        (Family::Ipv4Unicast, NextHop::V4(_)) | (Family::Ipv6Unicast, NextHop::V6 { .. }) => true,
        (Family::Ipv4Unicast, NextHop::V6 { .. }) => export.codec.extended_next_hop,
        (Family::Ipv6Unicast, NextHop::V4(_)) => false,
    }
}

/// RFC 2545 §3: a link-local next hop is for peers on the same link, which an internal peer need not be.
fn without_link_local(next_hop: NextHop) -> NextHop {
    match next_hop {
        NextHop::V4(_) => next_hop,
        NextHop::V6 { global, .. } => NextHop::V6 { global, link_local: None },
    }
}
