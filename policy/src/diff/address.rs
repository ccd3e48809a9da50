//! Classes of addresses: those that no set of some profiles tells apart.
//!
//! Networks cut the addresses of a family into spans; all of a span are in the same networks. An address that a set names
//! singly is a span of its own, and so is every endpoint's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::program::{EndpointId, Family, Protocol, Set};
use crate::ranges::{networks, span};

use super::Who;

/// What the sets say of an address: of each in turn, whether it is a member, and with which ports.
pub(super) type Signature = Vec<Membership>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Membership {
    Address(bool),
    Ports(BTreeSet<(Protocol, u16)>),
}

/// Sets, made to be asked about many addresses.
pub(super) struct Sets<'a> {
    lookups: Vec<Lookup<'a>>,
}

enum Lookup<'a> {
    Addresses(&'a BTreeSet<IpAddr>),
    /// Sorted and disjoint, as numbers, of one family.
    Spans(Vec<(u128, u128)>),
    Ports(&'a BTreeSet<(IpAddr, Protocol, u16)>),
}

impl<'a> Sets<'a> {
    /// Asked about addresses of one family.
    pub(super) fn new(family: Family, sets: impl IntoIterator<Item = &'a Set>) -> Self {
        let lookup = |set: &'a Set| match set {
            Set::Addresses(addresses) => Lookup::Addresses(addresses),
            Set::AddressPorts(members) => Lookup::Ports(members),
            Set::Networks(networks) => {
                let of_family = networks.iter().filter(|network| Family::of(network.ip()) == family);
                let mut spans: Vec<(u128, u128)> = of_family.map(|network| span(*network)).collect();
                spans.sort_unstable();
                Lookup::Spans(spans)
            }
        };
        Self { lookups: sets.into_iter().map(lookup).collect() }
    }

    pub(super) fn signature(&self, address: IpAddr) -> Signature {
        let number = number(address);
        let ask = |lookup: &Lookup<'_>| match lookup {
            Lookup::Addresses(addresses) => Membership::Address(addresses.contains(&address)),
            Lookup::Spans(spans) => {
                let at = spans.partition_point(|(_, last)| *last < number);
                Membership::Address(spans.get(at).is_some_and(|(first, _)| *first <= number))
            }
            Lookup::Ports(members) => {
                let of_address = (address, Protocol::Tcp, 0)..=(address, Protocol::Sctp, u16::MAX);
                Membership::Ports(
                    members.range(of_address).map(|(_, protocol, port)| (*protocol, *port)).collect(),
                )
            }
        };
        self.lookups.iter().map(ask).collect()
    }

    /// The first address of each span, as a number.
    fn starts(&self, family: Family) -> BTreeSet<u128> {
        let mut starts = BTreeSet::from([0]);
        let mut cut = |first: u128, last: u128| {
            starts.insert(first);
            starts.extend(last.checked_add(1).filter(|next| *next <= greatest(family)));
        };
        for lookup in &self.lookups {
            match lookup {
                Lookup::Spans(spans) => spans.iter().for_each(|(first, last)| cut(*first, *last)),
                Lookup::Addresses(addresses) => {
                    let of_family = addresses.iter().filter(|address| Family::of(**address) == family);
                    of_family.for_each(|address| cut(number(*address), number(*address)));
                }
                Lookup::Ports(members) => {
                    let of_family = members.iter().filter(|(address, _, _)| Family::of(*address) == family);
                    of_family.for_each(|(address, _, _)| cut(number(*address), number(*address)));
                }
            }
        }
        starts
    }
}

/// Those that have one address of the family each.
pub(super) type Holders = BTreeMap<EndpointId, IpAddr>;

/// Addresses that are not told apart.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// Endpoints among them.
    pub(super) endpoints: Holders,
    /// The others.
    pub(super) outside: Vec<(u128, u128)>,
    /// One of the others.
    pub(super) outsider: Option<IpAddr>,
}

impl Class {
    /// The others, as networks.
    pub(super) fn outside(&self, family: Family) -> Who {
        Who::Outside(networks(family == Family::V4, self.outside.clone()))
    }
}

/// All addresses of a family by what the sets say of them. `endpoints` are all that have one.
pub(super) fn classes(
    family: Family,
    sets: &Sets<'_>,
    endpoints: &Holders,
    taken: &BTreeSet<IpAddr>,
) -> Vec<Class> {
    let mut classes: BTreeMap<Signature, Class> = BTreeMap::new();
    for (id, address) in endpoints {
        let class = classes.entry(sets.signature(*address)).or_default();
        class.endpoints.insert(id.clone(), *address);
    }
    let starts = sets.starts(family);
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([greatest(family)]);
    for (first, last) in starts.iter().copied().zip(ends) {
        let Some(outsider) = free_within(family, first, last, taken) else { continue };
        let class = classes.entry(sets.signature(outsider)).or_default();
        class.outside.push((first, last));
        class.outsider.get_or_insert(outsider);
    }
    classes.into_values().collect()
}

/// Endpoints by what the sets say of their addresses.
pub(super) fn partition(sets: &Sets<'_>, holders: &Holders) -> Vec<Holders> {
    let mut parts: BTreeMap<Signature, Holders> = BTreeMap::new();
    for (id, address) in holders {
        parts.entry(sets.signature(*address)).or_default().insert(id.clone(), *address);
    }
    parts.into_values().collect()
}

/// The first address of a span that is nobody's, if there is one.
fn free_within(family: Family, first: u128, last: u128, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let mut candidate = first;
    for used in taken.range(address(family, first)?..=address(family, last)?) {
        if number(*used) != candidate {
            break;
        }
        candidate = candidate.checked_add(1)?;
    }
    address(family, candidate).filter(|_| candidate <= last)
}

fn greatest(family: Family) -> u128 {
    match family {
        Family::V4 => u128::from(u32::MAX),
        Family::V6 => u128::MAX,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address(family: Family, number: u128) -> Option<IpAddr> {
    match family {
        Family::V4 => u32::try_from(number).ok().map(|number| Ipv4Addr::from(number).into()),
        Family::V6 => Some(Ipv6Addr::from(number).into()),
    }
}
