//! Everything out of one store and into another.

use ::ipam::plan::Wanted;
use futures_util::{StreamExt as _, stream};
use tonic_types::StatusExt as _;

use super::*;

async fn export(service: &Service) -> Vec<String> {
    let mut messages = service.export(Request::new(v1::ExportRequest {})).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(message) = messages.next().await {
        lines.extend(message.unwrap().lines);
    }
    lines
}

/// In messages of some lines each.
async fn import(
    service: &Service,
    lines: &[String],
    overwrite: bool,
    dry_run: bool,
) -> Result<(u64, u64, u64), Status> {
    let messages: Vec<Result<v1::ImportRequest, Status>> = lines
        .chunks(3)
        .map(|lines| Ok(v1::ImportRequest { overwrite, lines: lines.to_vec(), dry_run }))
        .collect();
    let v1::ImportResponse { created, replaced, unchanged } =
        service.import_all(stream::iter(messages)).await?;
    Ok((created, replaced, unchanged))
}

/// A fabric with a pod's address, a policy, a lease and a node that is the agent's own.
async fn inhabited(directory: &TempDir) -> Service {
    let service = service(directory).await;
    let nodes = "apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\n---\n\
                 apiVersion: v1\nkind: Node\nmetadata: { name: n2 }\n---\n";
    let text = format!("{nodes}{}{POLICY}", pool("default", "10.0.0.0/16"));
    service.apply_text(&text).await.unwrap();
    let node = node(&service.store, "n2");
    let wanted = vec![Wanted::Any(::ipam::Family::V4)];
    node.assign(Wish { handle: "h".into(), wanted, ..Wish::default() }).await.unwrap();
    let mut lease = k8s_openapi::api::coordination::v1::Lease::default();
    lease.metadata.name = Some("ipam".to_owned());
    lease.metadata.namespace = Some("fabric-system".to_owned());
    service.store.put(Resource::Lease(Box::new(lease)), Precondition::Absent).await.unwrap();
    service
}

#[tokio::test]
async fn what_was_exported_is_there_after_an_import() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, target) = (inhabited(&from).await, service(&to).await);
    let lines = export(&source).await;
    assert!(lines[0].contains("\"fabricExport\":1"), "{}", lines[0]);
    let objects = lines.len() as u64 - 1;
    // n1 is the target's own node, which its agent writes.
    assert_eq!(import(&target, &lines, false, true).await.unwrap(), (objects - 1, 0, 1));
    for kind in Kind::ALL {
        assert!(target.store.list(kind).await.unwrap().items.is_empty(), "nothing is written: {kind}");
    }
    assert_eq!(import(&target, &lines, false, false).await.unwrap(), (objects - 1, 0, 1));
    assert_eq!(import(&target, &lines, false, false).await.unwrap(), (0, 0, objects), "again");
    let content = async |service: &Service, kind| {
        let items = service.store.list(kind).await.unwrap().items.into_iter();
        items.map(|(key, item)| (key, item.resource)).collect::<Vec<_>>()
    };
    for kind in [Kind::IpPool, Kind::IpamBlock, Kind::BlockAffinity, Kind::IpamHandle, Kind::NetworkPolicy] {
        let copied = content(&target, kind).await;
        assert!(!copied.is_empty() && copied == content(&source, kind).await, "{kind}");
    }
    assert!(content(&target, Kind::Lease).await.is_empty(), "who leads there does not lead here");
    assert_eq!(content(&target, Kind::Node).await.len(), 1);
}

#[tokio::test]
async fn what_differs_is_replaced_only_if_asked() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, target) = (inhabited(&from).await, service(&to).await);
    let lines = export(&source).await;
    let disabled = pool("default", "10.0.0.0/16").replace("/16 }", "/16, disabled: true }");
    target.apply_text(&disabled).await.unwrap();
    let refused = import(&target, &lines, false, true).await.unwrap_err();
    let refused_too = import(&target, &lines, false, false).await.unwrap_err();
    for status in [refused, refused_too] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("IPPool default among them; overwrite them"), "{status}");
        let details = status.get_error_details();
        assert_eq!(details.precondition_failure().unwrap().violations[0].subject, "IPPool default");
    }
    assert!(target.store.list(Kind::IpamBlock).await.unwrap().items.is_empty(), "nothing was written");
    let (_, replaced, _) = import(&target, &lines, true, false).await.unwrap();
    assert_eq!(replaced, 1);
    assert!(target.get_objects("ippools", "", "").await.unwrap()[0]["spec"].get("disabled").is_none());
}

#[tokio::test]
async fn what_cannot_be_imported_says_why() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, target) = (inhabited(&from).await, service(&to).await);
    let lines = export(&source).await;
    let cut_off = lines[..lines.len() - 1].to_vec();
    let mut garbled = lines.clone();
    garbled[2] = "{".to_owned();
    for (lines, words) in [
        (cut_off, "it was cut off or changed, export again"),
        (garbled, "line 3"),
        (vec!["nonsense".to_owned()], "line 1"),
    ] {
        let status = import(&target, &lines, true, false).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "lines");
    }
    let nothing = import(&target, &[], false, false).await.unwrap_err();
    assert!(nothing.message().contains("send the lines of an export"), "{nothing}");

    // Pools are held to the same as when they are applied.
    target.apply_text(&pool("other", "10.0.0.0/24")).await.unwrap();
    let status = import(&target, &lines, true, false).await.unwrap_err();
    assert!(status.message().contains("IPPool default: 10.0.0.0/16 overlaps pool other"), "{status}");
    assert_eq!(target.store.list(Kind::IpPool).await.unwrap().items.len(), 1);
}
