use tonic_types::StatusExt as _;

use super::*;

async fn reserve(fabric: &Fabric, name: &str, cidrs: &[&str]) -> Result<v1::ReserveResponse, Status> {
    let cidrs = cidrs.iter().map(ToString::to_string).collect();
    let request = v1::ReserveRequest { name: name.into(), cidrs };
    Ok(fabric.service.reserve(Request::new(request)).await?.into_inner())
}

async fn unreserve(fabric: &Fabric, name: &str, cidrs: &[&str]) -> Result<Vec<String>, Status> {
    let cidrs = cidrs.iter().map(ToString::to_string).collect();
    let request = v1::UnreserveRequest { name: name.into(), cidrs };
    Ok(fabric.service.unreserve(Request::new(request)).await?.into_inner().cidrs)
}

async fn release(
    fabric: &Fabric,
    handle: &str,
    items: Vec<v1::ReleaseItem>,
) -> Result<v1::ReleaseResponse, Status> {
    let request = v1::ReleaseRequest { handle: handle.into(), items };
    Ok(fabric.service.release(Request::new(request)).await?.into_inner())
}

async fn split(fabric: &Fabric, pool: &str, parts: u32, dry_run: bool) -> Result<Vec<v1::Pool>, Status> {
    let request = v1::SplitPoolRequest { pool: pool.into(), parts, dry_run };
    Ok(fabric.service.split_pool(Request::new(request)).await?.into_inner().pools)
}

fn item(allocation: &v1::Allocation) -> v1::ReleaseItem {
    v1::ReleaseItem {
        address: allocation.address.clone(),
        handle: allocation.handle.clone(),
        sequence: Some(allocation.sequence),
    }
}

#[tokio::test]
async fn the_same_handle_gets_the_same_addresses() {
    let (fabric, _) = Fabric::inhabited().await;
    let request = v1::AssignRequest {
        handle: "db".into(),
        ipv4: 2,
        ipv6: 1,
        pod_namespace: "shop".into(),
        pod_name: "db".into(),
        ..Default::default()
    };
    let first = fabric.service.assign(Request::new(request.clone())).await.unwrap().into_inner().allocations;
    let families: Vec<bool> = first.iter().map(|a| a.address.parse::<IpAddr>().unwrap().is_ipv4()).collect();
    assert_eq!(families, [true, true, false]);
    for allocation in &first {
        assert_eq!((allocation.node.as_str(), allocation.pod_name.as_str()), ("n1", "db"));
        assert!(allocation.sequence > 0);
    }
    let again = fabric.service.assign(Request::new(request)).await.unwrap().into_inner().allocations;
    assert_eq!(first, again);
}

/// It is no node's: what becomes of the node whose agent was asked does not matter.
#[tokio::test]
async fn a_services_address_belongs_to_no_node() {
    let services =
        Pool { allowed_uses: [::ipam::Use::LoadBalancer].into(), ..pool("services", "10.9.0.0/24") };
    let fabric = Fabric::new(&[services]).await;
    let request = v1::AssignRequest {
        handle: "service.shop".into(),
        ipv4: 1,
        r#use: "LoadBalancer".into(),
        ..Default::default()
    };
    let assigned = fabric.service.assign(Request::new(request)).await.unwrap().into_inner().allocations;
    let [address] = &assigned[..] else { panic!("{assigned:?}") };
    assert_eq!((address.node.as_str(), address.borrowed_from.as_str()), ("virtual:load-balancer", ""));
    assert_eq!(fabric.first.release("service.shop").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_assigned_says_why() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/26")]).await;
    fabric.assign("held", 1).await.unwrap();
    let request = || v1::AssignRequest { handle: "h".into(), ..Default::default() };
    let held = fabric.first.known.read().index.allocations(Default::default(), None).next().unwrap().address;
    for (request, code, words) in [
        (
            v1::AssignRequest { handle: String::new(), ..request() },
            Code::InvalidArgument,
            "handle: is missing",
        ),
        (
            v1::AssignRequest { handle: "a b".into(), ipv4: 1, ..request() },
            Code::InvalidArgument,
            "handle: \"a b\" is no handle; write at most 253 letters",
        ),
        (request(), Code::InvalidArgument, "ipv4: no address is asked for"),
        (
            v1::AssignRequest { ipv4: 65, ..request() },
            Code::InvalidArgument,
            "ipv4: 65 addresses are too many",
        ),
        (
            v1::AssignRequest { ipv4: 1, r#use: "Toys".into(), ..request() },
            Code::InvalidArgument,
            "use: `Toys` is nothing that addresses are used for; write Workload, Tunnel or LoadBalancer",
        ),
        (
            v1::AssignRequest { ipv4: 1, pod_name: "web".into(), ..request() },
            Code::InvalidArgument,
            "pod_name: a pod has a name and a namespace",
        ),
        (
            v1::AssignRequest { addresses: vec!["10.0.0.0/26".into()], ..request() },
            Code::InvalidArgument,
            "addresses: \"10.0.0.0/26\" is no IP address",
        ),
        (
            v1::AssignRequest { ipv4: 1, pools: vec!["five".into()], ..request() },
            Code::InvalidArgument,
            "pools: there is no pool five; ask for one of four",
        ),
        (
            v1::AssignRequest { addresses: vec!["192.0.2.1".into()], ..request() },
            Code::InvalidArgument,
            "addresses: 192.0.2.1 lies in no pool",
        ),
        (
            v1::AssignRequest { addresses: vec![held.to_string()], ..request() },
            Code::AlreadyExists,
            "is in use by held",
        ),
        (
            v1::AssignRequest { ipv6: 1, ..request() },
            Code::ResourceExhausted,
            "no pool gives out IPv6 addresses",
        ),
        (
            v1::AssignRequest { ipv4: 64, ..request() },
            Code::ResourceExhausted,
            "pool four (10.0.0.0/26) has 1 of 64",
        ),
    ] {
        let status = fabric.service.assign(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(words), "{status}");
        assert!(!status.details().is_empty(), "{status}");
    }
    assert_eq!(fabric.first.release("h").await.unwrap(), Vec::<IpAddr>::new(), "nothing was half done");
}

#[tokio::test]
async fn a_handle_gives_back_everything() {
    let (fabric, addresses) = Fabric::inhabited().await;
    let answer = release(&fabric, "web", Vec::new()).await.unwrap();
    let released: Vec<(String, &str)> =
        answer.released.iter().map(|a| (a.address.clone(), a.pod_name.as_str())).collect();
    let expected: Vec<(String, &str)> = addresses.iter().map(|a| (a.to_string(), "web")).collect();
    assert_eq!(released, expected);
    assert_eq!(release(&fabric, "web", Vec::new()).await.unwrap(), v1::ReleaseResponse::default());
    let nothing = release(&fabric, "", Vec::new()).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
}

/// Each item by itself: what is no more as it was seen is left alone, and told.
#[tokio::test]
async fn items_are_released_only_as_they_were_seen() {
    let (fabric, _) = Fabric::inhabited().await;
    let held = fabric.assign("h", 3).await.unwrap();
    let far: IpAddr = fabric.assign_on_second("far", 1).await[0];
    fabric.second_is_known().await;
    let far = v1::ReleaseItem { address: far.to_string(), handle: "far".into(), sequence: None };
    let stale = v1::ReleaseItem { sequence: Some(held[1].sequence + 1), ..item(&held[1]) };
    let foreign = v1::ReleaseItem { handle: "web".into(), ..item(&held[2]) };
    let free = v1::ReleaseItem { address: "10.0.77.1".into(), handle: "h".into(), sequence: None };
    let items = vec![item(&held[0]), stale, foreign, free, far.clone()];
    let answer = release(&fabric, "", items).await.unwrap();
    let released: Vec<&str> = answer.released.iter().map(|a| a.address.as_str()).collect();
    assert_eq!(released, [held[0].address.as_str(), far.address.as_str()]);
    assert_eq!(answer.released[1].node, "n2", "as it was");
    let reasons: Vec<&str> = answer.refused.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].contains("given out again"), "{reasons:?}");
    assert!(reasons[1].contains("is held by h, not by web"), "{reasons:?}");
    assert!(reasons[2].contains("is not in use"), "{reasons:?}");
    let again = release(&fabric, "", vec![far]).await.unwrap();
    assert_eq!((again.released.len(), again.refused.len()), (0, 1));
    for (wrong, field) in [
        (v1::ReleaseItem { address: "x".into(), ..v1::ReleaseItem::default() }, "items.address"),
        (v1::ReleaseItem { address: "10.0.0.1".into(), ..v1::ReleaseItem::default() }, "items.handle"),
    ] {
        let status = release(&fabric, "", vec![wrong]).await.unwrap_err();
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, field);
    }
}

#[tokio::test]
async fn many_items_at_once() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/20")]).await;
    let mut items = Vec::new();
    for number in 0..20 {
        items.extend(fabric.assign(&format!("h{number}"), 10).await.unwrap().iter().map(item));
    }
    let answer = release(&fabric, "", items).await.unwrap();
    assert_eq!((answer.released.len(), answer.refused.len()), (200, 0), "{:?}", answer.refused.first());
    assert!(fabric.store.list(datastore::Kind::IpamHandle).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_is_reserved_is_not_assigned() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/26")]).await;
    let held = fabric.assign("held", 1).await.unwrap();
    let answer = reserve(&fabric, "gw", &["10.0.0.0/27"]).await.unwrap();
    assert_eq!(answer.cidrs, ["10.0.0.0/27"]);
    let in_use: Vec<&str> = answer.in_use.iter().map(|a| a.address.as_str()).collect();
    let is_within = held[0].address.parse::<std::net::Ipv4Addr>().unwrap().octets()[3] < 32;
    assert_eq!(in_use, if is_within { vec![held[0].address.as_str()] } else { Vec::new() });
    let answer = reserve(&fabric, "gw", &["10.0.0.40", "10.0.0.0/27"]).await.unwrap();
    assert_eq!(answer.cidrs, ["10.0.0.0/27", "10.0.0.40/32"], "added once");
    let full = fabric.assign("h", 32).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert!(full.message().contains("33 reserved"), "{full}");
    let reserved =
        v1::AssignRequest { handle: "h".into(), addresses: vec!["10.0.0.40".into()], ..Default::default() };
    let reserved = fabric.service.assign(Request::new(reserved)).await.unwrap_err();
    assert!(reserved.message().contains("10.0.0.40 is reserved by IPReservation gw"), "{reserved}");

    assert_eq!(unreserve(&fabric, "gw", &["10.0.0.0/27"]).await.unwrap(), ["10.0.0.40/32"]);
    assert_eq!(unreserve(&fabric, "gw", &[]).await.unwrap(), Vec::<String>::new());
    let gone = unreserve(&fabric, "gw", &[]).await.unwrap_err();
    assert_eq!((gone.code(), gone.message()), (Code::NotFound, "there is no IPReservation gw"));
}

#[tokio::test]
async fn wrong_reservations() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/26")]).await;
    reserve(&fabric, "gw", &["10.0.0.1"]).await.unwrap();
    for (result, words) in [
        (reserve(&fabric, "", &["10.0.0.1"]).await.map(drop), "name: is missing"),
        (reserve(&fabric, "G_W", &["10.0.0.1"]).await.map(drop), "name: \"G_W\" is no name"),
        (reserve(&fabric, "gw", &[]).await.map(drop), "cidrs: nothing to reserve"),
        (
            reserve(&fabric, "gw", &["10.0.0.1/26"]).await.map(drop),
            "has bits set behind its length; write 10.0.0.0/26",
        ),
        (reserve(&fabric, "gw", &["10.0.0"]).await.map(drop), "cidrs: \"10.0.0\" is no prefix"),
        (
            unreserve(&fabric, "gw", &["10.0.0.2"]).await.map(drop),
            "10.0.0.2/32 is no prefix of IPReservation gw; it has 10.0.0.1/32",
        ),
    ] {
        let status = result.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
    }
}

#[tokio::test]
async fn a_pool_is_cut_while_it_is_used() {
    let (fabric, addresses) = Fabric::inhabited().await;
    let would = split(&fabric, "four", 4, true).await.unwrap();
    let names: Vec<(&str, &str)> =
        would.iter().map(|pool| (pool.name.as_str(), pool.cidr.as_str())).collect();
    assert_eq!(
        names,
        [
            ("four-0", "10.0.0.0/18"),
            ("four-1", "10.0.64.0/18"),
            ("four-2", "10.0.128.0/18"),
            ("four-3", "10.0.192.0/18")
        ]
    );
    assert_eq!(would.iter().map(|pool| pool.addresses_used).sum::<u64>(), 2);
    assert!(fabric.service.state().index.pool("four-0").is_none(), "nothing was written");
    assert_eq!(split(&fabric, "four", 4, false).await.unwrap(), would);
    let pools =
        fabric.service.list_pools(Request::new(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools;
    let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["four-0", "four-1", "four-2", "four-3", "six"]);
    let request = v1::WhoHasRequest { address: addresses[0].to_string() };
    let held = fabric.service.who_has(Request::new(request)).await.unwrap().into_inner().allocation.unwrap();
    assert!(held.handle == "web" && held.pool.starts_with("four-"), "{held:?}");
    fabric.assign("after", 1).await.unwrap();
}

/// A cut that was interrupted goes on where it stopped.
#[tokio::test]
async fn a_cut_can_be_done_again() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/16"), pool("four-0", "10.0.0.0/17")]).await;
    let pools = split(&fabric, "four", 2, false).await.unwrap();
    assert_eq!(pools.len(), 2);
    assert!(fabric.service.state().index.pool("four").is_none());
}

#[tokio::test]
async fn wrong_cuts() {
    let fabric = Fabric::new(&[pool("four", "10.0.0.0/24"), pool("four-1", "10.9.0.0/24")]).await;
    for (name, parts, code, words) in [
        ("five", 2, Code::NotFound, "there is no pool \"five\"; there are four, four-1"),
        ("four", 3, Code::InvalidArgument, "parts: a pool cannot be cut into 3 parts"),
        ("four", 8, Code::InvalidArgument, "parts: pool four (10.0.0.0/24) has only 4 blocks of /26"),
        ("four", 2, Code::FailedPrecondition, "there is a pool four-1 already"),
    ] {
        let status = split(&fabric, name, parts, false).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(words), "{status}");
    }
    assert_eq!(fabric.service.state().index.pools().len(), 2, "nothing half done");
}
