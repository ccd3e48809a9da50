//! Random histories.

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Announce { source: usize, prefixes: Vec<u8>, asns: u32, med: u32 },
    Withdraw { source: usize, prefixes: Vec<u8> },
    Own(Vec<u8>),
    Drain { member: usize, pieces: usize },
    Rejoin { member: usize },
    Replace { source: usize },
    TellAgain { member: usize },
    Regroup { member: usize, rules: usize },
    Hold(bool),
    Stale { source: usize, flush: bool },
    Reject { source: usize, reject: bool },
}

const KINDS: [Kind; 5] = [Kind::External, Kind::External, Kind::Internal, Kind::Client, Kind::Client];

fn op() -> impl Strategy<Value = Op> {
    let source = 0..KINDS.len();
    let prefixes = || prop::collection::vec(0..12u8, 1..6);
    prop_oneof![
        12 => (source.clone(), prefixes(), 1..4u32, 0..3u32).prop_map(|(source, prefixes, asns, med)| {
            Op::Announce { source, prefixes, asns, med }
        }),
        8 => (source.clone(), prefixes()).prop_map(|(source, prefixes)| Op::Withdraw { source, prefixes }),
        2 => prefixes().prop_map(Op::Own),
        10 => (source.clone(), 0..4usize).prop_map(|(member, pieces)| Op::Drain { member, pieces }),
        2 => source.clone().prop_map(|member| Op::Rejoin { member }),
        1 => source.clone().prop_map(|source| Op::Replace { source }),
        1 => source.clone().prop_map(|member| Op::TellAgain { member }),
        2 => (source.clone(), 0..4usize).prop_map(|(member, rules)| Op::Regroup { member, rules }),
        1 => any::<bool>().prop_map(Op::Hold),
        1 => (source.clone(), any::<bool>()).prop_map(|(source, flush)| Op::Stale { source, flush }),
        1 => (source, any::<bool>()).prop_map(|(source, reject)| Op::Reject { source, reject }),
    ]
}

/// Some rules for a peer of a kind. Whether ADD-PATH is spoken is settled with the session, so it is not among them.
fn rules(kind: Kind, add_path: bool, number: usize) -> Export {
    let plain = export(kind, Policy::Accept);
    let rules = match number {
        0 => plain,
        1 => Export { next_hop: NextHopMode::Itself, ..plain },
        2 => Export { policy: Policy::Originated, ..plain },
        _ => Export { graceful_shutdown: true, ..plain },
    };
    if add_path { with_add_path(rules, SendPaths::All) } else { rules }
}

struct World {
    rib: Rib,
    sources: Vec<SourceId>,
    members: Vec<MemberId>,
    receivers: Vec<Receiver>,
    add_path: bool,
    now: Instant,
}

impl World {
    fn new(add_path: bool) -> Self {
        let (mut rib, sources) = rib(&KINDS);
        let join = |(source, kind): (&SourceId, &Kind)| rib.join(*source, rules(*kind, add_path, 0), true);
        let members = sources.iter().zip(&KINDS).map(join).collect();
        let receivers = KINDS.iter().map(|_| Receiver::default()).collect();
        Self { rib, sources, members, receivers, add_path, now: Instant::now() }
    }

    fn codec(&self, member: usize) -> Codec {
        rules(KINDS[member], self.add_path, 0).codec
    }

    fn drain(&mut self, member: usize, pieces: usize) -> bool {
        let codec = self.codec(member);
        self.receivers[member].drain(&mut self.rib, self.members[member], &codec, pieces)
    }

    fn apply(&mut self, op: &Op) {
        let family = Family::Ipv4Unicast;
        match op {
            Op::Announce { source, prefixes, asns, med } => {
                let nlri: Vec<_> = prefixes.iter().map(|number| nlri(*number)).collect();
                let attributes = path(&[65101, 65102, 65103][..*asns as usize], *med);
                let next_hop = via(u8::try_from(*source + 1).expect("few"));
                self.rib.announce(self.sources[*source], family, &attributes, next_hop, &nlri, self.now);
            }
            Op::Withdraw { source, prefixes } => {
                let nlri: Vec<_> = prefixes.iter().map(|number| nlri(*number)).collect();
                self.rib.withdraw(self.sources[*source], &nlri);
            }
            Op::Own(prefixes) => {
                let own = prefixes.iter().map(|number| (prefix(*number), Origination::default())).collect();
                self.rib.originate(&own, &BTreeMap::new(), self.now);
            }
            Op::Drain { member, pieces } => _ = self.drain(*member, *pieces),
            Op::Rejoin { member } => {
                self.rib.leave(self.members[*member]);
                let rules = rules(KINDS[*member], self.add_path, 0);
                self.members[*member] = self.rib.join(self.sources[*member], rules, true);
                self.receivers[*member] = Receiver::default();
            }
            Op::Replace { source } => {
                self.rib.remove_source(self.sources[*source]);
                let number = u8::try_from(*source + 1).expect("few");
                self.sources[*source] = self.rib.add_source(neighbour(number, KINDS[*source]));
                self.rib.set_import(self.sources[*source], family, import(Policy::Accept));
                self.apply(&Op::Rejoin { member: *source });
            }
            Op::TellAgain { member } => self.rib.tell_again(self.members[*member], false),
            Op::Regroup { member, rules: number } => {
                self.rib.regroup(self.members[*member], rules(KINDS[*member], self.add_path, *number));
            }
            Op::Hold(held) => self.rib.hold_transit(*held),
            Op::Stale { source, flush } => {
                self.rib.keep_stale(self.sources[*source], FamilySet::from_iter([family]));
                if *flush {
                    self.rib.flush_stale(self.sources[*source], family);
                } else {
                    self.rib.keep_long_lived(self.sources[*source], family);
                }
            }
            Op::Reject { source, reject } => {
                let policy = if *reject { Policy::Reject } else { Policy::Accept };
                self.rib.set_import(self.sources[*source], family, import(policy));
            }
        }
    }

    fn settle(&mut self) {
        // Held routes need not have been told to be withdrawn again; what counts is the table when nothing is held.
        self.rib.hold_transit(false);
        for member in 0..KINDS.len() {
            assert!(self.drain(member, 10_000), "member {member} has no end");
            assert!(!self.rib.is_pending(self.members[member]));
        }
    }

    fn check(&self) {
        for (member, receiver) in self.members.iter().zip(&self.receivers) {
            let expected = expected(&self.rib, *member);
            // What goes to external peers comes back without LOCAL_PREF; everything else is compared as sent.
            assert_eq!(receiver.routes, expected, "member {member:?}");
            assert_eq!(self.rib.advertised(*member) as usize, expected.len(), "count of {member:?}");
            let told: BTreeMap<_, _> = self
                .rib
                .told_all(*member)
                .map(|told| (told.nlri, (told.attributes, told.next_hop)))
                .collect();
            assert_eq!(told, expected, "view of {member:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// However they lag, rejoin and change their rules, in the end all have been told the table as it is.
    #[test]
    fn everybody_ends_up_with_the_table(ops in prop::collection::vec(op(), 1..120), add_path: bool) {
        let mut world = World::new(add_path);
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        world.check();
        // Nothing is left behind: not a destination, not a route, not a path.
        world.rib.originate(&BTreeMap::new(), &BTreeMap::new(), world.now);
        for source in world.sources.clone() {
            world.rib.remove_source(source);
        }
        world.settle();
        for receiver in &world.receivers {
            prop_assert!(receiver.routes.is_empty(), "{:?}", receiver.routes);
        }
        let sizes = world.rib.sizes();
        prop_assert_eq!(sizes.destinations, [0, 0]);
        prop_assert_eq!(sizes.routes, [0, 0]);
    }

    /// The same with everybody reading at once after each step: then nothing is said twice.
    #[test]
    fn who_keeps_up_is_told_news_alone(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(false);
        world.settle();
        for op in &ops {
            let Some((sender, size)) = sender(op) else { continue };
            let before: Vec<_> = world.receivers.iter().map(|it| (it.routes.clone(), it.news)).collect();
            world.apply(op);
            world.settle();
            world.check();
            for (number, (receiver, (routes, news))) in world.receivers.iter().zip(before).enumerate() {
                let changed = |nlri: &&Nlri| routes.get(nlri) != receiver.routes.get(nlri);
                let all: std::collections::BTreeSet<_> = routes.keys().chain(receiver.routes.keys()).collect();
                let changes = all.iter().filter(|nlri| changed(nlri)).count();
                // A route that takes the place of another sender's is told even if it looks the same.
                if Some(number) != sender {
                    prop_assert!(receiver.news - news <= changes + size);
                } else {
                    prop_assert!(receiver.news - news <= size);
                }
            }
        }
    }
}

/// Who is behind an operation that leaves everybody's sessions and rules as they are, and how many prefixes it names.
fn sender(op: &Op) -> Option<(Option<usize>, usize)> {
    match op {
        Op::Announce { source, prefixes, .. } | Op::Withdraw { source, prefixes } => {
            Some((Some(*source), prefixes.len()))
        }
        // Those of before go.
        Op::Own(_) => Some((None, 12)),
        Op::Drain { .. }
        | Op::Rejoin { .. }
        | Op::Replace { .. }
        | Op::TellAgain { .. }
        | Op::Regroup { .. }
        | Op::Hold(_)
        | Op::Stale { .. }
        | Op::Reject { .. } => None,
    }
}

/// Histories that once went wrong.
#[test]
fn what_goes_while_transit_is_held_is_withdrawn() {
    let announce =
        |source, prefixes: &[u8]| Op::Announce { source, prefixes: prefixes.to_vec(), asns: 1, med: 0 };
    let history = [
        announce(2, &[0, 4]),
        Op::Drain { member: 0, pieces: 2 },
        Op::Hold(true),
        announce(1, &[0, 1]),
        Op::Replace { source: 1 },
        Op::Drain { member: 1, pieces: 1 },
        announce(0, &[0]),
        announce(0, &[1, 2]),
        Op::Withdraw { source: 2, prefixes: vec![4] },
        Op::Drain { member: 0, pieces: 2 },
    ];
    let mut world = World::new(false);
    history.iter().for_each(|op| world.apply(op));
    world.settle();
    world.check();
}
