//! One damage at a time with its words here; random damages to random histories in `damage`.

mod damage;
pub(crate) mod fabric;

use fabric::{Fabric, V4, V6};

use super::*;
use crate::{Affinity, AffinityState, Block, Handle, Key, Record, Timestamp};

/// Two nodes, a pod with two addresses on each.
fn healthy() -> Fabric {
    let mut fabric = Fabric::new(2, &[("10.0.0.0/24", 26), ("fd00::/120", 122)]);
    fabric.start("n0", "a", &[V4, V6]);
    fabric.start("n1", "b", &[V4, V6]);
    assert_eq!(fabric.problems(), []);
    fabric
}

fn block_of<'a>(fabric: &'a Fabric, node: &str) -> &'a Block {
    &fabric.index.blocks(Some(node), None, None).next().unwrap().value
}

/// The problems as text, a line each: kind, subject, words, remedy, what to release.
fn told(fabric: &Fabric) -> String {
    let line = |problem: &Problem| {
        let Problem { kind, subject, what, remedy, release } = problem;
        let release = release.as_ref();
        let release = release.map_or(String::new(), |item| format!(" | {} {}", item.address, item.handle));
        format!("{kind} {subject}: {what} | {remedy}{release}\n")
    };
    fabric.problems().iter().map(line).collect()
}

#[test]
fn everything_is_counted_and_progress_is_told_to_the_end() {
    let fabric = healthy();
    let mut last = std::collections::BTreeMap::new();
    let report = check(&fabric.index, &fabric.facts, |Progress { stage, done, total }| {
        assert!(done <= total && last.get(&stage).is_none_or(|before: &(u64, u64)| before.0 <= done));
        last.insert(stage, (done, total));
    });
    let counts = Counts {
        pools: 2,
        blocks: 4,
        affinities: 4,
        handles: 2,
        allocations: 4,
        standby: 0,
        endpoints: 2,
        nodes: 2,
    };
    assert_eq!(report, Report { counts, problems: Vec::new() });
    let ends: Vec<_> = last.into_iter().map(|(stage, (done, total))| (stage.name(), done, total)).collect();
    assert_eq!(ends, [("blocks", 4, 4), ("handles", 2, 2), ("endpoints", 2, 2), ("affinities", 4, 4)]);
}

#[test]
fn leaks() {
    let mut fabric = healthy();
    fabric.facts.endpoints.remove("a");
    let [v4, v6] = addresses(&fabric, "a");
    assert_eq!(
        told(&fabric),
        format!(
            "leakedAddress {v4}: {v4} is held by a for pod shop/a, which does not exist |  | {v4} a\n\
             leakedAddress {v6}: {v6} is held by a for pod shop/a, which does not exist |  | {v6} a\n"
        )
    );
    // Of a handle that is in use, an address is not released by itself.
    fabric.attach("n0", "a", vec![v6]);
    assert_eq!(
        told(&fabric),
        format!(
            "leakedAddress {v4}: {v4} is held by a for pod shop/a, which does not use it | release the address: it does \
             not go by itself, as a is in use otherwise | {v4} a\n"
        )
    );
    // Somebody else uses it: releasing it would give it to a third.
    fabric.facts.endpoints.remove("a");
    fabric.attach("n1", "c", vec![v6]);
    assert_eq!(
        told(&fabric),
        format!(
            "leakedAddress {v4}: {v4} is held by a for pod shop/a, which does not exist | release the address: it does not \
             go by itself, as a is in use otherwise | {v4} a\n\
             leakedAddress {v6}: {v6} is held by a for pod shop/a, which does not exist, while pod shop/c on node n1 uses \
             it | delete pod shop/c; then the address goes by itself\n\
             unallocatedAddress {v6}: pod shop/c on node n1 uses {v6}, which a holds for pod shop/a | delete pod shop/c; \
             the one that replaces it gets an address of its own\n"
        )
    );
}

fn addresses(fabric: &Fabric, handle: &str) -> [std::net::IpAddr; 2] {
    let filter = crate::index::Filter { handle: Some(handle), ..Default::default() };
    let found: Vec<_> = fabric.index.allocations(filter, None).map(|holding| holding.address).collect();
    found.try_into().unwrap()
}

#[test]
fn addresses_that_are_no_pods_stay_with_their_asker() {
    let mut fabric = healthy();
    let cidr = block_of(&fabric, "n0").cidr();
    let attributes = crate::Attributes { node: "n1".into(), ..Default::default() };
    let block = block_of(&fabric, "n0").taking(
        cidr.iter().nth(63).unwrap(),
        "tunnel",
        &attributes,
        Timestamp(0),
        std::time::Duration::ZERO,
    );
    fabric.put(Record::Block(block.unwrap()));
    fabric.put(Record::Handle(Handle { id: "tunnel".into(), blocks: [(cidr, 1)].into() }));
    assert_eq!(fabric.problems(), []);
    fabric.facts.nodes.remove("n1");
    assert!(
        fabric
            .problems()
            .iter()
            .any(|problem| problem.release.as_ref().is_some_and(|r| r.handle == "tunnel"))
    );
    // Unless somebody says that it is in use.
    fabric.facts.holders.insert("tunnel".into());
    assert!(
        !fabric
            .problems()
            .iter()
            .any(|problem| problem.release.as_ref().is_some_and(|r| r.handle == "tunnel"))
    );
}

#[test]
fn handles() {
    let mut fabric = healthy();
    let [v4, _] = addresses(&fabric, "a");
    let (v4_block, v6_block) = (block_of(&fabric, "n0").cidr(), fabric.index.handle("a").unwrap().value);
    let v6_block = *v6_block.blocks.keys().find(|cidr| cidr.is_ipv6()).unwrap();
    let handle = |id: &str, blocks: &[(_, u32)]| {
        Record::Handle(Handle { id: id.into(), blocks: blocks.iter().copied().collect() })
    };
    fabric.put(handle("a", &[(v6_block, 2)]));
    fabric.put(handle("lost", &[(v4_block, 1)]));
    fabric.put(handle("kept", &[]));
    fabric.facts.holders.insert("kept".into());
    assert_eq!(
        told(&fabric),
        format!(
            "missingHandle {v4}: {v4} is held by a, whose record does not name block {v4_block} | delete pod shop/a: its \
             address goes by garbage collection then\n\
             untrueHandle a: handle a says 2 of block {v6_block} where it holds 1 | delete pod shop/a; the handle goes with \
             it\n\
             orphanHandle kept: handle kept holds no address | release kept when it is no longer needed; the handle goes \
             with it\n\
             orphanHandle lost: handle lost holds no address | \n"
        )
    );
    fabric.facts.endpoints.remove("a");
    fabric.erase(&Key::Handle("a".into()));
    let missing: Vec<_> = fabric.problems().into_iter().filter(|p| p.kind == Kind::MissingHandle).collect();
    assert_eq!(missing[0].what, format!("{v4} is held by a, of which there is no record"));
    assert_eq!((missing[0].remedy.as_str(), missing[0].release.as_ref().unwrap().address), ("", v4));
    // What an attempt wanted and did not take, and said so since, is true.
    let mut fabric = healthy();
    let blocks: Vec<_> = fabric.index.handle("a").unwrap().value.blocks.into_iter().collect();
    let other = block_of(&fabric, "n1").cidr();
    fabric.put(handle("a", &[blocks[0], blocks[1], (other, 0)]));
    assert_eq!(fabric.problems(), []);
}

#[test]
fn nodes_that_are_gone() {
    let mut fabric = healthy();
    fabric.facts.nodes.remove("n1");
    let [v4, v6] = addresses(&fabric, "b");
    let [v4_block, v6_block] =
        [0, 1].map(|nth| fabric.index.blocks(Some("n1"), None, None).nth(nth).unwrap().value.cidr());
    let block = |cidr, remedy| {
        format!("goneNode {cidr}: block {cidr} belongs to node n1, which does not exist | {remedy}\n")
    };
    let address = |address| {
        format!(
            "goneNode {address}: {address} is held by b for pod shop/b on node n1, which does not exist |  | {address} b\n"
        )
    };
    let claim =
        |cidr| format!("goneNode {cidr}: node n1, which does not exist, has a claim to block {cidr} | \n");
    let blocks = [block(v4_block, ""), address(v4), block(v6_block, ""), address(v6)].concat();
    assert_eq!(told(&fabric), [blocks, claim(v4_block), claim(v6_block)].concat());
    // A pod elsewhere that borrowed keeps the block.
    fabric.attach("n0", "b", vec![v4, v6]);
    let wait = "delete the pods that use its addresses; then it goes by itself";
    assert_eq!(
        told(&fabric),
        [block(v4_block, wait), block(v6_block, wait), claim(v4_block), claim(v6_block)].concat()
    );
}

#[test]
fn claims() {
    let mut fabric = healthy();
    let own = block_of(&fabric, "n0").cidr();
    let theirs = block_of(&fabric, "n1").cidr();
    let nobodys = "10.9.0.0/26".parse().unwrap();
    let claim = |cidr, state| Record::Affinity(Affinity { node: "n0".into(), cidr, state });
    fabric.put(claim(theirs, AffinityState::Confirmed));
    fabric.put(claim(nobodys, AffinityState::Pending));
    fabric.put(claim(own, AffinityState::PendingDeletion));
    let mut expected = vec![
        format!("halfAffinity {own}: node n0 has not finished giving back block {own} | \n"),
        format!(
            "halfAffinity {theirs}: node n0 has a claim to block {theirs}, which belongs to node n1 | \n"
        ),
        format!("halfAffinity {nobodys}: node n0 has a claim to block {nobodys}, which does not exist | \n"),
    ];
    let lines = |fabric: &Fabric| {
        let mut lines: Vec<String> = told(fabric).split_inclusive('\n').map(str::to_owned).collect();
        lines.sort();
        lines
    };
    expected.sort();
    assert_eq!(lines(&fabric), expected);
    fabric.put(claim(own, AffinityState::Pending));
    assert!(told(&fabric).contains(&format!("node n0 has not finished claiming block {own} | \n")));
    fabric.erase(&Key::Affinity("n0".into(), own));
    assert!(told(&fabric).starts_with(&format!(
        "ownerlessBlock {own}: block {own} belongs to node n0, which has no claim to it | \n"
    )));
}

#[test]
fn blocks_where_none_should_be() {
    let mut fabric = healthy();
    let outer = block_of(&fabric, "n0").cidr();
    let inner = ipnetwork::IpNetwork::new(outer.network(), 27).unwrap();
    let mut twin = Block::new(inner, "n1", Timestamp(0)).unwrap();
    let [v4, _] = addresses(&fabric, "a");
    if inner.contains(v4) {
        let allocation = fabric.index.who_has(v4).unwrap().allocation.clone();
        twin = twin.taking(v4, "a", &allocation.attributes, Timestamp(0), std::time::Duration::ZERO).unwrap();
    }
    assert_eq!(twin.used(), 1, "the first address is taken first");
    fabric.put(Record::Block(twin));
    fabric.put(Record::Affinity(Affinity {
        node: "n1".into(),
        cidr: inner,
        state: AffinityState::Confirmed,
    }));
    let duplicate = format!(
        "duplicateAddress {inner}: block {inner} of node n1 lies within block {outer} of node n0 (addresses in use in \
         both: 1) | delete the pods that use addresses of {inner}, and then its record\n"
    );
    assert!(told(&fabric).contains(&duplicate), "{}", told(&fabric));

    let mut fabric = healthy();
    fabric.index.remove_pool("pool0");
    fabric.put(Record::Block(Block::new("192.0.2.0/26".parse().unwrap(), "n0", Timestamp(0)).unwrap()));
    let cidr = block_of(&fabric, "n1").cidr();
    let outside = format!(
        "outsidePools {cidr}: block {cidr} of node n1 lies in no pool (addresses in use: 1) | apply an IPPool that holds \
         {cidr}, or delete the pods that use its addresses\n"
    );
    assert!(told(&fabric).contains(&outside), "{}", told(&fabric));
    let empty =
        "outsidePools 192.0.2.0/26: block 192.0.2.0/26 of node n0 lies in no pool (addresses in use: 0) | \n";
    assert!(told(&fabric).contains(empty), "{}", told(&fabric));

    let mut fabric = healthy();
    fabric
        .facts
        .corrupt
        .push(Corrupt { record: "10-0-0-0-26".into(), why: "ordinal 7 is in use twice".into() });
    assert_eq!(
        told(&fabric),
        "corruptBlock 10-0-0-0-26: the record of block 10-0-0-0-26 cannot be read: ordinal 7 is in use twice | restore the \
         record from an export, or delete the pods with addresses of the block, and then the record\n"
    );
}

#[test]
fn what_is_only_under_way_does_not_last() {
    let mut fabric = healthy();
    let look = |fabric: &Fabric| check(&fabric.index, &fabric.facts, |_| ());
    let addresses = fabric.assign("n0", "late", &[V4], usize::MAX);
    fabric.assign("n0", "never", &[V4], usize::MAX);
    let earlier = look(&fabric);
    assert_eq!(earlier.problems.len(), 2);
    fabric.attach("n0", "late", addresses);
    let later = look(&fabric);
    let lasting: Vec<_> = later.lasting(&earlier).map(|problem| problem.what.as_str()).collect();
    assert_eq!(lasting.len(), 1);
    assert!(lasting[0].contains("is held by never for pod shop/never"), "{lasting:?}");
    // The same address was leaked before, by a former holder.
    let mut former = earlier.clone();
    for problem in &mut former.problems {
        problem.release.as_mut().unwrap().sequence = Some(1);
    }
    assert_eq!(later.lasting(&former).count(), 0);
}
