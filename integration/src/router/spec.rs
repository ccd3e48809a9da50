//! A router as wanted, in nobody's words.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

use super::Feature;

/// A router as wanted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name, a host name's characters.
    pub name: String,
    /// Its AS.
    pub asn: u32,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// With whom it peers.
    pub neighbours: Vec<Neighbour>,
    /// What it originates.
    pub networks: Vec<Network>,
}

/// Which routes a session carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

/// One session of a router.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The router's own address.
    pub local: IpAddr,
    /// The neighbour's address; unspecified where [`interface`](Self::interface) says who it is.
    pub remote: IpAddr,
    /// Unnumbered: whoever is at the other end of this link.
    pub interface: Option<String>,
    /// The neighbour's AS.
    pub asn: u32,
    /// What the session carries.
    pub families: Vec<Family>,
    /// Wait to be dialled.
    pub passive: bool,
    /// TCP MD5 signature.
    pub password: Option<String>,
    /// How far away it is.
    pub hops: Hops,
    /// It is a client of this router, the reflector.
    pub reflector_client: bool,
    /// RFC 7911, in every family.
    pub add_path: AddPath,
    /// RFC 4724.
    pub graceful_restart: Option<GracefulRestart>,
    /// RFC 8950.
    pub extended_next_hop: bool,
    /// RFC 8654, where it has to be asked for.
    pub extended_messages: bool,
    /// What this router is to the neighbour.
    pub role: Option<Role>,
    /// Watched by BFD, with packets this often in milliseconds.
    pub bfd_millis: Option<u32>,
    /// Proposed hold time, seconds.
    pub hold_secs: u16,
}

/// How far away a neighbour is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hops {
    /// On the same link.
    Direct,
    /// So many at most.
    Multihop(u8),
    /// RFC 5082, on the same link.
    Security,
}

/// Several paths to a prefix, RFC 7911.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddPath {
    /// Takes them.
    pub receive: bool,
    /// Tells them.
    pub send: bool,
}

/// How a restart is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// What neighbours are told to wait.
    pub restart_secs: u16,
    /// How long routes are kept beyond that (RFC 9494).
    pub long_lived_secs: Option<u32>,
}

/// What a router is to a neighbour, RFC 9234.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It gives transit.
    Provider,
    /// It gets transit.
    Customer,
    /// Neither.
    Peer,
}

/// What a router originates.
#[derive(Debug, Clone)]
pub struct Network {
    /// Which.
    pub prefix: IpNetwork,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// COMMUNITIES.
    pub communities: Vec<(u16, u16)>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<(u32, u32, u32)>,
    /// Extended communities: route targets of a two-octet AS.
    pub route_targets: Vec<(u16, u32)>,
    /// Attributes in octets: flags, type, value.
    pub raw: Vec<(u8, u8, Vec<u8>)>,
}

impl Neighbour {
    /// One on the same link that carries the family of its address, with nothing special.
    #[must_use]
    pub fn new(local: IpAddr, remote: IpAddr, asn: u32) -> Self {
        Self {
            local,
            remote,
            interface: None,
            asn,
            families: vec![if remote.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }],
            passive: false,
            password: None,
            hops: Hops::Direct,
            reflector_client: false,
            add_path: AddPath::default(),
            graceful_restart: None,
            extended_next_hop: false,
            extended_messages: false,
            role: None,
            bfd_millis: None,
            hold_secs: 9,
        }
    }

    /// Whether the session carries these routes.
    #[must_use]
    pub fn carries(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}

impl Network {
    /// A prefix without further attributes.
    #[must_use]
    pub fn new(prefix: IpNetwork) -> Self {
        Self {
            prefix,
            med: None,
            communities: Vec::new(),
            large_communities: Vec::new(),
            route_targets: Vec::new(),
            raw: Vec::new(),
        }
    }
}

impl Family {
    /// The family of a prefix.
    #[must_use]
    pub fn of(prefix: &IpNetwork) -> Self {
        if prefix.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// Every one.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    pub(super) fn digit(self) -> u8 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 6,
        }
    }
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Customer => "customer",
            Self::Peer => "peer",
        }
    }
}

impl Spec {
    /// What a router has to be able to do for this.
    pub(super) fn features(&self) -> Vec<Feature> {
        let mut features = Vec::new();
        for neighbour in &self.neighbours {
            features.extend(neighbour.interface.as_ref().map(|_| Feature::Unnumbered));
            features.extend((neighbour.hops == Hops::Security).then_some(Feature::Security));
            features.extend(neighbour.reflector_client.then_some(Feature::Reflects));
            features.extend(neighbour.add_path.receive.then_some(Feature::AddPathReceive));
            features.extend(neighbour.add_path.send.then_some(Feature::AddPathSend));
            features.extend(neighbour.extended_next_hop.then_some(Feature::ExtendedNextHop));
            features.extend(neighbour.extended_messages.then_some(Feature::ExtendedMessages));
            features.extend(neighbour.role.map(|_| Feature::Roles));
            features.extend(neighbour.bfd_millis.map(|_| Feature::Bfd));
            if let Some(restart) = neighbour.graceful_restart {
                features.push(Feature::KeepsRoutes);
                features.extend(restart.long_lived_secs.map(|_| Feature::LongLived));
            }
        }
        for network in &self.networks {
            features.extend((!network.raw.is_empty()).then_some(Feature::UnknownAttributes));
        }
        features
    }
}
