use datastore::{Precondition, SqliteStore};
use ipam::plan::Wanted;
use ipam::{Attributes, Family};
use proto::v1::ipam_server::Ipam as _;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::ipam::Request as Wish;
use crate::ipam::testing::node;

/// Two pools; pod shop/web on n1 has one address of each, and n2 has an address that is no pod's.
async fn service(directory: &TempDir) -> (Service, Vec<IpAddr>) {
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap());
    for (name, cidr) in [("four", "10.0.0.0/16"), ("six", "fd00::/48")] {
        let pool: Pool = serde_json::from_value(serde_json::json!({ "cidr": cidr })).unwrap();
        let pool = Pool { name: name.into(), ..pool };
        store.put(Resource::IpPool(Box::new(pool)), Precondition::Absent).await.unwrap();
    }
    let both = vec![Wanted::Any(Family::V4), Wanted::Any(Family::V6)];
    let attributes = Attributes { namespace: "shop".into(), pod: "web".into(), ..Attributes::default() };
    let first = node(&store, "n1");
    let addresses = first
        .assign(Wish { handle: "web".into(), attributes, wanted: both, ..Wish::default() })
        .await
        .unwrap();
    let second = node(&store, "n2");
    let wanted = vec![Wanted::Any(Family::V4)];
    second.assign(Wish { handle: "host".into(), wanted, ..Wish::default() }).await.unwrap();
    (Service::new(store), addresses)
}

#[tokio::test]
async fn pools_and_how_full_they_are() {
    let directory = TempDir::new().unwrap();
    let (service, _) = service(&directory).await;
    let pools = service.list_pools(Request::new(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools;
    let pool = |name: &str, cidr: &str, block_size, total: &str, used, blocks: &str, blocks_used| v1::Pool {
        name: name.into(),
        cidr: cidr.into(),
        block_size,
        disabled: false,
        addresses_total: total.into(),
        addresses_used: used,
        blocks_total: blocks.into(),
        blocks_used,
    };
    assert_eq!(
        pools,
        [
            pool("four", "10.0.0.0/16", 26, "65536", 2, "1024", 2),
            pool("six", "fd00::/48", 122, "1208925819614629174706176", 1, "18889465931478580854784", 1),
        ]
    );
}

#[tokio::test]
async fn blocks_by_node_and_pool() {
    let directory = TempDir::new().unwrap();
    let (service, _) = service(&directory).await;
    for (node, pool, count) in [("", "", 3), ("n1", "", 2), ("", "six", 1), ("n2", "six", 0), ("n3", "", 0)] {
        let request = v1::ListBlocksRequest { node: node.into(), pool: pool.into() };
        let blocks = service.list_blocks(Request::new(request)).await.unwrap().into_inner().blocks;
        assert_eq!(blocks.len(), count, "{node} {pool}");
        for block in blocks {
            assert_eq!(
                (block.affinity_state.as_str(), block.addresses_total, block.addresses_used),
                ("confirmed", 64, 1)
            );
        }
    }
    let request = v1::ListBlocksRequest { pool: "five".into(), ..Default::default() };
    let missing = service.list_blocks(Request::new(request)).await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.message()),
        (Code::NotFound, "there is no pool \"five\"; there are four, six")
    );
}

#[tokio::test]
async fn allocations_by_node_pool_and_namespace() {
    let directory = TempDir::new().unwrap();
    let (service, addresses) = service(&directory).await;
    for (node, pool, namespace, handles) in [
        ("", "", "", &["web", "web", "host"][..]),
        ("n1", "", "", &["web", "web"]),
        ("n2", "", "", &["host"]),
        ("", "four", "shop", &["web"]),
        ("", "", "bar", &[]),
    ] {
        let request =
            v1::ListAllocationsRequest { node: node.into(), pool: pool.into(), namespace: namespace.into() };
        let found = service.list_allocations(Request::new(request)).await.unwrap().into_inner().allocations;
        let mut found: Vec<&str> = found.iter().map(|allocation| allocation.handle.as_str()).collect();
        found.sort_unstable();
        let mut handles = handles.to_vec();
        handles.sort_unstable();
        assert_eq!(found, handles, "{node} {pool} {namespace}");
    }
    let request = v1::WhoHasRequest { address: addresses[1].to_string() };
    let found = service.who_has(Request::new(request)).await.unwrap().into_inner().allocation.unwrap();
    assert_eq!(
        (found.pod_namespace.as_str(), found.pod_name.as_str(), found.node.as_str(), found.pool.as_str()),
        ("shop", "web", "n1", "six")
    );
}

#[tokio::test]
async fn addresses_that_nobody_has() {
    let directory = TempDir::new().unwrap();
    let (service, addresses) = service(&directory).await;
    let IpAddr::V4(first) = addresses[0] else { panic!() };
    let neighbour = std::net::Ipv4Addr::from_bits(first.to_bits() + 1).to_string();
    for (address, code, message) in [
        (neighbour.as_str(), Code::NotFound, "of node n1, pool four (10.0.0.0/16)"),
        (
            "fd00:0:0:ffff:ffff::1",
            Code::NotFound,
            "is free, in a block that no node has yet, pool six (fd00::/48)",
        ),
        ("192.0.2.1", Code::NotFound, "192.0.2.1 lies in no pool"),
        ("10.0.0.0/8", Code::InvalidArgument, "\"10.0.0.0/8\" is no IP address; write one like"),
    ] {
        let status =
            service.who_has(Request::new(v1::WhoHasRequest { address: address.into() })).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(message), "{status}");
    }
}
