//! What is asked of an API server, and what is made of its answers, against one that follows a script. (A
//! real one is for `examples/kubernetes-contract.rs`.)

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::resource::Resource;
use crate::store::Precondition;

/// One request that is expected, and its answer.
struct Step {
    /// Method and path; the query may go on.
    request: &'static str,
    code: u16,
    answer: String,
}

fn step(request: &'static str, code: u16, answer: &Value) -> Step {
    Step { request, code, answer: answer.to_string() }
}

/// Several events, one a line.
fn events(request: &'static str, events: &[Value]) -> Step {
    Step { request, code: 200, answer: events.iter().map(|event| format!("{event}\n")).collect() }
}

/// The bodies of the requests.
type Asked = Arc<Mutex<Vec<Value>>>;

fn follow(script: Vec<Step>) -> (KubernetesStore, Asked) {
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (script, log) = (Arc::clone(&script), Arc::clone(&log));
        async move {
            let (parts, body) = request.into_parts();
            let line = format!("{} {}", parts.method, parts.uri);
            let body = body.collect_bytes().await.unwrap();
            log.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
            let step = script.lock().unwrap().pop_front();
            let Some(step) = step else { return Err(format!("unexpected: {line}")) };
            assert!(line.starts_with(step.request), "asked for {line} instead of {}", step.request);
            Ok(Response::builder().status(step.code).body(Body::from(step.answer.into_bytes())).unwrap())
        }
    });
    let api = Api { client: kube::Client::new(service, "default") };
    (KubernetesStore { api }, asked)
}

fn status(code: u16, details: &Value) -> Value {
    json!({ "kind": "Status", "status": "Failure", "message": "because", "code": code, "details": details })
}

fn handle(blocks: u32) -> Resource {
    let blocks = [("10.0.0.0/26".parse().unwrap(), blocks)].into();
    Resource::IpamHandle(Box::new(ipam::Handle { id: "9f2c.eth0".to_owned(), blocks }))
}

/// The handle as the API server has it, with somebody's annotation.
fn stored(blocks: u32, revision: &str) -> Value {
    let mut object = object::encode(&handle(blocks)).unwrap();
    object["metadata"]["resourceVersion"] = json!(revision);
    object["metadata"]["annotations"] = json!({ "theirs": revision });
    object
}

fn pod(name: &str, revision: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop", "resourceVersion": revision } })
}

fn page(items: &[Value], revision: &str, next: &str) -> Value {
    json!({ "metadata": { "resourceVersion": revision, "continue": next }, "items": items })
}

fn read() -> Step {
    step("GET /apis/fabric.rs/v1/ipamhandles/9f2c.eth0", 200, &stored(1, "7"))
}

#[tokio::test]
async fn a_swap_is_of_what_was_read_and_leaves_the_rest() {
    let put = "PUT /apis/fabric.rs/v1/ipamhandles/9f2c.eth0?&fieldManager=fabric";
    let (store, asked) = follow(vec![read(), step(put, 200, &stored(2, "8"))]);
    let written = store.put(handle(2), Precondition::Unchanged(Revision(7))).await;
    assert_eq!(written, Ok(Revision(8)));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[1]["metadata"]["resourceVersion"], "7");
    assert_eq!(asked[1]["metadata"]["annotations"], json!({ "theirs": "7" }));
    assert_eq!(asked[1]["spec"]["blocks"], json!({ "10.0.0.0/26": 2 }));
}

#[tokio::test]
async fn a_swap_of_something_older_writes_nothing() {
    let (store, asked) = follow(vec![read()]);
    let conflict = Error::Conflict { key: handle(1).key(), found: Some(Revision(7)) };
    assert_eq!(store.put(handle(2), Precondition::Unchanged(Revision(6))).await, Err(conflict));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_without_precondition_is_repeated_on_what_others_left() {
    let put = "PUT /apis/fabric.rs/v1/ipamhandles/9f2c.eth0";
    let newer = step("GET /apis/fabric.rs/v1/ipamhandles/9f2c.eth0", 200, &stored(5, "9"));
    let conflict = step(put, 409, &status(409, &Value::Null));
    let (store, asked) = follow(vec![read(), conflict, newer, step(put, 200, &stored(2, "10"))]);
    assert_eq!(store.put(handle(2), Precondition::None).await, Ok(Revision(10)));
    assert_eq!(asked.lock().unwrap()[3]["metadata"]["annotations"], json!({ "theirs": "9" }));
}

#[tokio::test]
async fn a_creation_finds_who_was_first() {
    let create = || step("POST /apis/fabric.rs/v1/ipamhandles?", 409, &status(409, &json!({ "name": "x" })));
    let gone = step("GET /apis/fabric.rs/v1/ipamhandles/", 404, &status(404, &json!({ "name": "x" })));
    // Gone again at once, and made again.
    let (store, _) = follow(vec![create(), gone, create(), read()]);
    let conflict = Error::Conflict { key: handle(1).key(), found: Some(Revision(7)) };
    assert_eq!(store.put(handle(2), Precondition::Absent).await, Err(conflict));
}

#[tokio::test]
async fn a_deletion_demands_what_the_caller_saw() {
    let delete = "DELETE /apis/fabric.rs/v1/ipamhandles/9f2c.eth0";
    let conflict = step(delete, 409, &status(409, &Value::Null));
    let (store, asked) = follow(vec![step(delete, 200, &status(0, &Value::Null)), conflict, read()]);
    let deletion = || vec![Write::delete(handle(1).key(), Precondition::Unchanged(Revision(6)))];
    assert_eq!(store.commit(deletion()).await, Ok(vec![Revision(6)]));
    assert_eq!(asked.lock().unwrap()[0], json!({ "preconditions": { "resourceVersion": "6" } }));
    let error = Error::Conflict { key: handle(1).key(), found: Some(Revision(7)) };
    assert_eq!(store.commit(deletion()).await, Err(CommitError { index: 0, done: 0, error }));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_when_it_says() {
    let busy = step("GET /apis", 429, &status(429, &json!({ "retryAfterSeconds": 7 })));
    let (store, _) = follow(vec![busy, read()]);
    let before = tokio::time::Instant::now();
    let found = store.get(&handle(1).key()).await.unwrap().unwrap();
    assert_eq!((found.revision, before.elapsed().as_secs()), (Revision(7), 7));
    // For as long as a caller waits at all.
    let busy = || step("GET /apis", 429, &status(429, &json!({ "retryAfterSeconds": 20 })));
    let (store, _) = follow(vec![busy(), busy()]);
    assert!(matches!(store.get(&handle(1).key()).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_page_goes_on_after_its_moment_is_forgotten() {
    let mut gone = status(410, &Value::Null);
    gone["metadata"] = json!({ "continue": "now" });
    let script = vec![
        step("GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=2&continue=then", 410, &gone),
        step(
            "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=2&continue=now",
            200,
            &page(&[], "9", ""),
        ),
    ];
    let (store, _) = follow(script);
    let query = Query {
        namespace: Some("shop".to_owned()),
        labels: [("app".to_owned(), "web".to_owned())].into(),
        limit: Some(2),
        after: Some(crate::Continue::new("then")),
    };
    let found = store.list_page(Kind::Pod, &query).await;
    assert_eq!(
        found,
        Ok(Page {
            revision: Revision(9),
            items: BTreeMap::new(),
            unreadable: crate::Unreadable::new(),
            next: None
        })
    );
}

#[tokio::test]
async fn a_whole_listing_is_of_one_moment() {
    let script = vec![
        step("GET /api/v1/pods?&limit=500", 200, &page(&[pod("old", "1")], "5", "then")),
        step("GET /api/v1/pods?&limit=500&continue=then", 410, &status(410, &Value::Null)),
        step("GET /api/v1/pods?&limit=500", 200, &page(&[pod("a", "6")], "8", "then")),
        step("GET /api/v1/pods?&limit=500&continue=then", 200, &page(&[pod("b", "7")], "8", "")),
    ];
    let (store, _) = follow(script);
    let listing = store.list(Kind::Pod).await.unwrap();
    assert_eq!(listing.revision, Revision(8));
    let names: Vec<&str> = listing.items.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

async fn watch_pods(
    store: &KubernetesStore,
    from: u64,
) -> Result<BoxStream<'static, Result<Change, Error>>, Error> {
    watch::watch(&store.api, &[Kind::Pod], Revision(from)).await
}

fn head(revision: &str) -> Step {
    step("GET /api/v1/pods?&limit=1", 200, &page(&[], revision, ""))
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let bookmark = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "resourceVersion": "12" } });
    let first = [
        json!({ "type": "ADDED", "object": pod("a", "10") }),
        json!({ "type": "DELETED", "object": pod("b", "11") }),
        json!({ "type": "BOOKMARK", "object": bookmark }),
    ];
    let script = vec![
        head("9"),
        events(
            "GET /api/v1/pods?&watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion=9",
            &first,
        ),
        head("12"),
        step("GET /api/v1/pods?&watch=true", 503, &status(503, &Value::Null)),
        head("12"),
        events(
            "GET /api/v1/pods?&watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion=12",
            &[json!({ "type": "MODIFIED", "object": pod("a", "13") })],
        ),
    ];
    let (store, _) = follow(script);
    let mut changes = watch_pods(&store, 9).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        let change = changes.next().await.unwrap().unwrap();
        let value = change.value.map(|value| value.revision);
        told.push((change.key.name, value, change.revision.0, change.resume.0));
    }
    let expected = [
        ("a".to_owned(), Some(Revision(10)), 10, 10),
        ("b".to_owned(), None, 11, 11),
        ("a".to_owned(), Some(Revision(13)), 13, 13),
    ];
    assert_eq!(told, expected);
    // Nobody answers any more: after some attempts that is said, and then nothing more.
    let error = changes.next().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Unavailable(what) if what.contains("cannot be reached")), "{error}");
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn a_position_that_is_lost_is_told() {
    let gone = json!({ "type": "ERROR", "object": status(410, &Value::Null) });
    // Ahead of the server; refused; and told in the watch.
    let (ahead, _) = follow(vec![head("8")]);
    assert_eq!(watch_pods(&ahead, 9).await.map(drop), Err(Error::Compacted { oldest: Revision(8) }));
    let refused = step("GET /api/v1/pods?&watch=true", 410, &status(410, &Value::Null));
    let (old, _) = follow(vec![head("20"), refused]);
    assert_eq!(watch_pods(&old, 9).await.map(drop), Err(Error::Compacted { oldest: Revision(20) }));
    let (later, _) = follow(vec![head("20"), events("GET /api/v1/pods?&watch=true", &[gone])]);
    let mut changes = watch_pods(&later, 9).await.unwrap();
    assert_eq!(changes.next().await, Some(Err(Error::Compacted { oldest: Revision(20) })));
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn missing_rights_and_definitions_end_a_watch_at_once() {
    let message = "User \"x\" cannot list resource \"pods\"";
    let mut forbidden = status(403, &json!({ "kind": "pods" }));
    forbidden["message"] = json!(message);
    let (store, _) = follow(vec![step("GET /api/v1/pods", 403, &forbidden)]);
    let Err(Error::Refused(what)) = watch_pods(&store, 9).await.map(drop) else { panic!("not refused") };
    assert_eq!(what, format!("may not list pods: {message}; grant it by a ClusterRole"));
}

fn not_served(request: &'static str) -> Step {
    step(request, 404, &status(404, &Value::Null))
}

fn namespaces(revision: &str) -> Step {
    step("GET /api/v1/namespaces?&limit=1", 200, &page(&[], revision, ""))
}

#[tokio::test]
async fn of_a_kind_that_need_not_be_served_there_is_none() {
    let all = "GET /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies?&limit=500";
    let one = "GET /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/deny";
    let (store, _) = follow(vec![not_served(all), namespaces("9"), not_served(one)]);
    let listing = store.list(Kind::ClusterNetworkPolicy).await.unwrap();
    assert_eq!((listing.revision, listing.items.len()), (Revision(9), 0));
    let key = Key::global(Kind::ClusterNetworkPolicy, "deny");
    assert_eq!(store.get(&key).await, Ok(None));
    // Who wants to write one is told what is missing; and of our own kinds none may be missing.
    let policy = json!({ "metadata": { "name": "deny" }, "spec": {} });
    let policy = Resource::decode(Kind::ClusterNetworkPolicy, policy).unwrap();
    let create = "POST /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies";
    let (store, _) = follow(vec![not_served(create), not_served("GET /apis/fabric.rs/v1/tiers")]);
    let Err(Error::Refused(what)) = store.put(policy, Precondition::Absent).await else { panic!() };
    assert!(what.contains("does not serve clusternetworkpolicies.policy.networking.k8s.io"), "{what}");
    let Err(Error::Refused(what)) = store.list(Kind::Tier).await else { panic!() };
    assert!(what.contains("definition of Tier is not installed"), "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_holds_nobody_up_and_is_found_when_it_is() {
    let watched = "GET /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies?&watch=true";
    let head = "GET /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies?&limit=1";
    let object =
        json!({ "metadata": { "name": "deny", "resourceVersion": "15" }, "spec": { "tier": "Admin" } });
    let script = vec![
        not_served(head),
        namespaces("9"),
        not_served(watched),
        // Later it is served, from where it was not.
        step(head, 200, &page(&[], "14", "")),
        events(
            "GET /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies?&watch=true&timeoutSeconds=290\
             &allowWatchBookmarks=true&resourceVersion=9",
            &[json!({ "type": "ADDED", "object": object })],
        ),
    ];
    let (store, _) = follow(script);
    let mut changes = watch::watch(&store.api, &[Kind::ClusterNetworkPolicy], Revision(7)).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!(
        (change.key.to_string(), change.resume),
        ("ClusterNetworkPolicy deny".to_owned(), Revision(15))
    );
}
