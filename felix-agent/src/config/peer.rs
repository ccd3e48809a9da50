//! A neighbour as it is written in the file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ::bgp::config as speaker;
use serde::Deserialize;

use super::value::{Families, Password, Policy, RemoteAs, SendPaths};

/// Seconds between attempts to connect, where nothing else is said.
pub(super) const DEFAULT_CONNECT_RETRY_SECS: u16 = 5;

/// A neighbour. In a listen range it has neither address nor interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Its address; one session per address.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Instead of an address: the interface that it is behind, alone. Its link-local address is found by router
    /// advertisements.
    #[serde(default)]
    pub interface: Option<String>,
    /// Its AS, or `internal`, `external`, `any`.
    #[serde(rename = "remoteAS")]
    pub remote_as: RemoteAs,
    /// Another AS than `bgp.localAS` towards it.
    #[serde(rename = "localAS", default)]
    pub local_as: Option<LocalAs>,
    /// RFC 2385.
    #[serde(default)]
    pub password: Option<Password>,
    /// Absolute path of a file with the password alone in it.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// TCP port to dial.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Source address of the session.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// Never dial, only accept.
    #[serde(default)]
    pub passive: bool,
    /// So many hops away at most: the IP TTL of what it is sent. An external peer is on a link of ours without it.
    #[serde(default, alias = "ttl")]
    pub multihop: Option<u8>,
    /// RFC 5082: what comes from further away than so many hops is not heard; 1 for a neighbour.
    #[serde(default)]
    pub ttl_security: Option<u8>,
    /// Proposed hold time in seconds: 0 for none, else at least 3.
    #[serde(default = "default_hold_time_secs")]
    pub hold_time_secs: u16,
    /// Seconds between keepalives; a third of the negotiated hold time if not given.
    #[serde(default)]
    pub keepalive_secs: Option<u16>,
    /// Seconds between attempts to connect.
    #[serde(default = "default_connect_retry_secs")]
    pub connect_retry_secs: u16,
    /// RFC 9687: seconds that it may take nothing from us, 0 for ever; 8 min or twice the hold time if not given.
    #[serde(default)]
    pub send_hold_time_secs: Option<u32>,
    /// What is carried: a list of `ipv4-unicast`, `ipv6-unicast`, or a mapping of them to settings; both if not given.
    #[serde(default)]
    pub families: Families,
    /// What is taken, in families that say nothing else: `all`, `none` or the name of a filter.
    #[serde(default)]
    pub import: Option<Policy>,
    /// What is told, in families that say nothing else: `all`, `none`, `originated` or the name of a filter.
    #[serde(default)]
    pub export: Option<Policy>,
    /// RFC 9234.
    #[serde(default)]
    pub role: Option<Role>,
    /// RFC 4456: it is a client of ours.
    #[serde(default)]
    pub route_reflector_client: bool,
    /// How often our own AS may be in paths from it.
    #[serde(rename = "allowOwnAS", default)]
    pub allow_own_as: u8,
    /// Its own AS is replaced by ours in what it is told.
    #[serde(default)]
    pub as_override: bool,
    /// What is given as next hop of routes that are passed on.
    #[serde(default)]
    pub next_hop: NextHop,
    /// RFC 8950: offer IPv6 next hops for IPv4 prefixes. As a rule for a peer behind an interface.
    #[serde(default)]
    pub extended_next_hop: Option<bool>,
    /// RFC 8654.
    #[serde(default = "yes")]
    pub extended_messages: bool,
    /// RFC 4724 with this peer, if `bgp.gracefulRestart` is enabled.
    #[serde(default = "yes")]
    pub graceful_restart: bool,
    /// Watch the way to it by BFD; `{}` for the usual intervals.
    #[serde(default)]
    pub bfd: Option<Bfd>,
    /// Interior cost of its routes' next hops.
    #[serde(default)]
    pub cost: u32,
    /// Administratively down; this text is what the peer is told about it (RFC 9003), and may be empty.
    #[serde(default)]
    pub shutdown: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// An AS that this speaker pretends to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalAs {
    /// Which.
    #[serde(rename = "as")]
    pub asn: u32,
    /// Our own AS is not put into paths beside it.
    #[serde(default)]
    pub replace: bool,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

/// One family with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FamilySettings {
    /// What is taken; the peer's `import` if not given.
    pub import: Option<Policy>,
    /// What is told; the peer's `export` if not given.
    pub export: Option<Policy>,
    /// How many prefixes it may announce.
    pub max_prefixes: Option<MaxPrefixes>,
    /// RFC 7911.
    pub add_path: AddPath,
    /// RFC 9494: seconds that its routes are kept beyond its restart time; 0 for not.
    pub long_lived_stale_time_secs: u32,
}

/// A limit on prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxPrefixes {
    /// So many.
    pub limit: u32,
    /// It is said when this share of the limit is passed.
    #[serde(default = "default_warn_percent")]
    pub warn_percent: u8,
    /// What happens beyond it.
    #[serde(default)]
    pub beyond: Beyond,
    /// Seconds until the session is tried again, with `beyond: restart`.
    #[serde(default)]
    pub restart_secs: Option<u32>,
}

/// What happens to a peer with too many prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// It is said, no more.
    Warn,
    /// The session ends until somebody resets it.
    #[default]
    Idle,
    /// The session ends and is tried again.
    Restart,
}

/// RFC 7911.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AddPath {
    /// Take several paths to a prefix.
    pub receive: bool,
    /// `best` (one, without path identifiers), `all`, or how many.
    pub send: SendPaths,
}

/// RFC 9234.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Ours.
    pub role: RoleName,
    /// A peer that does not say its own is refused.
    #[serde(default)]
    pub strict: bool,
}

/// What this speaker is to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// It buys transit from us.
    Provider,
    /// We buy transit from it.
    Customer,
    /// Neither.
    Peer,
    /// We serve its routes.
    RouteServer,
    /// It serves ours.
    RouteServerClient,
}

/// What is given as next hop of routes that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum NextHop {
    /// What RFC 4271 §5.1.3 says.
    #[default]
    Usual,
    /// Ourselves.
    #[serde(rename = "self")]
    Itself,
    /// As received.
    Unchanged,
}

/// RFC 5880.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bfd {
    /// Least pause between packets that we send.
    pub transmit_interval_ms: u32,
    /// Least pause between packets that we can take.
    pub receive_interval_ms: u32,
    /// So many missing packets are a dead way.
    pub multiplier: u8,
    /// RFC 5883; as a rule for a peer that may be more than a link away, by `multihop` or `ttlSecurity`.
    pub multihop: Option<bool>,
}

impl Default for Bfd {
    fn default() -> Self {
        Self { transmit_interval_ms: 300, receive_interval_ms: 300, multiplier: 3, multihop: None }
    }
}

impl Peer {
    /// What names it and its session; none in a listen range.
    #[must_use]
    pub fn key(&self) -> Option<speaker::PeerKey> {
        let by_interface = || self.interface.as_deref().map(|name| speaker::PeerKey::Interface(name.into()));
        self.address.map(speaker::PeerKey::Address).or_else(by_interface)
    }

    /// Whether it is, or may turn out to be, in another AS.
    #[must_use]
    pub fn may_be_external(&self, local_as: u32) -> bool {
        match self.remote_as {
            RemoteAs::Is(asn) => asn != self.local_as.map_or(local_as, |own| own.asn),
            RemoteAs::Internal => false,
            RemoteAs::External | RemoteAs::Any => true,
        }
    }

    /// Whether it may be more than a link away: RFC 5883's BFD is meant then. What is behind an interface is not.
    #[must_use]
    pub fn is_far(&self) -> bool {
        let is_far = self.multihop.is_some() || self.ttl_security.is_some_and(|hops| hops > 1);
        is_far && self.interface.is_none()
    }

    /// What is taken and told in a family.
    #[must_use]
    pub fn policies<'a>(&'a self, settings: &'a FamilySettings) -> [Option<&'a Policy>; 2] {
        [settings.import.as_ref().or(self.import.as_ref()), settings.export.as_ref().or(self.export.as_ref())]
    }
}

/// Settings by family.
pub type ByFamily = BTreeMap<Family, FamilySettings>;

fn yes() -> bool {
    true
}

fn default_port() -> u16 {
    super::bgp::PORT
}

fn default_hold_time_secs() -> u16 {
    9
}

fn default_connect_retry_secs() -> u16 {
    DEFAULT_CONNECT_RETRY_SECS
}

fn default_warn_percent() -> u8 {
    75
}
