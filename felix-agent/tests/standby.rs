//! A node whose datastore goes away and comes back: what is promised meanwhile, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datastore::{Precondition, Resource, Store};
use felix_agent::ipam::journal::{Entry, Gone};
use felix_agent::ipam::{Error, Journal, Request};
use ipam::plan::Wanted;
use ipam::{Attributes, Pool};
use tempfile::TempDir;

#[path = "fixtures/fabric.rs"]
mod fabric;
#[path = "fixtures/faulty.rs"]
mod faulty;

use fabric::{Node, Records, fabric, request};
use faulty::{Fault, Faulty};

const POOLS: [(&str, u8); 2] = [("10.0.0.0/24", 28), ("fd00::/112", 124)];

/// A node, its datastore, and its journal.
struct World {
    directory: TempDir,
    store: Arc<dyn Store>,
    faulty: Arc<Faulty>,
    journal: Journal,
    node: Node,
}

fn pod(name: &str) -> Request {
    Request {
        container: Some(name.to_owned()),
        attributes: Attributes { interface: "eth0".to_owned(), ..Attributes::default() },
        ..request(&format!("net.{name}.eth0"))
    }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} has not come about");
}

impl World {
    /// One that has had a pod, and keeps so many addresses of each family ready.
    async fn new(count: u32, pools: &[(&str, u8)]) -> Self {
        let directory = TempDir::new().unwrap();
        let store = fabric(&directory, pools).await;
        let faulty = Arc::new(Faulty::new(Arc::clone(&store), true));
        let journal = Journal::open(&directory.path().join("n1.journal"), "n1").unwrap();
        let node = Node::prepared(&(Arc::clone(&faulty) as Arc<dyn Store>), "n1", count, &journal);
        node.allocator.assign(pod("first")).await.unwrap();
        let world = Self { directory, store, faulty, journal, node };
        world.is_ready(count.min(4)).await;
        world
    }

    /// Until so many of each family are ready.
    async fn is_ready(&self, count: u32) {
        let count = usize::try_from(count).unwrap();
        let is_ready = async || {
            let families = self.node.allocator.standby().families;
            !families.is_empty() && families.iter().all(|(_, ready, all)| (*ready, *all) == (count, count))
        };
        eventually(&format!("{count} ready, and not {:?}", self.node.allocator.standby()), is_ready).await;
        // What is written is known here a little earlier than the answer is.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn goes_away(&self) {
        self.faulty.is_away.store(true, Ordering::SeqCst);
    }

    fn is_back(&self) {
        self.faulty.is_away.store(false, Ordering::SeqCst);
    }

    /// Another life of the agent, by what is on disk.
    fn reborn(self, count: u32) -> Self {
        let Self { directory, store, faulty, journal, node } = self;
        drop((node, journal));
        let journal = Journal::open(&directory.path().join("n1.journal"), "n1").unwrap();
        let node = Node::prepared(&(Arc::clone(&faulty) as Arc<dyn Store>), "n1", count, &journal);
        Self { directory, store, faulty, journal, node }
    }

    async fn settle_all(&self) {
        for entry in self.journal.entries().values() {
            self.node.allocator.settle(entry.clone()).await.unwrap();
            assert!(self.journal.settle(entry.clone()).await.unwrap());
        }
    }

    async fn held(&self, pod: &str) -> BTreeSet<IpAddr> {
        let records = Records::read(self.store.as_ref()).await;
        records.check();
        records.held().remove(&format!("net.{pod}.eth0")).unwrap_or_default()
    }
}

fn set(addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
    addresses.iter().copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_get_what_is_kept_ready_and_keep_it() {
    let world = World::new(2, &POOLS).await;
    world.goes_away();
    let allocator = &world.node.allocator;
    let a = allocator.assign(pod("a")).await.unwrap();
    assert_eq!(allocator.assign(pod("a")).await.unwrap(), a, "asked again");
    let b = allocator.assign(pod("b")).await.unwrap();
    assert_eq!((a.len(), b.len()), (2, 2));
    assert!(set(&a).is_disjoint(&set(&b)));
    let status = allocator.standby();
    assert_eq!(status.unsettled, 2);
    let said = status.problems().remove(0);
    assert!(
        said.contains("0 of 2 IPv4 standby addresses and 0 of 2 IPv6 standby addresses are left"),
        "{said}"
    );

    // Used up; asked for by itself; by no pod.
    let used_up = allocator.assign(pod("c")).await.unwrap_err().to_string();
    for part in
        ["unavailable", "no IPv4 address is left", "bring the datastore back", "ipam.standby (here 2)"]
    {
        assert!(used_up.contains(part), "{used_up}");
    }
    let certain = Request { wanted: vec![Wanted::Address("10.0.0.77".parse().unwrap())], ..pod("d") };
    let certain = allocator.assign(certain).await.unwrap_err().to_string();
    assert!(certain.contains("asked for by themselves"), "{certain}");
    let plain = allocator.assign(request("e")).await.unwrap_err();
    assert!(matches!(plain, Error::Store(datastore::Error::Unavailable(_))), "{plain}");
    // Nothing else is done about a pod before its promise is kept.
    assert!(matches!(allocator.release("net.a.eth0").await, Err(Error::Unsettled(_))));

    world.is_back();
    world.settle_all().await;
    assert_eq!((world.held("a").await, world.held("b").await), (set(&a), set(&b)));
    assert_eq!(allocator.assign(pod("a")).await.unwrap(), a);
    world.is_ready(2).await;
    assert!(allocator.standby().problems().is_empty());
    assert_eq!(allocator.release("net.a.eth0").await.unwrap().len(), 2);

    // A second outage.
    world.goes_away();
    let c = allocator.assign(pod("c")).await.unwrap();
    assert!(set(&c).is_disjoint(&set(&b)));
    world.is_back();
    world.settle_all().await;
    assert_eq!(world.held("c").await, set(&c));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_the_commit_that_was_under_way_the_promise_counts() {
    for fault in [Fault::Fails, Fault::AnswerIsLost] {
        let world = World::new(2, &POOLS).await;
        let before = world.faulty.writes.load(Ordering::SeqCst);
        world.faulty.set(before, fault);
        world.faulty.goes_away_after_fault();
        let a = world.node.allocator.assign(pod("a")).await.unwrap();
        assert!(world.faulty.has_failed());
        world.is_back();
        world.settle_all().await;
        assert_eq!(world.held("a").await, set(&a), "{fault:?}");
        let records = Records::read(world.store.as_ref()).await;
        let pods = records.held().into_keys().filter(|handle| handle.starts_with("net.")).count();
        assert_eq!(pods, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_life_keeps_what_the_last_one_promised() {
    let world = World::new(2, &POOLS).await;
    world.goes_away();
    let a = world.node.allocator.assign(pod("a")).await.unwrap();
    let b = world.node.allocator.assign(pod("b")).await.unwrap();
    // One of them goes, while the datastore is away.
    let gone = |entry: Entry| Entry {
        gone: Some(Gone { host_interface: "fab0".into(), endpoints: BTreeSet::new() }),
        ..entry
    };
    world.journal.put(gone(world.journal.entry("net.b.eth0").unwrap())).await.unwrap();
    world.is_back();
    let world = world.reborn(2);
    assert_eq!(world.node.allocator.assign(pod("a")).await.unwrap(), a);
    assert!(matches!(world.node.allocator.assign(pod("b")).await, Err(Error::Unsettled(_))));
    // Before anything has been settled, it goes away again.
    world.is_ready_again().await;
    world.goes_away();
    let c = world.node.allocator.assign(pod("c")).await.unwrap();
    assert!(set(&c).is_disjoint(&set(&a)) && set(&c).is_disjoint(&set(&b)));
    world.is_back();
    world.settle_all().await;
    assert_eq!((world.held("a").await, world.held("c").await), (set(&a), set(&c)));
    assert_eq!(world.held("b").await, BTreeSet::new());
    world.is_ready(2).await;
    let records = Records::read(world.store.as_ref()).await;
    assert_eq!(records.held().len(), 3 + 4, "three pods, and two addresses of each family");
}

impl World {
    /// Until some are ready beside those that are promised.
    async fn is_ready_again(&self) {
        let some = async || {
            let families = self.node.allocator.standby().families;
            families.len() == 2 && families.iter().all(|(_, ready, _)| *ready == 2)
        };
        eventually("more are ready", some).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_declared_gone_and_given_to_others_is_not_claimed() {
    let world = World::new(2, &POOLS).await;
    world.goes_away();
    let a = world.node.allocator.assign(pod("a")).await.unwrap();
    // Somebody deletes the node, and the leader collects what it had.
    let entry = world.journal.entry("net.a.eth0").unwrap();
    let other = Node::start(&world.store, "n2");
    for slot in &entry.slots {
        other.allocator.release(&slot.handle).await.unwrap();
    }
    let wanted = a.iter().copied().map(Wanted::Address).collect();
    other.allocator.assign(Request { wanted, ..request("thief") }).await.unwrap();
    world.is_back();
    let lost = world.node.allocator.settle(entry.clone()).await.unwrap_err();
    assert!(matches!(&lost, Error::Lost(lost) if lost.holder.as_deref() == Some("thief")), "{lost}");
    let gone = Some(Gone { host_interface: String::new(), endpoints: BTreeSet::new() });
    world.node.allocator.settle(Entry { gone, ..entry }).await.unwrap();
    assert_eq!(Records::read(world.store.as_ref()).await.held()["thief"], set(&a));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_have_what_is_kept_ready_before_they_have_nothing() {
    let world = World::new(4, &[("10.0.0.0/28", 28)]).await;
    let allocator = &world.node.allocator;
    let mut seen = BTreeSet::new();
    for index in 0..15 {
        let given = allocator.assign(pod(&format!("p{index}"))).await.unwrap();
        assert!(seen.insert(given[0]), "{given:?} given twice");
    }
    let full = allocator.assign(pod("late")).await.unwrap_err().to_string();
    assert!(full.contains("has 16 of 16 addresses in use"), "{full}");
    for index in 0..12 {
        allocator.release(&format!("net.p{index}.eth0")).await.unwrap();
    }
    world.is_ready(4).await;
    Records::read(world.store.as_ref()).await.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_in_a_pool_that_goes_is_given_back() {
    let world = World::new(2, &[("10.0.0.0/24", 28)]).await;
    world.node.allocator.release("net.first.eth0").await.unwrap();
    let pool = Pool { block_size: 28, deleting: true, ..Pool::new("pool0", "10.0.0.0/24".parse().unwrap()) };
    world.store.put(Resource::IpPool(Box::new(pool)), Precondition::None).await.unwrap();
    let is_empty = async || {
        let records = Records::read(world.store.as_ref()).await;
        records.held().is_empty() && records.handles.is_empty()
    };
    eventually("all of it is given back", is_empty).await;
    world.goes_away();
    assert!(world.node.allocator.assign(pod("a")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_to_note_it_nothing_is_promised() {
    let mut world = World::new(2, &POOLS).await;
    world.is_ready(2).await;
    let store = Arc::clone(&world.faulty) as Arc<dyn Store>;
    world.node = Node::prepared(&store, "n1", 2, &Journal::none());
    world.node.allocator.assign(pod("first")).await.unwrap();
    world.is_ready(2).await;
    world.goes_away();
    let error = world.node.allocator.assign(pod("a")).await.unwrap_err().to_string();
    assert!(error.contains("keeps none"), "{error}");
    assert_eq!(world.node.allocator.standby().unsettled, 0);
}
