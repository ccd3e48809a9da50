//! Our addresses beside the one that a connection uses: what can be a next hop for either family.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockaddrStorage;

use crate::speaker::LocalAddresses;

#[cfg(test)]
mod tests;

/// Addresses come and go; nobody waits longer for a new one to be seen beside the one that a connection uses.
const MAX_AGE: Duration = Duration::from_secs(1);

/// An address of an interface, with its subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InterfaceAddress {
    pub(super) interface: String,
    pub(super) index: u32,
    pub(super) network: IpNetwork,
}

/// Every address of this network namespace.
///
/// # Errors
/// The kernel's.
pub(super) fn read() -> io::Result<Vec<InterfaceAddress>> {
    let mut addresses = Vec::new();
    for entry in getifaddrs()? {
        let Some(address) = entry.address.as_ref().and_then(ip) else { continue };
        let mask = entry.netmask.as_ref().and_then(ip);
        let Some(network) = mask.and_then(|mask| IpNetwork::with_netmask(address, mask).ok()) else {
            continue;
        };
        // Zero is no interface: it went away while we looked.
        let index = if_nametoindex(entry.interface_name.as_str()).unwrap_or(0);
        addresses.push(InterfaceAddress { interface: entry.interface_name, index, network });
    }
    Ok(addresses)
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
}

/// The index of the interface that has this address.
pub(super) fn index_of(local: IpAddr, addresses: &[InterfaceAddress]) -> Option<u32> {
    addresses.iter().find(|it| it.network.ip() == local).map(|it| it.index).filter(|index| *index != 0)
}

/// This host's addresses as last read.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    read: Option<(Instant, Vec<InterfaceAddress>)>,
}

impl Addresses {
    /// What a connection needs to know of our addresses. They are read again where its own is not among those known, and
    /// each second.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn select(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> io::Result<LocalAddresses> {
        let fresh = self.read.as_ref().filter(|(at, known)| {
            now.saturating_duration_since(*at) < MAX_AGE && holder(local, known).is_some()
        });
        if let Some((_, known)) = fresh {
            return Ok(select(local, remote, known));
        }
        let (_, known) = self.read.insert((now, read()?));
        Ok(select(local, remote, known))
    }
}

/// The interface address that is, or at least covers, our end of a connection.
fn holder(local: SocketAddr, addresses: &[InterfaceAddress]) -> Option<&InterfaceAddress> {
    let link = match local {
        SocketAddr::V6(local) => local.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let local = local.ip();
    let holds = |it: &&InterfaceAddress| it.network.ip() == local && (link == 0 || link == it.index);
    // Any of 127/8 is ours without being listed.
    let covers = |it: &&InterfaceAddress| it.network.ip().is_loopback() && it.network.contains(local);
    addresses.iter().find(holds).or_else(|| addresses.iter().find(covers))
}

/// What to give as next hop on a connection from `local` to `remote`: `local` itself for its family, the first address
/// of the same interface for the other. The link-local address is for peers on that link alone (RFC 2545 §3), and so
/// are the link's networks.
fn select(local: SocketAddr, remote: SocketAddr, addresses: &[InterfaceAddress]) -> LocalAddresses {
    let holder = holder(local, addresses);
    let on_interface = |it: &&InterfaceAddress| holder.is_some_and(|holder| holder.interface == it.interface);
    let beside: Vec<IpNetwork> = addresses.iter().filter(on_interface).map(|it| it.network).collect();

    let mut selected =
        LocalAddresses { local: Some(local), remote_port: remote.port(), ..LocalAddresses::default() };
    let (local, peer) = (local.ip(), remote.ip());
    let usable = |it: &&IpNetwork| !is_link_local(it.ip());
    // The address of a host is better than that of every host.
    let by_loopback = beside.iter().filter(usable).map(IpNetwork::ip).filter(|ip| !ip.is_loopback());
    let loopback = beside.iter().filter(usable).map(IpNetwork::ip).filter(IpAddr::is_loopback);
    let own = Some(local).filter(|local| !is_link_local(*local));
    for address in own.into_iter().chain(by_loopback).chain(loopback) {
        match address {
            IpAddr::V4(address) => _ = selected.v4.get_or_insert(address),
            IpAddr::V6(address) => _ = selected.v6.get_or_insert(address),
        }
    }
    let on_link = is_link_local(peer) || beside.iter().any(|network| network.contains(peer));
    if on_link {
        let link_local = std::iter::once(local).chain(beside.iter().map(IpNetwork::ip));
        selected.v6_link_local = link_local.filter(|it| is_link_local(*it)).find_map(|it| match it {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        });
        let whole = |network: &IpNetwork| IpNetwork::new(network.network(), network.prefix()).ok();
        selected.subnets = beside.iter().filter_map(whole).collect();
        selected.subnets.sort_unstable();
        selected.subnets.dedup();
    }
    selected
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
