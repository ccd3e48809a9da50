//! Judges one packet of each class before and after, and gathers those that go another way.
//!
//! First one end alone, against everybody: most changes touch few. Then, for the endpoints with which something changes
//! there, the other end too, with the classes cut finer by the other end's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::compile::compile;
use crate::evaluate::{Packet, decide};
use crate::explain::explain;
use crate::model::Model;
use crate::program::{Direction, EndpointId, Family, ProfileId, Program, Set, Verdict};

use super::address::{Class as Peers, Holders, Sets, classes, partition};
use super::row::{Row, Rows, changes};
use super::traffic::{Class, Named, merge};
use super::{Because, Difference, Group, Limits, Programs, Stopped, Who, members};

/// How many packets may still be judged.
pub(super) struct Budget {
    pub(super) left: usize,
    pub(super) limits: Limits,
}

/// Endpoints with which one end's word would change, and whose own word is not known yet.
struct Candidate<'a> {
    group: &'a Group,
    family: Family,
    own: Holders,
    peers: Holders,
}

/// One packet's ends, as one of them sees it.
#[derive(Clone, Copy)]
struct Ends<'a> {
    direction: Direction,
    own: (&'a EndpointId, IpAddr),
    /// `None` for the name: not an endpoint.
    peer: (Option<&'a EndpointId>, IpAddr),
}

/// Which classes of traffic change how.
type Changed = BTreeMap<(Verdict, Verdict), Vec<usize>>;

pub(super) fn find(
    before: &Model,
    after: &Model,
    programs: Programs,
    subjects: &BTreeSet<EndpointId>,
    groups: BTreeMap<Group, Vec<EndpointId>>,
    budget: Budget,
) -> Difference {
    let limits = budget.limits;
    let mut search = Search { programs, budget, rows: Rows::new() };
    let candidates = search.first_ends(before, &groups);
    let others: BTreeSet<EndpointId> =
        candidates.iter().flatten().flat_map(|candidate| candidate.peers.keys().cloned()).collect();
    let mut finished = candidates.is_some();
    if !others.is_subset(subjects) {
        let everyone: BTreeSet<EndpointId> = subjects.union(&others).cloned().collect();
        if everyone.len().saturating_mul(before.policies.len().max(after.policies.len())) > limits.selections
        {
            let stopped = Some(Stopped::Selections(limits.selections));
            return Difference { changes: changes(search.rows), stopped, ..Difference::default() };
        }
        search.programs = Programs { before: compile(before, &everyone), after: compile(after, &everyone) };
    }
    for candidate in candidates.iter().flatten() {
        finished = finished && search.both_ends(candidate).is_some();
    }
    Difference {
        changes: changes(search.rows),
        endpoints: BTreeSet::new(),
        packets: limits.packets - search.budget.left,
        stopped: (!finished).then_some(Stopped::Packets(limits.packets)),
    }
}

struct Search {
    programs: Programs,
    budget: Budget,
    rows: Rows,
}

/// `None` from any of these: the budget is spent.
impl Search {
    /// What changes at one end: towards outsiders that is the answer; endpoints are candidates.
    fn first_ends<'a>(
        &mut self,
        model: &Model,
        groups: &'a BTreeMap<Group, Vec<EndpointId>>,
    ) -> Option<Vec<Candidate<'a>>> {
        let mut candidates = Vec::new();
        for family in [Family::V4, Family::V6] {
            let everybody = holders(model, family);
            let taken: BTreeSet<IpAddr> = everybody.values().copied().collect();
            for (group, ids) in groups {
                let own = everybody.iter().filter(|(id, _)| ids.binary_search(id).is_ok());
                let own: Holders = own.map(|(id, address)| (id.clone(), *address)).collect();
                let asked = self.asked(group);
                let (parts, peers, traffic) = {
                    let sets = Sets::new(family, asked.iter().copied());
                    let named = self.named(&[
                        (&self.programs.before, &group.before),
                        (&self.programs.after, &group.after),
                    ]);
                    (
                        partition(&sets, &own),
                        classes(family, &sets, &everybody, &taken),
                        named.classes(family),
                    )
                };
                for part in &parts {
                    for peers in &peers {
                        self.outsiders(group, family, part, peers, &traffic)?;
                        if self.changes_with_endpoints(group, part, peers, &traffic)? {
                            let (own, peers) = (part.clone(), peers.endpoints.clone());
                            candidates.push(Candidate { group, family, own, peers });
                        }
                    }
                }
            }
        }
        Some(candidates)
    }

    /// The sets that a group's rules ask, before and after.
    fn asked(&self, group: &Group) -> Vec<&Set> {
        let before = members(&self.programs.before, group.before.as_ref());
        before.into_iter().chain(members(&self.programs.after, group.after.as_ref())).collect()
    }

    fn named(&self, profiles: &[(&Program, &Option<ProfileId>)]) -> Named {
        let mut named = Named::default();
        for (program, id) in profiles {
            if let Some(profile) = id.as_ref().and_then(|id| program.profiles.get(id)) {
                named.add_profile(profile);
            }
            members(program, id.as_ref()).into_iter().for_each(|set| named.add_set(set));
        }
        named
    }

    fn outsiders(
        &mut self,
        group: &Group,
        family: Family,
        own: &Holders,
        peers: &Peers,
        traffic: &[Class],
    ) -> Option<()> {
        let (Some(outsider), Some((id, address))) = (peers.outsider, own.first_key_value()) else {
            return Some(());
        };
        let ends = Ends { direction: group.direction, own: (id, *address), peer: (None, outsider) };
        let changed = self.changed(ends, traffic)?;
        self.note(ends, family, own, peers.outside(family), traffic, changed);
        Some(())
    }

    fn changes_with_endpoints(
        &mut self,
        group: &Group,
        own: &Holders,
        peers: &Peers,
        traffic: &[Class],
    ) -> Option<bool> {
        let Some(ends) = representatives(group.direction, own, &peers.endpoints) else { return Some(false) };
        for class in traffic {
            let [before, after] = self.word(ends.own.0, ends.direction, &ends.packet(class))?;
            if before != after {
                return Some(true);
            }
        }
        Some(false)
    }

    /// What changes between endpoints, both ends taken together.
    fn both_ends(&mut self, candidate: &Candidate<'_>) -> Option<()> {
        let Candidate { group, family, own, peers } = candidate;
        let opposite = opposite(group.direction);
        let mut by_rules: BTreeMap<[Option<ProfileId>; 2], Holders> = BTreeMap::new();
        for (id, address) in peers {
            let profiles = [&self.programs.before, &self.programs.after]
                .map(|program| program.endpoints.get(id).and_then(|end| profile(end, opposite).clone()));
            by_rules.entry(profiles).or_default().insert(id.clone(), *address);
        }
        for ([before, after], peers) in by_rules {
            let theirs = Group { direction: opposite, before, after };
            let (own_parts, peer_parts, traffic) = {
                let asked = self.asked(&theirs);
                let sets = Sets::new(*family, asked.iter().copied());
                let Programs { before, after } = &self.programs;
                let named = self.named(&[
                    (before, &group.before),
                    (after, &group.after),
                    (before, &theirs.before),
                    (after, &theirs.after),
                ]);
                (partition(&sets, own), partition(&sets, &peers), named.classes(*family))
            };
            for own in &own_parts {
                for peers in &peer_parts {
                    let Some(ends) = representatives(group.direction, own, peers) else { continue };
                    let changed = self.changed(ends, &traffic)?;
                    let who = Who::Endpoints(peers.keys().cloned().collect());
                    self.note(ends, *family, own, who, &traffic, changed);
                }
            }
        }
        Some(())
    }

    /// Which traffic between these two changes, if this end's word does.
    fn changed(&mut self, ends: Ends<'_>, traffic: &[Class]) -> Option<Changed> {
        let mut changed = Changed::new();
        for (index, class) in traffic.iter().enumerate() {
            let packet = ends.packet(class);
            let own = self.word(ends.own.0, ends.direction, &packet)?;
            if own[0] == own[1] {
                continue;
            }
            let theirs = match ends.peer.0 {
                None => [Verdict::Allow; 2],
                Some(peer) => self.word(peer, opposite(ends.direction), &packet)?,
            };
            // Where both ends' words change, it is told of the destination's.
            if ends.direction == Direction::Egress && theirs[0] != theirs[1] {
                continue;
            }
            let [before, after] = [together(own[0], theirs[0]), together(own[1], theirs[1])];
            if before != after {
                changed.entry((before, after)).or_default().push(index);
            }
        }
        Some(changed)
    }

    /// What one end says before and after.
    fn word(&mut self, id: &EndpointId, direction: Direction, packet: &Packet) -> Option<[Verdict; 2]> {
        self.budget.left = self.budget.left.checked_sub(1)?;
        let word =
            |program| decide(program, id, direction, packet).map_or(Verdict::Allow, |end| end.verdict());
        Some([word(&self.programs.before), word(&self.programs.after)])
    }

    fn note(
        &mut self,
        ends: Ends<'_>,
        family: Family,
        own: &Holders,
        peers: Who,
        traffic: &[Class],
        changed: Changed,
    ) {
        for ((before, after), indices) in changed {
            let classes: Vec<&Class> = indices.iter().filter_map(|index| traffic.get(*index)).collect();
            let Some(first) = classes.first() else { continue };
            let packet = ends.packet(first);
            let because = Because {
                before: sentences(&self.programs.before, &packet, before, ends.direction),
                after: sentences(&self.programs.after, &packet, after, ends.direction),
            };
            let (own, peers) = apart(own.keys().cloned().collect(), peers.clone());
            let (sources, destinations) = match ends.direction {
                Direction::Ingress => (peers, own),
                Direction::Egress => (own, peers),
            };
            let traffic = merge(&classes, traffic.len());
            let row = Row { sources, destinations, traffic, before, after };
            let (families, reasons) = self.rows.entry(row).or_default();
            families.insert(family);
            reasons.extend(because);
        }
    }
}

impl Ends<'_> {
    fn packet(&self, class: &Class) -> Packet {
        let (source, destination) = match self.direction {
            Direction::Ingress => (self.peer.1, self.own.1),
            Direction::Egress => (self.own.1, self.peer.1),
        };
        Packet { source, destination, transport: class.transport }
    }
}

/// Two of them that are not the same endpoint.
fn representatives<'a>(direction: Direction, own: &'a Holders, peers: &'a Holders) -> Option<Ends<'a>> {
    let pairs = own.iter().take(2).flat_map(|own| peers.iter().take(2).map(move |peer| (own, peer)));
    let mut different = pairs.filter(|((own, _), (peer, _))| own != peer);
    different.next().map(|((own, own_address), (peer, peer_address))| Ends {
        direction,
        own: (own, *own_address),
        peer: (Some(peer), *peer_address),
    })
}

/// Without an endpoint at the end where only itself is at the other.
fn apart(mut own: BTreeSet<EndpointId>, mut peers: Who) -> (Who, Who) {
    if let Who::Endpoints(peers) = &mut peers {
        match (own.first(), peers.first()) {
            (Some(only), _) if own.len() == 1 => drop(peers.remove(only)),
            (_, Some(only)) if peers.len() == 1 => drop(own.remove(only)),
            (_, _) => {}
        }
    }
    (Who::Endpoints(own), peers)
}

/// Everybody with an address of the family.
fn holders(model: &Model, family: Family) -> Holders {
    let policed = model.endpoints.values().filter(|endpoint| endpoint.is_policed());
    let of_family = policed.filter_map(|endpoint| {
        let address = endpoint.addresses.iter().find(|address| Family::of(**address) == family)?;
        Some((endpoint.id.clone(), *address))
    });
    of_family.collect()
}

fn profile(endpoint: &crate::program::EndpointProgram, direction: Direction) -> &Option<ProfileId> {
    match direction {
        Direction::Ingress => &endpoint.ingress,
        Direction::Egress => &endpoint.egress,
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

fn together(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Allow, Verdict::Allow) => Verdict::Allow,
        (Verdict::Deny, _) | (_, Verdict::Deny) => Verdict::Deny,
    }
}

/// Why: those ends that deny; if none does, the one whose word changes.
fn sentences(program: &Program, packet: &Packet, verdict: Verdict, own: Direction) -> BTreeSet<String> {
    let speaks = |direction: Direction, says: Verdict| match verdict {
        Verdict::Deny => says == Verdict::Deny,
        Verdict::Allow => direction == own,
    };
    let ends = explain(program, packet).directions.into_iter();
    ends.filter(|end| speaks(end.direction, end.verdict)).map(|end| end.reason).collect()
}
