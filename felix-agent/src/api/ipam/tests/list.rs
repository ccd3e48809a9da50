use super::*;

#[tokio::test]
async fn pools_and_how_full_they_are() {
    let (fabric, _) = Fabric::inhabited().await;
    let reserve = v1::ReserveRequest { name: "gw".into(), cidrs: vec!["10.0.255.0/24".into()] };
    fabric.service.reserve(Request::new(reserve)).await.unwrap();
    let pools =
        fabric.service.list_pools(Request::new(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools;
    let expected = v1::Pool {
        name: "four".into(),
        cidr: "10.0.0.0/16".into(),
        block_size: 26,
        addresses_total: "65536".into(),
        addresses_used: 2,
        blocks_total: "1024".into(),
        blocks_used: 2,
        assignment_mode: "Automatic".into(),
        allowed_uses: vec!["Workload".into(), "Tunnel".into()],
        addresses_reserved: "256".into(),
        ..v1::Pool::default()
    };
    let six = v1::Pool {
        name: "six".into(),
        cidr: "fd00::/48".into(),
        block_size: 122,
        addresses_total: "1208925819614629174706176".into(),
        addresses_used: 1,
        blocks_total: "18889465931478580854784".into(),
        blocks_used: 1,
        addresses_reserved: "0".into(),
        ..expected.clone()
    };
    assert_eq!(pools, [expected, six]);
}

#[tokio::test]
async fn blocks_by_node_and_pool() {
    let (fabric, _) = Fabric::inhabited().await;
    for (node, pool, count) in [("", "", 3), ("n1", "", 2), ("", "six", 1), ("n2", "six", 0), ("n3", "", 0)] {
        let request = v1::ListBlocksRequest { node: node.into(), pool: pool.into(), ..Default::default() };
        let blocks = fabric.service.list_blocks(Request::new(request)).await.unwrap().into_inner().blocks;
        assert_eq!(blocks.len(), count, "{node} {pool}");
        for block in blocks {
            assert_eq!(
                (block.affinity_state.as_str(), block.addresses_total, block.addresses_used),
                ("confirmed", 64, 1)
            );
        }
    }
    let request = v1::ListBlocksRequest { pool: "five".into(), ..Default::default() };
    let missing = fabric.service.list_blocks(Request::new(request)).await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.message()),
        (Code::NotFound, "there is no pool \"five\"; there are four, six")
    );
}

#[tokio::test]
async fn allocations_by_node_pool_namespace_and_handle() {
    let (fabric, addresses) = Fabric::inhabited().await;
    for ((node, pool, namespace, handle), handles) in [
        (("", "", "", ""), &["host", "web", "web"][..]),
        (("n1", "", "", ""), &["web", "web"]),
        (("n2", "", "", ""), &["host"]),
        (("", "four", "shop", ""), &["web"]),
        (("", "", "bar", ""), &[]),
        (("", "", "", "host"), &["host"]),
    ] {
        let request = v1::ListAllocationsRequest {
            node: node.into(),
            pool: pool.into(),
            namespace: namespace.into(),
            handle: handle.into(),
            ..Default::default()
        };
        let found = fabric.service.list_allocations(Request::new(request)).await.unwrap();
        let found = found.into_inner().allocations;
        let mut found: Vec<&str> = found.iter().map(|allocation| allocation.handle.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, handles, "{node} {pool} {namespace} {handle}");
    }
    let request = v1::WhoHasRequest { address: addresses[1].to_string() };
    let found = fabric.service.who_has(Request::new(request)).await.unwrap().into_inner().allocation.unwrap();
    assert_eq!(
        (found.pod_namespace.as_str(), found.pod_name.as_str(), found.node.as_str(), found.pool.as_str()),
        ("shop", "web", "n1", "six")
    );
    assert!(found.sequence > 0 && found.borrowed_from.is_empty());
}

/// Every address that is there all the time is listed once, whatever comes and goes between the pages.
#[tokio::test]
async fn pages_go_on_while_addresses_come_and_go() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/24")]).await;
    let mut lasting = BTreeSet::new();
    for number in 0..40 {
        let held = fabric.assign(&format!("h{number}"), 1).await.unwrap();
        lasting.insert(held[0].address.clone());
    }
    let passing = fabric.assign("passing", 10).await.unwrap();
    let (mut listed, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = v1::ListAllocationsRequest { page_size: 7, page_token: token, ..Default::default() };
        let page = fabric.service.list_allocations(Request::new(request)).await.unwrap().into_inner();
        assert!(page.allocations.len() <= 7);
        listed.extend(page.allocations.into_iter().map(|allocation| allocation.address));
        pages += 1;
        match pages {
            1 => drop(fabric.first.release("passing").await.unwrap()),
            2 => drop(fabric.assign("late", 5).await.unwrap()),
            _ => {}
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let once: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "nothing twice");
    assert!(once.is_superset(&lasting), "nothing left out");
    let parsed: Vec<IpAddr> = listed.iter().map(|address| address.parse().unwrap()).collect();
    assert!(parsed.is_sorted(), "ascending");
    assert!(!passing.is_empty() && pages >= 6);
}

#[tokio::test]
async fn the_last_page_says_so_and_a_foreign_token_is_refused() {
    let (fabric, _) = Fabric::inhabited().await;
    let blocks = |page_size, token: &str| {
        let request = v1::ListBlocksRequest { page_size, page_token: token.into(), ..Default::default() };
        fabric.service.list_blocks(Request::new(request))
    };
    let first = blocks(2, "").await.unwrap().into_inner();
    assert_eq!((first.blocks.len(), first.next_page_token.is_empty()), (2, false));
    let second = blocks(2, &first.next_page_token).await.unwrap().into_inner();
    assert_eq!((second.blocks.len(), second.next_page_token.as_str()), (1, ""));
    assert_eq!(blocks(3, "").await.unwrap().into_inner().next_page_token, "", "nothing follows");
    let refused = blocks(2, "nonsense").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "page_token: \"nonsense\" is from no page of this list; begin without one");
}

#[tokio::test]
async fn utilisation_by_node() {
    let (fabric, _) = Fabric::inhabited().await;
    let request = v1::GetUtilisationRequest { pool: "four".into() };
    let pools = fabric.service.get_utilisation(Request::new(request)).await.unwrap().into_inner().pools;
    let [four] = &pools[..] else { panic!("{pools:?}") };
    assert_eq!(four.pool.as_ref().unwrap().addresses_used, 2);
    let nodes: Vec<(&str, u64, u64, u64)> = four
        .nodes
        .iter()
        .map(|node| (node.node.as_str(), node.blocks, node.addresses_used, node.addresses_borrowed))
        .collect();
    assert_eq!(nodes, [("n1", 1, 1, 0), ("n2", 1, 1, 0)]);
    let all =
        fabric.service.get_utilisation(Request::new(v1::GetUtilisationRequest::default())).await.unwrap();
    assert_eq!(all.into_inner().pools.len(), 2);
}

#[tokio::test]
async fn addresses_that_nobody_has() {
    let (fabric, addresses) = Fabric::inhabited().await;
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
        let request = v1::WhoHasRequest { address: address.into() };
        let status = fabric.service.who_has(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(message), "{status}");
    }
}

/// Before the datastore has been read, nothing is said of it.
#[tokio::test(start_paused = true)]
async fn an_agent_that_knows_nothing_yet_says_so() {
    let directory = TempDir::new().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap());
    let known = Known::new("n1");
    let allocator = Arc::new(Allocator::start(Arc::clone(&store), known.clone()));
    let service = Service::new(store, known, allocator, Arc::default());
    let status = service.list_pools(Request::new(v1::ListPoolsRequest {})).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("has not been read yet"), "{status}");
}
