//! `NEWSETELEM`, `DELSETELEM`.

use std::net::IpAddr;

use crate::dataplane::nftables::TABLE_NAME;
use crate::dataplane::nftables::expression::{address_bytes, interface_bytes};
use crate::dataplane::nftables::lower::members::successor;
use crate::dataplane::nftables::table::{Elements, Set, Value, Verdict};
use crate::dataplane::nftables::wire::{Attributes, code};

use super::expression::verdict_data;

/// Room for elements in one list: below the 64 KiB of an attribute by more than any element takes.
const LIST_MAX_BYTES: usize = 60_000;

/// The attributes of as many messages as the elements need.
pub(super) fn lists(name: &str, set: &Set) -> Vec<Attributes> {
    let mut lists = Vec::new();
    let mut list = Attributes::default();
    for element in encoded(&set.elements) {
        if list.len() + element.len() > LIST_MAX_BYTES {
            lists.push(std::mem::take(&mut list));
        }
        list.append(&element);
    }
    lists.push(list);
    lists.retain(|list| list.len() > 0);
    lists.iter().map(|list| message(name, list)).collect()
}

fn message(name: &str, list: &Attributes) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text(code::NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
    attributes.text(code::NFTA_SET_ELEM_LIST_SET, name);
    attributes.nested(code::NFTA_SET_ELEM_LIST_ELEMENTS, |attributes| attributes.append(list));
    attributes
}

fn encoded(elements: &Elements) -> Box<dyn Iterator<Item = Attributes> + '_> {
    match elements {
        Elements::Keys(keys) => Box::new(keys.iter().map(|key| element(&key_bytes(key), 0, None))),
        Elements::Verdicts(verdicts) => {
            Box::new(verdicts.iter().map(|(key, verdict)| element(&key_bytes(key), 0, Some(verdict))))
        }
        Elements::Ranges(ranges) => Box::new(ranges.iter().map(|(first, last)| range(*first, *last))),
    }
}

/// A range is two elements: its first address, and the first one beyond it. A range up to the last address of all has
/// no end.
fn range(first: IpAddr, last: IpAddr) -> Attributes {
    let mut pair = element(&address_bytes(first), 0, None);
    if let Some(end) = successor(last) {
        pair.append(&element(&address_bytes(end), code::NFT_SET_ELEM_INTERVAL_END, None));
    }
    pair
}

fn element(key: &[u8], flags: u32, verdict: Option<&Verdict>) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.nested(code::NFTA_LIST_ELEM, |attributes| {
        if flags != 0 {
            attributes.number(code::NFTA_SET_ELEM_FLAGS, flags);
        }
        attributes.nested(code::NFTA_SET_ELEM_KEY, |attributes| attributes.bytes(code::NFTA_DATA_VALUE, key));
        if let Some(verdict) = verdict {
            attributes.nested(code::NFTA_SET_ELEM_DATA, |attributes| verdict_data(attributes, verdict));
        }
    });
    attributes
}

/// Every component of a concatenation is padded to whole 32-bit registers.
fn key_bytes(key: &[Value]) -> Vec<u8> {
    if let [lone] = key {
        return value_bytes(lone);
    }
    let mut bytes = Vec::new();
    for value in key {
        bytes.extend(value_bytes(value));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn value_bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Address(address) => address_bytes(*address),
        Value::Protocol(protocol) => vec![*protocol],
        Value::Port(port) => port.to_be_bytes().to_vec(),
        Value::Interface(name) => interface_bytes(name),
        Value::Number(number) => number.to_ne_bytes().to_vec(),
    }
}
