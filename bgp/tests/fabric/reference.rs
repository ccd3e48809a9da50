//! What every Loc-RIB must be once nothing happens any more, computed slowly and plainly from who originates what.
//!
//! Each node's table is recomputed from what its neighbours' tables say, node by node, until nothing changes. This
//! shares no code with the speaker: a path is a list of AS numbers, a next hop the number of a node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use crate::topology::{MULTIPATH, Session, Topology};

/// A route in the table of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Who told it; none for the node's own.
    pub from: Option<usize>,
    /// That one is in another AS.
    pub external: bool,
    pub as_path: Vec<u32>,
    pub local_pref: u32,
    pub next_hop: usize,
    /// Who brought it into the AS, where a reflector says so.
    pub originator: Option<usize>,
    /// Reflectors that it passed, the last first.
    pub clusters: Vec<usize>,
}

/// Each reflector with each of its clients.
type Clients = BTreeSet<(usize, usize)>;

fn clients(topology: &Topology) -> Clients {
    let of = |session: &Session| {
        let Session { ends: [a, b], client, .. } = *session;
        [client[0].then_some((b, a)), client[1].then_some((a, b))]
    };
    topology.sessions.iter().flat_map(of).flatten().collect()
}

type TablesOfOne = BTreeMap<usize, Vec<Route>>;

/// Usable routes of each node to one prefix, best first.
pub fn tables(topology: &Topology, alive: &BTreeSet<usize>, originators: &BTreeSet<usize>) -> TablesOfOne {
    let mut tables: TablesOfOne = alive.iter().map(|node| (*node, Vec::new())).collect();
    let lives = |session: &&Session| session.ends.iter().all(|node| alive.contains(node));
    let mut sessions: BTreeMap<usize, Vec<(&Session, usize)>> = BTreeMap::new();
    for session in topology.sessions.iter().filter(lives) {
        for end in [0, 1] {
            sessions.entry(session.ends[1 - end]).or_default().push((session, end));
        }
    }
    let clients = clients(topology);
    // A route passes each node at most once.
    for _ in 0..4 * topology.nodes() + 10 {
        let mut changed = false;
        for node in alive {
            let mut table: Vec<_> = originators.contains(node).then(|| own(*node)).into_iter().collect();
            for (session, end) in sessions.get(node).into_iter().flatten() {
                let told = told(topology, &clients, session, *end, &tables[&session.ends[*end]]);
                table.extend(told.into_iter().filter(|route| is_usable(topology, *node, route)));
            }
            table.sort_by_key(place);
            if tables[node] != table {
                tables.insert(*node, table);
                changed = true;
            }
        }
        if !changed {
            return tables;
        }
    }
    panic!("no stable state");
}

/// Next hops that a node with this table forwards to.
pub fn next_hops(table: &[Route]) -> BTreeSet<usize> {
    let Some(best) = table.first().filter(|best| best.from.is_some()) else { return BTreeSet::new() };
    let equal = table.iter().filter(|route| preference(route) == preference(best));
    let mut hops = BTreeSet::new();
    for route in equal {
        if hops.len() < MULTIPATH {
            hops.insert(route.next_hop);
        }
    }
    hops
}

fn own(node: usize) -> Route {
    Route {
        from: None,
        external: false,
        as_path: vec![],
        local_pref: 100,
        next_hop: node,
        originator: None,
        clusters: vec![],
    }
}

/// RFC 4271 §9.1.2.2 up to what makes routes equally good; lower is better.
fn preference(route: &Route) -> (bool, Reverse<u32>, usize, bool) {
    let internal = route.from.is_some() && !route.external;
    (route.from.is_some(), Reverse(route.local_pref), route.as_path.len(), internal)
}

/// Where a route stands among others. Several can stand in the same place where one peer tells several paths: it is
/// the peer's numbers that decide then.
pub fn place(route: &Route) -> impl Ord + std::fmt::Debug + use<> {
    (preference(route), tie_break(route))
}

/// RFC 4271 §9.1.2.2 f and g, with RFC 4456 §9. Router identifiers and addresses go up with the nodes' numbers.
fn tie_break(route: &Route) -> (Option<usize>, usize, Option<usize>) {
    (route.originator.or(route.from), route.clusters.len(), route.from)
}

/// RFC 4271 §9.1.2, RFC 4456 §8.
fn is_usable(topology: &Topology, node: usize, route: &Route) -> bool {
    !route.as_path.contains(&topology.asn[node])
        && route.originator != Some(node)
        && !route.clusters.contains(&node)
        && route.next_hop != node
}

/// What the node at `end` of a session tells the other, of its table.
fn told(
    topology: &Topology,
    clients: &Clients,
    session: &Session,
    end: usize,
    table: &[Route],
) -> Vec<Route> {
    let told = if session.add_path { table } else { table.get(..1).unwrap_or_default() };
    told.iter().filter_map(|route| export(topology, clients, session, end, route)).collect()
}

fn export(
    topology: &Topology,
    clients: &Clients,
    session: &Session,
    end: usize,
    route: &Route,
) -> Option<Route> {
    let (node, to) = (session.ends[end], session.ends[1 - end]);
    if route.from == Some(to) || session.originated[end] && route.from.is_some() {
        return None;
    }
    let next_hop = if session.next_hop_self[end] || route.from.is_none() { node } else { route.next_hop };
    let external = topology.is_external(session);
    let mut exported = Route { from: Some(node), external, next_hop, ..route.clone() };
    if external {
        exported.as_path.insert(0, topology.asn[node]);
        // These do not leave the AS.
        let inside = Route { local_pref: 100, originator: None, clusters: vec![], ..exported };
        return Some(Route { next_hop: node, ..inside });
    }
    let internal = route.from.is_some() && !route.external;
    if internal {
        let client_of_ours = |other: usize| clients.contains(&(node, other));
        if !client_of_ours(to) && !route.from.is_some_and(client_of_ours) {
            return None;
        }
        exported.originator = route.originator.or(route.from);
        exported.clusters.insert(0, node);
    }
    Some(exported)
}

/// All prefixes that somebody alive originates, with those who do.
pub fn by_prefix(
    alive: &BTreeSet<usize>,
    originated: &BTreeMap<usize, BTreeSet<IpNetwork>>,
) -> BTreeMap<IpNetwork, BTreeSet<usize>> {
    let mut prefixes: BTreeMap<IpNetwork, BTreeSet<usize>> = BTreeMap::new();
    for (node, own) in originated.iter().filter(|(node, _)| alive.contains(node)) {
        for prefix in own {
            prefixes.entry(*prefix).or_default().insert(*node);
        }
    }
    prefixes
}
