//! Who may connect: configured peers, unnumbered ones by their interface, and everybody in a listen range.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use nix::net::if_::if_indextoname;

use crate::config::{Config, PeerConfig, PeerKey};
use crate::speaker::Endpoint;

#[cfg(test)]
mod tests;

/// Strangers are logged so often at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A peer's settings, and the network that its key (TCP MD5, TCP-AO) is set for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Neighbour<'a> {
    pub(super) settings: &'a PeerConfig,
    pub(super) network: IpNetwork,
}

/// Who is at this far end: the peer of that address, that behind that interface, else whom the narrowest range has.
pub(super) fn find<'a>(config: &'a Config, far: &Endpoint) -> Option<Neighbour<'a>> {
    let by_address = config.peers.get(&PeerKey::Address(far.address));
    let by_interface = || {
        let interface = far.interface.as_ref()?;
        config.peers.get(&PeerKey::Interface(Arc::clone(interface)))
    };
    if let Some(settings) = by_address.or_else(by_interface) {
        return Some(Neighbour { settings, network: IpNetwork::from(far.address) });
    }
    let ranges = config.listen_ranges.iter().filter(|range| range.network.contains(far.address));
    let range = ranges.max_by_key(|range| range.network.prefix())?;
    Some(Neighbour { settings: &range.peer, network: range.network })
}

/// The far end of an accepted connection. A link-local address means nothing without its interface.
pub(super) fn endpoint(from: SocketAddr) -> Endpoint {
    let interface = match from {
        SocketAddr::V6(from) if from.ip().is_unicast_link_local() => {
            let name = if_indextoname(from.scope_id()).ok().and_then(|name| name.into_string().ok());
            // It went away, and nix calls that success.
            name.filter(|name| !name.is_empty()).map(Arc::from)
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => None,
    };
    Endpoint { address: from.ip(), interface }
}

/// Connections of nobody that we know, for the log. Anybody can make any number of them.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    said: Option<Instant>,
    unsaid: u64,
}

impl Strangers {
    /// Counts one; says so now and then.
    pub(super) fn turned_away(&mut self, address: IpAddr, now: Instant) {
        self.unsaid += 1;
        if self.is_due(now) {
            let count = std::mem::take(&mut self.unsaid);
            tracing::info!(%address, count, "closed BGP connections from addresses that are no peer's");
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= LOG_INTERVAL);
        if due {
            self.said = Some(now);
        }
        due
    }
}
