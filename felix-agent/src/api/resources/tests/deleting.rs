//! Deleting: pools that are in use, and nodes.

use ::ipam::plan::Wanted;
use tonic_types::StatusExt as _;

use super::*;

const AT_ONCE: &str = "apiVersion: fabric.rs/v1\nkind: IPAMConfiguration\nmetadata: { name: default }\nspec: { ipCooldownSeconds: 0 }\n---\n";

async fn assign(node: &Node, handle: &str) -> Vec<std::net::IpAddr> {
    let wanted = vec![Wanted::Any(::ipam::Family::V4)];
    node.assign(Wish { handle: handle.into(), wanted, ..Wish::default() }).await.unwrap()
}

#[tokio::test]
async fn a_pool_goes_when_it_is_empty_and_takes_its_blocks_along() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let text = format!("{}{POLICY}", pool("default", "10.0.0.0/16"));
    service.apply_text(&format!("{AT_ONCE}{text}")).await.unwrap();
    let node = node(&service.store, "n1");
    assign(&node, "h").await;
    node.release("h").await.unwrap();
    let by_manifest = v1::DeleteRequest { manifest: text, ..Default::default() };
    assert_eq!(
        service.delete_what(by_manifest.clone()).await.unwrap(),
        ["IPPool default deleted", "NetworkPolicy default/deny deleted"]
    );
    for kind in [Kind::IpPool, Kind::IpamBlock, Kind::BlockAffinity, Kind::IpamHandle] {
        assert!(service.store.list(kind).await.unwrap().items.is_empty(), "{kind}");
    }
    assert_eq!(
        service.delete_what(by_manifest).await.unwrap(),
        ["IPPool default absent", "NetworkPolicy default/deny absent"]
    );
    let missing = service.delete_named("pool", "", "default").await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(missing.get_error_details().resource_info().unwrap().resource_name, "default");
}

#[tokio::test]
async fn a_pool_in_use_gives_out_no_more_until_it_is_applied_again() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let text = format!("{AT_ONCE}{}", pool("default", "10.0.0.0/16"));
    service.apply_text(&text).await.unwrap();
    let node = node(&service.store, "n1");
    assign(&node, "h").await;
    let delete = || service.delete_named("ippool", "", "default");
    for _ in 0..2 {
        assert_eq!(delete().await.unwrap(), ["IPPool default deleting: 1 of its addresses in use"]);
    }
    assert_eq!(service.get_objects("ippools", "", "").await.unwrap()[0]["spec"]["deleting"], true);
    let known = node.known.clone();
    let is_told = |deleting| known.read().index.pool("default").unwrap().deleting == deleting;
    while !is_told(true) {
        tokio::task::yield_now().await;
    }
    let wanted = vec![Wanted::Any(::ipam::Family::V4)];
    let denied = node.assign(Wish { handle: "i".into(), wanted, ..Wish::default() }).await.unwrap_err();
    assert!(denied.to_string().contains("default is being deleted"), "{denied}");

    let applied = service.apply_text(&text).await.unwrap();
    assert_eq!(applied, ["IPAMConfiguration default unchanged", "IPPool default configured"]);
    while !is_told(false) {
        tokio::task::yield_now().await;
    }
    assign(&node, "i").await;
    for handle in ["h", "i"] {
        node.release(handle).await.unwrap();
    }
    assert_eq!(delete().await.unwrap(), ["IPPool default deleted"]);
}

/// What rests would be forgotten with its block.
#[tokio::test]
async fn a_pool_waits_for_addresses_that_rest() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    service.apply_text(&pool("default", "10.0.0.0/16")).await.unwrap();
    let node = node(&service.store, "n1");
    assign(&node, "h").await;
    node.release("h").await.unwrap();
    assert_eq!(
        service.delete_named("ippool", "", "default").await.unwrap(),
        ["IPPool default deleting: 1 addresses rest after they were given back"]
    );
}

/// Of two pools with the same addresses, the one that stays keeps the blocks.
#[tokio::test]
async fn what_lies_in_another_pool_as_well_stays() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    service.apply_text(&format!("{AT_ONCE}{}", pool("default", "10.0.0.0/16"))).await.unwrap();
    let node = node(&service.store, "n1");
    assign(&node, "h").await;
    // As two agents may apply them at once.
    let second = ::ipam::Pool::new("second", "10.0.0.0/15".parse().unwrap());
    let second = Resource::IpPool(Box::new(second));
    service.store.put(second, Precondition::Absent).await.unwrap();
    assert_eq!(service.delete_named("ippool", "", "default").await.unwrap(), ["IPPool default deleted"]);
    assert_eq!(service.store.list(Kind::IpamBlock).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_node_is_deleted_unless_it_is_this_agents_own() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let text = "apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\n---\n\
                apiVersion: v1\nkind: Node\nmetadata: { name: n2 }\n";
    service.apply_text(text).await.unwrap();
    let manifest = v1::DeleteRequest { manifest: text.to_owned(), ..Default::default() };
    for refused in [service.delete_named("node", "", "n1").await, service.delete_what(manifest).await] {
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(
            status.message().contains("stop its agent, and then delete it by way of another"),
            "{status}"
        );
        let details = status.get_error_details();
        assert_eq!(details.precondition_failure().unwrap().violations[0].r#type, "OWN_NODE");
    }
    assert_eq!(service.store.list(Kind::Node).await.unwrap().items.len(), 2, "nothing half done");
    assert_eq!(service.delete_named("node", "", "n2").await.unwrap(), ["Node n2 deleted"]);
    assert!(service.store.get(&Key::global(Kind::Node, "n1")).await.unwrap().is_some());
}
