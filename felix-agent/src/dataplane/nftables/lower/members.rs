//! The program's sets, split by family.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use policy::delta::Member;
use policy::program::{self, Set as ProgramSet, SetId};

use crate::dataplane::nftables::table::{Datatype, Elements, Family, Set, Side, Value};

/// The kernel's two sets for one of the program. Both are there even if one is empty: members come and go, and their
/// coming must not change rules.
pub(super) fn lower(id: &SetId, set: &ProgramSet) -> [(String, Set); 2] {
    [Family::V4, Family::V6].map(|family| (family_set(id, family), of_family(set, family)))
}

/// The names of those two.
pub(super) fn names(id: &SetId) -> [String; 2] {
    [Family::V4, Family::V6].map(|family| family_set(id, family))
}

/// Where a member of a program's set is: in which of the two, under which key. Networks have none: what touches is one range.
pub(super) fn element(id: &SetId, member: Member) -> Option<(String, Vec<Value>)> {
    let (address, key) = match member {
        Member::Address(address) => (address, vec![Value::Address(address)]),
        Member::AddressPort(address, protocol, port) => {
            (address, vec![Value::Address(address), Value::Protocol(protocol.number()), Value::Port(port)])
        }
        Member::Network(_) => return None,
    };
    Some((family_set(id, Family::of(&address)), key))
}

/// Name of a program's set in one family.
pub(super) fn family_set(id: &SetId, family: Family) -> String {
    match family {
        Family::V4 => format!("{}4", id.0),
        Family::V6 => format!("{}6", id.0),
    }
}

/// The table's word for the program's.
pub(super) fn family(family: program::Family) -> Family {
    match family {
        program::Family::V4 => Family::V4,
        program::Family::V6 => Family::V6,
    }
}

/// The table's word for the program's.
pub(super) fn side(side: program::Side) -> Side {
    match side {
        program::Side::Source => Side::Source,
        program::Side::Destination => Side::Destination,
    }
}

fn of_family(set: &ProgramSet, family: Family) -> Set {
    match set {
        ProgramSet::Addresses(addresses) => {
            let members = addresses.iter().filter(|address| Family::of(address) == family);
            let keys = members.map(|address| vec![Value::Address(*address)]).collect();
            Set { key: vec![family.datatype()], elements: Elements::Keys(keys) }
        }
        ProgramSet::AddressPorts(tuples) => {
            let members = tuples.iter().filter(|(address, _, _)| Family::of(address) == family);
            let keys = members
                .map(|(address, protocol, port)| {
                    vec![Value::Address(*address), Value::Protocol(protocol.number()), Value::Port(*port)]
                })
                .collect();
            let key = vec![family.datatype(), Datatype::Protocol, Datatype::Port];
            Set { key, elements: Elements::Keys(keys) }
        }
        ProgramSet::Networks(networks) => {
            let members = networks.iter().filter(|network| Family::of(&network.ip()) == family);
            let ranges = merge(members.map(|network| (network.network(), last(network))).collect());
            Set { key: vec![family.datatype()], elements: Elements::Ranges(ranges) }
        }
    }
}

fn last(network: &IpNetwork) -> IpAddr {
    match network {
        IpNetwork::V4(network) => IpAddr::V4(network.broadcast()),
        IpNetwork::V6(network) => IpAddr::V6(network.broadcast()),
    }
}

/// Joins what overlaps or touches: the kernel refuses overlaps, and every range it need not hold is a faster lookup.
fn merge(ranges: BTreeSet<(IpAddr, IpAddr)>) -> BTreeSet<(IpAddr, IpAddr)> {
    let mut merged: Vec<(IpAddr, IpAddr)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if successor(*end).is_none_or(|next| first <= next) => *end = (*end).max(last),
            Some(_) | None => merged.push((first, last)),
        }
    }
    merged.into_iter().collect()
}

/// The next address of the same family, if there is one.
pub(in crate::dataplane::nftables) fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}
