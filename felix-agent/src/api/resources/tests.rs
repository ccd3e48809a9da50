use datastore::{Key, Kind, Precondition, SqliteStore};
use proto::v1::resources_server::Resources as _;
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::ipam::Request as Wish;
use crate::ipam::testing::{Node, node};

async fn service(directory: &TempDir) -> Service {
    let store = SqliteStore::open(&directory.path().join("fabric.db")).await.unwrap();
    Service::new(Arc::new(store), Known::new("n1"), "n1".to_owned(), Arc::default())
}

impl Service {
    async fn apply_text(&self, manifest: &str) -> Result<Vec<String>, Status> {
        let request = v1::ApplyRequest { manifest: manifest.to_owned(), file_name: "f.yaml".to_owned() };
        let results = self.apply(Request::new(request)).await?.into_inner().results;
        Ok(results.into_iter().map(|done| format!("{} {}", done.resource, done.outcome)).collect())
    }

    async fn get_objects(&self, kind: &str, namespace: &str, name: &str) -> Result<Vec<Value>, Status> {
        let request = v1::GetRequest { kind: kind.into(), namespace: namespace.into(), name: name.into() };
        let objects = self.get(Request::new(request)).await?.into_inner().objects;
        Ok(objects.iter().map(|object| serde_json::from_str(object).unwrap()).collect())
    }

    async fn delete_named(&self, kind: &str, namespace: &str, name: &str) -> Result<Vec<String>, Status> {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.delete_what(v1::DeleteRequest { kind, namespace, name, ..Default::default() }).await
    }

    async fn delete_what(&self, request: v1::DeleteRequest) -> Result<Vec<String>, Status> {
        let results = self.delete(Request::new(request)).await?.into_inner().results;
        Ok(results.into_iter().map(|done| format!("{} {}", done.resource, done.outcome)).collect())
    }
}

fn pool(name: &str, cidr: &str) -> String {
    format!(
        "apiVersion: fabric.rs/v1\nkind: IPPool\nmetadata: {{ name: {name} }}\nspec: {{ cidr: {cidr} }}\n---\n"
    )
}

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: deny }\nspec: { podSelector: {} }\n";

/// Nobody need wait for the watch; and what that tells late does not undo it.
#[tokio::test]
async fn what_is_applied_here_is_known_here() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let known = service.known.clone();
    let disabled = || known.read().index.pool("default").map(|pool| pool.disabled);
    service.apply_text(&pool("default", "10.0.0.0/16")).await.unwrap();
    assert_eq!(disabled(), Some(false));
    let first = service.store.get(&Key::global(Kind::IpPool, "default")).await.unwrap().unwrap();
    let text = pool("default", "10.0.0.0/16").replace("/16 }", "/16, disabled: true }");
    service.apply_text(&text).await.unwrap();
    assert_eq!(disabled(), Some(true));
    let (revision, resume) = (first.revision, first.revision);
    let key = Key::global(Kind::IpPool, "default");
    known.change(&datastore::Change { key: key.clone(), value: Some(first), revision, resume });
    assert_eq!(disabled(), Some(true));
    known.reset(revision, &Default::default(), &Default::default());
    assert_eq!(disabled(), Some(true));
    let later = datastore::Revision(revision.0 + 9);
    known.change(&datastore::Change { key, value: None, revision: later, resume: later });
    assert_eq!(disabled(), None);
}

#[tokio::test]
async fn applied_twice_nothing_changes() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let text = format!("{}{POLICY}", pool("default", "10.0.0.0/16"));
    assert_eq!(
        service.apply_text(&text).await.unwrap(),
        ["IPPool default created", "NetworkPolicy default/deny created"]
    );
    let text = text.replace("/16 }", "/16, disabled: true }");
    assert_eq!(
        service.apply_text(&text).await.unwrap(),
        ["IPPool default configured", "NetworkPolicy default/deny unchanged"]
    );
    let objects = service.get_objects("netpol", "", "deny").await.unwrap();
    assert_eq!(objects[0]["metadata"]["namespace"], "default");
    assert_eq!(service.get_objects("networkpolicies", "shop", "").await.unwrap(), Vec::<Value>::new());
    assert_eq!(service.get_objects("ippools", "", "").await.unwrap()[0]["spec"]["disabled"], true);
}

#[tokio::test]
async fn nothing_is_written_when_something_is_wrong() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    service.apply_text(&pool("default", "10.0.0.0/16")).await.unwrap();
    for (text, expected) in [
        (
            format!("{POLICY}---\n{}", pool("other", "10.0.128.0/24")),
            "f.yaml:9:15: spec.cidr: 10.0.128.0/24 overlaps pool default (10.0.0.0/16); choose a prefix outside of it",
        ),
        (
            format!("{}{}{POLICY}", pool("a", "10.1.0.0/16"), pool("b", "10.1.1.0/24")),
            "f.yaml:9:15: spec.cidr: 10.1.1.0/24 overlaps pool a (10.1.0.0/16); choose a prefix outside of it",
        ),
        (
            format!("{POLICY}---\n{}", pool("default", "10.0.0.0/15")),
            "f.yaml:9:15: spec.cidr: the prefix of pool default cannot change from 10.0.0.0/16 to 10.0.0.0/15; \
             create another pool and disable this one",
        ),
        (
            format!("{POLICY}---\n{}", pool("a", "10.9.0.0/28")),
            "f.yaml:9:15: spec.cidr: 10.9.0.0/28 is too small for one block of /26; \
             widen the pool to /26 or shorter, or set blockSize to 28 or longer",
        ),
        (
            format!("{POLICY}---\n{}{}", pool("A", "10.9.0.0/99"), "kind: 1\n"),
            "f.yaml:9:15: spec.cidr: \"10.9.0.0/99\" is no prefix; write one like 10.244.0.0/16 or fd00:244::/48\n\
             f.yaml:11:1: apiVersion: is missing; write it like \"networking.k8s.io/v1\"\n\
             f.yaml:11:7: kind: is the number 1; write text like \"NetworkPolicy\"",
        ),
        (
            "# nothing\n".to_owned(),
            "f.yaml:1:1: holds no resource; write one with apiVersion, kind, metadata and spec",
        ),
    ] {
        let refused = service.apply_text(&text).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, expected));
        assert_eq!(service.get_objects("netpol", "", "").await.unwrap(), Vec::<Value>::new());
        assert_eq!(service.get_objects("ippools", "", "").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_agents_write_can_only_be_read() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    let text = "apiVersion: fabric.rs/v1\nkind: IPAMHandle\nmetadata: { name: a }\nspec: {}\n";
    let refused = service.apply_text(text).await.unwrap_err();
    assert!(
        refused.message().starts_with("f.yaml:2:7: kind: IPAMHandle is written by agents only"),
        "{refused}"
    );
    let refused = service.delete_named("blocks", "", "10-0-0-0-26").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(service.get_objects("wep", "", "").await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_asked_for_wrongly() {
    let directory = TempDir::new().unwrap();
    let service = service(&directory).await;
    for (result, code, message) in [
        (service.get_objects("ippols", "", "").await, Code::InvalidArgument, "did you mean \"ippools\"?"),
        (
            service.get_objects("ippools", "shop", "").await,
            Code::InvalidArgument,
            "IPPool belongs to no namespace",
        ),
        (service.get_objects("pods", "", "web").await, Code::NotFound, "there is no Pod default/web"),
        (service.get_objects("pods", "shop", "web").await, Code::NotFound, "there is no Pod shop/web"),
    ] {
        let status = result.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(message), "{status}");
    }
    for (request, code) in [
        (v1::DeleteRequest::default(), Code::InvalidArgument),
        (v1::DeleteRequest { kind: "pods".into(), ..Default::default() }, Code::InvalidArgument),
        (
            v1::DeleteRequest {
                kind: "pods".into(),
                name: "a".into(),
                manifest: POLICY.into(),
                ..Default::default()
            },
            Code::InvalidArgument,
        ),
        (v1::DeleteRequest { kind: "pods".into(), name: "a".into(), ..Default::default() }, Code::NotFound),
    ] {
        assert_eq!(service.delete_what(request).await.unwrap_err().code(), code);
    }
}

mod archive;
mod deleting;
