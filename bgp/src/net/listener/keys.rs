//! TCP MD5 keys of the listening sockets: one for each network that must sign.
//!
//! Accepted connections inherit the key that their SYN was signed with. A key that the kernel refuses is remembered, so
//! that the owner closes what comes from there rather than talk unsigned.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use tokio::net::TcpListener;

use crate::config::{Config, PeerKey, Secret};
use crate::net::md5;

#[cfg(test)]
mod tests;

/// See the module.
#[derive(Debug)]
pub(in crate::net) struct Keys {
    listeners: Vec<Arc<TcpListener>>,
    set: BTreeMap<IpNetwork, Secret>,
    refused: BTreeMap<IpNetwork, String>,
}

/// The keys that a configuration wants, unnumbered peers at the addresses where they were found. Two peers of one
/// address are one to the kernel: the last one's password counts.
pub(in crate::net) fn wanted(
    config: &Config,
    found: &BTreeMap<Arc<str>, Ipv6Addr>,
) -> BTreeMap<IpNetwork, Secret> {
    let ranges = config.listen_ranges.iter();
    let ranges = ranges.filter_map(|range| Some((whole(range.network), range.peer.password.clone()?)));
    let peers = config.peers.iter().filter_map(|(key, peer)| {
        let address = match key {
            PeerKey::Address(address) => *address,
            PeerKey::Interface(interface) => IpAddr::V6(*found.get(interface)?),
        };
        Some((IpNetwork::from(address), peer.password.clone()?))
    });
    ranges.chain(peers).collect()
}

/// Without host bits, which would make two names of one network.
fn whole(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}

impl Keys {
    pub(in crate::net) fn new(listeners: Vec<Arc<TcpListener>>) -> Self {
        Self { listeners, set: BTreeMap::new(), refused: BTreeMap::new() }
    }

    /// Sets, replaces and removes keys until there are these. Those refused before are tried again.
    pub(in crate::net) fn apply(&mut self, wanted: BTreeMap<IpNetwork, Secret>) {
        let gone: Vec<_> = self.set.keys().filter(|network| !wanted.contains_key(network)).copied().collect();
        for network in gone {
            self.sign(network, None);
            self.set.remove(&network);
            self.refused.remove(&network);
        }
        for (network, secret) in wanted {
            if self.set.get(&network) != Some(&secret) || self.refused.contains_key(&network) {
                self.sign(network, Some(&secret));
                self.set.insert(network, secret);
            }
        }
    }

    /// Why connections from this network (as the key was wanted for) would not be signed.
    pub(in crate::net) fn refused(&self, network: IpNetwork) -> Option<&str> {
        self.refused.get(&whole(network)).map(String::as_str)
    }

    fn sign(&mut self, network: IpNetwork, secret: Option<&Secret>) {
        self.refused.remove(&network);
        for listener in &self.listeners {
            let same_family = listener.local_addr().is_ok_and(|at| at.is_ipv4() == network.is_ipv4());
            if !same_family {
                continue;
            }
            if let Err(error) = md5::sign(listener.as_fd(), network, secret) {
                tracing::warn!(%network, %error, "no TCP MD5 signatures: nobody from there is let in");
                self.refused.insert(network, error.to_string());
            }
        }
    }
}
