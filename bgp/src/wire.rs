//! BGP messages as values, and their form in octets.
//!
//! Decoding normalises: however a prefix was carried (the NLRI field or `MP_REACH_NLRI`), it arrives in
//! [`Update::reach`]; a 2-octet AS path has been merged with `AS4_PATH`. What RFC 7606 decides is decided here:
//! an UPDATE whose errors allow it comes out with its routes moved to [`Update::withdrawn`] and the reason in
//! [`Update::errors`]; only what must end the session is a [`DecodeError`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use ipnetwork::IpNetwork;

use framer::Kind;
use update::Unencodable;

pub mod code;
pub mod framer;

mod as_path;
mod attribute;
mod capability;
pub mod community;
mod family;
mod next_hop;
mod nlri;
mod notification;
mod open;
mod origin;
pub mod packed;
mod role;
mod route_refresh;
pub mod update;

#[cfg(test)]
mod tests;

pub use as_path::ParseAsPathError;
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use family::ParseFamilyError;
pub use next_hop::ParseNextHopError;
pub use origin::ParseOriginError;
pub use role::ParseRoleError;

/// Any message of RFC 4271 §4 and RFC 2918.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all messages are of the large kind")]
pub enum Message {
    /// The first message on a connection.
    Open(Open),
    /// Routes announced and withdrawn.
    Update(Update),
    /// The last message on a connection.
    Notification(Notification),
    /// The peer is alive.
    Keepalive,
    /// The peer asks for a family's routes again, or marks where they begin and end.
    RouteRefresh(RouteRefresh),
}

/// ROUTE-REFRESH, RFC 2918 and RFC 7313.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Whose routes.
    pub family: Family,
    /// What is said of them.
    pub kind: RefreshKind,
}

/// The message subtype of RFC 7313 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshKind {
    /// 0: send them again.
    Request,
    /// 1: BoRR, they follow.
    Begin,
    /// 2: EoRR, those were all.
    End,
}

/// An address family and subsequent address family that this speaker carries (RFC 4760).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

/// A set of families; small enough to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FamilySet(u8);

/// A prefix as UPDATEs carry it: with a path identifier where ADD-PATH is spoken (RFC 7911), else with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// Host bits are zero.
    pub prefix: IpNetwork,
    /// Tells several paths of one peer to one prefix apart; means nothing else.
    pub path_id: u32,
}

/// OPEN, RFC 4271 §4.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The sender's AS: that of the four-octet capability where it was sent, else the "My Autonomous System" field.
    pub asn: u32,
    /// Proposed hold time; 0 for none. 1 and 2 do not decode.
    pub hold_time_secs: u16,
    /// Never zero.
    pub router_id: Ipv4Addr,
    /// In the order of the message.
    pub capabilities: Vec<Capability>,
}

/// A capability, RFC 5492.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Code 1, RFC 4760, for a family that this speaker knows; others are `Unknown`.
    MultiProtocol(Family),
    /// Code 2, RFC 2918.
    RouteRefresh,
    /// Code 5, RFC 8950: families whose prefixes may have an IPv6 next hop; of those that we know, IPv4 unicast.
    ExtendedNextHop(FamilySet),
    /// Code 6, RFC 8654.
    ExtendedMessage,
    /// Code 9, RFC 9234.
    Role(Role),
    /// Code 64, RFC 4724.
    GracefulRestart(GracefulRestart),
    /// Code 69, RFC 7911, for the families that we know.
    AddPath(Vec<AddPathFamily>),
    /// Code 70, RFC 7313.
    EnhancedRouteRefresh,
    /// Code 71, RFC 9494, for the families that we know.
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// Code 65, RFC 6793.
    FourOctetAs(u32),
    /// Anything else, kept as it came.
    Unknown {
        /// Capability code.
        code: u8,
        /// Capability value.
        value: Bytes,
    },
}

/// The graceful restart capability, RFC 4724 §3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GracefulRestart {
    /// The R bit: the sender has restarted.
    pub restarted: bool,
    /// The N bit, RFC 8538: the sender keeps routes over a NOTIFICATION too, unless it says Hard Reset.
    pub notification: bool,
    /// How long the sender may be away; 12 bits.
    pub restart_time_secs: u16,
    /// Families (that we know) for which the sender keeps its peers' routes over a restart.
    pub families: Vec<GracefulRestartFamily>,
}

/// One family of [`GracefulRestart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestartFamily {
    /// Which.
    pub family: Family,
    /// The F bit: forwarding state was kept over the restart.
    pub forwarding_preserved: bool,
}

/// One family of the ADD-PATH capability, RFC 7911 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddPathFamily {
    /// Which.
    pub family: Family,
    /// The sender can receive several paths.
    pub receive: bool,
    /// The sender can send several paths.
    pub send: bool,
}

/// One family of the long-lived graceful restart capability, RFC 9494 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLivedFamily {
    /// Which.
    pub family: Family,
    /// The F bit.
    pub forwarding_preserved: bool,
    /// How long its routes may be kept beyond the restart time; 24 bits.
    pub stale_time_secs: u32,
}

/// What a speaker is to the other end of a session, RFC 9234 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 0.
    Provider,
    /// 1.
    RouteServer,
    /// 2.
    RouteServerClient,
    /// 3.
    Customer,
    /// 4.
    Peer,
}

/// UPDATE, RFC 4271 §4.3 and RFC 4760, normalised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// Prefixes announced, with what is reached through which next hop: at most one entry of the NLRI field and one
    /// of `MP_REACH_NLRI`, hence as a rule one per family.
    pub reach: Vec<Reach>,
    /// Shared by all of `reach`; meaningless if that is empty.
    pub attributes: Attributes,
    /// Prefixes withdrawn, of any family, including those that RFC 7606 §2 treats as withdrawn. They count before
    /// `reach`: a prefix in both is announced (RFC 4271 §4.3).
    pub withdrawn: Vec<Nlri>,
    /// RFC 4724 §2: this is the End-of-RIB marker of a family. Then all else is empty.
    pub end_of_rib: Option<Family>,
    /// What was wrong and was survived, for logs and counters; empty in a good message.
    pub errors: Vec<AttributeError>,
}

/// Prefixes of one family and their next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The family of every prefix in `prefixes`.
    pub family: Family,
    /// Where to send packets for them.
    pub next_hop: NextHop,
    /// Which.
    pub prefixes: Vec<Nlri>,
}

/// A next hop as carried: RFC 4271 §5.1.3, RFC 4760 §3, RFC 2545 §3, RFC 8950 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// For IPv4 prefixes.
    V4(Ipv4Addr),
    /// For IPv6 prefixes, and for IPv4 ones where RFC 8950 is spoken: the global address (or a lone link-local one).
    V6 {
        /// First address of the field.
        global: Ipv6Addr,
        /// Second address, where 32 octets were sent.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// The address to resolve: the global one.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::V4(address) => IpAddr::V4(*address),
            Self::V6 { global, .. } => IpAddr::V6(*global),
        }
    }

    /// Whether the address is known on its link alone.
    #[must_use]
    pub fn is_link_local(&self) -> bool {
        matches!(self, Self::V6 { global, .. } if global.is_unicast_link_local())
    }
}

/// Path attributes but for next hop and NLRI. Ordered and hashable, so that equal sets can be interned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH with four-octet numbers.
    pub as_path: AsPath,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; only sent to and taken from internal peers.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR: AS and router.
    pub aggregator: Option<(u32, Ipv4Addr)>,
    /// COMMUNITIES, RFC 1997, as they came.
    pub communities: Vec<Community>,
    /// EXTENDED_COMMUNITIES, RFC 4360, as they came.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY, RFC 8092, as they came, but each once.
    pub large_communities: Vec<LargeCommunity>,
    /// ORIGINATOR_ID, RFC 4456.
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST, RFC 4456.
    pub cluster_list: Vec<Ipv4Addr>,
    /// ONLY_TO_CUSTOMER, RFC 9234 §5.
    pub only_to_customer: Option<u32>,
    /// Everything else that is optional and transitive, to be passed on with the partial bit; by code, each once.
    pub unknown_transitive: Vec<UnknownAttribute>,
}

/// An attribute that this speaker passes on unread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    /// Attribute flags as received, those of encoding alone (extended length, unused ones) left out.
    pub flags: u8,
    /// Attribute type code.
    pub code: u8,
    /// Attribute value.
    pub value: Bytes,
}

/// ORIGIN, RFC 4271 §5.1.1; ordered best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Origin {
    /// Interior to the originating AS.
    #[default]
    Igp,
    /// Learned by EGP.
    Egp,
    /// Learned otherwise.
    Incomplete,
}

/// AS_PATH, RFC 4271 §5.1.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AsPath {
    /// In the order of the message: the neighbour's AS comes first.
    pub segments: Vec<AsPathSegment>,
}

/// A segment of an AS_PATH; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AsPathSegment {
    /// AS_SEQUENCE.
    Sequence(Vec<u32>),
    /// AS_SET.
    Set(Vec<u32>),
    /// AS_CONFED_SEQUENCE, RFC 5065.
    ConfedSequence(Vec<u32>),
    /// AS_CONFED_SET, RFC 5065.
    ConfedSet(Vec<u32>),
}

/// NOTIFICATION, RFC 4271 §4.5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", code::describe(*.code, *.subcode))]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// What the code says it carries.
    pub data: Bytes,
}

/// A message that ends the session, with the NOTIFICATION that says so (RFC 4271 §6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// To be sent to the peer.
    pub notification: Notification,
    /// For people.
    pub reason: String,
}

/// An error in an UPDATE that RFC 7606 lets the session survive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {reason}: {treatment}", code::attribute_name(*.code))]
pub struct AttributeError {
    /// Attribute type code.
    pub code: u8,
    /// What was done about it.
    pub treatment: Treatment,
    /// For people.
    pub reason: String,
}

/// RFC 7606 §2, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// The attribute was left out.
    AttributeDiscard,
    /// The routes of the message were withdrawn.
    TreatAsWithdraw,
}

/// LOCAL_PREF of routes that carry none, and of what external peers send (RFC 4271 §9.1.1 leaves it to us).
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// What the two ends' capabilities mean for the octets of an UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codec {
    /// Both sent the four-octet AS capability (RFC 6793).
    pub four_octet_as: bool,
    /// The peer is in another AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from it are discarded (RFC 7606 §7).
    pub external: bool,
    /// Both sent the extended message capability (RFC 8654): 65,535 octets instead of 4,096.
    pub extended_messages: bool,
    /// IPv4 prefixes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Families in which the peer's prefixes come with path identifiers (RFC 7911).
    pub add_path_receive: FamilySet,
    /// Families in which ours do.
    pub add_path_send: FamilySet,
}

impl Message {
    /// Reads the body of a framed message. `None` is a good message to be ignored: a route refresh for a family
    /// that this speaker does not carry (RFC 2918 §4) or of a kind that it does not know (RFC 7313 §5).
    ///
    /// # Errors
    /// What must end the session, with the NOTIFICATION that says so.
    pub fn decode(kind: Kind, body: &[u8], codec: &Codec) -> Result<Option<Self>, DecodeError> {
        Ok(match kind {
            Kind::Open => Some(Self::Open(Open::decode(body)?)),
            Kind::Update => Some(Self::Update(Update::decode(body, codec)?)),
            Kind::Notification => Notification::decode(body).map(Self::Notification),
            Kind::Keepalive => Some(Self::Keepalive),
            Kind::RouteRefresh => route_refresh::decode(body)?.map(Self::RouteRefresh),
        })
    }

    /// Appends the message; an UPDATE may take several (see [`update`]).
    ///
    /// # Errors
    /// Some routes of an UPDATE could not be announced and were withdrawn instead. What is written stands.
    pub fn encode(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), Unencodable> {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Update(update) => return update.encode(codec, out),
            Self::Notification(notification) => notification.encode(codec, out),
            Self::Keepalive => framer::encode(Kind::Keepalive, out, |_| {}),
            Self::RouteRefresh(refresh) => route_refresh::encode(*refresh, out),
        }
        Ok(())
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AttributeDiscard => "attribute discarded",
            Self::TreatAsWithdraw => "treated as withdrawal",
        })
    }
}

impl Codec {
    /// The longest message, header included, but for OPEN and KEEPALIVE.
    #[must_use]
    pub fn max_octets(&self) -> usize {
        if self.extended_messages { framer::MAX_EXTENDED_OCTETS } else { framer::MAX_OCTETS }
    }
}

impl Default for Codec {
    /// What holds before OPENs are exchanged: no UPDATE is read or written with it.
    fn default() -> Self {
        Self {
            four_octet_as: true,
            external: true,
            extended_messages: false,
            extended_next_hop: false,
            add_path_receive: FamilySet::default(),
            add_path_send: FamilySet::default(),
        }
    }
}
