//! Many nodes at once, and every way in which a write can go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datastore::{Precondition, Resource, Store};
use felix_agent::ipam::{Error, Request};
use felix_agent::shell::registration::register;
use futures_util::future::join_all;
use ipam::Pool;
use ipam::plan::{ReleaseItem, Wanted};
use tempfile::TempDir;

#[path = "fixtures/fabric.rs"]
mod fabric;
#[path = "fixtures/faulty.rs"]
mod faulty;

use fabric::{Node, Records, fabric, open, request};
use faulty::{Fault, Faulty};

/// Something that a node is asked.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Assign(&'static str),
    Release(&'static str),
    /// Assignments and a release at once: they share a commit.
    Together(&'static [&'static str], &'static str),
}

/// Blocks of four, so that this claims several, ahead of need and in need, and gives back.
const SCRIPT: [Ask; 7] = [
    Ask::Assign("a"),
    Ask::Assign("b"),
    Ask::Together(&["c", "d", "e"], "b"),
    Ask::Release("a"),
    Ask::Assign("a"),
    Ask::Together(&["f", "g"], "c"),
    Ask::Release("g"),
];

const POOLS: [(&str, u8); 2] = [("10.0.0.0/27", 30), ("fd00::/123", 126)];

/// What the node answered: the addresses that a handle was told to have, none if it was told to have none. A handle is
/// missing of which the last that was asked was not answered well.
type Told = BTreeMap<&'static str, Vec<IpAddr>>;

/// Asks one after the other until the end, or until one gets no answer.
async fn play(node: &Node, told: &mut Told) {
    for ask in SCRIPT {
        match ask {
            Ask::Assign(handle) => assign(node, handle, told).await,
            Ask::Release(handle) => release(node, handle, told).await,
            Ask::Together(handles, leaving) => {
                told.retain(|handle, _| !handles.contains(handle) && *handle != leaving);
                let mut parts: Vec<Told> = handles.iter().map(|_| Told::new()).collect();
                let mut last = Told::new();
                let assigning =
                    handles.iter().zip(&mut parts).map(|(handle, told)| assign(node, handle, told));
                tokio::join!(join_all(assigning), release(node, leaving, &mut last));
                told.extend(parts.into_iter().flatten().chain(last));
            }
        }
    }
}

async fn assign(node: &Node, handle: &'static str, told: &mut Told) {
    told.remove(handle);
    if let Ok(addresses) = node.allocator.assign(request(handle)).await {
        assert_eq!(addresses.len(), 2);
        told.insert(handle, addresses);
    }
}

async fn release(node: &Node, handle: &'static str, told: &mut Told) {
    told.remove(handle);
    if node.allocator.release(handle).await.is_ok() {
        told.insert(handle, Vec::new());
    }
}

/// Runs the script with one fault; false if the script is over before it comes to that.
async fn run_with(at: usize, fault: Fault, is_atomic: bool) -> bool {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &POOLS).await;
    let faulty = Arc::new(Faulty::new(Arc::clone(&store), is_atomic));
    faulty.set(at, fault);
    let mut told = Told::new();
    let first = Node::start(&(Arc::clone(&faulty) as Arc<dyn Store>), "n1");
    let playing = play(&first, &mut told);
    let died = async {
        while !(faulty.has_failed() && matches!(fault, Fault::DiesBefore | Fault::DiesAfter)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // What was being asked when it died has no answer.
    tokio::select! {
        () = playing => {}
        () = died => {}
    }
    let has_failed = faulty.has_failed();
    drop(first);
    let records = Records::read(store.as_ref()).await;
    records.check();
    for (handle, addresses) in &told {
        let held = records.held().remove(*handle).unwrap_or_default();
        assert_eq!(held, addresses.iter().copied().collect(), "{handle} after {fault:?} at {at}");
    }
    // The next life goes on where that one stopped.
    let second = Node::start(&store, "n1");
    let mut seen = BTreeSet::new();
    for handle in ["a", "b", "c", "d", "e", "f", "g"] {
        let addresses = second.allocator.assign(request(handle)).await.unwrap();
        if let Some(told) = told.get(handle).filter(|told| !told.is_empty()) {
            assert_eq!(&addresses, told, "{handle} after {fault:?} at {at}");
        }
        assert!(addresses.iter().all(|address| seen.insert(*address)), "{addresses:?} given twice");
    }
    Records::read(store.as_ref()).await.check();
    for handle in ["a", "b", "c", "d", "e", "f", "g"] {
        assert_eq!(second.allocator.release(handle).await.unwrap().len(), 2);
    }
    let records = Records::read(store.as_ref()).await;
    records.check();
    assert_eq!((records.held().len(), records.handles.len()), (0, 0), "lost after {fault:?} at {at}");
    has_failed
}

async fn run_all(is_atomic: bool, fewest: usize) {
    for fault in [Fault::Fails, Fault::AnswerIsLost, Fault::DiesBefore, Fault::DiesAfter] {
        let mut at = 0;
        while run_with(at, fault, is_atomic).await {
            at += 1;
        }
        assert!(at >= fewest, "{fault:?} came about at {at} writes only");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_commit_goes_wrong_nothing_is_lost_or_given_twice() {
    run_all(true, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_write_goes_wrong_where_commits_are_not_atomic_neither() {
    run_all(false, 24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_shares_commits_and_reads_nothing() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/16", 24)]).await;
    let counting = Arc::new(Faulty::new(store, true));
    let node = Node::start(&(Arc::clone(&counting) as Arc<dyn Store>), "n1");
    node.allocator.assign(request("first")).await.unwrap();
    let before = (counting.writes.load(Ordering::SeqCst), counting.reads.load(Ordering::SeqCst));
    let handles: Vec<String> = (0..100).map(|index| format!("h{index}")).collect();
    let addresses = join_all(handles.iter().map(|handle| node.allocator.assign(request(handle)))).await;
    let addresses: BTreeSet<IpAddr> = addresses.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(addresses.len(), 100);
    let writes = counting.writes.load(Ordering::SeqCst) - before.0;
    assert!(writes <= 10, "{writes} commits for 100 requests");
    assert_eq!(counting.reads.load(Ordering::SeqCst), before.1);
    let released = join_all(handles.iter().map(|handle| node.allocator.release(handle))).await;
    assert!(released.into_iter().all(|released| released.unwrap().len() == 1));
    assert_eq!(counting.reads.load(Ordering::SeqCst), before.1, "what this node wrote it knows");
    let records = Records::read(counting.as_ref()).await;
    assert_eq!(records.held().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wish_after_the_other_costs_one_commit_each() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/16", 24), ("fd00::/64", 120)]).await;
    let counting = Arc::new(Faulty::new(store, true));
    let node = Node::start(&(Arc::clone(&counting) as Arc<dyn Store>), "n1");
    node.allocator.assign(request("first")).await.unwrap();
    let before = (counting.writes.load(Ordering::SeqCst), counting.reads.load(Ordering::SeqCst));
    for index in 0..20 {
        node.allocator.assign(request(&format!("h{index}"))).await.unwrap();
    }
    for index in 0..20 {
        node.allocator.release(&format!("h{index}")).await.unwrap();
    }
    assert_eq!(counting.writes.load(Ordering::SeqCst) - before.0, 40);
    assert_eq!(counting.reads.load(Ordering::SeqCst), before.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_nodes_claim_at_once_and_all_are_served() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/18", 26)]).await;
    let nodes: Vec<Node> = (0..200).map(|node| Node::start(&store, &format!("node-{node}"))).collect();
    let assigned = join_all(nodes.iter().enumerate().map(|(index, node)| async move {
        node.allocator.assign(request(&format!("pod-{index}"))).await.unwrap()
    }))
    .await;
    let addresses: BTreeSet<IpAddr> = assigned.into_iter().flatten().collect();
    assert_eq!(addresses.len(), 200);
    let records = Records::read(open(&directory).await.as_ref()).await;
    records.check();
    assert_eq!(records.blocks.len(), 200, "each has its own, and nobody borrows");
    let conflicts: Vec<u64> = nodes.iter().map(|node| node.allocator.counts().conflicts).collect();
    let most = conflicts.iter().max().unwrap();
    println!("{} conflicts, {most} at most of one node", conflicts.iter().sum::<u64>());
    assert!(*most <= 30, "a node had {most} conflicts of the 40 that it endures");
}

/// Until it holds, or the test's time is up.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} has not come about");
}

async fn blocks_of(store: &dyn Store, node: &str) -> usize {
    let blocks = Records::read(store).await.blocks;
    blocks.iter().filter(|block| block.node() == node).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_block_is_claimed_before_the_last_is_full() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/24", 29)]).await;
    let node = Node::start(&store, "n1");
    for index in 0..6 {
        node.allocator.assign(request(&format!("h{index}"))).await.unwrap();
    }
    // Nobody asks any more; two of eight are left.
    eventually("a second block", async || blocks_of(store.as_ref(), "n1").await == 2).await;
    Records::read(store.as_ref()).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_a_pool_that_no_longer_selects_the_node_are_given_back() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/24", 29)]).await;
    let set_pool = async |selector: &str| {
        let pool = Pool::new("pool0", "10.0.0.0/24".parse().unwrap());
        let pool = Pool { block_size: 29, node_selector: Some(selector.parse().unwrap()), ..pool };
        store.put(Resource::IpPool(Box::new(pool)), Precondition::None).await.unwrap();
    };
    let config = |rack: &str| felix_agent::config::Node {
        name: "n1".to_owned(),
        addresses: Vec::new(),
        labels: [("rack".to_owned(), rack.to_owned())].into(),
    };
    set_pool("rack == 'a'").await;
    register(store.as_ref(), &config("a")).await.unwrap();
    let node = Node::start(&store, "n1");
    node.allocator.assign(request("kept")).await.unwrap();
    node.allocator.assign(request("gone")).await.unwrap();
    node.allocator.release("gone").await.unwrap();
    register(store.as_ref(), &config("b")).await.unwrap();
    let is_refused = async || {
        let is_refused = node.allocator.assign(request("late")).await.is_err();
        node.allocator.release("late").await.unwrap();
        is_refused
    };
    eventually("a refusal", is_refused).await;
    let refused = node.allocator.assign(request("late")).await.unwrap_err().to_string();
    assert!(refused.contains("does not select node n1"), "{refused}");
    // While one address is in use, its block stays.
    assert_eq!(blocks_of(store.as_ref(), "n1").await, 1);
    node.allocator.release("kept").await.unwrap();
    set_pool("rack == 'c'").await;
    eventually("its return", async || blocks_of(store.as_ref(), "n1").await == 0).await;
    // The claim goes in a step of its own.
    let has_none = async || Records::read(store.as_ref()).await.affinities.is_empty();
    eventually("the end of its claim", has_none).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_take_from_its_blocks_a_node_hears_of() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/28", 28)]).await;
    let owner = Node::start(&store, "n1");
    let other = Node::start(&store, "n2");
    let own = owner.allocator.assign(request("own")).await.unwrap();
    let lent = other.allocator.assign(request("lent")).await.unwrap();
    assert_ne!(own, lent);
    let has_heard = async || owner.known.read().index.who_has(lent[0]).is_some();
    eventually("word of the loan", has_heard).await;
    owner.allocator.assign(request("next")).await.unwrap();
    assert_eq!(owner.allocator.counts().conflicts, 0);
    // Unheard of it is a conflict, and no harm.
    let third = Node::start(&store, "n3");
    let (lent, next) =
        tokio::join!(third.allocator.assign(request("x")), owner.allocator.assign(request("y")));
    assert_ne!(lent.unwrap(), next.unwrap());
    Records::read(store.as_ref()).await.check();
}

#[tokio::test]
async fn a_single_address_is_given_back_if_it_is_still_the_same() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &POOLS).await;
    let node = Node::start(&store, "n1");
    let addresses = node.allocator.assign(request("a")).await.unwrap();
    let item = |sequence| ReleaseItem { address: addresses[0], handle: "a".to_owned(), sequence };
    let sequence = node.known.read().index.who_has(addresses[0]).unwrap().allocation.sequence;
    let refused = node.allocator.release_address(item(Some(sequence + 1))).await.unwrap_err();
    assert!(refused.to_string().contains("look again before releasing it"), "{refused}");
    node.allocator.release_address(item(Some(sequence))).await.unwrap();
    let refused = node.allocator.release_address(item(None)).await.unwrap_err();
    assert!(refused.to_string().contains("is not in use"), "{refused}");
    let records = Records::read(store.as_ref()).await;
    records.check();
    assert_eq!(records.held()["a"], BTreeSet::from([addresses[1]]));
}

#[tokio::test]
async fn away_is_said_and_back_is_found() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &POOLS).await;
    let faulty = Arc::new(Faulty::new(store, true));
    let node = Node::start(&(Arc::clone(&faulty) as Arc<dyn Store>), "n1");
    let had = node.allocator.assign(request("a")).await.unwrap();
    faulty.is_away.store(true, Ordering::SeqCst);
    let error = node.allocator.assign(request("b")).await.unwrap_err();
    assert!(matches!(&error, Error::Store(datastore::Error::Unavailable(_))), "{error}");
    assert!(node.allocator.release("a").await.is_err());
    faulty.is_away.store(false, Ordering::SeqCst);
    assert_eq!(node.allocator.assign(request("a")).await.unwrap(), had);
    node.allocator.assign(request("b")).await.unwrap();
    Records::read(faulty.as_ref()).await.check();
}

#[tokio::test]
async fn a_wish_that_cannot_be_fulfilled_fails_alone() {
    let directory = TempDir::new().unwrap();
    let store = fabric(&directory, &[("10.0.0.0/24", 26)]).await;
    let node = Node::start(&store, "n1");
    node.allocator.assign(request("first")).await.unwrap();
    let outside = Request { wanted: vec![Wanted::Address("192.0.2.1".parse().unwrap())], ..request("x") };
    let unknown = Request { pools: vec!["nowhere".to_owned()], ..request("y") };
    let (a, x, b, y) = tokio::join!(
        node.allocator.assign(request("a")),
        node.allocator.assign(outside),
        node.allocator.assign(request("b")),
        node.allocator.assign(unknown),
    );
    assert_ne!(a.unwrap(), b.unwrap());
    assert!(x.unwrap_err().to_string().contains("lies in no pool"));
    assert!(y.unwrap_err().to_string().contains("there is no pool nowhere"));
    let records = Records::read(store.as_ref()).await;
    records.check();
    assert_eq!(records.handles.len(), 3);
}
