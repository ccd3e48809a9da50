//! Filters: their names, and conditions that can never hold.

use std::net::IpAddr;

use super::{AS_ZERO, Say};
use crate::config::filter::{Filter, Match, Range, Set, Then};
use crate::config::value::{Policy, SetNextHop};

pub(super) fn check(name: &str, filter: &Filter, say: Say<'_>) {
    let key = format!("bgp.filters.{name}");
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_word) {
        say("bgp.filters", &format!("\"{name}\" is no name; write letters, digits, '-' and '_'"));
    }
    // Infallible: what is no word is a name.
    if !matches!(name.parse(), Ok(Policy::Filter(_))) {
        say(&key, "has a name that means something else already; choose another");
    }
    for (index, rule) in filter.rules.iter().enumerate() {
        let key = format!("{key}.rules[{index}]");
        conditions(&rule.conditions, &format!("{key}.match"), say);
        actions(&rule.set, &format!("{key}.set"), say);
        if rule.then == Then::Reject && rule.set != Set::default() {
            say(&format!("{key}.set"), "changes what is rejected; remove it, or write another `then`");
        }
    }
}

fn conditions(conditions: &Match, key: &str, say: Say<'_>) {
    let Match {
        prefixes,
        as_path: _,
        as_path_length,
        as_path_contains,
        origin_as,
        neighbour_as,
        communities,
        source,
        next_hop,
        origin,
        med,
        local_preference,
        not,
    } = conditions;
    let lists = [
        ("prefixes", prefixes.as_ref().map(Vec::len)),
        ("asPathContains", as_path_contains.as_ref().map(Vec::len)),
        ("originAS", origin_as.as_ref().map(Vec::len)),
        ("neighbourAS", neighbour_as.as_ref().map(Vec::len)),
        ("communities", communities.as_ref().map(Vec::len)),
        ("source", source.as_ref().map(Vec::len)),
        ("nextHop", next_hop.as_ref().map(Vec::len)),
        ("origin", origin.as_ref().map(Vec::len)),
    ];
    for (field, _) in lists.into_iter().filter(|(_, length)| *length == Some(0)) {
        say(&format!("{key}.{field}"), "is empty, so that it never holds; remove it, or name something");
    }
    let ranges = [("asPathLength", as_path_length), ("med", med), ("localPreference", local_preference)];
    for (field, range) in ranges {
        if let Some(Range { min, max: Some(max) }) = range
            && min > max
        {
            say(&format!("{key}.{field}"), "never holds: min is above max; exchange them");
        }
    }
    if let Some(not) = not {
        if **not == Match::default() {
            say(&format!("{key}.not"), "is empty; remove it, or name what may not hold");
        }
        self::conditions(not, &format!("{key}.not"), say);
    }
}

fn actions(set: &Set, key: &str, say: Say<'_>) {
    if let Some(prepend) = set.prepend {
        if prepend.asn == Some(0) {
            say(&format!("{key}.prepend.as"), AS_ZERO);
        }
        if prepend.times == 0 {
            say(&format!("{key}.prepend.times"), "0 prepends nothing; give at least 1");
        }
    }
    let is_no_host = |address: IpAddr| address.is_unspecified() || address.is_multicast();
    if let Some(SetNextHop::To(address)) = set.next_hop
        && is_no_host(address)
    {
        say(&format!("{key}.nextHop"), "is not the address of one host; give a router's");
    }
}
