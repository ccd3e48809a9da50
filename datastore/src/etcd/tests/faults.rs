//! What is wrong with what is there, or with what was asked for.

use super::*;
use crate::{Query, Write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_foreign_values_are_named() {
    let server = EtcdServer::start();
    let store = EtcdStore::open(&server.options("fabric")).await.unwrap();
    let good = store.put(namespace("good"), Precondition::Absent).await.unwrap();
    server.control(None, &["put", "/fabric/Namespace//bad", "{ not json"]);
    let refused = |error: Error, complaint: &str| {
        assert!(matches!(&error, Error::Refused(message) if message.contains(complaint)), "{error}");
    };
    let unreadable = |error: Error| {
        assert!(matches!(&error, Error::Unreadable { key, .. } if key.name == "bad"), "{error}");
        assert!(
            error.to_string().starts_with("Namespace bad in the datastore cannot be understood: "),
            "{error}"
        );
    };
    unreadable(store.get(&key("bad")).await.unwrap_err());
    for listing in [store.list(Kind::Namespace).await.unwrap(), store.snapshot(&Kind::ALL).await.unwrap()] {
        assert_eq!(listing.items.into_keys().collect::<Vec<_>>(), [key("good")]);
        assert_eq!(listing.unreadable.into_keys().collect::<Vec<_>>(), [key("bad")]);
    }
    let mut changes = store.watch(good).await.unwrap();
    unreadable(changes.next().await.unwrap().unwrap_err());
    // Others are told and read, and the damaged one can be removed; nobody takes it for absent before.
    store.put(namespace("later"), Precondition::Absent).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().key, key("later"));
    store.delete(&key("later"), Precondition::None).await.unwrap();
    let taken = store.put(namespace("bad"), Precondition::Absent).await.unwrap_err();
    assert!(matches!(taken, Error::Conflict { found: Some(_), .. }), "{taken}");
    assert!(store.get(&key("good")).await.unwrap().is_some());
    assert!(store.list(Kind::Pod).await.unwrap().items.is_empty());
    store.delete(&key("bad"), Precondition::None).await.unwrap();
    assert_eq!(store.list(Kind::Namespace).await.unwrap().items.len(), 1);

    server.control(None, &["put", "/fabric/Deployment/a/b", "{}"]);
    refused(store.snapshot(&Kind::ALL).await.unwrap_err(), "/fabric/Deployment/a/b, of the unknown kind");
    assert_eq!(store.list(Kind::Namespace).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_apart_and_others_are_left_alone() {
    let server = EtcdServer::start();
    let store = EtcdStore::open(&server.options("fabric")).await.unwrap();
    let near = EtcdStore::open(&server.options("fabric2")).await.unwrap();
    store.put(namespace("ours"), Precondition::Absent).await.unwrap();
    near.put(namespace("theirs"), Precondition::Absent).await.unwrap();
    let names = |listing: Listing| listing.items.into_keys().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names(store.snapshot(&Kind::ALL).await.unwrap()), ["ours"]);
    assert_eq!(names(near.list(Kind::Namespace).await.unwrap()), ["theirs"]);

    server.control(None, &["put", "/registry/pods/default/a", "k8s"]);
    server.control(None, &["put", "/newer/format", "{\"fabricDatastore\":2}"]);
    server.control(None, &["put", "/odd/format", "parquet"]);
    for (prefix, complaint) in [
        ("registry", "has /registry/pods/default/a under /registry/, which is not Fabric's"),
        ("newer", "has format 2 under /newer/, and this program knows 1"),
        ("odd", "has /odd/format, but not Fabric's (parquet)"),
        ("", "\"\" is no prefix"),
        ("a//b", "\"a//b\" is no prefix"),
        ("fab ric", "\"fab ric\" is no prefix"),
    ] {
        let message = refusal(&server.options(prefix)).await;
        assert!(message.contains(complaint), "{message}");
    }
    assert_eq!(
        server.control(None, &["get", "--prefix", "--keys-only", "/registry"]).trim(),
        "/registry/pods/default/a"
    );
    // Slashes around it and parts in it are fine.
    EtcdStore::open(&server.options("/clusters/one/")).await.unwrap();
    // Many begin at once.
    let opening = (0..8).map(|_| {
        let options = server.options("at-once");
        tokio::spawn(
            async move { EtcdStore::open(&options).await?.put(namespace("a"), Precondition::None).await },
        )
    });
    for opened in opening.collect::<Vec<_>>() {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_cut_where_etcd_wants_it() {
    let server = EtcdServer::start();
    let store = EtcdStore::open(&server.options("fabric")).await.unwrap();
    // By count: 128, 128 and the rest. Those of one transaction have one revision.
    let writes = (0..300).map(|index| Write::put(namespace(&format!("n{index:03}")), Precondition::Absent));
    let revisions = store.commit(writes.collect()).await.unwrap();
    let groups: Vec<usize> = revisions.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(groups, [128, 128, 44]);
    // By size.
    let large = |index: usize, size: usize| {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(format!("large-{index}"));
        namespace.metadata.annotations = Some([("a".to_owned(), "x".repeat(size))].into());
        Write::put(Resource::Namespace(Box::new(namespace)), Precondition::None)
    };
    let revisions = store.commit((0..5).map(|index| large(index, 400_000)).collect()).await.unwrap();
    let groups: Vec<usize> = revisions.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(groups, [2, 2, 1]);
    // What etcd takes in no transaction is refused, and nothing after it is done.
    let writes = vec![large(7, 10), large(8, 3_000_000), large(9, 10)];
    let failed = store.commit(writes).await.unwrap_err();
    assert!(
        matches!(&failed.error, Error::Refused(why) if why.contains("takes no value as large")),
        "{failed}"
    );
    assert_eq!((failed.index, failed.done), (1, 1));
    assert!(store.get(&key("large-7")).await.unwrap().is_some());
    assert!(store.get(&key("large-9")).await.unwrap().is_none());
    // All of it is more than etcd puts into one answer of a watch.
    let mut changes = store.watch(Revision(1)).await.unwrap();
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 306 {
        assert!(heard.insert(contract::next_of(Kind::Namespace, &mut changes).await.key));
    }
    // A listing of which one page is a part.
    let query = Query { limit: Some(1), ..Query::default() };
    assert_eq!(store.list_page(Kind::Namespace, &query).await.unwrap().items.len(), 1);
    assert_eq!(store.list(Kind::Namespace).await.unwrap().items.len(), 306);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_are_none_are_refused() {
    let endpoints = |endpoints: &[&str]| Options {
        endpoints: endpoints.iter().copied().map(str::to_owned).collect(),
        prefix: "fabric".to_owned(),
        tls: None,
        credentials: None,
    };
    for (given, complaint) in [
        (vec![], "there is no endpoint"),
        (vec!["localhost:2379"], "write it like https://10.0.0.1:2379"),
        (vec!["ftp://localhost:2379"], "write it like https://10.0.0.1:2379"),
        (vec!["http://localhost:2379/v3"], "write it like https://10.0.0.1:2379"),
        (vec!["http://local host"], "write it like https://10.0.0.1:2379"),
        (vec!["https://localhost:2379"], "wants TLS"),
    ] {
        let message = refusal(&endpoints(&given)).await;
        assert!(message.contains(complaint), "{message}");
    }
    // Something listens there, but it is no etcd.
    let listener = tokio::net::TcpListener::bind((EtcdServer::address(), 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, answer).await;
        }
    });
    let message = hang_up(&endpoints(&[&address])).await;
    assert!(message.contains("check address and port, and whether it wants https://"), "{message}");
}
