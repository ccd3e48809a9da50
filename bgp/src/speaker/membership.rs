//! A session's place in the RIB: as a source of routes, judged by its import rules, and as a member of the update groups
//! of its families, told by its export rules.

use std::net::IpAddr;
use std::time::Instant;

use super::connection::Connection;
use super::peer::{Established, Peer, PeerId, Source};
use super::{ConnId, LocalAddresses, Speaker};
use crate::config::{LocalAs, SendPaths};
use crate::rib::{Export, Import, Kind, Neighbour, SourceId};
use crate::session::negotiation::Negotiated;
use crate::wire::{Capability, Family, NextHop};

impl Speaker {
    /// The source for a session that has just become Established: the one before if the peer is who it was, so that its
    /// stale routes can be announced again; otherwise a new one, and what the old one left goes.
    pub(super) fn source(&mut self, id: PeerId, conn: ConnId, negotiated: &Negotiated) -> Option<SourceId> {
        let addresses = self.connections.get(&conn)?.local.all();
        let peer = self.peers.get(id)?;
        let neighbour = neighbour(peer, negotiated.router_id, negotiated.asn, negotiated.external)?;
        let source = match &peer.source {
            Some(source) if same_identity(&source.neighbour, &neighbour) => {
                if source.neighbour != neighbour {
                    self.rib.set_neighbour(source.id, neighbour.clone());
                }
                source.id
            }
            before => {
                if let Some(before) = before {
                    self.rib.remove_source(before.id);
                }
                self.rib.add_source(neighbour.clone())
            }
        };
        let peer = self.peers.get_mut(id)?;
        if peer.source.as_ref().is_some_and(|before| !same_identity(&before.neighbour, &neighbour)) {
            peer.helper.clear();
        }
        peer.source = Some(Source { id: source, neighbour, addresses });
        self.judge(id);
        Some(source)
    }

    /// Tells the RIB how the peer's routes are to be judged; those that it has are judged anew.
    pub(super) fn judge(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        let Some(source) = &peer.source else { return };
        let imports: Vec<_> =
            peer.config.families.keys().map(|family| (*family, self.import(peer, source, *family))).collect();
        let source = source.id;
        for (family, import) in imports {
            self.rib.set_import(source, family, import);
        }
    }

    /// Cost and reflection, which may change while routes are there.
    pub(super) fn update_neighbour(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        let Some(Source { id: source, neighbour: before, .. }) = &peer.source else { return };
        let external = before.kind == Kind::External;
        let Some(after) = neighbour(peer, before.router_id, before.asn, external) else { return };
        if *before == after {
            return;
        }
        self.rib.set_neighbour(*source, after.clone());
        if let Some(source) = self.peers.get_mut(id).and_then(|peer| peer.source.as_mut()) {
            source.neighbour = after;
        }
    }

    fn import(&self, peer: &Peer, source: &Source, family: Family) -> Import {
        let external = source.neighbour.kind == Kind::External;
        let mut own_as = vec![peer.local_as(&self.config)];
        if !peer.config.local_as.is_some_and(|local_as| local_as.replace) {
            own_as.push(self.config.local_as);
        }
        own_as.dedup();
        let visible =
            |local_as: &LocalAs| external && !local_as.replace && local_as.asn != self.config.local_as;
        Import {
            own_as,
            allow_own_as: peer.config.allow_own_as,
            prepend: peer.config.local_as.filter(visible).map(|local_as| local_as.asn),
            router_id: self.config.router_id,
            cluster_id: self.cluster_id(),
            addresses: source.addresses.clone(),
            role: peer.config.role.filter(|_| external).map(|role| role.role),
            policy: peer
                .config
                .families
                .get(&family)
                .map(|settings| settings.import.clone())
                .unwrap_or_default(),
        }
    }

    /// Joins an update group for each family that both ends carry; the whole table comes first, then End-of-RIB.
    ///
    /// The marker is sent to everybody: RFC 4724 §2 finds it useful without graceful restart as well.
    pub(super) fn join(&mut self, id: PeerId) {
        let exports = self.exports(id);
        let Some(established) = self.peers.get_mut(id).and_then(|peer| peer.established.as_mut()) else {
            return;
        };
        for (family, export) in exports {
            let member = self.rib.join(established.source, export, true);
            established.members.insert(family, member);
        }
        self.to_transmit.insert(established.conn);
    }

    /// Leaves them all.
    pub(super) fn leave(&mut self, members: impl IntoIterator<Item = crate::rib::MemberId>) {
        for member in members {
            self.rib.leave(member);
        }
    }

    /// Applies changed export rules; the peer is told what is different.
    pub(super) fn regroup(&mut self, id: PeerId) {
        let exports = self.exports(id);
        let Some(established) = self.peers.get(id).and_then(|peer| peer.established.as_ref()) else {
            return;
        };
        for (family, export) in exports {
            if let Some(member) = established.members.get(&family) {
                self.rib.regroup(*member, export);
            }
        }
        self.to_transmit.insert(established.conn);
    }

    fn exports(&self, id: PeerId) -> Vec<(Family, Export)> {
        let Some(peer) = self.peers.get(id) else { return Vec::new() };
        let Some(Established { conn, negotiated, .. }) = &peer.established else { return Vec::new() };
        let Some(Connection { local, .. }) = self.connections.get(conn) else { return Vec::new() };
        let export = |family| (family, self.export(peer, negotiated, local, family));
        negotiated.families.iter().map(export).collect()
    }

    fn export(&self, peer: &Peer, negotiated: &Negotiated, local: &LocalAddresses, family: Family) -> Export {
        let external = negotiated.external;
        let settings = peer.config.families.get(&family).cloned().unwrap_or_default();
        Export {
            family,
            kind: kind(peer, external),
            prepend: if external { self.prepended(peer) } else { Vec::new() },
            override_as: (external && peer.config.as_override).then_some(negotiated.asn),
            router_id: self.config.router_id,
            cluster_id: self.cluster_id(),
            client_to_client: self.config.client_to_client_reflection,
            own_next_hop: own_next_hop(local, family, negotiated.codec.extended_next_hop),
            shared_link: if external { shared_link(peer, local) } else { Vec::new() },
            next_hop: peer.config.next_hop,
            role: peer.config.role.filter(|_| external).map(|role| role.role),
            local_as: peer.local_as(&self.config),
            graceful_shutdown: self.config.graceful_shutdown,
            long_lived: knows_long_lived(negotiated),
            add_path: if negotiated.codec.add_path_send.contains(family) {
                settings.add_path_send
            } else {
                SendPaths::Best
            },
            policy: settings.export,
            codec: negotiated.codec,
        }
    }

    /// Ourselves as next hop of a family, on the connection that is Established.
    pub(super) fn own_next_hop(&self, peer: &Peer, family: Family) -> Option<NextHop> {
        let established = peer.established.as_ref()?;
        let local = &self.connections.get(&established.conn)?.local;
        own_next_hop(local, family, established.negotiated.codec.extended_next_hop)
    }

    /// Outermost first: the AS that the peer takes us to be in, and behind it the one that we are in.
    fn prepended(&self, peer: &Peer) -> Vec<u32> {
        match peer.config.local_as {
            Some(LocalAs { asn, replace: false }) if asn != self.config.local_as => {
                vec![asn, self.config.local_as]
            }
            Some(LocalAs { asn, .. }) => vec![asn],
            None => vec![self.config.local_as],
        }
    }

    pub(super) fn cluster_id(&self) -> std::net::Ipv4Addr {
        self.config.cluster_id.unwrap_or(self.config.router_id)
    }

    /// Ends sessions that are so far behind that what they still have to be told outgrows the table.
    pub(super) fn drop_overrun(&mut self, now: Instant) {
        for member in self.rib.take_overrun() {
            let conn = self.peers.iter().find_map(|(_, peer)| {
                let established = peer.established.as_ref()?;
                established.members.values().any(|of| *of == member).then_some(established.conn)
            });
            if let Some(conn) = conn {
                let why = "it takes nothing while its routes change";
                self.drive(conn, super::connections::stop(super::Cease::OutOfResources, why), now);
            }
        }
    }
}

/// RFC 9494 §4.3: whether the peer sent the capability, which counts for nothing without that of RFC 4724 (§3.1); what
/// we keep of its own routes is another matter.
fn knows_long_lived(negotiated: &Negotiated) -> bool {
    let capabilities = &negotiated.open.capabilities;
    capabilities.iter().any(|one| matches!(one, Capability::LongLivedGracefulRestart(_)))
        && capabilities.iter().any(|one| matches!(one, Capability::GracefulRestart(_)))
}

fn kind(peer: &Peer, external: bool) -> Kind {
    match (external, peer.config.route_reflector_client) {
        (true, _) => Kind::External,
        (false, true) => Kind::Client,
        (false, false) => Kind::Internal,
    }
}

fn neighbour(peer: &Peer, router_id: std::net::Ipv4Addr, asn: u32, external: bool) -> Option<Neighbour> {
    let endpoint = peer.endpoint.clone()?;
    Some(Neighbour {
        key: peer.key.clone(),
        address: endpoint.address,
        interface: endpoint.interface,
        router_id,
        asn,
        kind: kind(peer, external),
        cost: peer.config.cost,
    })
}

/// Whether it is the same speaker in the same place; cost and reflection are ours to say and change nothing of that.
fn same_identity(one: &Neighbour, other: &Neighbour) -> bool {
    let identity = |neighbour: &Neighbour| {
        let Neighbour { router_id, asn, kind, address, interface, .. } = neighbour;
        (*router_id, *asn, *kind == Kind::External, *address, interface.clone())
    };
    identity(one) == identity(other)
}

/// Ourselves in a family; none if we have no address there. IPv4 routes take an IPv6 next hop only where there is no
/// IPv4 address and RFC 8950 is spoken; on a link without a global address the link-local one stands alone.
fn own_next_hop(local: &LocalAddresses, family: Family, extended: bool) -> Option<NextHop> {
    let v6 = || {
        let global = local.v6.or(local.v6_link_local)?;
        let link_local = local.v6_link_local.filter(|link_local| *link_local != global);
        Some(NextHop::V6 { global, link_local })
    };
    match family {
        Family::Ipv4Unicast => local.v4.map(NextHop::V4).or_else(|| if extended { v6() } else { None }),
        Family::Ipv6Unicast => v6(),
    }
}

/// The networks that the peer shares with us; none where it is behind a router.
fn shared_link(peer: &Peer, local: &LocalAddresses) -> Vec<ipnetwork::IpNetwork> {
    let on_link = |address: IpAddr| match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => true,
        IpAddr::V4(_) | IpAddr::V6(_) => local.subnets.iter().any(|subnet| subnet.contains(address)),
    };
    let near = peer.endpoint.as_ref().is_some_and(|endpoint| on_link(endpoint.address));
    if near { local.subnets.clone() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(v4: bool, v6: bool, link_local: bool) -> LocalAddresses {
        LocalAddresses {
            v4: v4.then(|| "10.0.0.1".parse().unwrap()),
            v6: v6.then(|| "fd00::1".parse().unwrap()),
            v6_link_local: link_local.then(|| "fe80::1".parse().unwrap()),
            ..LocalAddresses::default()
        }
    }

    #[test]
    fn own_next_hops_by_family_addresses_and_rfc_8950() {
        let v4 = Some(NextHop::V4("10.0.0.1".parse().unwrap()));
        let (global, link_local) = ("fd00::1".parse().unwrap(), "fe80::1".parse().unwrap());
        let v6 = |global, link_local| Some(NextHop::V6 { global, link_local });
        let (ipv4, ipv6) = (Family::Ipv4Unicast, Family::Ipv6Unicast);
        let table = [
            (local(true, true, true), ipv4, true, v4),
            (local(true, true, true), ipv6, false, v6(global, Some(link_local))),
            (local(false, true, true), ipv4, false, None),
            (local(false, true, true), ipv4, true, v6(global, Some(link_local))),
            (local(false, false, true), ipv4, true, v6(link_local, None)),
            (local(false, false, true), ipv6, false, v6(link_local, None)),
            (local(false, true, false), ipv6, false, v6(global, None)),
            (local(true, false, false), ipv6, true, None),
        ];
        for (local, family, extended, expected) in table {
            assert_eq!(own_next_hop(&local, family, extended), expected, "{local:?} {family}");
        }
    }
}
