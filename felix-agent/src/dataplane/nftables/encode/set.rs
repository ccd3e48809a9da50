//! `NEWSET`, `DELSET`.

use crate::dataplane::nftables::TABLE_NAME;
use crate::dataplane::nftables::table::{Datatype, Elements, Set};
use crate::dataplane::nftables::wire::{Attributes, code};

use super::user_data;

/// Bits by which nft packs the types of a concatenation into one number (`TYPE_BITS` of its `datatype.h`).
const DATATYPE_BITS: u32 = 6;

pub(super) fn name(attributes: &mut Attributes, name: &str) {
    attributes.text(code::NFTA_SET_TABLE, TABLE_NAME);
    attributes.text(code::NFTA_SET_NAME, name);
}

/// `id` distinguishes the new sets of one transaction.
pub(super) fn definition(attributes: &mut Attributes, set_name: &str, set: &Set, id: usize) {
    name(attributes, set_name);
    attributes.number(code::NFTA_SET_FLAGS, flags(&set.elements));
    attributes.number(code::NFTA_SET_KEY_TYPE, key_type(&set.key));
    attributes.number(code::NFTA_SET_KEY_LEN, key_bytes(&set.key));
    if matches!(set.elements, Elements::Verdicts(_)) {
        attributes.number(code::NFTA_SET_DATA_TYPE, code::NFT_DATA_VERDICT);
        attributes.number(code::NFTA_SET_DATA_LEN, 0);
    }
    attributes.number(code::NFTA_SET_ID, u32::try_from(id).unwrap_or(u32::MAX));
    let order = user_data(code::NFTNL_UDATA_SET_KEYBYTEORDER, &byte_order(&set.key).to_ne_bytes());
    attributes.bytes(code::NFTA_SET_USERDATA, &order);
}

/// The flags that tell the kinds of sets apart.
pub(in crate::dataplane::nftables) fn flags(elements: &Elements) -> u32 {
    match elements {
        Elements::Keys(_) => 0,
        Elements::Ranges(_) => code::NFT_SET_INTERVAL,
        Elements::Verdicts(_) => code::NFT_SET_MAP,
    }
}

/// nft's number of the key's type; opaque to the kernel.
pub(in crate::dataplane::nftables) fn key_type(key: &[Datatype]) -> u32 {
    key.iter().fold(0, |number, datatype| number << DATATYPE_BITS | datatype_number(*datatype))
}

/// The inverse of [`key_type`].
pub(in crate::dataplane::nftables) fn key_of_type(number: u32) -> Option<Vec<Datatype>> {
    let known = [
        Datatype::Ipv4Address,
        Datatype::Ipv6Address,
        Datatype::Protocol,
        Datatype::Port,
        Datatype::Interface,
        Datatype::Number,
    ];
    let mut key = Vec::new();
    let mut rest = number;
    while rest != 0 {
        let last = rest & ((1 << DATATYPE_BITS) - 1);
        key.push(known.into_iter().find(|datatype| datatype_number(*datatype) == last)?);
        rest >>= DATATYPE_BITS;
    }
    key.reverse();
    Some(key)
}

/// `enum datatypes` of nft's `datatype.h`.
fn datatype_number(datatype: Datatype) -> u32 {
    match datatype {
        Datatype::Ipv4Address => 7,
        Datatype::Ipv6Address => 8,
        Datatype::Protocol => 12,
        Datatype::Port => 13,
        Datatype::Number => 19,
        Datatype::Interface => 41,
    }
}

/// Length of a component without padding.
pub(in crate::dataplane::nftables) fn datatype_bytes(datatype: Datatype) -> usize {
    match datatype {
        Datatype::Ipv4Address | Datatype::Number => 4,
        Datatype::Ipv6Address | Datatype::Interface => 16,
        Datatype::Protocol => 1,
        Datatype::Port => 2,
    }
}

/// Components of a concatenation fill whole 32-bit registers; a lone component has its own length.
fn key_bytes(key: &[Datatype]) -> u32 {
    let bytes = match key {
        [lone] => datatype_bytes(*lone),
        several => several.iter().map(|datatype| datatype_bytes(*datatype).next_multiple_of(4)).sum(),
    };
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// `enum byteorder` of nft: without it, `nft list` shows names as empty strings. A concatenation has none of its own.
fn byte_order(key: &[Datatype]) -> u32 {
    const INVALID: u32 = 0;
    const HOST_ENDIAN: u32 = 1;
    const BIG_ENDIAN: u32 = 2;
    match key {
        [Datatype::Interface | Datatype::Number] => HOST_ENDIAN,
        [Datatype::Ipv4Address | Datatype::Ipv6Address | Datatype::Protocol | Datatype::Port] => BIG_ENDIAN,
        _ => INVALID,
    }
}
