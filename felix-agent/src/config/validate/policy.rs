//! What of `policy` the types cannot say.

use super::Say;
use crate::config::policy::Policy;
use crate::dataplane::nftables::mark::MarkLayout;

pub(super) fn check(policy: &Policy, say: Say<'_>) {
    if policy.connection_mark_shift > MarkLayout::MAX_SHIFT {
        say(
            "policy.connectionMarkShift",
            &format!("leaves no room for 24 bits in a mark of 32; give at most {}", MarkLayout::MAX_SHIFT),
        );
    }
    let log = &policy.log;
    let numbers = [
        ("policy.log.snapLength", log.snap_length, "0 would show nothing of a packet"),
        ("policy.log.denyRate", log.deny_rate, "0 would tell of no packet"),
        ("policy.log.denyBurst", log.deny_burst, "0 would tell of no packet"),
    ];
    for (key, _, what) in numbers.into_iter().filter(|(_, number, _)| *number == 0) {
        say(key, &format!("{what}; give at least 1"));
    }
}
