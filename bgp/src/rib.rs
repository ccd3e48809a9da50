//! RFC 4271 §3.2: what peers said, what we chose, what we say.
//!
//! ```text
//! path/        path attributes and next hop, packed and interned: equal paths are one number
//! table/       destinations and their routes: Adj-RIBs-In and Loc-RIB in one, 48 octets a route
//! import/      what of an Adj-RIB-In may be used, and as what (loops, import policy)
//! decision/    RFC 4271 §9.1: which of several routes to a prefix is best, and why the others are not
//! log/         in which order destinations changed last
//! export/      RFC 4271 §9.2: what of the Loc-RIB an update group is told, and how
//! group/       Adj-RIB-Out: what peers with the same policy have been told; messages made once for all of them
//! ```
//!
//! [`Rib`] is all of it for one speaker. Deliberately not here: sessions, time-outs, sockets. There is no queue of
//! changes anywhere: a destination stands in the log once, where it changed last, and each peer has a place in the log.
//! A slow peer so skips the states in between, and memory is bounded by the table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ipnetwork::IpNetwork;

use crate::config::{Aggregate, Multipath, NextHopMode, Origination, PeerKey, Policy, SendPaths};
use crate::wire::{Attributes, Codec, Family, FamilySet, NextHop, Nlri, Role};

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

/// Adj-RIBs-In, Loc-RIB, Adj-RIBs-Out of one speaker.
#[derive(Debug, Default)]
pub struct Rib {}

#[expect(unused_variables, clippy::todo, missing_docs, reason = "skeleton")]
impl Rib {
    // --- Adj-RIB-In -------------------------------------------------------------------------------------------------
    pub fn add_source(&mut self, neighbour: Neighbour) -> SourceId {
        todo!()
    }
    /// Everything of it goes, and its number is free.
    pub fn remove_source(&mut self, source: SourceId) {
        todo!()
    }
    /// How its routes are judged from now on; what is there is judged anew where that is different.
    pub fn set_import(&mut self, source: SourceId, family: Family, import: Import) {
        todo!()
    }
    /// Announced: all of one message's prefixes with the same path. `now` for ages.
    pub fn announce(
        &mut self,
        source: SourceId,
        family: Family,
        attributes: &Attributes,
        next_hop: NextHop,
        prefixes: &[Nlri],
        now: Instant,
    ) {
        todo!()
    }
    pub fn withdraw(&mut self, source: SourceId, prefixes: &[Nlri]) {
        todo!()
    }
    /// Routes of `families` stay, marked stale; those stale already and all others go (RFC 4724 §4.2). Whether any stayed.
    pub fn keep_stale(&mut self, source: SourceId, families: FamilySet) -> bool {
        todo!()
    }
    /// RFC 9494 §4.2: the stale routes of a family become long-lived stale (least preferred, LLGR_STALE attached);
    /// those with NO_LLGR go. Whether any stayed.
    pub fn keep_long_lived(&mut self, source: SourceId, family: Family) -> bool {
        todo!()
    }
    /// Removes what is stale of one family.
    pub fn flush_stale(&mut self, source: SourceId, family: Family) {
        todo!()
    }
    /// RFC 7313 §4.2: BoRR: everything of the family is stale until it is announced again (EoRR then flushes).
    pub fn begin_refresh(&mut self, source: SourceId, family: Family) {
        todo!()
    }
    pub fn counts(&self, source: SourceId, family: Family) -> Counts {
        todo!()
    }

    // --- own routes -------------------------------------------------------------------------------------------------
    /// The complete set of our own prefixes and their summaries; what changed is applied.
    pub fn originate(
        &mut self,
        prefixes: &BTreeMap<IpNetwork, Origination>,
        aggregates: &BTreeMap<IpNetwork, Aggregate>,
        now: Instant,
    ) {
        todo!()
    }
    pub fn set_multipath(&mut self, multipath: Multipath) {
        todo!()
    }

    // --- Adj-RIB-Out ------------------------------------------------------------------------------------------------
    /// A session that is told routes by these rules from now on, the whole table first. `source` is the same peer as
    /// sender: it is not told its own routes. With `end_of_rib`, the marker follows the table.
    pub fn join(&mut self, source: SourceId, export: Export, end_of_rib: bool) -> MemberId {
        todo!()
    }
    pub fn leave(&mut self, member: MemberId) {
        todo!()
    }
    /// Other rules for the same session: it is told what is different, without a reset.
    pub fn regroup(&mut self, member: MemberId, export: Export) {
        todo!()
    }
    /// Tells everything again (RFC 2918); with `enhanced` between BoRR and EoRR (RFC 7313).
    pub fn tell_again(&mut self, member: MemberId, enhanced: bool) {
        todo!()
    }
    /// While held, nothing but own routes is told and no End-of-RIB (RFC 4724 §4.1) to members that are told transit.
    pub fn hold_transit(&mut self, held: bool) {
        todo!()
    }
    /// The next octets for a member; none when it has all.
    pub fn next_piece(&mut self, member: MemberId) -> Option<Piece> {
        todo!()
    }
    pub fn is_pending(&self, member: MemberId) -> bool {
        todo!()
    }
    /// Prefixes that a member has been told.
    pub fn advertised(&self, member: MemberId) -> u32 {
        todo!()
    }
    /// Members so far behind that what they still have to be told of gone prefixes outgrows the table: to be dropped.
    pub fn take_overrun(&mut self) -> Vec<MemberId> {
        todo!()
    }
    /// Whether anything has changed for any member since the last call; then each is to be asked `is_pending`.
    pub fn take_changed(&mut self) -> FamilySet {
        todo!()
    }

    // --- forwarding -------------------------------------------------------------------------------------------------
    pub fn forwarding_changed(&self) -> bool {
        todo!()
    }
    /// Prefixes whose next hops changed since they were last taken, with the new ones; `None` where no peer's path is
    /// used. At most `limit`.
    pub fn take_forwarding(&mut self, limit: usize) -> BTreeMap<IpNetwork, Option<Hops>> {
        todo!()
    }
    /// Whether forwarding is followed at all; off, the above stay empty.
    pub fn follow_forwarding(&mut self, on: bool) {
        todo!()
    }

    // --- seen -------------------------------------------------------------------------------------------------------
    /// Every route to a prefix, best first.
    pub fn routes_to(&self, prefix: &IpNetwork) -> Vec<Seen> {
        todo!()
    }
    /// Every prefix that has a route, of both families, in no order.
    pub fn prefixes(&self) -> Box<dyn Iterator<Item = IpNetwork> + '_> {
        todo!()
    }
    /// Every route of one source, in no order.
    pub fn routes_of(&self, source: SourceId) -> Box<dyn Iterator<Item = (Nlri, Seen)> + '_> {
        todo!()
    }
    /// What a member has been told of a prefix.
    pub fn told(&self, member: MemberId, prefix: &IpNetwork) -> Vec<Told> {
        todo!()
    }
    /// Everything that a member has been told, in no order.
    pub fn told_all(&self, member: MemberId) -> Box<dyn Iterator<Item = Told> + '_> {
        todo!()
    }
    /// Why a member is or is not told each route to a prefix: one sentence for each.
    pub fn explain_export(&self, member: MemberId, prefix: &IpNetwork) -> Vec<(Option<SourceId>, String)> {
        todo!()
    }
    pub fn neighbour(&self, source: SourceId) -> Option<&Neighbour> {
        todo!()
    }
    pub fn sizes(&self) -> Sizes {
        todo!()
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
    /// None for our own.
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
    /// Seconds since it was announced as it is.
    pub age_secs: u32,
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
