//! The inverse of the encoder's expressions.

use crate::dataplane::nftables::encode::CANONICAL_REGISTER_BASE;
use crate::dataplane::nftables::expression::{Comparison, Expression, Source};
use crate::dataplane::nftables::table::Verdict;
use crate::dataplane::nftables::wire::{Received, code};

/// One expression of a rule.
pub(super) fn decode(attributes: Received<'_>) -> Option<Expression> {
    let name = attributes.text(code::NFTA_EXPR_NAME)?;
    let data = attributes.nested(code::NFTA_EXPR_DATA).unwrap_or(Received(&[]));
    match name {
        "meta" => {
            let source = Source::Meta(data.number(code::NFTA_META_KEY)?);
            Some(Expression::Load { source, register: register(data, code::NFTA_META_DREG)? })
        }
        "ct" => {
            let source = Source::Conntrack(data.number(code::NFTA_CT_KEY)?);
            Some(Expression::Load { source, register: register(data, code::NFTA_CT_DREG)? })
        }
        "payload" => {
            let base = data.number(code::NFTA_PAYLOAD_BASE)?;
            let offset = data.number(code::NFTA_PAYLOAD_OFFSET)?;
            let source = Source::Payload(base, offset, data.number(code::NFTA_PAYLOAD_LEN)?);
            Some(Expression::Load { source, register: register(data, code::NFTA_PAYLOAD_DREG)? })
        }
        "bitwise" => mask(data),
        "cmp" => {
            let comparison = comparison(data.number(code::NFTA_CMP_OP)?)?;
            let register = register(data, code::NFTA_CMP_SREG)?;
            Some(Expression::Compare { register, comparison, data: value(data, code::NFTA_CMP_DATA)? })
        }
        "lookup" => lookup(data),
        "immediate" => immediate(data),
        "counter" => Some(Expression::Counter),
        _ => None,
    }
}

/// `register & mask ^ 0` in place.
fn mask(data: Received<'_>) -> Option<Expression> {
    let source = register(data, code::NFTA_BITWISE_SREG)?;
    let in_place = register(data, code::NFTA_BITWISE_DREG)? == source;
    let boolean = data.number(code::NFTA_BITWISE_OP).unwrap_or(0) == 0;
    let keeps = value(data, code::NFTA_BITWISE_XOR)?.iter().all(|byte| *byte == 0);
    let mask = value(data, code::NFTA_BITWISE_MASK)?;
    (in_place && boolean && keeps).then_some(Expression::Mask { register: source, mask })
}

fn lookup(data: Received<'_>) -> Option<Expression> {
    let set = data.text(code::NFTA_LOOKUP_SET)?.to_owned();
    let plain = register(data, code::NFTA_LOOKUP_SREG)? == 0
        && data.number(code::NFTA_LOOKUP_FLAGS).unwrap_or(0) == 0;
    let verdict = match data.number(code::NFTA_LOOKUP_DREG) {
        None => Some(false),
        Some(code::NFT_REG_VERDICT) => Some(true),
        Some(_) => None,
    };
    verdict.filter(|_| plain).map(|verdict| Expression::Lookup { set, verdict })
}

fn immediate(data: Received<'_>) -> Option<Expression> {
    let to_verdict = data.number(code::NFTA_IMMEDIATE_DREG)? == code::NFT_REG_VERDICT;
    let verdict = verdict(data.nested(code::NFTA_IMMEDIATE_DATA)?)?;
    to_verdict.then_some(Expression::Immediate(verdict))
}

/// The verdict of an immediate or of a map's element.
pub(super) fn verdict(data: Received<'_>) -> Option<Verdict> {
    let verdict = data.nested(code::NFTA_DATA_VERDICT)?;
    let chain = verdict.text(code::NFTA_VERDICT_CHAIN).map(str::to_owned);
    match (verdict.number(code::NFTA_VERDICT_CODE)?, chain) {
        (code::NF_ACCEPT, None) => Some(Verdict::Accept),
        (code::NF_DROP, None) => Some(Verdict::Drop),
        (code::NFT_RETURN, None) => Some(Verdict::Return),
        (code::NFT_JUMP, Some(chain)) => Some(Verdict::Jump(chain)),
        (code::NFT_GOTO, Some(chain)) => Some(Verdict::Goto(chain)),
        _ => None,
    }
}

fn value(data: Received<'_>, kind: u16) -> Option<Vec<u8>> {
    data.nested(kind)?.bytes(code::NFTA_DATA_VALUE).map(<[u8]>::to_vec)
}

/// The 32-bit word that a register begins at.
fn register(data: Received<'_>, kind: u16) -> Option<u32> {
    const LAST_LONG: u32 = 4;
    match data.number(kind)? {
        number @ code::NFT_REG_1..=LAST_LONG => Some((number - code::NFT_REG_1) * CANONICAL_REGISTER_BASE),
        number => number.checked_sub(code::NFT_REG32_00),
    }
}

fn comparison(number: u32) -> Option<Comparison> {
    match number {
        code::NFT_CMP_EQ => Some(Comparison::Equal),
        code::NFT_CMP_NEQ => Some(Comparison::NotEqual),
        code::NFT_CMP_LTE => Some(Comparison::AtMost),
        code::NFT_CMP_GTE => Some(Comparison::AtLeast),
        _ => None,
    }
}
