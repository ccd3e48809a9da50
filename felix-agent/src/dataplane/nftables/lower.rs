//! The rule program in the words of nf_tables.
//!
//! ```text
//! prerouting (raw)  ours in?  ─► source       known interface . address, else drop
//! input             ours in?  ─► endpoints
//! forward           ours in or out? ─► endpoints
//! endpoints         invalid: drop · established, related: accept
//!                   ours in?  ─► from_endpoint ─vmap from_ep─► profile (egress)
//!                   ours out? ─► to_endpoint   ─vmap to_ep───► profile (ingress)
//! profile           rule: return · … · drop
//! ```
//!
//! The dispatch chains are *jumped* to and their maps *go to* a profile. So the `return` of a rule that allows, or the
//! `return` element of an endpoint that is not isolated, lands behind the jump, where the other end's profile is next;
//! an interface without an element falls to the drop behind the map. No packet marks are needed to combine the two.
//!
//! Output is not hooked: what the node itself sends to its pods always passes, and is recognised by where it comes
//! from, never by its address.
//!
//! Whatever the program does not define is closed: a missing set matches nothing where it would allow and everything
//! where it would deny; a missing profile drops.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv6Network};
use policy::program::{EndpointId, EndpointProgram, ProfileId, Program, Set as ProgramSet};

use crate::plan::desired::InterfaceName;

use super::table::{
    Chain, ConntrackState, Datatype, Elements, Family, Field, Hook, HookPoint, Rule, Set, Side, Statement,
    Table, Value, Verdict,
};

pub(super) mod members;
mod profile;
#[cfg(test)]
mod tests;

/// Host ends of pod links begin so, and nothing else on the node does.
pub const INTERFACE_PREFIX: &str = "fab";

const FROM_ENDPOINT_MAP: &str = "from_ep";
const TO_ENDPOINT_MAP: &str = "to_ep";
const FROM_ENDPOINT_CHAIN: &str = "from_endpoint";
const TO_ENDPOINT_CHAIN: &str = "to_endpoint";
const ENDPOINTS_CHAIN: &str = "endpoints";
const SOURCE_CHAIN: &str = "source";

const RAW_PRIORITY: i32 = -300;
const FILTER_PRIORITY: i32 = 0;

const IPPROTO_ICMPV6: u8 = 58;
/// RFC 4861 §4: router solicitation (133) to redirect (137).
const NEIGHBOUR_DISCOVERY_TYPES: (u8, u8) = (133, 137);

/// What the kernel should hold for this program.
///
/// `interfaces` maps local endpoints to the host ends of their links. An endpoint without an interface, an interface
/// without an endpoint in the program, and a name that is not [`INTERFACE_PREFIX`] plus at most twelve of
/// `[A-Za-z0-9_.-]` stay closed.
pub fn lower(program: &Program, interfaces: &BTreeMap<EndpointId, InterfaceName>) -> Table {
    let mut table = Table { sets: dispatch_sets(program, interfaces), chains: fixed_chains() };
    for (id, set) in &program.sets {
        table.sets.extend(members::lower(id, set));
    }
    for (id, profile) in &program.profiles {
        table.chains.insert(id.0.clone(), profile::lower(profile, &program.sets));
    }
    close_undefined_profiles(&mut table, program);
    table
}

/// Whether the name can be, and can only be, the host end of a pod's link.
fn is_ours(interface: &str) -> bool {
    const NAME_MAX_BYTES: usize = 15;
    interface.len() > INTERFACE_PREFIX.len()
        && interface.len() <= NAME_MAX_BYTES
        && interface.starts_with(INTERFACE_PREFIX)
        && interface.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn dispatch_sets(
    program: &Program,
    interfaces: &BTreeMap<EndpointId, InterfaceName>,
) -> BTreeMap<String, Set> {
    let mut sources = [Family::V4, Family::V6].map(|family| (family, BTreeSet::new()));
    let (mut from, mut to) = (BTreeMap::new(), BTreeMap::new());
    let local = interfaces.iter().filter(|(_, interface)| is_ours(interface));
    for (interface, endpoint) in local.filter_map(|(id, name)| Some((name, program.endpoints.get(id)?))) {
        let name = Value::Interface(interface.clone());
        from.insert(vec![name.clone()], profile_verdict(endpoint.egress.as_ref()));
        to.insert(vec![name.clone()], profile_verdict(endpoint.ingress.as_ref()));
        for (family, keys) in &mut sources {
            keys.extend(
                addresses(endpoint, *family).map(|address| vec![name.clone(), Value::Address(address)]),
            );
        }
    }
    let map = |verdicts| Set { key: vec![Datatype::Interface], elements: Elements::Verdicts(verdicts) };
    let maps = [(FROM_ENDPOINT_MAP.to_owned(), map(from)), (TO_ENDPOINT_MAP.to_owned(), map(to))];
    let sources = sources.into_iter().map(|(family, keys)| {
        let key = vec![Datatype::Interface, family.datatype()];
        (source_set(family).to_owned(), Set { key, elements: Elements::Keys(keys) })
    });
    maps.into_iter().chain(sources).collect()
}

fn addresses(endpoint: &EndpointProgram, family: Family) -> impl Iterator<Item = IpAddr> {
    endpoint.addresses.iter().filter(move |address| Family::of(address) == family).copied()
}

fn profile_verdict(profile: Option<&ProfileId>) -> Verdict {
    profile.map_or(Verdict::Return, |id| Verdict::Goto(id.0.clone()))
}

fn source_set(family: Family) -> &'static str {
    match family {
        Family::V4 => "ep_source4",
        Family::V6 => "ep_source6",
    }
}

/// A profile that an endpoint names and the program lacks drops everything.
fn close_undefined_profiles(table: &mut Table, program: &Program) {
    let named =
        program.endpoints.values().flat_map(|endpoint| [&endpoint.ingress, &endpoint.egress]).flatten();
    for id in named {
        table
            .chains
            .entry(id.0.clone())
            .or_insert_with(|| Chain { hook: None, rules: vec![drop_rule("profile not defined")] });
    }
}

fn fixed_chains() -> BTreeMap<String, Chain> {
    let base = |point, priority, rules| Chain { hook: Some(Hook { point, priority }), rules };
    let regular = |rules| Chain { hook: None, rules };
    let chains = [
        (
            "prerouting",
            base(
                HookPoint::Prerouting,
                RAW_PRIORITY,
                vec![ours(Side::Source, Verdict::Goto(SOURCE_CHAIN.into()))],
            ),
        ),
        ("input", base(HookPoint::Input, FILTER_PRIORITY, input_rules())),
        (
            "forward",
            base(
                HookPoint::Forward,
                FILTER_PRIORITY,
                vec![
                    ours(Side::Source, Verdict::Goto(ENDPOINTS_CHAIN.into())),
                    ours(Side::Destination, Verdict::Goto(ENDPOINTS_CHAIN.into())),
                ],
            ),
        ),
        (SOURCE_CHAIN, regular(source_rules())),
        (ENDPOINTS_CHAIN, regular(endpoints_rules())),
        (FROM_ENDPOINT_CHAIN, regular(dispatch_rules(Side::Source, FROM_ENDPOINT_MAP))),
        (TO_ENDPOINT_CHAIN, regular(dispatch_rules(Side::Destination, TO_ENDPOINT_MAP))),
    ];
    chains.into_iter().map(|(name, chain)| (name.to_owned(), chain)).collect()
}

/// `iifname "fab*" …`
fn ours(side: Side, verdict: Verdict) -> Rule {
    uncommented(vec![
        Statement::InterfaceBegins(side, INTERFACE_PREFIX.to_owned()),
        Statement::Verdict(verdict),
    ])
}

fn uncommented(statements: Vec<Statement>) -> Rule {
    Rule { comment: String::new(), statements }
}

fn drop_rule(comment: &str) -> Rule {
    Rule {
        comment: comment.to_owned(),
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
    }
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
    [Statement::Family(Family::V6), Statement::Protocol(IPPROTO_ICMPV6), Statement::Icmpv6TypeIn(first, last)]
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

fn endpoints_rules() -> Vec<Rule> {
    let states = |states: &[ConntrackState]| Statement::ConntrackState(states.iter().copied().collect());
    vec![
        uncommented(vec![
            states(&[ConntrackState::Invalid]),
            Statement::Counter,
            Statement::Verdict(Verdict::Drop),
        ]),
        uncommented(vec![
            states(&[ConntrackState::Established, ConntrackState::Related]),
            Statement::Verdict(Verdict::Accept),
        ]),
        ours(Side::Source, Verdict::Jump(FROM_ENDPOINT_CHAIN.into())),
        ours(Side::Destination, Verdict::Jump(TO_ENDPOINT_CHAIN.into())),
    ]
}

fn dispatch_rules(side: Side, map: &str) -> Vec<Rule> {
    vec![
        uncommented(vec![Statement::VerdictMap(vec![Field::Interface(side)], map.to_owned())]),
        drop_rule("unknown interface"),
    ]
}

/// Name of a program's set in one family.
fn family_set(id: &policy::program::SetId, family: Family) -> String {
    match family {
        Family::V4 => format!("{}4", id.0),
        Family::V6 => format!("{}6", id.0),
    }
}

/// Whether rules speak of the program's set in this family. Networks are fixed by the set's name, so a family without
/// any needs neither set nor rule; addresses come and go, and their coming must not change rules.
fn speaks(set: &ProgramSet, family: Family) -> bool {
    match set {
        ProgramSet::Addresses(_) | ProgramSet::AddressPorts(_) => true,
        ProgramSet::Networks(networks) => networks.iter().any(|network| Family::of(&network.ip()) == family),
    }
}
