//! What only our own policies say: conditions beside peers and services.

use super::{Lowering, is};
use crate::compile::definition::SetDefinition;
use crate::model::{Conditions, EndpointSelector, Entity, PortMatch};
use crate::program::{Match, Protocol, SetId, Side};
use crate::ranges::{Cut, cover, merge};

const SIDES: [Side; 2] = [Side::Source, Side::Destination];

impl Lowering<'_> {
    /// The conditions that every way to match the rule has; `None` if they cannot hold.
    pub(super) fn common(&mut self, conditions: &Conditions) -> Option<Vec<Match>> {
        let mut common = Vec::new();
        common.extend(conditions.family.map(Match::Family));
        common.extend(conditions.not_protocol.map(|number| Match::Protocol { number, negated: true }));
        for (icmp, negated) in [(conditions.icmp, false), (conditions.not_icmp, true)] {
            common.extend(icmp.map(|icmp| Match::Icmp {
                family: icmp.family,
                kind: icmp.kind,
                code: icmp.code,
                negated,
            }));
        }
        for side in SIDES {
            let entity = conditions.of(side);
            common.extend(self.networks(side, entity)?);
            if let Some(selector) = &entity.not_selector {
                for definition in selected_by(selector) {
                    common.push(self.address(side, definition, true));
                }
            }
            if let Some(service) = entity.service.clone() {
                common.push(match side {
                    Side::Source => self.address(side, SetDefinition::ServiceAddresses(service), false),
                    Side::Destination => {
                        let set = self.set(SetDefinition::ServicePorts(service));
                        Match::AddressPort { side, set, negated: false }
                    }
                });
            }
        }
        Some(common)
    }

    /// The networks of one end, as one condition; `None` if it cannot hold.
    fn networks(&mut self, side: Side, entity: &Entity) -> Option<Option<Match>> {
        let cut = |network: &ipnetwork::IpNetwork, except| Cut { network: *network, except };
        let (networks, negated) = match &entity.nets {
            Some(nets) => (cover(nets.iter().map(|network| cut(network, &entity.not_nets[..]))), false),
            None => (cover(entity.not_nets.iter().map(|network| cut(network, &[]))), true),
        };
        match (networks.is_empty(), negated) {
            (true, false) => None,
            (true, true) => Some(None),
            (false, _) => Some(Some(self.address(side, SetDefinition::Networks(networks), negated))),
        }
    }

    /// Ways to match the selectors of both ends.
    pub(super) fn selected(&mut self, conditions: &Conditions) -> Vec<Vec<Match>> {
        let mut ways = vec![Vec::new()];
        for side in SIDES {
            let Some(selector) = &conditions.of(side).selector else { continue };
            let definitions = selected_by(selector);
            let matches: Vec<Match> =
                definitions.map(|definition| self.address(side, definition, false)).collect();
            ways = product(&ways, matches.into_iter().map(|condition| vec![condition]));
        }
        ways
    }

    /// Ways to match the ports of both ends of a protocol with ports; of no such protocol (`None`), none matches.
    pub(super) fn ports(&mut self, conditions: &Conditions, protocol: Option<Protocol>) -> Vec<Vec<Match>> {
        let mut ways = vec![Vec::new()];
        for side in SIDES {
            let entity = conditions.of(side);
            match protocol {
                None if entity.ports.is_some() => return Vec::new(),
                None => {}
                Some(protocol) => {
                    let of_side = self.ports_of(side, entity, protocol);
                    ways = product(&ways, of_side.into_iter());
                }
            }
        }
        ways
    }

    fn ports_of(&mut self, side: Side, entity: &Entity, protocol: Protocol) -> Vec<Vec<Match>> {
        let mut always = Vec::new();
        let (ranges, sets) = self.resolve(side, entity, protocol, &entity.not_ports);
        if !ranges.is_empty() {
            always.extend([is(protocol), Match::Ports { side, ranges, negated: true }]);
        }
        always.extend(sets.into_iter().map(|set| Match::AddressPort { side, set, negated: true }));
        let Some(ports) = &entity.ports else { return vec![always] };
        let (ranges, sets) = self.resolve(side, entity, protocol, ports);
        let by_number =
            (!ranges.is_empty()).then(|| vec![is(protocol), Match::Ports { side, ranges, negated: false }]);
        let by_name = sets.into_iter().map(|set| vec![Match::AddressPort { side, set, negated: false }]);
        product(&[always], by_number.into_iter().chain(by_name))
    }

    /// Ports by number, the endpoint's own names among them, and the sets of the other end's names.
    fn resolve(
        &mut self,
        side: Side,
        entity: &Entity,
        protocol: Protocol,
        ports: &[PortMatch],
    ) -> (Vec<(u16, u16)>, Vec<SetId>) {
        let (mut ranges, mut sets) = (Vec::new(), Vec::new());
        for port in ports {
            match port {
                PortMatch::Range(first, last) => ranges.push((*first, *last)),
                PortMatch::Named(name) if side != self.direction.peer() => {
                    ranges.extend(self.own_ports(name, protocol));
                }
                PortMatch::Named(name) => {
                    let of = entity.selector.clone().unwrap_or_else(EndpointSelector::everything);
                    let port_name = name.clone();
                    sets.push(self.set(SetDefinition::NamedPorts { of, within: None, protocol, port_name }));
                }
            }
        }
        (merge(ranges), sets)
    }
}

/// The sets of what a selector selects.
fn selected_by(selector: &EndpointSelector) -> impl Iterator<Item = SetDefinition> {
    let networks = selector.selects_networks().then(|| SetDefinition::NetworkSets(selector.clone()));
    [SetDefinition::Addresses(selector.clone())].into_iter().chain(networks)
}

/// Each of the ways with each of the others.
fn product(ways: &[Vec<Match>], others: impl Iterator<Item = Vec<Match>>) -> Vec<Vec<Match>> {
    let others: Vec<Vec<Match>> = others.collect();
    let with = |way: &Vec<Match>, other: &Vec<Match>| way.iter().chain(other).cloned().collect();
    ways.iter().flat_map(|way| others.iter().map(move |other| with(way, other))).collect()
}
