//! The node as it should be: what the planner returns, what the dataplane makes true.
//!
//! Values only. Every part is keyed by what identifies the object in the kernel, so that desired and actual can be
//! compared as maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;

/// The node as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Kernel settings.
    pub sysctls: Sysctls,
    /// Host ends of pod links.
    pub links: Links,
    /// Who is behind them.
    pub neighbours: Neighbours,
    /// Routes.
    pub routes: Routes,
}

/// A network interface's name.
pub type InterfaceName = String;

/// Every route of ours: main table, our protocol number. Keyed by destination.
pub type Routes = BTreeMap<IpNetwork, Route>;

/// Where packets to a destination go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// A local pod: on-link behind its host interface (scope link, with `source` as preferred source if there is one).
    Device {
        /// The host end of the pod's link.
        interface: InterfaceName,
        /// This node's address, for packets that the node itself sends there.
        source: Option<IpAddr>,
    },
    /// A block of this node: what no pod of it owns goes nowhere, instead of in circles.
    Blackhole,
    /// Learned: one next hop, or several for ECMP.
    Via {
        /// Never empty.
        next_hops: BTreeSet<NextHop>,
        /// This node's address, for packets that the node itself sends there.
        source: Option<IpAddr>,
    },
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { interface, .. } => write!(f, "to the pod behind {interface}"),
            Self::Blackhole => f.write_str("dropped (blackhole)"),
            Self::Via { next_hops, .. } => {
                let ways: Vec<String> = next_hops.iter().map(ToString::to_string).collect();
                f.write_str(&ways.join(" and "))
            }
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "via {} dev {interface}", self.gateway),
            None => write!(f, "via {}", self.gateway),
        }
    }
}

/// A router on a link of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// Its address.
    pub gateway: IpAddr,
    /// Needed where the gateway is link-local; else the kernel resolves it.
    pub interface: Option<InterfaceName>,
}

/// Host ends of pod links, by name.
pub type Links = BTreeMap<InterfaceName, Link>;

/// The host end of a pod's link. The attachment made it; the planner says how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Open (administratively up) only once policy is in the kernel.
    pub up: bool,
    /// The link-local address that is the pod's IPv6 gateway.
    pub gateway_v6: Option<Ipv6Addr>,
}

/// Permanent neighbour entries on host ends: (interface, pod address) → pod's MAC.
pub type Neighbours = BTreeMap<(InterfaceName, IpAddr), [u8; 6]>;

/// Kernel settings: path below `/proc/sys` (with `/` as separator) → value.
pub type Sysctls = BTreeMap<String, String>;
