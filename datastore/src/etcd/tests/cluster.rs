//! Members that come and go.

use super::*;

/// Tries until it is done; unavailable is the only excuse.
async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let mut last = None;
    for _ in 0..200 {
        match attempt().await {
            Ok(done) => return done,
            Err(Error::Unavailable(why)) => last = Some(why),
            Err(other) => panic!("{other}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("still unavailable: {last:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_done_and_then_everything_again() {
    let mut server = EtcdServer::start_cluster(3, None, &[]);
    let store = EtcdStore::open(&server.options("fabric")).await.unwrap();
    let first = store.put(namespace("first"), Precondition::Absent).await.unwrap();
    let mut changes = store.watch(first).await.unwrap();

    // One member less, whichever that is: somebody answers.
    server.kill(0);
    let second = eventually(async || store.put(namespace("second"), Precondition::None).await).await;
    assert_eq!(eventually(async || store.get(&key("first")).await).await.unwrap().revision, first);

    // Two less: nobody does, and each call says so in bounded time.
    server.kill(1);
    let unavailable = |error: Error| assert!(matches!(&error, Error::Unavailable(_)), "{error}");
    unavailable(store.get(&key("first")).await.unwrap_err());
    unavailable(store.list(Kind::Namespace).await.unwrap_err());
    unavailable(store.put(namespace("third"), Precondition::None).await.unwrap_err());
    unavailable(store.delete(&key("first"), Precondition::None).await.unwrap_err());
    unavailable(store.watch(second).await.map(drop).unwrap_err());
    unavailable(EtcdStore::open(&server.options("fabric")).await.unwrap_err());

    server.revive();
    let fourth = eventually(async || store.put(namespace("fourth"), Precondition::None).await).await;
    // The watch went on at some member, or ended and is taken up where it ended.
    let (mut position, mut heard) = (first, Vec::new());
    while position < fourth {
        match tokio::time::timeout(std::time::Duration::from_secs(30), changes.next()).await.unwrap() {
            Some(Ok(change)) => {
                position = change.resume;
                heard.push(change.key.name);
            }
            Some(Err(Error::Unavailable(_))) | None => {
                changes = eventually(async || store.watch(position).await).await;
            }
            Some(Err(other)) => panic!("{other}"),
        }
    }
    heard.retain(|name| name != "third");
    heard.dedup();
    assert_eq!(heard, ["second", "fourth"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_are_gone_are_passed_over() {
    let server = EtcdServer::start();
    let mut options = server.options("fabric");
    // Nobody listens there.
    let nobody = format!("http://{}:1", EtcdServer::address());
    options.endpoints.insert(0, nobody.clone());
    let store = EtcdStore::open(&options).await.unwrap();
    store.put(namespace("there"), Precondition::Absent).await.unwrap();
    assert!(store.get(&key("there")).await.unwrap().is_some());

    options.endpoints = vec![nobody.clone()];
    let unavailable = EtcdStore::open(&options).await.unwrap_err();
    let Error::Unavailable(message) = &unavailable else { panic!("{unavailable}") };
    assert!(message.contains(&format!("cannot connect to etcd at {nobody}")), "{message}");
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_not_waited_for() {
    // Connections are accepted by the kernel, and then nothing comes.
    let silent = std::net::TcpListener::bind((EtcdServer::address(), 0)).unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let options =
        Options { endpoints: vec![endpoint], prefix: "fabric".into(), tls: None, credentials: None };
    let unavailable = EtcdStore::open(&options).await.unwrap_err();
    assert!(
        matches!(&unavailable, Error::Unavailable(why) if why.contains("did not answer within 5 s")),
        "{unavailable}"
    );
}
