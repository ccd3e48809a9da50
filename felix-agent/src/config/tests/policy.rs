//! How policy is enforced.

use super::{GOOD, parse};
use crate::dataplane::nftables::Options;
use crate::dataplane::nftables::mark::MarkLayout;
use crate::dataplane::nftables::table::Limit;

#[test]
fn without_a_word_the_defaults_hold() {
    assert_eq!(parse(GOOD).expect("valid").policy.options(), Options::default());
}

#[test]
fn every_setting_reaches_the_rules() {
    let text = "policy:\n  connectionMarkShift: 8\n  dropInvalid: false\n  requireSyn: false\n  \
                log: { group: 1, denyGroup: 2, snapLength: 3, denyRate: 4, denyBurst: 5 }\n";
    let options = parse(&format!("{GOOD}{text}")).expect("valid").policy.options();
    assert_eq!(options.mark, MarkLayout::new(8).expect("fits"));
    assert!(!options.drop_invalid && !options.require_syn);
    let logging = options.logging;
    assert_eq!((logging.group, logging.deny_group, logging.snaplen), (1, 2, 3));
    assert_eq!(logging.deny_limit, Limit { per_second: 4, burst: 5 });
}

#[test]
fn what_cannot_be_meant_is_said_with_its_key() {
    let text = "policy:\n  connectionMarkShift: 9\n  log: { snapLength: 0, denyRate: 0, denyBurst: 0 }\n";
    let lines = parse(&format!("{GOOD}{text}")).expect_err("invalid");
    for key in
        ["policy.connectionMarkShift", "policy.log.snapLength", "policy.log.denyRate", "policy.log.denyBurst"]
    {
        assert_eq!(lines.iter().filter(|line| line.contains(key)).count(), 1, "{key}: {lines:?}");
    }
}
