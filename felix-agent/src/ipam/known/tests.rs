use std::collections::BTreeMap;

use datastore::{Kind, Resource};
use ipam::{Affinity, AffinityState, Attributes, Handle, Pool, Timestamp};
use ipnetwork::IpNetwork;

use super::name::record_key;
use super::*;

const CIDR: &str = "10.0.0.0/26";

fn cidr() -> IpNetwork {
    CIDR.parse().unwrap()
}

fn block(node: &str) -> Block {
    Block::new(cidr(), node, Timestamp(1)).unwrap()
}

fn taken(block: &Block, handle: &str) -> Block {
    let address = block.available(Timestamp(1), std::time::Duration::ZERO, |_| false).next().unwrap();
    block.taking(address, handle, &Attributes::default(), Timestamp(1), std::time::Duration::ZERO).unwrap()
}

fn told(resource: Resource, revision: u64) -> Change {
    let revision = Revision(revision);
    Change { key: resource.key(), value: Some(Versioned { revision, resource }), revision, resume: revision }
}

fn told_of_block(block: &Block, revision: u64) -> Change {
    told(Resource::IpamBlock(Box::new(block.clone())), revision)
}

fn gone(key: Key, revision: u64) -> Change {
    Change { key, value: None, revision: Revision(revision), resume: Revision(revision) }
}

fn listing(changes: &[Change]) -> BTreeMap<Key, Versioned> {
    changes.iter().map(|change| (change.key.clone(), change.value.clone().unwrap())).collect()
}

fn used(known: &Known) -> Option<u32> {
    known.read().index.block(&cidr()).map(|block| block.value.used())
}

#[test]
fn every_key_comes_back_from_its_name() {
    let cidrs = ["10.0.0.64/26", "0.0.0.0/32", "fd00::40/122", "fe80:1:2:3:4:5:6:7/128"];
    for cidr in cidrs.map(|cidr| cidr.parse::<IpNetwork>().unwrap()) {
        for key in [
            ipam::Key::Block(cidr),
            ipam::Key::Affinity("n1.example-a".into(), cidr),
            ipam::Key::Affinity("virtual:load-balancer".into(), cidr),
            ipam::Key::Handle("fabric.abc.eth0".into()),
        ] {
            assert_eq!(record_key(&Key::from(&key)), Some(key));
        }
    }
    for name in ["10-0-0-26", "a-b-c-d-26", "10-0-0-0-33", "", "no.10-0-0"] {
        assert_eq!(record_key(&Key::global(Kind::BlockAffinity, name)), None, "{name}");
    }
    assert_eq!(record_key(&Key::global(Kind::IpPool, "10-0-0-0-26")), None);
}

#[test]
fn what_this_agent_wrote_is_known_at_once_and_older_word_does_not_undo_it() {
    let known = Known::new("n1");
    let (first, second) = (block("n1"), taken(&block("n1"), "a"));
    known.change(&told_of_block(&first, 5));
    known.wrote(&ipam::Key::Block(cidr()), Some(&Record::Block(second.clone())), Revision(9));
    assert_eq!(used(&known), Some(1));
    // Late: what was before.
    known.change(&told_of_block(&first, 7));
    assert_eq!(used(&known), Some(1));
    known.change(&told_of_block(&second, 9));
    // News: somebody else gave it back, at a revision that is counted on.
    known.change(&told_of_block(&first, 10));
    assert_eq!(used(&known), Some(0));
    // What the watch has come past before this agent says it, is known already.
    known.wrote(&ipam::Key::Block(cidr()), Some(&Record::Block(second)), Revision(9));
    assert_eq!(used(&known), Some(0));
}

#[test]
fn what_this_agent_deleted_stays_so() {
    let known = Known::new("n1");
    let handle = Handle { id: "a".into(), blocks: BTreeMap::from([(cidr(), 1)]) };
    let written = told(Resource::IpamHandle(Box::new(handle)), 4);
    known.change(&written);
    known.wrote(&ipam::Key::Handle("a".into()), None, Revision(8));
    known.change(&told_of_block(&block("n1"), 6));
    known.change(&Change { revision: Revision(7), resume: Revision(7), ..written.clone() });
    assert!(known.read().index.handle("a").is_none());
    // A listing from before the deletion does not bring it back, one from after it does.
    known.reset(Revision(7), &listing(std::slice::from_ref(&written)), &Default::default());
    assert!(known.read().index.handle("a").is_none());
    known.reset(
        Revision(9),
        &listing(&[Change { ..told(written.value.unwrap().resource, 9) }]),
        &Default::default(),
    );
    assert!(known.read().index.handle("a").is_some());
}

#[test]
fn a_listing_is_all_there_is_but_what_was_written_after_it() {
    let known = Known::new("n1");
    known.change(&told_of_block(&block("n1"), 3));
    known.change(&told(Resource::IpPool(Box::new(Pool::new("p", "10.0.0.0/16".parse().unwrap()))), 4));
    assert_eq!(known.read().index.pools().count(), 1);
    known.reset(Revision(6), &BTreeMap::new(), &Default::default());
    assert_eq!((used(&known), known.read().index.pools().count()), (None, 0));
    assert!(*known.watch_listed().borrow());
    known.wrote(&ipam::Key::Block(cidr()), Some(&Record::Block(block("n1"))), Revision(8));
    known.reset(Revision(7), &BTreeMap::new(), &Default::default());
    assert_eq!(used(&known), Some(0));
    known.reset(Revision(8), &BTreeMap::new(), &Default::default());
    assert_eq!(used(&known), None);
}

#[test]
fn what_others_do_to_this_nodes_records_is_noted_once() {
    let known = Known::new("n1");
    let state = AffinityState::Confirmed;
    let claim = |node: &str| {
        told(Resource::BlockAffinity(Box::new(Affinity { node: node.into(), cidr: cidr(), state })), 3)
    };
    known.change(&claim("n2"));
    known.change(&told_of_block(&block("n2"), 4));
    assert!(known.take_touched().is_empty());
    known.change(&claim("n1"));
    known.change(&told_of_block(&block("n1"), 5));
    let own = [ipam::Key::Block(cidr()), ipam::Key::Affinity("n1".into(), cidr())];
    assert_eq!(known.take_touched(), own.clone().into());
    assert!(known.take_touched().is_empty());
    // Gone to another, and gone altogether.
    known.change(&told_of_block(&block("n2"), 6));
    assert_eq!(known.take_touched(), [own[0].clone()].into());
    known.change(&gone(Key::from(&own[1]), 7));
    assert_eq!(known.take_touched(), [own[1].clone()].into());
    known.change(&told_of_block(&block("n1"), 8));
    known.reset(Revision(9), &BTreeMap::new(), &Default::default());
    assert_eq!(known.take_touched(), [own[0].clone()].into());
}

#[test]
fn changes_of_blocks_are_told_from_a_look_on() {
    let known = Known::new("n1");
    known.change(&told_of_block(&block("n1"), 1));
    let (state, mut changes) = known.follow_blocks();
    assert_eq!(state.index.blocks(None, None, None).count(), 1);
    drop(state);
    known.change(&told_of_block(&taken(&block("n1"), "a"), 2));
    known.reset(Revision(3), &BTreeMap::new(), &Default::default());
    let counts = |block: Option<Arc<Block>>| block.map(|block| block.used());
    let BlockChange { before, after } = changes.try_recv().unwrap();
    assert_eq!((counts(before), counts(after)), (Some(0), Some(1)));
    let BlockChange { before, after } = changes.try_recv().unwrap();
    assert_eq!((counts(before), counts(after)), (Some(1), None));
    assert!(changes.try_recv().is_err());
}

#[test]
fn labels_are_those_of_the_objects() {
    let known = Known::new("n1");
    let mut node = k8s_openapi::api::core::v1::Node::default();
    node.metadata.name = Some("n1".into());
    node.metadata.labels = Some(Labels::from([("rack".into(), "a".into())]));
    let told_node =
        |node: &k8s_openapi::api::core::v1::Node, at| told(Resource::Node(Box::new(node.clone())), at);
    known.change(&told_node(&node, 1));
    let before = known.read().generation;
    assert_eq!(known.read().labels_of_node("n1")["rack"], "a");
    // A heartbeat changes nothing that matters.
    node.spec.get_or_insert_default().unschedulable = Some(true);
    known.change(&told_node(&node, 2));
    assert_eq!(known.read().generation, before);
    assert_eq!(known.read().labels_of_namespace("shop")["kubernetes.io/metadata.name"], "shop");
    known.change(&gone(Key::global(Kind::Node, "n1"), 3));
    assert!(known.read().labels_of_node("n1").is_empty());
    assert!(known.read().generation > before);
}

#[test]
fn what_cannot_be_understood_is_known_as_it_was() {
    let known = Known::new("n1");
    let pool = Pool::new("pods", "10.0.0.0/16".parse().unwrap());
    let written = told(Resource::IpPool(Box::new(pool)), 3);
    let block = Block::new("10.0.0.0/26".parse().unwrap(), "n1", ipam::Timestamp(0)).unwrap();
    let of_block = told_of_block(&block, 4);
    known.change(&written);
    known.change(&of_block);
    let unreadable: datastore::Unreadable =
        [(written.key.clone(), "x".to_owned()), (of_block.key.clone(), "y".to_owned())].into();
    known.reset(Revision(5), &BTreeMap::new(), &unreadable);
    assert!(known.read().index.pool("pods").is_some());
    assert!(known.read().index.block(&block.cidr()).is_some());
    assert_eq!(known.read().unreadable_blocks().collect::<Vec<_>>(), [block.cidr()]);
    // Understood again, or gone.
    known.change(&told_of_block(&block, 6));
    known.change(&gone(written.key, 7));
    assert!(known.read().unreadable.is_empty() && known.read().index.pool("pods").is_none());
    known.misunderstood(&of_block.key, "z");
    assert_eq!(known.read().unreadable.len(), 1);
}
