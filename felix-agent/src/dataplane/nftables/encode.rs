//! A transaction as one nfnetlink batch.
//!
//! `BATCH_BEGIN` carries the generation that the transaction was computed against, each change is one message (long
//! element lists are cut, for an attribute holds at most 64 KiB), `BATCH_END` closes. Only the last change asks for
//! an acknowledgement: kernels differ in whether they acknowledge the end.
//!
//! Creation is exclusive (`NLM_F_EXCL`) wherever the kernel knows the flag, so that a kernel which already has the
//! object says so instead of agreeing by chance.

use std::collections::BTreeMap;

use super::TABLE_NAME;
use super::diff::{Change, Transaction};
use super::table::{Hook, HookPoint, Rule};
use super::wire::{Attributes, Datagram, Header, code};

mod element;
mod expression;
mod set;
#[cfg(test)]
mod tests;

pub(super) use expression::{CANONICAL_REGISTER_BASE, SECOND};
pub(super) use set::{datatype_bytes, flags, key_of_type};

/// A batch that is ready to send as one datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// All messages.
    pub bytes: Vec<u8>,
    /// Sequence number of `BATCH_BEGIN`; an error that names it concerns the batch as a whole.
    pub begin: u32,
    /// Sequence number of each message, and the index of the change it belongs to.
    pub changes: Vec<(u32, usize)>,
}

impl Batch {
    /// The message whose acknowledgement means that all is done.
    pub fn last(&self) -> u32 {
        self.changes.last().map_or(self.begin, |(sequence, _)| *sequence)
    }
}

/// The kernel's names for the rules of those chains of which a transaction takes or keeps some, in order.
pub type Handles = BTreeMap<String, Vec<u64>>;

/// The batch for a transaction that is valid at `generation`, numbered from `sequence` on. A rule whose handle is not
/// given is none that the kernel knows.
pub fn encode(transaction: &Transaction, handles: &Handles, generation: u32, sequence: u32) -> Batch {
    let messages: Vec<(usize, Body)> = transaction
        .changes
        .iter()
        .enumerate()
        .flat_map(|(index, change)| bodies(change, index, handles).into_iter().map(move |body| (index, body)))
        .collect();
    let mut datagram = Datagram::default();
    let bracket = |kind, sequence| Header {
        kind,
        flags: 0,
        sequence,
        family: code::NFPROTO_UNSPEC,
        resource: code::NFNL_SUBSYS_NFTABLES,
    };
    datagram.message(bracket(code::NFNL_MSG_BATCH_BEGIN, sequence), |attributes| {
        attributes.number(code::NFNL_BATCH_GENID, generation);
    });
    let mut changes = Vec::with_capacity(messages.len());
    let (count, mut next) = (messages.len(), sequence);
    for (at, (index, body)) in messages.into_iter().enumerate() {
        next = next.wrapping_add(1);
        changes.push((next, index));
        let acknowledge = if at + 1 == count { code::NLM_F_ACK } else { 0 };
        datagram.message(object_header(body.kind, body.flags | acknowledge, next), |attributes| {
            attributes.append(&body.attributes);
        });
    }
    datagram.message(bracket(code::NFNL_MSG_BATCH_END, next.wrapping_add(1)), |_| {});
    Batch { bytes: datagram.into_bytes(), begin: sequence, changes }
}

/// Header of a message about an object of our table.
pub(super) fn object_header(kind: u16, flags: u16, sequence: u32) -> Header {
    Header { kind, flags, sequence, family: code::NFPROTO_INET, resource: 0 }
}

/// One message but for its sequence number.
struct Body {
    kind: u16,
    flags: u16,
    attributes: Attributes,
}

impl Body {
    fn new(kind: u16, flags: u16, write: impl FnOnce(&mut Attributes)) -> Body {
        let mut attributes = Attributes::default();
        write(&mut attributes);
        Body { kind, flags, attributes }
    }
}

/// `index` identifies a new set within the transaction, which the kernel demands.
fn bodies(change: &Change, index: usize, handles: &Handles) -> Vec<Body> {
    const NO_RULE: u64 = 0;
    let handle = |chain: &str, at: usize| {
        handles.get(chain).and_then(|rules| rules.get(at)).copied().unwrap_or(NO_RULE)
    };
    const CREATE: u16 = code::NLM_F_CREATE | code::NLM_F_EXCL;
    let body = match change {
        Change::AddTable => Body::new(code::NFT_MSG_NEWTABLE, code::NLM_F_CREATE, |attributes| {
            attributes.text(code::NFTA_TABLE_NAME, TABLE_NAME);
            attributes.number(code::NFTA_TABLE_FLAGS, 0);
        }),
        Change::DeleteTable => Body::new(code::NFT_MSG_DELTABLE, 0, |attributes| {
            attributes.text(code::NFTA_TABLE_NAME, TABLE_NAME);
        }),
        Change::AddSet(name, set) => Body::new(code::NFT_MSG_NEWSET, CREATE, |attributes| {
            set::definition(attributes, name, set, index)
        }),
        Change::DeleteSet(name) => {
            Body::new(code::NFT_MSG_DELSET, 0, |attributes| set::name(attributes, name))
        }
        Change::AddElements(name, set) => {
            return element::lists(name, set)
                .into_iter()
                .map(|attributes| Body { kind: code::NFT_MSG_NEWSETELEM, flags: CREATE, attributes })
                .collect();
        }
        Change::DeleteElements(name, set) => {
            return element::lists(name, set)
                .into_iter()
                .map(|attributes| Body { kind: code::NFT_MSG_DELSETELEM, flags: 0, attributes })
                .collect();
        }
        Change::AddChain(name, hook) => {
            Body::new(code::NFT_MSG_NEWCHAIN, CREATE, |attributes| chain(attributes, name, *hook))
        }
        Change::FlushChain(name) => Body::new(code::NFT_MSG_DELRULE, 0, |attributes| {
            attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
            attributes.text(code::NFTA_RULE_CHAIN, name);
        }),
        Change::DeleteChain(name) => {
            Body::new(code::NFT_MSG_DELCHAIN, 0, |attributes| chain(attributes, name, None))
        }
        Change::DeleteRule(chain, at) => Body::new(code::NFT_MSG_DELRULE, 0, |attributes| {
            attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
            attributes.text(code::NFTA_RULE_CHAIN, chain);
            attributes.number64(code::NFTA_RULE_HANDLE, handle(chain, *at));
        }),
        Change::AddRule(chain, None, new) => {
            let flags = code::NLM_F_CREATE | code::NLM_F_APPEND;
            Body::new(code::NFT_MSG_NEWRULE, flags, |attributes| rule(attributes, chain, new))
        }
        // Without the flag to append, the position is that of the rule that comes after.
        Change::AddRule(chain, Some(before), new) => {
            Body::new(code::NFT_MSG_NEWRULE, code::NLM_F_CREATE, |attributes| {
                rule(attributes, chain, new);
                attributes.number64(code::NFTA_RULE_POSITION, handle(chain, *before));
            })
        }
    };
    vec![body]
}

fn chain(attributes: &mut Attributes, name: &str, hook: Option<Hook>) {
    attributes.text(code::NFTA_CHAIN_TABLE, TABLE_NAME);
    attributes.text(code::NFTA_CHAIN_NAME, name);
    let Some(Hook { point, priority }) = hook else {
        return;
    };
    attributes.text(code::NFTA_CHAIN_TYPE, FILTER_CHAIN_TYPE);
    attributes.number(code::NFTA_CHAIN_POLICY, code::NF_ACCEPT);
    attributes.nested(code::NFTA_CHAIN_HOOK, |attributes| {
        attributes.number(code::NFTA_HOOK_HOOKNUM, hook_number(point));
        attributes.number(code::NFTA_HOOK_PRIORITY, priority.cast_unsigned());
    });
}

/// The type of every base chain of ours.
pub(super) const FILTER_CHAIN_TYPE: &str = "filter";

/// `enum nf_inet_hooks`
pub(super) fn hook_number(point: HookPoint) -> u32 {
    match point {
        HookPoint::Prerouting => 0,
        HookPoint::Input => 1,
        HookPoint::Forward => 2,
        HookPoint::Output => 3,
        HookPoint::Postrouting => 4,
    }
}

fn rule(attributes: &mut Attributes, chain: &str, rule: &Rule) {
    attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
    attributes.text(code::NFTA_RULE_CHAIN, chain);
    attributes.nested(code::NFTA_RULE_EXPRESSIONS, |attributes| {
        for expression in super::expression::compile(&rule.statements) {
            attributes.nested(code::NFTA_LIST_ELEM, |attributes| expression::encode(attributes, &expression));
        }
    });
    if !rule.comment.is_empty() {
        let text = format!("{}\0", rule.comment);
        attributes
            .bytes(code::NFTA_RULE_USERDATA, &user_data(code::NFTNL_UDATA_RULE_COMMENT, text.as_bytes()));
    }
}

/// libnftnl's own attributes: one byte type, one byte length, value.
fn user_data(kind: u8, value: &[u8]) -> Vec<u8> {
    let value = value.get(..usize::from(u8::MAX)).unwrap_or(value);
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    [&[kind, length], value].concat()
}
