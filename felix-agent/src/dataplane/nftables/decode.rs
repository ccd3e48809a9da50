//! Messages of the kernel as parts of a table.
//!
//! `None` everywhere means the same: this is nothing that `encode` would have written, so somebody else did, and the
//! table as a whole has to be replaced. That includes a table made dormant, which would keep all rules and enforce none.

use std::net::IpAddr;

use super::encode::{FILTER_CHAIN_TYPE, datatype_bytes, flags, hook_number, key_of_type};
use super::expression::{address, interface_name, recognise};
use super::table::{Chain, Datatype, Elements, Hook, HookPoint, Rule, Set, Value, Verdict};
use super::wire::{Received, code};

mod expression;
mod range;

pub(super) use range::Ranges;

/// Whether the table has the flags that we give it: none.
pub(super) fn is_plain_table(attributes: Received<'_>) -> bool {
    attributes.number(code::NFTA_TABLE_FLAGS) == Some(0)
}

/// A chain's name and its definition without rules.
pub(super) fn chain(attributes: Received<'_>) -> Option<(String, Chain)> {
    let name = attributes.text(code::NFTA_CHAIN_NAME)?.to_owned();
    let hook = match attributes.nested(code::NFTA_CHAIN_HOOK) {
        None => None,
        Some(hook) => {
            let ours = attributes.text(code::NFTA_CHAIN_TYPE) == Some(FILTER_CHAIN_TYPE)
                && attributes.number(code::NFTA_CHAIN_POLICY) == Some(code::NF_ACCEPT);
            let point = hook_point(hook.number(code::NFTA_HOOK_HOOKNUM)?).filter(|_| ours)?;
            Some(Hook { point, priority: hook.number(code::NFTA_HOOK_PRIORITY)?.cast_signed() })
        }
    };
    Some((name, Chain { hook, rules: Vec::new() }))
}

fn hook_point(number: u32) -> Option<HookPoint> {
    let points = [
        HookPoint::Prerouting,
        HookPoint::Input,
        HookPoint::Forward,
        HookPoint::Output,
        HookPoint::Postrouting,
    ];
    points.into_iter().find(|point| hook_number(*point) == number)
}

/// A set's name and its definition without elements.
pub(super) fn set(attributes: Received<'_>) -> Option<(String, Set)> {
    let name = attributes.text(code::NFTA_SET_NAME)?.to_owned();
    let key = key_of_type(attributes.number(code::NFTA_SET_KEY_TYPE)?).filter(|key| !key.is_empty())?;
    let given = attributes.number(code::NFTA_SET_FLAGS).unwrap_or(0);
    let kinds = [
        Elements::Keys(Default::default()),
        Elements::Ranges(Default::default()),
        Elements::Verdicts(Default::default()),
    ];
    let elements = kinds.into_iter().find(|kind| flags(kind) == given)?;
    let is_map = matches!(elements, Elements::Verdicts(_));
    let data = attributes.number(code::NFTA_SET_DATA_TYPE);
    let fits = if is_map { data == Some(code::NFT_DATA_VERDICT) } else { data.is_none() };
    fits.then_some((name, Set { key, elements }))
}

/// One element as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    /// Of a set or, with a verdict, of a map.
    Key(Vec<Value>, Option<Verdict>),
    /// First address of a range.
    Start(IpAddr),
    /// First address beyond a range.
    End(IpAddr),
}

/// The elements in one message about a set of this type.
pub(super) fn elements(attributes: Received<'_>, set: &Set) -> Option<Vec<Element>> {
    let Some(list) = attributes.nested(code::NFTA_SET_ELEM_LIST_ELEMENTS) else {
        return Some(Vec::new());
    };
    list.iter().map(|(_, payload)| element(Received(payload), set)).collect()
}

fn element(attributes: Received<'_>, set: &Set) -> Option<Element> {
    let key = attributes.nested(code::NFTA_SET_ELEM_KEY)?.bytes(code::NFTA_DATA_VALUE)?;
    let is_end =
        attributes.number(code::NFTA_SET_ELEM_FLAGS).unwrap_or(0) & code::NFT_SET_ELEM_INTERVAL_END != 0;
    match &set.elements {
        Elements::Keys(_) => Some(Element::Key(key_values(key, &set.key)?, None)),
        Elements::Ranges(_) => {
            let address = address(key)?;
            Some(if is_end { Element::End(address) } else { Element::Start(address) })
        }
        Elements::Verdicts(_) => {
            let verdict = expression::verdict(attributes.nested(code::NFTA_SET_ELEM_DATA)?)?;
            Some(Element::Key(key_values(key, &set.key)?, Some(verdict)))
        }
    }
}

fn key_values(bytes: &[u8], key: &[Datatype]) -> Option<Vec<Value>> {
    let mut rest = bytes;
    let mut values = Vec::with_capacity(key.len());
    for datatype in key {
        let length = datatype_bytes(*datatype);
        values.push(value(rest.get(..length)?, *datatype)?);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(values)
}

fn value(bytes: &[u8], datatype: Datatype) -> Option<Value> {
    match (datatype, bytes) {
        (Datatype::Ipv4Address | Datatype::Ipv6Address, bytes) => address(bytes).map(Value::Address),
        (Datatype::Protocol, [protocol]) => Some(Value::Protocol(*protocol)),
        (Datatype::Port, &[high, low]) => Some(Value::Port(u16::from_be_bytes([high, low]))),
        (Datatype::Interface, bytes) => interface_name(bytes).map(Value::Interface),
        (Datatype::Number, bytes) => bytes.try_into().ok().map(u32::from_ne_bytes).map(Value::Number),
        (Datatype::Protocol | Datatype::Port, _) => None,
    }
}

/// The chain that a rule is in, and the kernel's name for it.
pub(super) fn rule_handle(attributes: Received<'_>) -> Option<(String, u64)> {
    let chain = attributes.text(code::NFTA_RULE_CHAIN)?.to_owned();
    Some((chain, attributes.number64(code::NFTA_RULE_HANDLE)?))
}

/// The chain that a rule is in, and the rule.
pub(super) fn rule(attributes: Received<'_>) -> Option<(String, Rule)> {
    let chain = attributes.text(code::NFTA_RULE_CHAIN)?.to_owned();
    let comment = match attributes.bytes(code::NFTA_RULE_USERDATA) {
        None => String::new(),
        Some(data) => comment(data)?,
    };
    let expressions: Option<Vec<_>> = match attributes.nested(code::NFTA_RULE_EXPRESSIONS) {
        None => Some(Vec::new()),
        Some(list) => list.iter().map(|(_, payload)| expression::decode(Received(payload))).collect(),
    };
    Some((chain, Rule { comment, statements: recognise(&expressions?)? }))
}

pub(super) fn comment(data: &[u8]) -> Option<String> {
    match data {
        [code::NFTNL_UDATA_RULE_COMMENT, length, text @ ..] if usize::from(*length) == text.len() => {
            String::from_utf8(text.strip_suffix(&[0])?.to_vec()).ok()
        }
        _ => None,
    }
}
