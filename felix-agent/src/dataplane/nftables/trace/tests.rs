use super::*;
use crate::dataplane::nftables::encode::object_header;
use crate::dataplane::nftables::wire::{Attributes, Datagram};

fn step(table: &str, verdict: StepVerdict) -> Step {
    Step { family: "inet", table: table.to_owned(), chain: "c".to_owned(), handle: None, verdict }
}

fn decoded(write: impl FnOnce(&mut Attributes)) -> Option<(u32, Step)> {
    let mut datagram = Datagram::default();
    datagram.message(object_header(code::NFT_MSG_TRACE, 0, 1), write);
    let bytes = datagram.into_bytes();
    messages(&bytes).next().and_then(|message| decode(message.family()?, message.attributes()))
}

#[test]
fn rules_and_ends_of_chains_are_read() {
    let place = |attributes: &mut Attributes| {
        attributes.number(code::NFTA_TRACE_ID, 9);
        attributes.text(code::NFTA_TRACE_TABLE, "fabric");
        attributes.text(code::NFTA_TRACE_CHAIN, "c");
    };
    let goto = decoded(|attributes| {
        place(attributes);
        attributes.number64(code::NFTA_TRACE_RULE_HANDLE, 12);
        attributes.nested(code::NFTA_TRACE_VERDICT, |verdict| {
            verdict.number(code::NFTA_VERDICT_CODE, code::NFT_GOTO);
            verdict.text(code::NFTA_VERDICT_CHAIN, "deny_1");
        });
    });
    let expected = Step { handle: Some(12), ..step("fabric", StepVerdict::Goto("deny_1".to_owned())) };
    assert_eq!(goto, Some((9, expected)));
    let policy = decoded(|attributes| {
        place(attributes);
        attributes.number(code::NFTA_TRACE_POLICY, code::NF_ACCEPT);
    });
    assert_eq!(policy, Some((9, step("fabric", StepVerdict::Accept))));
    assert_eq!(decoded(place), None);
}

#[test]
fn only_packets_that_came_by_our_own_rule_are_ours() {
    let heard = [
        (1, step("filter", StepVerdict::Continue)),
        (2, step(TRACE_TABLE_NAME, StepVerdict::Continue)),
        (2, step("fabric", StepVerdict::Drop)),
        (1, step("filter", StepVerdict::Drop)),
    ];
    assert_eq!(
        ours(&heard).map(|step| step.table.as_str()).collect::<Vec<_>>(),
        [TRACE_TABLE_NAME, "fabric"]
    );
    assert!(!step("fabric", StepVerdict::Drop).is_arrival());
    assert!(step(TRACE_TABLE_NAME, StepVerdict::Drop).is_arrival());
}
