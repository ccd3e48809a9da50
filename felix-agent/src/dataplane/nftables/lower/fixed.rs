//! The chains that are the same whatever the policies: where packets enter, and which of them are judged.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnetwork::{IpNetwork, Ipv6Network};
use policy::program::Direction;

use crate::dataplane::nftables::mark::REVOKED;
use crate::dataplane::nftables::table::{
    Chain, ConntrackState, Family, Field, Hook, HookPoint, Rule, Side, Statement, Table, Verdict,
};

use super::{
    FROM_ENDPOINT_MAP, INTERFACE_PREFIX, Options, TO_ENDPOINT_MAP, drop_rule, source_set, uncommented,
};

const FROM_ENDPOINT_CHAIN: &str = "from_endpoint";
const TO_ENDPOINT_CHAIN: &str = "to_endpoint";
const ENDPOINTS_CHAIN: &str = "endpoints";
const ANSWERS_CHAIN: &str = "answers";
const SOURCE_CHAIN: &str = "source";

const RAW_PRIORITY: i32 = -300;
const FILTER_PRIORITY: i32 = 0;

const IPPROTO_TCP: u8 = 6;
const IPPROTO_ICMPV6: u8 = 58;
/// RFC 4861 §4: router solicitation (133) to redirect (137).
const NEIGHBOUR_DISCOVERY_TYPES: (u8, u8) = (133, 137);

pub(super) fn chains(options: &Options) -> BTreeMap<String, Chain> {
    let base = |point, priority, rules| Chain { hook: Some(Hook { point, priority }), rules };
    let regular = |rules| Chain { hook: None, rules };
    let to_source = vec![ours(Side::Source, Verdict::Goto(SOURCE_CHAIN.into()))];
    let to_endpoints =
        [Side::Source, Side::Destination].map(|side| ours(side, Verdict::Goto(ENDPOINTS_CHAIN.into())));
    let chains = [
        ("prerouting", base(HookPoint::Prerouting, RAW_PRIORITY, to_source)),
        ("input", base(HookPoint::Input, FILTER_PRIORITY, input_rules())),
        ("forward", base(HookPoint::Forward, FILTER_PRIORITY, to_endpoints.into())),
        (SOURCE_CHAIN, regular(source_rules())),
        (ENDPOINTS_CHAIN, regular(endpoints_rules(options))),
        (ANSWERS_CHAIN, regular(answers_rules(options))),
        (FROM_ENDPOINT_CHAIN, regular(dispatch_rules(Side::Source, FROM_ENDPOINT_MAP))),
        (TO_ENDPOINT_CHAIN, regular(dispatch_rules(Side::Destination, TO_ENDPOINT_MAP))),
    ];
    chains.into_iter().map(|(name, chain)| (name.to_owned(), chain)).collect()
}

/// Lets connections go on whose beginning nobody here has seen.
pub fn without_syn_rule(table: &mut Table) {
    if let Some(chain) = table.chains.get_mut(ENDPOINTS_CHAIN) {
        chain.rules.retain(|rule| !rule.statements.contains(&Statement::NotPlainSyn));
    }
}

/// `iifname "fab*" …`
fn ours(side: Side, verdict: Verdict) -> Rule {
    uncommented(vec![
        Statement::InterfaceBegins(side, INTERFACE_PREFIX.to_owned()),
        Statement::Verdict(verdict),
    ])
}

/// Neighbour discovery never is forwarded (its hop limit must arrive as 255), so this is its only place.
fn input_rules() -> Vec<Rule> {
    let mut discovery = vec![Statement::InterfaceBegins(Side::Source, INTERFACE_PREFIX.to_owned())];
    discovery.extend(neighbour_discovery());
    discovery.push(Statement::Verdict(Verdict::Accept));
    vec![
        Rule { comment: "neighbour discovery".to_owned(), statements: discovery },
        ours(Side::Source, Verdict::Goto(ENDPOINTS_CHAIN.into())),
    ]
}

fn neighbour_discovery() -> [Statement; 3] {
    let (first, last) = NEIGHBOUR_DISCOVERY_TYPES;
    [Statement::Family(Family::V6), Statement::Protocol(IPPROTO_ICMPV6), Statement::IcmpTypeIn(first, last)]
}

/// A packet carries its pod's own address. Two exceptions never leave the link: link-local sources, and neighbour
/// discovery from the unspecified address (duplicate address detection, RFC 4862 §5.4).
fn source_rules() -> Vec<Rule> {
    let known = [Family::V4, Family::V6].map(|family| {
        uncommented(vec![
            Statement::Family(family),
            Statement::InSet(
                vec![Field::Interface(Side::Source), Field::Address(Side::Source, family)],
                source_set(family).to_owned(),
            ),
            Statement::Verdict(Verdict::Return),
        ])
    });
    let from = |network| Statement::AddressIn(Side::Source, IpNetwork::V6(network));
    let link_local =
        Ipv6Network::new_checked(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10).map(|network| {
            uncommented(vec![
                Statement::Family(Family::V6),
                from(network),
                Statement::Verdict(Verdict::Return),
            ])
        });
    let mut unspecified = vec![Statement::Family(Family::V6), from(Ipv6Network::from(Ipv6Addr::UNSPECIFIED))];
    unspecified.extend(neighbour_discovery().into_iter().skip(1));
    unspecified.push(Statement::Verdict(Verdict::Return));
    known
        .into_iter()
        .chain(link_local)
        .chain([uncommented(unspecified), drop_rule("not the endpoint's address")])
        .collect()
}

fn states(states: &[ConntrackState]) -> Statement {
    Statement::ConntrackState(states.iter().copied().collect())
}

fn counted_drop(mut statements: Vec<Statement>, comment: &str) -> Rule {
    let end = drop_rule(comment);
    statements.extend(end.statements);
    Rule { statements, ..end }
}

/// Without the rule about SYN, deleting a connection would not end it: with `nf_conntrack_tcp_loose`, which is the default, the
/// server's next segment begins it again the other way round, as a connection of the server's.
fn endpoints_rules(options: &Options) -> Vec<Rule> {
    let mut rules = Vec::new();
    if options.drop_invalid {
        rules.push(counted_drop(vec![states(&[ConntrackState::Invalid])], "not understood"));
    }
    let to_answers = || Statement::Verdict(Verdict::Goto(ANSWERS_CHAIN.into()));
    rules.push(uncommented(vec![Statement::IsReply, to_answers()]));
    rules.push(uncommented(vec![states(&[ConntrackState::Related]), to_answers()]));
    if options.require_syn {
        let begins_in_the_middle =
            vec![states(&[ConntrackState::New]), Statement::Protocol(IPPROTO_TCP), Statement::NotPlainSyn];
        rules.push(counted_drop(begins_in_the_middle, "begins without SYN"));
    }
    rules.push(ours(Side::Source, Verdict::Jump(FROM_ENDPOINT_CHAIN.into())));
    rules.push(ours(Side::Destination, Verdict::Jump(TO_ENDPOINT_CHAIN.into())));
    rules
}

/// An answer has no verdict of its own: it passes if its connection does.
fn answers_rules(options: &Options) -> Vec<Rule> {
    let revoked = [Direction::Egress, Direction::Ingress].map(|direction| {
        counted_drop(vec![Statement::MarkIs(options.mark.bits(direction, REVOKED))], "revoked")
    });
    let accept = uncommented(vec![Statement::Verdict(Verdict::Accept)]);
    revoked.into_iter().chain([accept]).collect()
}

fn dispatch_rules(side: Side, map: &str) -> Vec<Rule> {
    vec![
        uncommented(vec![Statement::VerdictMap(vec![Field::Interface(side)], map.to_owned())]),
        drop_rule("unknown interface"),
    ]
}
