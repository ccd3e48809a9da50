//! The tracer's table as one nfnetlink batch.

use super::TRACE_TABLE_NAME;
use crate::dataplane::nftables::encode::object_header;
use crate::dataplane::nftables::wire::{Attributes, Datagram, Header, code};

/// By what the packet is known: these bytes, so far behind the beginning of its transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Bytes behind.
    pub offset: u32,
    /// What is there. Random.
    pub bytes: [u8; 16],
}

/// Messages of the batch: two brackets, the table, a chain and a rule for each hook.
pub(super) const MESSAGES: u32 = 9;

const HOOKS: [(&str, u32, i32, Task); 3] = [
    ("begin", code::NF_INET_PRE_ROUTING, i32::MIN + 1, Task::Trace),
    // Connections are taken note of at the very end.
    ("end_forward", code::NF_INET_FORWARD, i32::MAX - 1, Task::Drop),
    ("end_input", code::NF_INET_LOCAL_IN, i32::MAX - 1, Task::Drop),
];

#[derive(Clone, Copy)]
enum Task {
    Trace,
    Drop,
}

/// The batch, and the sequence number whose acknowledgement means that all is done.
pub(super) fn encode(sign: &Sign, first: u32) -> (Vec<u8>, u32) {
    const CREATE: u16 = code::NLM_F_CREATE | code::NLM_F_EXCL;
    let mut sequence = first;
    let mut next = || {
        let this = sequence;
        sequence = sequence.wrapping_add(1);
        this
    };
    let bracket = |kind, sequence| Header {
        kind,
        flags: 0,
        sequence,
        family: code::NFPROTO_UNSPEC,
        resource: code::NFNL_SUBSYS_NFTABLES,
    };
    let mut datagram = Datagram::default();
    datagram.message(bracket(code::NFNL_MSG_BATCH_BEGIN, next()), |_| {});
    datagram.message(object_header(code::NFT_MSG_NEWTABLE, CREATE, next()), |attributes| {
        attributes.text(code::NFTA_TABLE_NAME, TRACE_TABLE_NAME);
        attributes.number(code::NFTA_TABLE_FLAGS, code::NFT_TABLE_F_OWNER);
    });
    let mut last = first;
    for (index, (name, hook, priority, task)) in HOOKS.into_iter().enumerate() {
        datagram.message(object_header(code::NFT_MSG_NEWCHAIN, CREATE, next()), |attributes| {
            chain(attributes, name, hook, priority);
        });
        last = next();
        let acknowledge = if index + 1 == HOOKS.len() { code::NLM_F_ACK } else { 0 };
        let flags = code::NLM_F_CREATE | code::NLM_F_APPEND | acknowledge;
        datagram.message(object_header(code::NFT_MSG_NEWRULE, flags, last), |attributes| {
            rule(attributes, name, sign, task);
        });
    }
    datagram.message(bracket(code::NFNL_MSG_BATCH_END, next()), |_| {});
    (datagram.into_bytes(), last)
}

fn chain(attributes: &mut Attributes, name: &str, hook: u32, priority: i32) {
    attributes.text(code::NFTA_CHAIN_TABLE, TRACE_TABLE_NAME);
    attributes.text(code::NFTA_CHAIN_NAME, name);
    attributes.nested(code::NFTA_CHAIN_HOOK, |attributes| {
        attributes.number(code::NFTA_HOOK_HOOKNUM, hook);
        attributes.number(code::NFTA_HOOK_PRIORITY, priority.cast_unsigned());
    });
    attributes.number(code::NFTA_CHAIN_POLICY, code::NF_ACCEPT);
    attributes.text(code::NFTA_CHAIN_TYPE, "filter");
}

/// `@th,OFFSET,128 == BYTES`, and `meta nftrace set 1` or `drop`.
fn rule(attributes: &mut Attributes, chain: &str, sign: &Sign, task: Task) {
    attributes.text(code::NFTA_RULE_TABLE, TRACE_TABLE_NAME);
    attributes.text(code::NFTA_RULE_CHAIN, chain);
    attributes.nested(code::NFTA_RULE_EXPRESSIONS, |list| {
        expression(list, "payload", |data| {
            data.number(code::NFTA_PAYLOAD_DREG, code::NFT_REG_1);
            data.number(code::NFTA_PAYLOAD_BASE, code::NFT_PAYLOAD_TRANSPORT_HEADER);
            data.number(code::NFTA_PAYLOAD_OFFSET, sign.offset);
            data.number(code::NFTA_PAYLOAD_LEN, 16);
        });
        expression(list, "cmp", |data| {
            data.number(code::NFTA_CMP_SREG, code::NFT_REG_1);
            data.number(code::NFTA_CMP_OP, code::NFT_CMP_EQ);
            data.nested(code::NFTA_CMP_DATA, |value| value.bytes(code::NFTA_DATA_VALUE, &sign.bytes));
        });
        match task {
            Task::Trace => {
                expression(list, "immediate", |data| {
                    data.number(code::NFTA_IMMEDIATE_DREG, code::NFT_REG_1);
                    data.nested(code::NFTA_IMMEDIATE_DATA, |value| value.bytes(code::NFTA_DATA_VALUE, &[1]));
                });
                expression(list, "meta", |data| {
                    data.number(code::NFTA_META_KEY, code::NFT_META_NFTRACE);
                    data.number(code::NFTA_META_SREG, code::NFT_REG_1);
                });
            }
            Task::Drop => expression(list, "immediate", |data| {
                data.number(code::NFTA_IMMEDIATE_DREG, code::NFT_REG_VERDICT);
                data.nested(code::NFTA_IMMEDIATE_DATA, |value| {
                    value.nested(code::NFTA_DATA_VERDICT, |verdict| {
                        verdict.number(code::NFTA_VERDICT_CODE, code::NF_DROP);
                    });
                });
            }),
        }
    });
}

fn expression(list: &mut Attributes, name: &str, data: impl FnOnce(&mut Attributes)) {
    list.nested(code::NFTA_LIST_ELEM, |one| {
        one.text(code::NFTA_EXPR_NAME, name);
        one.nested(code::NFTA_EXPR_DATA, data);
    });
}
