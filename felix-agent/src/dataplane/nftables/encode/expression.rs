//! Expressions of a rule, and verdicts.

use crate::dataplane::nftables::expression::{Comparison, Expression, Source};
use crate::dataplane::nftables::table::{Limit, Log, Verdict};
use crate::dataplane::nftables::wire::{Attributes, code};

/// 32-bit words in a register of the old, 128-bit numbering, in which the kernel speaks where it can.
pub(in crate::dataplane::nftables) const CANONICAL_REGISTER_BASE: u32 = 4;

/// Name and data of one expression.
pub(super) fn encode(attributes: &mut Attributes, expression: &Expression) {
    attributes.text(code::NFTA_EXPR_NAME, name(expression));
    attributes.nested(code::NFTA_EXPR_DATA, |attributes| match expression {
        Expression::Load { source, register } => load(attributes, *source, *register),
        Expression::Constant { register, data } => {
            attributes.number(code::NFTA_IMMEDIATE_DREG, register_number(*register));
            value(attributes, code::NFTA_IMMEDIATE_DATA, data);
        }
        Expression::Bitwise { register, mask, flip } => bitwise(attributes, *register, mask, flip),
        Expression::Compare { register, comparison, data } => {
            attributes.number(code::NFTA_CMP_SREG, register_number(*register));
            attributes.number(code::NFTA_CMP_OP, comparison_number(*comparison));
            value(attributes, code::NFTA_CMP_DATA, data);
        }
        Expression::Outside { register, first, last } => {
            attributes.number(code::NFTA_RANGE_SREG, register_number(*register));
            attributes.number(code::NFTA_RANGE_OP, code::NFT_RANGE_NEQ);
            value(attributes, code::NFTA_RANGE_FROM_DATA, first);
            value(attributes, code::NFTA_RANGE_TO_DATA, last);
        }
        Expression::Lookup { set, verdict, negated } => {
            attributes.text(code::NFTA_LOOKUP_SET, set);
            attributes.number(code::NFTA_LOOKUP_SREG, register_number(0));
            if *verdict {
                attributes.number(code::NFTA_LOOKUP_DREG, code::NFT_REG_VERDICT);
            }
            if *negated {
                attributes.number(code::NFTA_LOOKUP_FLAGS, code::NFT_LOOKUP_F_INV);
            }
        }
        Expression::SetConntrack(key) => {
            attributes.number(code::NFTA_CT_KEY, *key);
            attributes.number(code::NFTA_CT_SREG, register_number(0));
        }
        Expression::Immediate(verdict) => {
            attributes.number(code::NFTA_IMMEDIATE_DREG, code::NFT_REG_VERDICT);
            attributes.nested(code::NFTA_IMMEDIATE_DATA, |attributes| verdict_data(attributes, verdict));
        }
        Expression::Counter => {}
        Expression::Limit(limit) => rate(attributes, *limit),
        Expression::Log(log) => told(attributes, log),
    });
}

/// As the kernel's expression types are registered.
fn name(expression: &Expression) -> &'static str {
    match expression {
        Expression::Load { source: Source::Meta(_), .. } => "meta",
        Expression::Load { source: Source::Conntrack(_), .. } => "ct",
        Expression::Load { source: Source::Payload(..), .. } => "payload",
        Expression::SetConntrack(_) => "ct",
        Expression::Bitwise { .. } => "bitwise",
        Expression::Compare { .. } => "cmp",
        Expression::Outside { .. } => "range",
        Expression::Lookup { .. } => "lookup",
        Expression::Immediate(_) | Expression::Constant { .. } => "immediate",
        Expression::Counter => "counter",
        Expression::Limit(_) => "limit",
        Expression::Log(_) => "log",
    }
}

fn load(attributes: &mut Attributes, source: Source, register: u32) {
    let register = register_number(register);
    match source {
        Source::Meta(key) => {
            attributes.number(code::NFTA_META_DREG, register);
            attributes.number(code::NFTA_META_KEY, key);
        }
        Source::Conntrack(key) => {
            attributes.number(code::NFTA_CT_DREG, register);
            attributes.number(code::NFTA_CT_KEY, key);
        }
        Source::Payload(base, offset, length) => {
            attributes.number(code::NFTA_PAYLOAD_DREG, register);
            attributes.number(code::NFTA_PAYLOAD_BASE, base);
            attributes.number(code::NFTA_PAYLOAD_OFFSET, offset);
            attributes.number(code::NFTA_PAYLOAD_LEN, length);
        }
    }
}

/// `register = register & mask ^ flip`
fn bitwise(attributes: &mut Attributes, register: u32, mask: &[u8], flip: &[u8]) {
    attributes.number(code::NFTA_BITWISE_SREG, register_number(register));
    attributes.number(code::NFTA_BITWISE_DREG, register_number(register));
    attributes.number(code::NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
    value(attributes, code::NFTA_BITWISE_MASK, mask);
    value(attributes, code::NFTA_BITWISE_XOR, flip);
}

fn rate(attributes: &mut Attributes, limit: Limit) {
    attributes.number64(code::NFTA_LIMIT_RATE, u64::from(limit.per_second));
    attributes.number64(code::NFTA_LIMIT_UNIT, SECOND);
    attributes.number(code::NFTA_LIMIT_BURST, limit.burst);
    attributes.number(code::NFTA_LIMIT_TYPE, code::NFT_LIMIT_PKTS);
    attributes.number(code::NFTA_LIMIT_FLAGS, 0);
}

/// A limit's unit, in seconds.
pub(in crate::dataplane::nftables) const SECOND: u64 = 1;

fn told(attributes: &mut Attributes, log: &Log) {
    attributes.text(code::NFTA_LOG_PREFIX, &log.prefix);
    attributes.number16(code::NFTA_LOG_GROUP, log.group);
    attributes.number(code::NFTA_LOG_SNAPLEN, log.snaplen);
}

fn value(attributes: &mut Attributes, kind: u16, data: &[u8]) {
    attributes.nested(kind, |attributes| attributes.bytes(code::NFTA_DATA_VALUE, data));
}

/// The data of an immediate, or of an element of a verdict map.
pub(super) fn verdict_data(attributes: &mut Attributes, verdict: &Verdict) {
    attributes.nested(code::NFTA_DATA_VERDICT, |attributes| {
        attributes.number(code::NFTA_VERDICT_CODE, verdict_number(verdict));
        if let Some(chain) = verdict.target() {
            attributes.text(code::NFTA_VERDICT_CHAIN, chain);
        }
    });
}

fn verdict_number(verdict: &Verdict) -> u32 {
    match verdict {
        Verdict::Accept => code::NF_ACCEPT,
        Verdict::Drop => code::NF_DROP,
        Verdict::Return => code::NFT_RETURN,
        Verdict::Jump(_) => code::NFT_JUMP,
        Verdict::Goto(_) => code::NFT_GOTO,
    }
}

fn comparison_number(comparison: Comparison) -> u32 {
    match comparison {
        Comparison::Equal => code::NFT_CMP_EQ,
        Comparison::NotEqual => code::NFT_CMP_NEQ,
        Comparison::AtMost => code::NFT_CMP_LTE,
        Comparison::AtLeast => code::NFT_CMP_GTE,
    }
}

/// The register at a 32-bit word, in the kernel's canonical spelling.
fn register_number(word: u32) -> u32 {
    if word.is_multiple_of(CANONICAL_REGISTER_BASE) {
        code::NFT_REG_1 + word / CANONICAL_REGISTER_BASE
    } else {
        code::NFT_REG32_00 + word
    }
}
