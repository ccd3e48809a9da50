//! Random histories of the real planner are healthy; each damage to one shows as just what it is.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;
use proptest::prelude::*;
use proptest::sample::Index as Pick;

use super::fabric::{Fabric, V4, V6, node};
use crate::audit::{Corrupt, Kind};
use crate::index::Filter;
use crate::plan::{settle, unclaim};
use crate::{Affinity, AffinityState, Block, Handle, Key, Record, Timestamp};

const NODES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Start(usize, u8),
    Stop(Pick),
    Unclaim(usize, Pick),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..NODES, 0..3u8).prop_map(|(node, families)| Step::Start(node, families)),
        3 => any::<Pick>().prop_map(Step::Stop),
        1 => (0..NODES, any::<Pick>()).prop_map(|(node, which)| Step::Unclaim(node, which)),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

/// Nodes that take and give back, each operation to its end. Few blocks, so that nodes borrow.
fn history(steps: &[Step]) -> Fabric {
    let mut fabric = Fabric::new(NODES, &[("10.0.0.0/27", 29), ("fd00::/125", 127)]);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Start(on, families) => {
                let wanted: &[_] = [&[V4][..], &[V6], &[V4, V6]][usize::from(*families)];
                fabric.start(&node(*on), &format!("pod{number}"), wanted);
            }
            Step::Stop(which) => {
                let running: Vec<String> = fabric.facts.endpoints.keys().cloned().collect();
                if !running.is_empty() {
                    let handle = which.get(&running);
                    fabric.facts.endpoints.remove(handle);
                    fabric.release(handle, usize::MAX);
                }
            }
            Step::Unclaim(on, which) => {
                let own: Vec<IpNetwork> =
                    fabric.index.blocks(Some(&node(*on)), None, None).map(|b| b.value.cidr()).collect();
                if !own.is_empty() {
                    let cidr = *which.get(&own);
                    while let Ok(writes) = unclaim(&fabric.snapshot(), &node(*on), cidr, fabric.now()) {
                        if writes.is_empty() {
                            break;
                        }
                        writes.iter().for_each(|write| fabric.commit(write).unwrap());
                    }
                }
            }
            Step::Wait => fabric.clock += 60,
        }
    }
    // Each agent drops the claims to blocks that others took.
    for node in (0..NODES).map(node) {
        loop {
            let writes = settle(&fabric.snapshot(), &node, fabric.now());
            if writes.is_empty() {
                break;
            }
            writes.iter().for_each(|write| fabric.commit(write).unwrap());
        }
    }
    fabric
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Handle(OfHandle),
    Block(OfBlock),
    Orphan,
    RemoveNode,
    RemovePools,
    Corrupt,
}

#[derive(Debug, Clone, Copy)]
enum OfHandle {
    Drop,
    Miscount,
    ForgetEndpoint,
    Trespass,
}

#[derive(Debug, Clone, Copy)]
enum OfBlock {
    DropAffinity,
    HalfAffinity,
    StrangeAffinity,
    Drop,
    Duplicate,
}

const DAMAGES: [Damage; 13] = [
    Damage::Handle(OfHandle::Drop),
    Damage::Handle(OfHandle::Miscount),
    Damage::Handle(OfHandle::ForgetEndpoint),
    Damage::Handle(OfHandle::Trespass),
    Damage::Block(OfBlock::DropAffinity),
    Damage::Block(OfBlock::HalfAffinity),
    Damage::Block(OfBlock::StrangeAffinity),
    Damage::Block(OfBlock::Drop),
    Damage::Block(OfBlock::Duplicate),
    Damage::Orphan,
    Damage::RemoveNode,
    Damage::RemovePools,
    Damage::Corrupt,
];

/// Does it, and says what must be found; `None` if there is nothing to damage.
fn inflict(fabric: &mut Fabric, damage: Damage, pick: Pick) -> Option<Vec<Kind>> {
    let blocks: Vec<Block> = fabric.index.blocks(None, None, None).map(|b| b.value.clone()).collect();
    let handles: Vec<String> = fabric.handles().map(str::to_owned).collect();
    match damage {
        Damage::Handle(damage) => {
            (!handles.is_empty()).then(|| damage_handle(fabric, damage, pick.get::<String>(&handles)))
        }
        Damage::Block(damage) => {
            (!blocks.is_empty()).then(|| damage_block(fabric, damage, pick.get(&blocks))).flatten()
        }
        Damage::Orphan => {
            let blocks = blocks.iter().map(|block| (block.cidr(), 0)).collect();
            fabric.put(Record::Handle(Handle { id: "lost".into(), blocks }));
            Some(vec![Kind::OrphanHandle])
        }
        Damage::RemoveNode => Some(remove_node(fabric, &node(pick.index(NODES)), &blocks)),
        Damage::RemovePools => {
            fabric.index.remove_pool("pool0");
            fabric.index.remove_pool("pool1");
            Some(vec![Kind::OutsidePools; blocks.len()])
        }
        Damage::Corrupt => {
            fabric.facts.corrupt.push(Corrupt { record: "10-0-0-0-26".into(), why: "it says so".into() });
            Some(vec![Kind::CorruptBlock])
        }
    }
}

fn damage_handle(fabric: &mut Fabric, damage: OfHandle, handle: &str) -> Vec<Kind> {
    let mut record = fabric.index.handle(handle).unwrap().value;
    let held = holds(fabric, handle);
    match damage {
        OfHandle::Drop => {
            fabric.erase(&Key::Handle(handle.to_owned()));
            vec![Kind::MissingHandle; held]
        }
        OfHandle::Miscount => {
            *record.blocks.values_mut().next().unwrap() += 1;
            fabric.put(Record::Handle(record));
            vec![Kind::UntrueHandle]
        }
        OfHandle::ForgetEndpoint => {
            fabric.facts.endpoints.remove(handle).unwrap();
            vec![Kind::LeakedAddress; held]
        }
        OfHandle::Trespass => {
            let taken = fabric.facts.endpoints[handle].addresses[0];
            fabric.attach(&node(0), "thief", vec![taken, "203.0.113.9".parse().unwrap()]);
            vec![Kind::UnallocatedAddress; 2]
        }
    }
}

fn damage_block(fabric: &mut Fabric, damage: OfBlock, block: &Block) -> Option<Vec<Kind>> {
    let (owner, cidr) = (block.node().to_owned(), block.cidr());
    let claim = |node: String, state| Record::Affinity(Affinity { node, cidr, state });
    match damage {
        OfBlock::DropAffinity => {
            fabric.erase(&Key::Affinity(owner, cidr));
            Some(vec![Kind::OwnerlessBlock])
        }
        OfBlock::HalfAffinity => {
            fabric.put(claim(owner, AffinityState::Pending));
            Some(vec![Kind::HalfAffinity])
        }
        OfBlock::StrangeAffinity => {
            let other = (0..NODES).map(node).find(|other| *other != owner)?;
            fabric.put(claim(other, AffinityState::Confirmed));
            Some(vec![Kind::HalfAffinity])
        }
        OfBlock::Drop => {
            fabric.erase(&Key::Block(cidr));
            let mut kinds = vec![Kind::HalfAffinity];
            kinds.extend(block.allocations().map(|_| Kind::UnallocatedAddress));
            let losers: BTreeSet<&str> = block.allocations().map(|(_, a)| a.handle.as_str()).collect();
            let kind = |loser| if holds(fabric, loser) > 0 { Kind::UntrueHandle } else { Kind::OrphanHandle };
            kinds.extend(losers.into_iter().map(kind));
            Some(kinds)
        }
        OfBlock::Duplicate => {
            let half = IpNetwork::new(cidr.network(), cidr.prefix() + 1).unwrap();
            fabric.put(Record::Block(Block::new(half, &owner, Timestamp(0)).unwrap()));
            let state = AffinityState::Confirmed;
            fabric.put(Record::Affinity(Affinity { node: owner, cidr: half, state }));
            Some(vec![Kind::DuplicateAddress])
        }
    }
}

fn holds(fabric: &Fabric, handle: &str) -> usize {
    fabric.index.allocations(Filter { handle: Some(handle), ..Filter::default() }, None).count()
}

fn remove_node(fabric: &mut Fabric, gone: &str, blocks: &[Block]) -> Vec<Kind> {
    fabric.facts.nodes.remove(gone);
    let own = blocks.iter().filter(|block| block.node() == gone).count();
    let claims = fabric.index.affinities().filter(|affinity| affinity.value.node == gone).count();
    let filter = Filter { node: Some(gone), ..Filter::default() };
    vec![Kind::GoneNode; own + claims + fabric.index.allocations(filter, None).count()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_healthy_is_clean_and_damage_shows_as_what_it_is(
        steps in steps(),
        damage in prop::sample::select(&DAMAGES[..]),
        pick in any::<Pick>(),
    ) {
        let mut fabric = history(&steps);
        prop_assert_eq!(fabric.problems(), vec![]);
        if let Some(mut expected) = inflict(&mut fabric, damage, pick) {
            let mut found = fabric.kinds();
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected, "{:#?}", fabric.problems());
        }
    }
}
