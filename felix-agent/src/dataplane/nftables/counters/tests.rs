use super::*;

fn rule(chain: &str, handle: u64, comment: &str) -> KernelRule {
    let count = Some(Count { packets: handle, bytes: 100 * handle });
    KernelRule { chain: chain.to_owned(), handle, comment: comment.to_owned(), count }
}

#[test]
fn a_profiles_rules_are_found_by_comment_in_all_of_its_chains_and_no_others() {
    let mut rules = KernelRules::default();
    for rule in [
        rule("p1", 1, "shop/a ingress#0"),
        rule("p1", 2, "shop/b ingress#0"),
        rule("p1_2", 3, "shop/a ingress#0"),
        rule("p1_x", 4, "shop/a ingress#0"),
        rule("p10", 5, "shop/a ingress#0"),
        rule("deny_1", 6, "shop/a ingress#0"),
    ] {
        rules.chains.entry(rule.chain.clone()).or_default().push(rule);
    }
    let handles = |profile, comment| -> Vec<u64> {
        rules.of_profile(profile, comment).map(|rule| rule.handle).collect()
    };
    assert_eq!(handles("p1", "shop/a ingress#0"), [1, 3]);
    assert_eq!(handles("p1", "shop/c ingress#0"), [0; 0]);
    assert_eq!(handles("p10", "shop/a ingress#0"), [5]);
    assert_eq!(rules.get("p1", 2).map(|rule| rule.comment.as_str()), Some("shop/b ingress#0"));
    assert_eq!(rules.get("p1", 3), None);
}

#[test]
fn a_rules_message_is_read_with_its_counter() {
    let mut attributes = Attributes::default();
    attributes.text(code::NFTA_RULE_CHAIN, "p1");
    attributes.number64(code::NFTA_RULE_HANDLE, 7);
    attributes.nested(code::NFTA_RULE_EXPRESSIONS, |list| {
        list.nested(code::NFTA_LIST_ELEM, |one| one.text(code::NFTA_EXPR_NAME, "meta"));
        list.nested(code::NFTA_LIST_ELEM, |one| {
            one.text(code::NFTA_EXPR_NAME, "counter");
            one.nested(code::NFTA_EXPR_DATA, |data| {
                data.number64(code::NFTA_COUNTER_BYTES, 840);
                data.number64(code::NFTA_COUNTER_PACKETS, 10);
            });
        });
    });
    attributes.bytes(code::NFTA_RULE_USERDATA, b"\x00\x04a b\x00");
    let mut expected = rule("p1", 7, "a b");
    expected.count = Some(Count { packets: 10, bytes: 840 });
    let mut datagram = super::super::wire::Datagram::default();
    let header = super::super::encode::object_header(code::NFT_MSG_NEWRULE, 0, 1);
    datagram.message(header, |into| into.append(&attributes));
    let bytes = datagram.into_bytes();
    let read: Vec<_> =
        super::super::wire::messages(&bytes).filter_map(|message| decode(message.attributes())).collect();
    assert_eq!(read, [expected]);
}
