//! The node's links and addresses, read once and then asked: names for indices, the MTU of the uplinks, which link
//! reaches a neighbour, which addresses are the node's own.
//!
//! A value, not a cache that follows the kernel: an index is reused by the kernel, so whoever needs names reads them
//! together with what refers to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage};

use super::{Netlink, NetlinkError};
use crate::dataplane::links::is_host_end;
use crate::plan::desired::InterfaceName;

/// The MTU of a node without uplinks (Ethernet, RFC 894).
const DEFAULT_MTU: u32 = 1500;

/// A network interface as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// The kernel's number for it, never 0.
    pub index: u32,
    /// The index of the other end of a veth, in that end's namespace.
    pub peer: Option<u32>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// The loopback.
    pub loopback: bool,
    /// Bytes of IP packet that fit one frame.
    pub mtu: u32,
    /// Its Ethernet address, if it has one.
    pub mac: Option<[u8; 6]>,
    /// Its addresses, both families.
    pub addresses: Vec<Address>,
}

/// An address of an interface, and the subnet it connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The interface's own address.
    pub local: IpAddr,
    /// What is on-link there; of a point-to-point link the far end.
    pub subnet: IpNetwork,
}

/// All interfaces of one network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interfaces {
    by_name: BTreeMap<InterfaceName, Interface>,
    names: BTreeMap<u32, InterfaceName>,
}

impl Interfaces {
    /// Reads links and addresses.
    ///
    /// # Errors
    /// When the kernel does not answer; see [`NetlinkError`].
    pub async fn read(netlink: &Netlink) -> Result<Self, NetlinkError> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let links = netlink.dump(RouteNetlinkMessage::GetLink(request)).await?;
        let addresses = netlink.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default())).await?;

        let mut by_index: BTreeMap<u32, Interface> = BTreeMap::new();
        for message in links {
            if let RouteNetlinkMessage::NewLink(link) = message
                && let Some(interface) = decode_link(&link)
            {
                by_index.insert(interface.index, interface);
            }
        }
        for message in addresses {
            if let RouteNetlinkMessage::NewAddress(address) = message
                && let Some(interface) = by_index.get_mut(&address.header.index)
            {
                interface.addresses.extend(decode_address(&address));
            }
        }
        Ok(by_index.into_values().collect())
    }

    /// The interface of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Interface> {
        self.by_name.get(name)
    }

    /// The kernel's number for a name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<u32> {
        self.get(name).map(|interface| interface.index)
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, index: u32) -> Option<&InterfaceName> {
        self.names.get(&index)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.by_name.values()
    }

    /// Host ends of pod links, which are ours by their name.
    pub fn host_ends(&self) -> impl Iterator<Item = &Interface> {
        self.iter().filter(|interface| is_host_end(&interface.name))
    }

    /// What leads out of the node: neither loopback nor a pod's link, administratively up, with an address of more
    /// than link scope.
    pub fn uplinks(&self) -> impl Iterator<Item = &Interface> {
        self.iter().filter(|interface| {
            !interface.loopback
                && !is_host_end(&interface.name)
                && interface.up
                && interface.addresses.iter().any(|address| is_routable(address.local))
        })
    }

    /// The MTU that fits every uplink: the default for pods, as any uplink may carry any pod's packets under ECMP.
    #[must_use]
    pub fn uplink_mtu(&self) -> u32 {
        self.uplinks().map(|interface| interface.mtu).min().unwrap_or(DEFAULT_MTU)
    }

    /// The interface that is on-link with `address`: longest connected subnet, and of equal ones the first by name.
    /// Link-local addresses are on every link, so none is named for them.
    #[must_use]
    pub fn reaching(&self, address: IpAddr) -> Option<&Interface> {
        if !is_routable(address) {
            return None;
        }
        let mut best: Option<(u8, &Interface)> = None;
        for interface in self.iter() {
            let subnets = interface.addresses.iter().map(|own| own.subnet);
            for subnet in subnets.filter(|subnet| subnet.contains(address)) {
                if best.is_none_or(|(prefix, _)| subnet.prefix() > prefix) {
                    best = Some((subnet.prefix(), interface));
                }
            }
        }
        best.map(|(_, interface)| interface)
    }

    /// The node's own address in each family: one on the loopback if there is one (a node routed to the host keeps
    /// its address there, so that it outlives any single uplink), else the first of the first uplink by index.
    #[must_use]
    pub fn node_addresses(&self) -> NodeAddresses {
        let loopbacks = self.iter().filter(|interface| interface.loopback);
        let mut uplinks: Vec<_> = self.uplinks().collect();
        uplinks.sort_by_key(|interface| interface.index);
        let candidates = loopbacks.chain(uplinks).flat_map(|interface| &interface.addresses);

        let mut found = NodeAddresses::default();
        for address in candidates.map(|address| address.local).filter(|address| is_routable(*address)) {
            match address {
                IpAddr::V4(_) => found.v4.get_or_insert(address),
                IpAddr::V6(_) => found.v6.get_or_insert(address),
            };
        }
        found
    }
}

impl FromIterator<Interface> for Interfaces {
    fn from_iter<I: IntoIterator<Item = Interface>>(interfaces: I) -> Self {
        let mut all = Self::default();
        for interface in interfaces {
            all.names.insert(interface.index, interface.name.clone());
            all.by_name.insert(interface.name.clone(), interface);
        }
        all
    }
}

/// The node's own address, per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeAddresses {
    /// IPv4.
    pub v4: Option<IpAddr>,
    /// IPv6.
    pub v6: Option<IpAddr>,
}

/// Of more than link scope.
fn is_routable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local)
}

pub(super) fn decode_link(message: &LinkMessage) -> Option<Interface> {
    let flags = message.header.flags;
    let mut interface = Interface {
        name: link_name(message)?,
        index: message.header.index,
        peer: None,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        mtu: 0,
        mac: None,
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        if let LinkAttribute::Mtu(mtu) = attribute {
            interface.mtu = *mtu;
        } else if let LinkAttribute::Link(peer) = attribute {
            interface.peer = Some(*peer);
        } else if let LinkAttribute::Address(bytes) = attribute {
            interface.mac = bytes.as_slice().try_into().ok();
        }
    }
    Some(interface)
}

fn link_name(message: &LinkMessage) -> Option<InterfaceName> {
    // A notification about another family's view of a link (a bridge port's) is not about the link.
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    message.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::IfName(name) = attribute { Some(name.clone()) } else { None }
    })
}

pub(super) fn decode_address(message: &AddressMessage) -> Option<Address> {
    let mut local = None;
    let mut far = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            far = Some(*address);
        }
    }
    let far = far.or(local)?;
    let subnet = IpNetwork::new(far, message.header.prefix_len).ok()?;
    let subnet = IpNetwork::new(subnet.network(), subnet.prefix()).ok()?;
    Some(Address { local: local.unwrap_or(far), subnet })
}

#[cfg(test)]
mod tests;
