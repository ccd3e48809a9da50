//! Whatever is compiled is recognised, and what nobody compiled is not.

use proptest::prelude::*;

use super::super::diff::tests::tables;
use super::super::table::{Statement, Verdict};
use super::{Comparison, Expression, Source, compile, recognise};

#[test]
fn recognise_is_the_inverse_of_compile() {
    proptest!(|(table in tables::table())| {
        for rule in table.chains.values().flat_map(|chain| &chain.rules) {
            let recognised = recognise(&compile(&rule.statements));
            prop_assert_eq!(recognised.as_ref(), Some(&rule.statements));
        }
    });
}

fn load(register: u32) -> Expression {
    Expression::Load { source: Source::Meta(super::META_L4PROTO), register }
}

fn compare(register: u32, comparison: Comparison) -> Expression {
    Expression::Compare { register, comparison, data: vec![6] }
}

#[test]
fn what_others_write_is_not_recognised() {
    let foreign = [
        vec![load(0)],
        vec![load(1), compare(1, Comparison::Equal)],
        vec![load(0), compare(0, Comparison::AtMost)],
        vec![compare(0, Comparison::Equal)],
        vec![load(0), Expression::Counter],
        vec![load(0), load(4), Expression::Lookup { set: "s".to_owned(), verdict: false, negated: false }],
        vec![Expression::Load { source: Source::Conntrack(9), register: 0 }, compare(0, Comparison::Equal)],
        vec![
            Expression::Load { source: super::CONNTRACK_MARK, register: 0 },
            Expression::Bitwise { register: 0, mask: vec![0; 4], flip: vec![1, 0, 0, 0] },
            compare(0, Comparison::Equal),
        ],
        vec![
            Expression::Load { source: super::CONNTRACK_MARK, register: 0 },
            Expression::Bitwise { register: 0, mask: vec![0; 4], flip: vec![0; 4] },
            Expression::SetConntrack(super::CT_MARK + 1),
        ],
        vec![
            Expression::Load { source: super::TCP_FLAGS, register: 0 },
            Expression::Bitwise { register: 0, mask: vec![0x12], flip: vec![0] },
            Expression::Compare { register: 0, comparison: Comparison::NotEqual, data: vec![2] },
        ],
        vec![
            Expression::Load { source: super::CONNTRACK_DIRECTION, register: 0 },
            compare(0, Comparison::Equal),
        ],
    ];
    for expressions in foreign {
        assert_eq!(recognise(&expressions), None, "{expressions:?}");
    }
    let ours = [load(0), compare(0, Comparison::Equal), Expression::Immediate(Verdict::Drop)];
    assert_eq!(recognise(&ours), Some(vec![Statement::Protocol(6), Statement::Verdict(Verdict::Drop)]));
}
