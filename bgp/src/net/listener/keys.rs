//! TCP MD5 and TCP-AO keys of the listening sockets: one for each network that must sign.
//!
//! Accepted connections inherit the key that their SYN was signed with. A key that the kernel refuses is remembered, so
//! that the owner closes what comes from there rather than talk unsigned.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use tokio::net::TcpListener;

use crate::config::{Config, PeerKey};
use crate::net::signature::Signature;

#[cfg(test)]
mod tests;

/// See the module.
#[derive(Debug)]
pub(in crate::net) struct Keys {
    listeners: Vec<Arc<TcpListener>>,
    set: BTreeMap<IpNetwork, Signature>,
    refused: BTreeMap<IpNetwork, String>,
}

/// The keys that a configuration wants, unnumbered peers at the addresses where they were found. Two peers of one
/// address are one to the kernel: the last one's key counts.
pub(in crate::net) fn wanted(
    config: &Config,
    found: &BTreeMap<Arc<str>, Ipv6Addr>,
) -> BTreeMap<IpNetwork, Signature> {
    let ranges = config.listen_ranges.iter();
    let ranges = ranges.filter_map(|range| Some((whole(range.network), Signature::of(&range.peer)?)));
    let peers = config.peers.iter().filter_map(|(key, peer)| {
        let address = match key {
            PeerKey::Address(address) => *address,
            PeerKey::Interface(interface) => IpAddr::V6(*found.get(interface)?),
        };
        Some((IpNetwork::from(address), Signature::of(peer)?))
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
    pub(in crate::net) fn apply(&mut self, wanted: BTreeMap<IpNetwork, Signature>) {
        // All that has to go goes first: keys of networks that overlap may be in each other's way.
        let stays = |(network, set): (&IpNetwork, &Signature)| {
            wanted.get(network).is_some_and(|new| new == set || new.replaces(set))
                && !self.refused.contains_key(network)
        };
        let gone: Vec<_> = self.set.iter().filter(|it| !stays(*it)).map(|(network, _)| *network).collect();
        for network in gone {
            self.unsign(network);
        }
        for (network, signature) in wanted {
            if self.set.get(&network) != Some(&signature) {
                self.sign(network, &signature);
                self.set.insert(network, signature);
            }
        }
    }

    /// Why connections from this network (as the key was wanted for) would not be signed.
    pub(in crate::net) fn refused(&self, network: IpNetwork) -> Option<&str> {
        self.refused.get(&whole(network)).map(String::as_str)
    }

    fn sign(&mut self, network: IpNetwork, signature: &Signature) {
        for listener in self.listeners.iter().filter(|listener| is_of_family(listener, network)) {
            if let Err(error) = signature.sign_listening(listener.as_fd(), network) {
                tracing::warn!(%network, %error, "nobody from there is let in");
                self.refused.insert(network, error.to_string());
            }
        }
    }

    fn unsign(&mut self, network: IpNetwork) {
        self.refused.remove(&network);
        let Some(signature) = self.set.remove(&network) else { return };
        for listener in self.listeners.iter().filter(|listener| is_of_family(listener, network)) {
            if let Err(error) = signature.unsign_listening(listener.as_fd(), network) {
                tracing::warn!(%network, %error, "cannot remove a key: nobody from there is heard unsigned");
            }
        }
    }
}

fn is_of_family(listener: &TcpListener, network: IpNetwork) -> bool {
    listener.local_addr().is_ok_and(|at| at.is_ipv4() == network.is_ipv4())
}
