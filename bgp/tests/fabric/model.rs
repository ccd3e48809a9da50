//! Random histories against an obvious oracle: the Loc-RIB depends on what peers say now, not on how they got there.

use std::collections::{BTreeMap, BTreeSet};

use bgp::config::Multipath;
use bgp::speaker::Table;
use bgp::speaker::view::PathView;
use bgp::wire::{AsPath, AsPathSegment, Attributes, Family, Message, NextHop, Nlri, Origin, Reach, Update};
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use crate::network::{Network, key, prefix, v4};
use crate::topology::{config, peer};

/// Node 0 is under test; of its peers 1..=4, the first two are in one AS, 4 is internal.
const PEERS: usize = 4;
const AS_OF: [u32; PEERS + 1] = [65000, 65001, 65001, 65003, 65000];
const LIMIT: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Announce { peer: usize, prefix: usize, said: Said },
    Withdraw { peer: usize, prefix: usize },
    Flap { peer: usize },
    Originate { prefix: usize, own: bool },
}

#[derive(Debug, Clone, PartialEq)]
struct Said {
    path: Vec<u32>,
    local_pref: Option<u32>,
    med: Option<u32>,
    origin: Origin,
}

const PREFIXES: [&str; 3] = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];

fn said() -> impl Strategy<Value = Said> {
    let path = proptest::collection::vec(prop_oneof![4 => 65100_u32..65104, 1 => Just(65000)], 0..3);
    let number = |max| proptest::option::of(0_u32..max);
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Incomplete)];
    (path, number(3), number(3), origin).prop_map(|(path, local_pref, med, origin)| Said {
        path,
        local_pref,
        med,
        origin,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (1..=PEERS, 0..PREFIXES.len());
    prop_oneof![
        6 => (place(), said()).prop_map(|((peer, prefix), said)| Step::Announce { peer, prefix, said }),
        2 => place().prop_map(|(peer, prefix)| Step::Withdraw { peer, prefix }),
        1 => (1..=PEERS).prop_map(|peer| Step::Flap { peer }),
        1 => (0..PREFIXES.len(), any::<bool>()).prop_map(|(prefix, own)| Step::Originate { prefix, own }),
    ]
}

fn nlri(index: usize) -> Nlri {
    Nlri { prefix: prefix(PREFIXES[index]), path_id: 0 }
}

fn full_path(peer: usize, said: &Said) -> Vec<u32> {
    // External peers put their AS in front.
    let own = (AS_OF[peer] != AS_OF[0]).then_some(AS_OF[peer]);
    own.into_iter().chain(said.path.iter().copied()).collect()
}

fn update(peer: usize, prefix_index: usize, said: &Said) -> Message {
    let path = full_path(peer, said);
    let segments = if path.is_empty() { vec![] } else { vec![AsPathSegment::Sequence(path)] };
    let attributes = Attributes {
        origin: said.origin,
        as_path: AsPath { segments },
        med: said.med,
        // The wire layer drops it from others.
        local_pref: said.local_pref.filter(|_| AS_OF[peer] == AS_OF[0]),
        ..Attributes::default()
    };
    let prefixes = vec![nlri(prefix_index)];
    let reach = Reach { family: Family::Ipv4Unicast, next_hop: NextHop::V4(v4(peer)), prefixes };
    Message::Update(Update { reach: vec![reach], attributes, ..Update::default() })
}

/// RFC 4271 §9.1 as slowly and plainly as can be: pairwise, over everything said. Next hops in use.
fn oracle(said: &BTreeMap<usize, Said>) -> BTreeSet<usize> {
    let external = |peer: &usize| AS_OF[*peer] != AS_OF[0];
    let preference = |peer: &usize| {
        let said = &said[peer];
        let local_pref = if external(peer) { 100 } else { said.local_pref.unwrap_or(100) };
        (u32::MAX - local_pref, full_path(*peer, said).len(), said.origin)
    };
    let med = |peer: &usize| said[peer].med.unwrap_or(0);
    let neighbour = |peer: &usize| full_path(*peer, &said[peer]).first().copied();
    let usable: Vec<_> =
        said.keys().copied().filter(|peer| !full_path(*peer, &said[peer]).contains(&65000)).collect();
    let Some(best) = usable.iter().map(preference).min() else { return BTreeSet::new() };
    let good: Vec<_> = usable.into_iter().filter(|peer| preference(peer) == best).collect();
    let beaten =
        |peer: &usize| good.iter().any(|other| neighbour(other) == neighbour(peer) && med(other) < med(peer));
    let good: Vec<_> = good.iter().copied().filter(|peer| !beaten(peer)).collect();
    let any_external = good.iter().any(external);
    let good = good.into_iter().filter(|peer| external(peer) == any_external);
    good.take(LIMIT).collect() // in order of router id, which is the order of nodes
}

/// Every real peer is a silent speaker; its routes are put into node 0 as if it had sent them.
fn settled() -> Network {
    let mut fabric = Network::new(PEERS + 1);
    let peers: Vec<_> = (1..=PEERS).map(|index| (index, peer(AS_OF[index]))).collect();
    let mut under_test = config(0, AS_OF[0], &peers);
    under_test.multipath = Multipath { external: LIMIT, internal: LIMIT, relaxed_as_path: true };
    under_test.graceful_restart.enabled = false;
    fabric.start(0, under_test);
    for (index, asn) in AS_OF.into_iter().enumerate().skip(1) {
        fabric.start(index, config(index, asn, &[(0, peer(AS_OF[0]))]));
    }
    fabric.seconds(20);
    fabric
}

#[derive(Default)]
struct Model {
    said: BTreeMap<usize, BTreeMap<usize, Said>>,
    own: BTreeSet<usize>,
}

impl Model {
    fn expected(&self) -> BTreeMap<IpNetwork, Vec<usize>> {
        let prefixes = (0..PREFIXES.len()).filter(|index| !self.own.contains(index));
        let decided = prefixes.map(|index| {
            let said = self.said.get(&index).map(oracle).unwrap_or_default();
            (prefix(PREFIXES[index]), said.into_iter().collect::<Vec<_>>())
        });
        decided.filter(|(_, next_hops)| !next_hops.is_empty()).collect()
    }

    fn apply(&mut self, fabric: &mut Network, step: &Step) {
        match step {
            Step::Announce { peer, prefix, said } => {
                fabric.inject(0, *peer, Ok(update(*peer, *prefix, said)));
                self.said.entry(*prefix).or_default().insert(*peer, said.clone());
            }
            Step::Withdraw { peer, prefix: index } => {
                let withdrawn = vec![nlri(*index)];
                fabric.inject(0, *peer, Ok(Message::Update(Update { withdrawn, ..Update::default() })));
                self.said.entry(*index).or_default().remove(peer);
            }
            Step::Flap { peer } => {
                fabric.break_connections(0, *peer);
                fabric.seconds(20);
                for said in self.said.values_mut() {
                    said.remove(peer);
                }
            }
            Step::Originate { prefix: index, own } => {
                if *own {
                    self.own.insert(*index)
                } else {
                    self.own.remove(index)
                };
                fabric.originate_all(0, self.own.iter().map(|index| prefix(PREFIXES[*index])));
            }
        }
    }
}

fn actual(fabric: &Network) -> BTreeMap<IpNetwork, Vec<usize>> {
    fabric.nodes[0].fib.keys().map(|prefix| (*prefix, fabric.next_hops(0, &prefix.to_string()))).collect()
}

/// What a peer has been told, for comparing with what it should have been told.
fn told(fabric: &Network, other: usize) -> BTreeSet<IpNetwork> {
    let told = |text: &&str| {
        let paths = fabric.paths(0, Table::AdjRibOut, text);
        paths.iter().any(|path| path.peer == Some(key(other)))
    };
    PREFIXES.into_iter().filter(told).map(prefix).collect()
}

/// What the peer itself has from node 0.
fn heard(fabric: &Network, other: usize) -> BTreeSet<IpNetwork> {
    let from = key(0);
    let heard = |text: &&str| {
        fabric.paths(other, Table::AdjRibIn, text).iter().any(|path| path.peer.as_ref() == Some(&from))
    };
    PREFIXES.into_iter().filter(heard).map(prefix).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_in_what_a_recomputation_gives(steps in proptest::collection::vec(step(), 1..40)) {
        let mut fabric = settled();
        let mut model = Model::default();
        for step in &steps {
            model.apply(&mut fabric, step);
            prop_assert_eq!(actual(&fabric), model.expected(), "after {:?}", step);
        }
        fabric.seconds(20);
        for other in 1..=PEERS {
            prop_assert_eq!(told(&fabric, other), heard(&fabric, other));
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        said in proptest::collection::btree_map(1..=PEERS, said(), 1..=PEERS),
        order in Just((1..=PEERS).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let outcome = |order: &[usize]| {
            let mut fabric = settled();
            for peer in order {
                if let Some(said) = said.get(peer) {
                    fabric.inject(0, *peer, Ok(update(*peer, 0, said)));
                }
            }
            let view = |path: PathView| (path.peer, path.best, path.multipath, path.reason);
            fabric.paths(0, Table::LocRib, PREFIXES[0]).into_iter().map(view).collect::<Vec<_>>()
        };
        prop_assert_eq!(outcome(&order), outcome(&[1, 2, 3, 4]));
    }
}
