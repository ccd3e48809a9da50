//! What people and programs see of a speaker: peers with the state of their sessions, routes with the reasons for their
//! fate.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::Speaker;
use super::peer::Peer;
use super::restart::Helper;
use crate::rib::adj_in::Received;
use crate::rib::path::Path;
use crate::session::State;
use crate::wire::{Community, Family, NextHop, Origin};

/// The speaker and its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// This speaker's AS.
    pub local_as: u32,
    /// This speaker's BGP identifier.
    pub router_id: Ipv4Addr,
    /// By address.
    pub peers: Vec<PeerView>,
}

/// A peer and its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Peer address.
    pub address: IpAddr,
    /// Configured.
    pub remote_as: u32,
    /// RFC 4271 §8.2.2; of several connections, the one that has got furthest.
    pub state: State,
    /// How long in this state.
    pub state_age: Duration,
    /// Why the session was last down, one sentence; empty if it never was.
    pub last_down_reason: String,
    /// The peer's BGP identifier, while Established.
    pub router_id: Option<Ipv4Addr>,
    /// Negotiated; zero while not Established.
    pub hold_time: Duration,
    /// Negotiated, before jitter; zero while not Established.
    pub keepalive: Duration,
    /// Capabilities that both ends sent, while Established.
    pub capabilities: Vec<String>,
    /// Configured families.
    pub families: Vec<FamilyView>,
    /// All messages, malformed ones included.
    pub messages_received: u64,
    /// All messages.
    pub messages_sent: u64,
    /// UPDATEs among them.
    pub updates_received: u64,
    /// UPDATEs among them.
    pub updates_sent: u64,
    /// Times that an Established session went down.
    pub flaps: u64,
    /// As configured.
    pub description: String,
    /// The peer's routes are kept while it restarts (RFC 4724).
    pub stale: bool,
}

/// One family of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyView {
    /// Which.
    pub family: Family,
    /// Both ends carry it in the session that is Established.
    pub negotiated: bool,
    /// Routes received.
    pub received: u64,
    /// Received and usable.
    pub accepted: u64,
    /// Routes that the peer was told.
    pub advertised: u64,
    /// The peer has sent all it had (RFC 4724 §2).
    pub end_of_rib_received: bool,
    /// Nothing is told of this family: we have no address of it on the connection, hence no next hop.
    pub no_next_hop: bool,
}

/// Which table to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The Loc-RIB, with unusable routes beside the candidates.
    LocRib,
    /// What a peer announced.
    AdjRibIn,
    /// What a peer was told.
    AdjRibOut,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuery {
    /// Where.
    pub table: Table,
    /// Whose Adj-RIB; without it, of all peers. In the Loc-RIB: only paths of this peer.
    pub peer: Option<IpAddr>,
    /// Only this prefix.
    pub prefix: Option<IpNetwork>,
}

/// A prefix and its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteView {
    /// Which.
    pub prefix: IpNetwork,
    /// Best first, then those used beside it, then by peer.
    pub paths: Vec<PathView>,
}

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathView {
    /// Who announced it, or (Adj-RIB-Out) was told; none for our own in the Loc-RIB.
    pub peer: Option<IpAddr>,
    /// None for our own.
    pub next_hop: Option<NextHop>,
    /// "65001 65100 {65200,65201}".
    pub as_path: String,
    /// ORIGIN.
    pub origin: Origin,
    /// LOCAL_PREF, where it was sent.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC, where it was sent.
    pub med: Option<u32>,
    /// RFC 1997 notation: "65001:100"; well-known ones by name.
    pub communities: Vec<String>,
    /// Chosen by the decision process.
    pub best: bool,
    /// Used beside the best path.
    pub multipath: bool,
    /// Kept over a restart of the peer.
    pub stale: bool,
    /// Why it lost or is unusable; empty if it is used.
    pub reason: String,
    /// Since it was announced.
    pub age: Duration,
}

impl Speaker {
    /// The speaker and its peers.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        let peers = self.peers.iter().map(|(address, peer)| self.view_peer(*address, peer, now)).collect();
        View { local_as: self.config.local_as, router_id: self.config.router_id, peers }
    }

    fn view_peer(&self, address: IpAddr, peer: &Peer, now: Instant) -> PeerView {
        let negotiated = peer.established.as_ref().map(|established| &established.negotiated);
        let families = peer.config.families.iter().map(|family| self.view_family(address, peer, *family));
        PeerView {
            address,
            remote_as: peer.config.remote_as,
            state: peer.state,
            state_age: now.saturating_duration_since(peer.state_since),
            last_down_reason: peer.last_down.reason.clone(),
            router_id: negotiated.map(|negotiated| negotiated.router_id),
            hold_time: negotiated.map_or(Duration::ZERO, |negotiated| negotiated.hold_time),
            keepalive: negotiated.map_or(Duration::ZERO, |negotiated| negotiated.keepalive),
            capabilities: negotiated.map(|negotiated| negotiated.capability_names()).unwrap_or_default(),
            families: families.collect(),
            messages_received: peer.counters.messages_received,
            messages_sent: peer.counters.messages_sent,
            updates_received: peer.counters.updates_received,
            updates_sent: peer.counters.updates_sent,
            flaps: peer.counters.flaps,
            description: peer.config.description.clone(),
            stale: peer.helper != Helper::Quiet,
        }
    }

    fn view_family(&self, address: IpAddr, peer: &Peer, family: Family) -> FamilyView {
        let counts = self.rib.adj_in(address).map(|adj_in| adj_in.counts(family)).unwrap_or_default();
        let negotiated = peer.carries(family);
        let has_next_hop = self.policy(address).is_some_and(|policy| policy.next_hop(family).is_some());
        let markers = peer.established.as_ref().map(|established| &established.end_of_rib);
        FamilyView {
            family,
            negotiated,
            received: counts.received,
            accepted: counts.accepted,
            advertised: peer.adj_out.count(family) as u64,
            end_of_rib_received: markers.is_some_and(|markers| markers.contains(&family)),
            no_next_hop: negotiated && !has_next_hop,
        }
    }

    /// Routes of a table, by prefix.
    #[must_use]
    pub fn routes(&self, query: &RouteQuery, now: Instant) -> Vec<RouteView> {
        let mut found = Found::default();
        match query.table {
            Table::LocRib => self.loc_rib(query, now, &mut found),
            Table::AdjRibIn => self.adj_ribs_in(query, now, &mut found, |_| true),
            Table::AdjRibOut => self.adj_ribs_out(query, now, &mut found),
        }
        found.0.into_iter().map(|(prefix, paths)| RouteView { prefix, paths }).collect()
    }

    fn loc_rib(&self, query: &RouteQuery, now: Instant, found: &mut Found) {
        let prefixes = self.rib.loc().prefixes().filter(|prefix| query.wants(prefix));
        for prefix in prefixes {
            let mut paths: Vec<_> = self
                .verdicts(prefix, now)
                .into_iter()
                .filter(|path| query.peer.is_none_or(|peer| path.peer == Some(peer)))
                .collect();
            paths.sort_by_key(|path| (!path.best, !path.multipath));
            found.extend(*prefix, paths);
        }
        self.adj_ribs_in(query, now, found, |route| route.unusable.is_some());
    }

    fn verdicts(&self, prefix: &IpNetwork, now: Instant) -> Vec<PathView> {
        let stale = |peer: IpAddr| {
            self.rib.adj_in(peer).and_then(|adj_in| adj_in.get(prefix)).is_some_and(|route| route.stale)
        };
        let view = |verdict: crate::rib::loc::Verdict<'_>| {
            let candidate = verdict.candidate;
            PathView {
                best: verdict.best,
                multipath: verdict.used && !verdict.best,
                stale: candidate.address().is_some_and(stale),
                reason: verdict.reason,
                ..view_path(candidate.address(), &candidate.path, candidate.since, now)
            }
        };
        self.rib.loc().verdicts(prefix).map(view).collect()
    }

    fn adj_ribs_in(
        &self,
        query: &RouteQuery,
        now: Instant,
        found: &mut Found,
        wanted: impl Fn(&Received) -> bool,
    ) {
        for (peer, adj_in) in self.rib.adj_ins().filter(|(peer, _)| query.wants_peer(peer)) {
            for (prefix, route) in adj_in.iter().filter(|(prefix, _)| query.wants(prefix)) {
                if wanted(route) {
                    found.extend(*prefix, [self.view_received(*peer, prefix, route, now)]);
                }
            }
        }
    }

    fn view_received(&self, peer: IpAddr, prefix: &IpNetwork, route: &Received, now: Instant) -> PathView {
        let verdict =
            self.rib.loc().verdicts(prefix).find(|verdict| verdict.candidate.address() == Some(peer));
        let best = verdict.as_ref().is_some_and(|verdict| verdict.best);
        let used = verdict.as_ref().is_some_and(|verdict| verdict.used);
        let lost = verdict.map(|verdict| verdict.reason).unwrap_or_default();
        PathView {
            best,
            multipath: used && !best,
            stale: route.stale,
            reason: route.unusable.map_or(lost, |unusable| unusable.to_string()),
            ..view_path(Some(peer), &route.path, route.since, now)
        }
    }

    fn adj_ribs_out(&self, query: &RouteQuery, now: Instant, found: &mut Found) {
        for (address, peer) in self.peers.iter().filter(|(address, _)| query.wants_peer(address)) {
            for (prefix, told) in peer.adj_out.iter().filter(|(prefix, _)| query.wants(prefix)) {
                found.extend(*prefix, [view_path(Some(*address), &told.path, told.since, now)]);
            }
        }
    }
}

impl RouteQuery {
    fn wants(&self, prefix: &IpNetwork) -> bool {
        self.prefix.is_none_or(|wanted| wanted == *prefix)
    }

    fn wants_peer(&self, address: &IpAddr) -> bool {
        self.peer.is_none_or(|wanted| wanted == *address)
    }
}

#[derive(Default)]
struct Found(BTreeMap<IpNetwork, Vec<PathView>>);

impl Found {
    fn extend(&mut self, prefix: IpNetwork, paths: impl IntoIterator<Item = PathView>) {
        let mut paths = paths.into_iter().peekable();
        if paths.peek().is_some() {
            self.0.entry(prefix).or_default().extend(paths);
        }
    }
}

fn view_path(peer: Option<IpAddr>, path: &Path, since: Instant, now: Instant) -> PathView {
    let attributes = &path.attributes;
    PathView {
        peer,
        next_hop: path.next_hop,
        as_path: attributes.as_path.to_string(),
        origin: attributes.origin,
        local_pref: attributes.local_pref,
        med: attributes.med,
        communities: attributes
            .communities
            .iter()
            .map(|community| Community(*community).to_string())
            .collect(),
        best: false,
        multipath: false,
        stale: false,
        reason: String::new(),
        age: now.saturating_duration_since(since),
    }
}
