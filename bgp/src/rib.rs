//! RFC 4271 §3.2: what peers said, what we chose, what we say.
//!
//! ```text
//! path/        path attributes and next hop, packed and interned: equal paths are one number
//! table/       destinations and their routes: Adj-RIBs-In and Loc-RIB in one
//! import/      what of an Adj-RIB-In may be used, and as what (loops, import policy)
//! decision/    RFC 4271 §9.1: which of several routes to a prefix is best, and why the others are not
//! log/         in which order destinations changed last
//! export/      RFC 4271 §9.2: what of the Loc-RIB an update group is told, and how
//! group/       update groups: what peers with the same policy have been told; messages made once for all of them
//! family/      one family's tables together: what changes in one is carried to the others
//!
//! adj_in/      what peers announce, withdraw, and leave behind when they restart
//! own/         what this speaker originates
//! adj_out/     who is told, and the next octets for each
//! seen/        what people see of all this
//! ```
//!
//! [`Rib`] is all of it for one speaker. Deliberately not here: sessions, time-outs, sockets. There is no queue of
//! changes anywhere: a destination stands in the log once, where it changed last, and each peer has a place in the log.
//! A slow peer so skips the states in between, and memory is bounded by the table.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ipnetwork::IpNetwork;
use rustc_hash::FxHashMap;

use crate::config::{Multipath, NextHopMode, Origination, PeerKey, Policy, SendPaths};
use crate::wire::{Attributes, Codec, Family, NextHop, Nlri, Role};

mod adj_in;
mod adj_out;
mod decision;
mod export;
mod family;
mod group;
mod import;
mod log;
mod own;
mod path;
mod seen;
mod table;
#[cfg(test)]
mod tests;

use family::{FamilyRib, Rules};
use path::Paths;
use table::{DestId, Table};

/// Somebody who announces routes: one peer with one identity. A peer that comes back as somebody else (another BGP
/// identifier, AS or kind) is another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u16);

/// Somebody who is told routes of one family: one Established session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

/// The sender of routes, as the decision process and the export rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// For people.
    pub key: PeerKey,
    /// Peer address.
    pub address: IpAddr,
    /// The interface that its link-local addresses are on.
    pub interface: Option<Arc<str>>,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its AS.
    pub asn: u32,
    /// What it is to us.
    pub kind: Kind,
    /// Interior cost of its next hops.
    pub cost: u32,
}

/// What a peer is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// In another AS.
    External,
    /// In ours.
    Internal,
    /// In ours, and a client of this reflector (RFC 4456).
    Client,
}

/// How routes of one source and family are judged (RFC 4271 §9.1.2, RFC 4456 §8, RFC 9234 §5, and policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Our ASes towards the peer: any of them in the path is a loop.
    pub own_as: Vec<u32>,
    /// But so many times are allowed.
    pub allow_own_as: u8,
    /// Put in front of the path (local-as without replacing).
    pub prepend: Option<u32>,
    /// Our BGP identifier.
    pub router_id: Ipv4Addr,
    /// Our cluster.
    pub cluster_id: Ipv4Addr,
    /// Our addresses on the connection: no next hops.
    pub addresses: Vec<IpAddr>,
    /// Our role towards the peer.
    pub role: Option<Role>,
    /// Ours to say.
    pub policy: Policy,
}

/// How routes of one family are told: peers for which this is equal form an update group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Export {
    /// Of which routes.
    pub family: Family,
    /// What the peers are to us.
    pub kind: Kind,
    /// Put in front of paths to external peers, outermost first.
    pub prepend: Vec<u32>,
    /// The peers' AS in paths is replaced by ours (as-override).
    pub override_as: Option<u32>,
    /// Our BGP identifier.
    pub router_id: Ipv4Addr,
    /// Our cluster.
    pub cluster_id: Ipv4Addr,
    /// Clients are told other clients' routes.
    pub client_to_client: bool,
    /// Ourselves; none if we have no address for this family there: then nothing is told.
    pub own_next_hop: Option<NextHop>,
    /// The link shared with external peers: next hops on it are third parties that may be passed on.
    pub shared_link: Vec<IpNetwork>,
    /// As configured.
    pub next_hop: NextHopMode,
    /// Our role towards the peers.
    pub role: Option<Role>,
    /// Our AS, as ONLY_TO_CUSTOMER says it.
    pub local_as: u32,
    /// RFC 8326: on the way out.
    pub graceful_shutdown: bool,
    /// The peers speak RFC 9494: they may be told long-lived stale routes.
    pub long_lived: bool,
    /// How many paths.
    pub add_path: SendPaths,
    /// Ours to say.
    pub policy: Policy,
    /// How it is written.
    pub codec: Codec,
}

/// Why a route takes no part in the decision process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// RFC 4271 §9.1.2: an AS loop.
    OwnAs,
    /// RFC 4456 §8: we are the originator.
    OwnOriginatorId,
    /// RFC 4456 §8: it passed our cluster before.
    OwnClusterId,
    /// RFC 4271 §5.1.3: we cannot be our own next hop.
    OwnNextHop,
    /// RFC 9234 §5: it leaked.
    RouteLeak,
    /// RFC 8212: no import policy.
    NoPolicy,
    /// The import policy, with the words of [`Filter::describe`](crate::filter::Filter::describe).
    Rejected(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnAs => f.write_str("own AS in path"),
            Self::OwnOriginatorId => f.write_str("own router ID as originator"),
            Self::OwnClusterId => f.write_str("own cluster ID in cluster list"),
            Self::OwnNextHop => f.write_str("next hop is this speaker itself"),
            Self::RouteLeak => f.write_str("route leak (RFC 9234)"),
            Self::NoPolicy => f.write_str("external peer without import policy (RFC 8212)"),
            Self::Rejected(by) => write!(f, "rejected by {by}"),
        }
    }
}

/// How many routes there are of one source and family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All of them.
    pub received: u32,
    /// Those that are usable.
    pub accepted: u32,
    /// Those kept over a restart.
    pub stale: u32,
}

/// A piece of what a member is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole messages.
    pub octets: Bytes,
    /// How many.
    pub messages: u32,
}

/// Next hops in use, each with the interface that a link-local one is on.
pub type Hops = BTreeSet<Hop>;

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// Which address.
    pub next_hop: NextHop,
    /// The interface, where the address alone does not say: unnumbered peers.
    pub interface: Option<Arc<str>>,
}

/// This speaker, as the source of its own routes.
const OWN: SourceId = SourceId(0);

/// Adj-RIBs-In, Loc-RIB, Adj-RIBs-Out of one speaker.
#[derive(Debug)]
pub struct Rib {
    paths: Paths,
    families: [FamilyRib; 2],
    /// By number; the first is nobody: ourselves.
    neighbours: Vec<Option<Neighbour>>,
    free_sources: VecDeque<u16>,
    imports: FxHashMap<(SourceId, Family), Import>,
    originated: BTreeMap<IpNetwork, Origination>,
    multipath: Multipath,
    follow_forwarding: bool,
    /// See [`hold_transit`](Self::hold_transit).
    held: bool,
    next_member: u32,
    /// When the first second began.
    epoch: Option<Instant>,
}

impl Default for Rib {
    fn default() -> Self {
        Self {
            paths: Paths::default(),
            families: Family::ALL.map(FamilyRib::new),
            neighbours: Vec::new(),
            free_sources: VecDeque::new(),
            imports: FxHashMap::default(),
            originated: BTreeMap::new(),
            multipath: Multipath::default(),
            follow_forwarding: true,
            held: false,
            next_member: 0,
            epoch: None,
        }
    }
}

impl Rib {
    /// Whether [`take_forwarding`](Self::take_forwarding) has something.
    #[must_use]
    pub fn forwarding_changed(&self) -> bool {
        self.families.iter().any(FamilyRib::forwarding_changed)
    }

    /// Prefixes whose next hops changed since they were last taken, with the new ones; `None` where no peer's path is
    /// used. At most `limit` of each family.
    pub fn take_forwarding(&mut self, limit: usize) -> BTreeMap<IpNetwork, Option<Hops>> {
        let mut changed = BTreeMap::new();
        let Self { families, paths, neighbours, multipath, follow_forwarding, .. } = self;
        let rules = Rules { paths, neighbours, multipath: *multipath, follow_forwarding: *follow_forwarding };
        for rib in families {
            rib.take_forwarding(limit, &rules, &mut changed);
        }
        changed
    }

    /// Whether forwarding is followed at all; off, the above stay empty.
    pub fn follow_forwarding(&mut self, on: bool) {
        if std::mem::replace(&mut self.follow_forwarding, on) == on {
            return;
        }
        for rib in &mut self.families {
            if on { rib.note_all_forwarding() } else { rib.drop_forwarding() }
        }
    }

    /// What to compare [`Seen::since_secs`] with.
    #[must_use]
    pub fn age_secs(&self, seen: &Seen, now: Instant) -> u64 {
        let elapsed = self.epoch.map_or(0, |epoch| now.saturating_duration_since(epoch).as_secs());
        elapsed.saturating_sub(u64::from(seen.since_secs))
    }

    fn family(&self, family: Family) -> &FamilyRib {
        &self.families[position(family)]
    }

    fn family_mut(&mut self, family: Family) -> &mut FamilyRib {
        &mut self.families[position(family)]
    }

    fn change(&mut self, family: Family, dest: DestId, edit: impl FnOnce(&mut Table)) {
        let Self { families, paths, neighbours, multipath, follow_forwarding, .. } = self;
        let rules = Rules { paths, neighbours, multipath: *multipath, follow_forwarding: *follow_forwarding };
        families[position(family)].change(dest, &rules, edit);
    }

    fn seconds(&mut self, now: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(now);
        u32::try_from(now.saturating_duration_since(epoch).as_secs()).unwrap_or(u32::MAX)
    }

    /// Amortised housekeeping, where nobody holds a number that it could move.
    fn tidy(&mut self) {
        let Self { families, paths, .. } = self;
        families.iter_mut().for_each(FamilyRib::squeeze);
        if paths.wants_sweep() {
            paths.sweep(|mark| families.iter().for_each(|rib| rib.mark_paths(mark)));
        }
    }
}

fn position(family: Family) -> usize {
    match family {
        Family::Ipv4Unicast => 0,
        Family::Ipv6Unicast => 1,
    }
}

/// A route as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who announced it; none for our own.
    pub source: Option<SourceId>,
    /// Why we originate it; none if a peer announced it.
    pub origination: Option<crate::config::Source>,
    /// As the peer numbered it (RFC 7911).
    pub path_id: u32,
    /// As received.
    pub received: Attributes,
    /// As the import policy left it; equal to `received` where that changed nothing.
    pub attributes: Attributes,
    /// As received; none for our own.
    pub received_next_hop: Option<NextHop>,
    /// As the import policy left it; none for our own.
    pub next_hop: Option<NextHop>,
    /// Why it is left out of the decision process.
    pub unusable: Option<Unusable>,
    /// The import filter's rule that let it in or changed it, in words; empty if no filter was asked.
    pub import_rule: String,
    /// Chosen by the decision process.
    pub best: bool,
    /// Used beside the best one.
    pub multipath: bool,
    /// Kept over a restart of the peer.
    pub stale: bool,
    /// RFC 9494.
    pub long_lived_stale: bool,
    /// Why it lost: "longer AS path than 10.0.1.1"; empty if it is used.
    pub lost: String,
    /// When it was announced as it is; see [`Rib::age_secs`].
    pub since_secs: u32,
}

/// Prefixes that one source announced with the same path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// As received.
    pub attributes: Attributes,
    /// As received.
    pub next_hop: NextHop,
    /// In order.
    pub prefixes: Vec<Nlri>,
}

/// A route that a member was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// With the path identifier sent.
    pub nlri: Nlri,
    /// As sent.
    pub attributes: Attributes,
    /// As sent.
    pub next_hop: NextHop,
}

/// How much there is of what, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Destinations, by family.
    pub destinations: [usize; 2],
    /// Routes, unusable ones included, by family.
    pub routes: [usize; 2],
    /// Distinct paths.
    pub paths: usize,
    /// Update groups.
    pub groups: usize,
    /// Octets of encoded messages kept for more than one peer.
    pub shared_octets: usize,
}
