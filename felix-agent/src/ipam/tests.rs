use std::collections::BTreeSet;

use datastore::{Key, Kind, Precondition, Resource, SqliteStore};
use ipam::{AffinityState, Family, Pool};
use tempfile::TempDir;

use super::testing::node;
use super::*;

const BOTH: [Wanted; 2] = [Wanted::Any(Family::V4), Wanted::Any(Family::V6)];

async fn open(directory: &TempDir) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap())
}

async fn store(directory: &TempDir, cidrs: &[&str]) -> Arc<dyn Store> {
    let store = open(directory).await;
    for (index, cidr) in cidrs.iter().enumerate() {
        let cidr: ipnetwork::IpNetwork = cidr.parse().unwrap();
        let pool = Pool::new(format!("pool{index}"), cidr);
        store.put(Resource::IpPool(Box::new(pool)), Precondition::Absent).await.unwrap();
    }
    store
}

fn request(handle: &str, wanted: &[Wanted]) -> Request {
    Request { handle: handle.into(), wanted: wanted.to_vec(), ..Request::default() }
}

/// Handles and blocks in use, as they are stored.
async fn left(store: &dyn Store) -> (usize, u32) {
    let handles = store.list(Kind::IpamHandle).await.unwrap().items.len();
    let blocks = store.list(Kind::IpamBlock).await.unwrap().items.into_values();
    let used = blocks.map(|item| {
        let Resource::IpamBlock(block) = item.resource else { panic!("{}", item.resource.key()) };
        block.used()
    });
    (handles, used.sum())
}

#[tokio::test]
async fn the_same_handle_has_the_same_addresses_until_released() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory, &["10.0.0.0/16", "fd00::/64"]).await;
    let allocator = node(&store, "n1");
    let first = allocator.assign(request("a", &BOTH)).await.unwrap();
    assert_eq!(
        first.iter().map(|address| Family::of(*address)).collect::<Vec<_>>(),
        [Family::V4, Family::V6]
    );
    assert_eq!(allocator.assign(request("a", &BOTH)).await.unwrap(), first);
    // Also for another life of the agent.
    let reborn = node(&store, "n1");
    assert_eq!(reborn.assign(request("a", &BOTH)).await.unwrap(), first);
    assert_ne!(reborn.assign(request("b", &BOTH)).await.unwrap(), first);
    assert_eq!(store.list(Kind::IpamBlock).await.unwrap().items.len(), 2);
    for item in store.list(Kind::BlockAffinity).await.unwrap().items.into_values() {
        let Resource::BlockAffinity(affinity) = item.resource else { panic!() };
        assert_eq!(affinity.state, AffinityState::Confirmed);
    }
    assert_eq!(allocator.release("a").await.unwrap(), first);
    assert_eq!(allocator.release("a").await.unwrap(), Vec::<IpAddr>::new());
    reborn.release("b").await.unwrap();
    assert_eq!(left(&*store).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_at_once_give_each_address_once() {
    let directory = TempDir::new().unwrap();
    drop(store(&directory, &["10.0.0.0/25", "fd00::/121"]).await);
    let mut agents = Vec::new();
    // Two blocks for four agents: two of them borrow.
    for agent in 0..4 {
        let store = open(&directory).await;
        agents.push(tokio::spawn(async move {
            let node = node(&store, &format!("n{agent}"));
            let allocator = &node.allocator;
            let pods = (0..12).map(|pod| {
                let allocator = Arc::clone(allocator);
                tokio::spawn(async move {
                    allocator.assign(request(&format!("{agent}.{pod}"), &BOTH)).await.unwrap()
                })
            });
            futures_util::future::join_all(pods)
                .await
                .into_iter()
                .flat_map(Result::unwrap)
                .collect::<Vec<_>>()
        }));
    }
    let mut seen = BTreeSet::new();
    for agent in agents {
        for address in agent.await.unwrap() {
            assert!(seen.insert(address), "{address} given twice");
        }
    }
    assert_eq!(seen.len(), 4 * 12 * 2);
    assert_eq!(left(&*open(&directory).await).await, (4 * 12, 4 * 12 * 2));
}

#[tokio::test]
async fn a_full_pool_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory, &["10.0.0.0/26"]).await;
    let allocator = node(&store, "n1");
    for index in 0..64 {
        allocator.assign(request(&format!("h{index}"), &BOTH[..1])).await.unwrap();
    }
    let full = allocator.assign(request("late", &BOTH[..1])).await.unwrap_err();
    assert!(full.to_string().contains("pool pool0 (10.0.0.0/26) has 64 of 64 addresses in use"), "{full}");
    let no_pool = allocator.assign(request("other", &BOTH)).await.unwrap_err();
    assert!(matches!(no_pool, Error::Refused(_)), "{no_pool}");
    assert_eq!(left(&*store).await, (64, 64));
}

#[tokio::test]
async fn a_failed_wish_takes_nothing_from_who_has_something() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory, &["10.0.0.0/26"]).await;
    let allocator = node(&store, "n1");
    let had = allocator.assign(request("a", &BOTH[..1])).await.unwrap();
    assert!(allocator.assign(request("a", &BOTH)).await.is_err());
    assert_eq!(allocator.assign(request("a", &BOTH[..1])).await.unwrap(), had);
}

#[tokio::test]
async fn a_pool_that_was_disabled_gives_nothing_more() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory, &["10.0.0.0/16"]).await;
    let allocator = node(&store, "n1");
    allocator.assign(request("a", &BOTH[..1])).await.unwrap();
    let pool = store.get(&Key::global(Kind::IpPool, "pool0")).await.unwrap().unwrap();
    let Resource::IpPool(mut pool) = pool.resource else { panic!() };
    pool.disabled = true;
    store.put(Resource::IpPool(pool), Precondition::None).await.unwrap();
    // The node hears of it a little later.
    let mut late = 0;
    while allocator.assign(request(&format!("b{late}"), &BOTH[..1])).await.is_ok() {
        late += 1;
        assert!(late < 60, "the pool goes on giving");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_others_changed_is_read_again() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory, &["10.0.0.0/26"]).await;
    let owner = node(&store, "n1");
    let borrower = node(&store, "n2");
    owner.assign(request("a", &BOTH[..1])).await.unwrap();
    let lent = borrower.assign(request("b", &BOTH[..1])).await.unwrap();
    // The owner's memory of its block is now outdated.
    let next = owner.assign(request("c", &BOTH[..1])).await.unwrap();
    assert_ne!(next, lent);
    assert_eq!(owner.release("b").await.unwrap(), lent);
}

#[tokio::test]
async fn nobody_is_denied_what_the_datastore_has_by_now() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    // One that hears nothing: it was told once that there is nothing.
    let known = Known::new("n1");
    known.reset(datastore::Revision(0), &std::collections::BTreeMap::new(), &Default::default());
    let allocator = Allocator::start(Arc::clone(&store), known);
    let denied = allocator.assign(request("a", &BOTH[..1])).await.unwrap_err();
    assert!(denied.to_string().contains("there is none of that family"), "{denied}");
    let mut node = k8s_openapi::api::core::v1::Node::default();
    node.metadata.name = Some("n1".to_owned());
    node.metadata.labels = Some([("rack".to_owned(), "a".to_owned())].into());
    store.put(Resource::Node(Box::new(node)), Precondition::Absent).await.unwrap();
    let pool = Pool::new("pool0", "10.0.0.0/16".parse().unwrap());
    let pool = Pool { node_selector: Some("rack == 'a'".parse().unwrap()), ..pool };
    store.put(Resource::IpPool(Box::new(pool)), Precondition::Absent).await.unwrap();
    assert_eq!(allocator.assign(request("a", &BOTH[..1])).await.unwrap().len(), 1);
}
