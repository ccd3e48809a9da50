//! The inverse of the encoder's expressions.

use crate::dataplane::nftables::encode::{CANONICAL_REGISTER_BASE, SECOND};
use crate::dataplane::nftables::expression::{Comparison, Expression, Source};
use crate::dataplane::nftables::table::{Limit, Log, Verdict};
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
        "ct" => conntrack(data),
        "payload" => {
            let base = data.number(code::NFTA_PAYLOAD_BASE)?;
            let offset = data.number(code::NFTA_PAYLOAD_OFFSET)?;
            let source = Source::Payload(base, offset, data.number(code::NFTA_PAYLOAD_LEN)?);
            Some(Expression::Load { source, register: register(data, code::NFTA_PAYLOAD_DREG)? })
        }
        "bitwise" => bitwise(data),
        "cmp" => {
            let comparison = comparison(data.number(code::NFTA_CMP_OP)?)?;
            let register = register(data, code::NFTA_CMP_SREG)?;
            Some(Expression::Compare { register, comparison, data: value(data, code::NFTA_CMP_DATA)? })
        }
        "range" => outside(data),
        "lookup" => lookup(data),
        "immediate" => immediate(data),
        "counter" => Some(Expression::Counter),
        "limit" => limit(data),
        "log" => log(data),
        _ => None,
    }
}

/// Reading has no source register, writing no destination.
fn conntrack(data: Received<'_>) -> Option<Expression> {
    let key = data.number(code::NFTA_CT_KEY)?;
    match (register(data, code::NFTA_CT_DREG), register(data, code::NFTA_CT_SREG)) {
        (Some(register), None) => Some(Expression::Load { source: Source::Conntrack(key), register }),
        (None, Some(0)) => Some(Expression::SetConntrack(key)),
        _ => None,
    }
}

/// `register & mask ^ flip` in place.
fn bitwise(data: Received<'_>) -> Option<Expression> {
    let source = register(data, code::NFTA_BITWISE_SREG)?;
    let in_place = register(data, code::NFTA_BITWISE_DREG)? == source;
    let boolean = data.number(code::NFTA_BITWISE_OP).unwrap_or(0) == 0;
    let mask = value(data, code::NFTA_BITWISE_MASK)?;
    let flip = value(data, code::NFTA_BITWISE_XOR)?;
    (in_place && boolean).then_some(Expression::Bitwise { register: source, mask, flip })
}

fn outside(data: Received<'_>) -> Option<Expression> {
    let negated = data.number(code::NFTA_RANGE_OP)? == code::NFT_RANGE_NEQ;
    let register = register(data, code::NFTA_RANGE_SREG)?;
    let first = value(data, code::NFTA_RANGE_FROM_DATA)?;
    let last = value(data, code::NFTA_RANGE_TO_DATA)?;
    negated.then_some(Expression::Outside { register, first, last })
}

fn lookup(data: Received<'_>) -> Option<Expression> {
    let set = data.text(code::NFTA_LOOKUP_SET)?.to_owned();
    let from_the_first = register(data, code::NFTA_LOOKUP_SREG)? == 0;
    let negated = match data.number(code::NFTA_LOOKUP_FLAGS).unwrap_or(0) {
        0 => false,
        code::NFT_LOOKUP_F_INV => true,
        _ => return None,
    };
    let verdict = match data.number(code::NFTA_LOOKUP_DREG) {
        None => false,
        Some(code::NFT_REG_VERDICT) => true,
        Some(_) => return None,
    };
    from_the_first.then_some(Expression::Lookup { set, verdict, negated })
}

/// Anything else that could be said of a limit or a log, we do not say.
fn limit(data: Received<'_>) -> Option<Expression> {
    let plain = data.number64(code::NFTA_LIMIT_UNIT)? == SECOND
        && data.number(code::NFTA_LIMIT_TYPE).unwrap_or(code::NFT_LIMIT_PKTS) == code::NFT_LIMIT_PKTS
        && data.number(code::NFTA_LIMIT_FLAGS).unwrap_or(0) == 0;
    let per_second = u32::try_from(data.number64(code::NFTA_LIMIT_RATE)?).ok()?;
    let burst = data.number(code::NFTA_LIMIT_BURST)?;
    plain.then_some(Expression::Limit(Limit { per_second, burst }))
}

fn log(data: Received<'_>) -> Option<Expression> {
    let plain = data.number16(code::NFTA_LOG_QTHRESHOLD).unwrap_or(0) == 0;
    let prefix = data.text(code::NFTA_LOG_PREFIX)?.to_owned();
    let group = data.number16(code::NFTA_LOG_GROUP)?;
    let snaplen = data.number(code::NFTA_LOG_SNAPLEN)?;
    plain.then_some(Expression::Log(Log { prefix, group, snaplen }))
}

fn immediate(data: Received<'_>) -> Option<Expression> {
    if data.number(code::NFTA_IMMEDIATE_DREG)? == code::NFT_REG_VERDICT {
        return verdict(data.nested(code::NFTA_IMMEDIATE_DATA)?).map(Expression::Immediate);
    }
    let register = register(data, code::NFTA_IMMEDIATE_DREG)?;
    Some(Expression::Constant { register, data: value(data, code::NFTA_IMMEDIATE_DATA)? })
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
