//! The rule program in the words of nf_tables.
//!
//! ```text
//! prerouting (raw)  ours in?  ─► source       known interface . address, else drop
//! input             ours in?  ─► endpoints
//! forward           ours in or out? ─► endpoints
//! endpoints         invalid: drop · answers and related: ─► answers · TCP that does not begin with a SYN: drop
//!                   ours in?  ─► from_endpoint ─vmap from_ep─► ep_…_eg
//!                   ours out? ─► to_endpoint   ─vmap to_ep───► ep_…_in
//! answers           either end revoked: drop · else accept
//! ep_…              own generation in the connection's mark: return
//!                   ─► profile; what comes back: write own generation
//! profile           allow: return · deny: ─► deny_… · pass: ─► next tier's chain
//! deny_…            revoke in the mark · log, not too often · count, drop
//! ```
//!
//! The dispatch chains are *jumped* to and their maps *go to* an endpoint's chain. So what that lets return lands behind the
//! jump, where the other end is next; an interface without an element falls to the drop behind the map. No packet marks are
//! needed to combine the two.
//!
//! A connection is judged when it begins, and again when a field of its mark ([`super::mark`]) is not the end's present
//! generation. A field is written after the verdict: allowed by the endpoint's chain, denied by the one that denies.
//! The endpoints' own chains, which name the generations, are added by [`super::assemble`], for only the kernel knows the
//! present ones.
//!
//! Output is not hooked: what the node itself sends to its pods always passes, and is recognised by where it comes
//! from, never by its address.
//!
//! Of very many sets of addresses the members are in one ([`shared`]).
//!
//! Whatever the program does not define is closed: a missing set matches nothing where it would allow and everything
//! where it would deny; an endpoint whose profile is missing, or cannot be expressed, is closed in that direction.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{Direction, EndpointId, EndpointProgram, ProfileId, Program};

use crate::plan::desired::InterfaceName;

use super::mark::MarkLayout;
use super::table::{Datatype, Elements, Family, Limit, Rule, Set, Statement, Table, Value, Verdict};

mod condition;
mod fixed;
pub mod kept;
pub(super) mod members;
pub mod name;
pub(super) mod profile;
pub(super) mod shared;
#[cfg(test)]
mod tests;

pub use fixed::without_syn_rule;
use shared::Homes;

/// Host ends of pod links begin so, and nothing else on the node does.
pub const INTERFACE_PREFIX: &str = "fab";

const FROM_ENDPOINT_MAP: &str = "from_ep";
const TO_ENDPOINT_MAP: &str = "to_ep";

/// The maps that lead to the ends, and the direction of those.
const MAPS: [(&str, Direction); 2] =
    [(FROM_ENDPOINT_MAP, Direction::Egress), (TO_ENDPOINT_MAP, Direction::Ingress)];

/// Why an end is refused a profile that the program lacks.
const NOT_COMPILED: &str = "its policies were not compiled";

/// What is the operator's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where in a connection's mark the generations are.
    pub mark: MarkLayout,
    /// Drop what connection tracking does not understand. Not where packets of one connection take different ways.
    pub drop_invalid: bool,
    /// Drop TCP that begins in the middle. Not where connections move here from elsewhere.
    pub require_syn: bool,
    /// Who is told of packets.
    pub logging: Logging,
    /// Sets of a program from which on those that consist of addresses share one of the kernel's.
    pub shared_from: usize,
}

/// Who is told of packets, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// NFLOG group of the rules that log.
    pub group: u16,
    /// NFLOG group of the packets that are denied.
    pub deny_group: u16,
    /// Bytes of each packet that are shown.
    pub snaplen: u32,
    /// How often each denying rule tells.
    pub deny_limit: Limit,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mark: MarkLayout::default(),
            drop_invalid: true,
            require_syn: true,
            logging: Logging {
                group: 64,
                deny_group: 65,
                snaplen: 96,
                deny_limit: Limit { per_second: 10, burst: 20 },
            },
            shared_from: 1_000,
        }
    }
}

/// What the kernel should hold for a program, but for the endpoints' own chains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lowered {
    /// Sets, dispatch maps, fixed chains and profiles. The maps name the chains of `ends`, which are not there yet.
    pub table: Table,
    /// Both ends of every local endpoint, by the name of the chain.
    pub ends: BTreeMap<String, End>,
    /// The profiles that are in the table, each by a chain of its name and those that it leads to.
    pub profiles: BTreeSet<ProfileId>,
    /// Profiles that are not in the table, and why.
    pub refused: BTreeMap<ProfileId, String>,
    /// As they were asked for.
    pub options: Options,
}

/// One direction of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whose.
    pub endpoint: EndpointId,
    /// Towards it or from it.
    pub direction: Direction,
    /// The endpoint's addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// `None`: not isolated.
    pub profile: Option<ProfileId>,
}

/// What the kernel should hold for this program.
///
/// `interfaces` maps local endpoints to the host ends of their links. An endpoint without an interface, an interface
/// without an endpoint in the program, and a name that is not [`INTERFACE_PREFIX`] plus at most twelve of
/// `[A-Za-z0-9_.-]` stay closed.
pub fn lower(
    program: &Program,
    interfaces: &BTreeMap<EndpointId, InterfaceName>,
    options: &Options,
) -> Lowered {
    let homes = Homes::of(program, options);
    let (sets, ends) = dispatch(program, interfaces);
    let table = Table { sets, chains: fixed::chains(options) };
    let mut lowered = Lowered { table, ends, options: *options, ..Lowered::default() };
    if homes.are_shared() {
        lowered.table.sets.extend(shared::sets());
    }
    for (id, set) in &program.sets {
        for (name, set) in members::lower(id, set) {
            homes.put(name, set, &mut lowered.table);
        }
    }
    for (id, profile) in &program.profiles {
        match profile::lower(id, profile, program, options) {
            Ok(chains) => {
                let chains = chains.into_iter().map(|(name, chain)| (name, homes.chain(chain)));
                lowered.table.chains.extend(chains);
                lowered.profiles.insert(id.clone());
            }
            Err(reason) => drop(lowered.refused.insert(id.clone(), reason)),
        }
    }
    for id in lowered.ends.values().filter_map(|end| end.profile.as_ref()) {
        if !program.profiles.contains_key(id) {
            lowered.refused.insert(id.clone(), NOT_COMPILED.to_owned());
        }
    }
    lowered
}

/// Whether the name can be, and can only be, the host end of a pod's link.
fn is_ours(interface: &str) -> bool {
    const NAME_MAX_BYTES: usize = 15;
    interface.len() > INTERFACE_PREFIX.len()
        && interface.len() <= NAME_MAX_BYTES
        && interface.starts_with(INTERFACE_PREFIX)
        && interface.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The chain of an endpoint's end.
#[must_use]
pub fn end_chain(interface: &str, direction: Direction) -> String {
    match direction {
        Direction::Ingress => format!("ep_{interface}_in"),
        Direction::Egress => format!("ep_{interface}_eg"),
    }
}

type Named<T> = BTreeMap<String, T>;

/// The maps that lead to the ends, the sets of source addresses, and the ends.
fn dispatch(program: &Program, interfaces: &BTreeMap<EndpointId, InterfaceName>) -> (Named<Set>, Named<End>) {
    let mut maps = MAPS.map(|(name, _)| (name, BTreeMap::new()));
    let mut sources = [Family::V4, Family::V6].map(|family| (family, BTreeSet::new()));
    let mut ends = BTreeMap::new();
    let local = interfaces.iter().filter(|(_, interface)| is_ours(interface));
    for (id, interface, endpoint) in
        local.filter_map(|(id, name)| Some((id, name, program.endpoints.get(id)?)))
    {
        let way = dispatch_to(interface, id, endpoint);
        for (name, verdicts) in &mut maps {
            let theirs = way.verdicts.iter().filter(|(map, ..)| map == name);
            verdicts.extend(theirs.map(|(_, key, verdict)| (key.clone(), verdict.clone())));
        }
        for (family, keys) in &mut sources {
            let theirs = way.sources.iter().filter(|(set, _)| *set == source_set(*family));
            keys.extend(theirs.map(|(_, key)| key.clone()));
        }
        ends.extend(way.ends);
    }
    let maps = maps.into_iter().map(|(name, verdicts)| {
        let set = Set { key: vec![Datatype::Interface], elements: Elements::Verdicts(verdicts) };
        (name.to_owned(), set)
    });
    let sources = sources.into_iter().map(|(family, keys)| {
        let key = vec![Datatype::Interface, family.datatype()];
        (source_set(family).to_owned(), Set { key, elements: Elements::Keys(keys) })
    });
    (maps.chain(sources).collect(), ends)
}

/// What leads to the ends of one endpoint.
struct Way {
    /// Map, key and verdict.
    verdicts: Vec<(&'static str, Vec<Value>, Verdict)>,
    /// Set and key.
    sources: Vec<(&'static str, Vec<Value>)>,
    ends: Named<End>,
}

fn dispatch_to(interface: &str, id: &EndpointId, endpoint: &EndpointProgram) -> Way {
    let name = Value::Interface(interface.to_owned());
    let mut way = Way { verdicts: Vec::new(), sources: Vec::new(), ends: BTreeMap::new() };
    for (map, direction) in MAPS {
        let chain = end_chain(interface, direction);
        way.verdicts.push((map, vec![name.clone()], Verdict::Goto(chain.clone())));
        way.ends.insert(chain, end(id, endpoint, direction));
    }
    for family in [Family::V4, Family::V6] {
        let keys = addresses(endpoint, family).map(|address| vec![name.clone(), Value::Address(address)]);
        way.sources.extend(keys.map(|key| (source_set(family), key)));
    }
    way
}

fn end(id: &EndpointId, endpoint: &EndpointProgram, direction: Direction) -> End {
    let profile = match direction {
        Direction::Ingress => &endpoint.ingress,
        Direction::Egress => &endpoint.egress,
    };
    End { endpoint: id.clone(), direction, addresses: endpoint.addresses.clone(), profile: profile.clone() }
}

fn addresses(endpoint: &EndpointProgram, family: Family) -> impl Iterator<Item = IpAddr> {
    endpoint.addresses.iter().filter(move |address| Family::of(address) == family).copied()
}

fn source_set(family: Family) -> &'static str {
    match family {
        Family::V4 => "ep_source4",
        Family::V6 => "ep_source6",
    }
}

/// Whether a set holds the addresses of local endpoints, each with the interface behind which it is.
pub(super) fn is_source_set(name: &str) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| source_set(family) == name)
}

/// Whether the set is no program's: it says which interface is whose.
pub fn is_dispatch_set(name: &str) -> bool {
    is_source_set(name) || name == FROM_ENDPOINT_MAP || name == TO_ENDPOINT_MAP
}

/// A rule for which nobody's policy stands.
fn uncommented(statements: Vec<Statement>) -> Rule {
    Rule { comment: String::new(), statements }
}

fn drop_rule(comment: &str) -> Rule {
    Rule {
        comment: comment.to_owned(),
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
    }
}
