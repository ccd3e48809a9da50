use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::etcd::server::EtcdServer;
use crate::store::{Change, CommitError, Listing, Page, Precondition, Query, Store, Versioned, Write};
use crate::{EtcdStore, SqliteStore};

fn manifest(kind: Kind, value: serde_json::Value) -> Resource {
    Resource::decode(kind, value).unwrap()
}

/// A pod with all that belongs to it, told apart by the number.
fn workload(index: u32, text: &str) -> Vec<Resource> {
    let (node, name) = (format!("n{}", index % 40), format!("pod-{index}"));
    let space = format!("space-{}", index % 7);
    let handle = format!("{index:064x}.eth0/{text}");
    let cidr: ipnetwork::IpNetwork =
        format!("{}/26", Ipv4Addr::from(0x0a00_0000 + index * 64)).parse().unwrap();
    let attributes =
        ipam::Attributes { node: node.clone(), pod: name.clone(), ..ipam::Attributes::default() };
    let now = ipam::Timestamp(1_700_000_000_000);
    let block = ipam::Block::new(cidr, &node, now).unwrap();
    let block = block.taking(cidr.ip(), &handle, &attributes, now, Duration::ZERO).unwrap();
    let metadata = json!({ "name": name, "namespace": space, "labels": { "text": text } });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": "Running" } });
    let endpoint = json!({ "apiVersion": "fabric.rs/v1", "kind": "WorkloadEndpoint", "metadata": metadata,
        "spec": { "namespace": space, "name": name, "node": node, "containerId": format!("c{index}"),
            "interface": "eth0", "hostInterface": format!("fab{index}"), "mac": "02:00:00:00:00:01",
            "addresses": [cidr.ip()], "labels": { "text": text }, "netns": "/run/netns/x" } });
    vec![
        manifest(Kind::Pod, pod),
        manifest(Kind::WorkloadEndpoint, endpoint),
        Resource::IpamHandle(Box::new(ipam::Handle { id: handle, blocks: [(cidr, 1)].into() })),
        Resource::IpamBlock(Box::new(block)),
        Resource::BlockAffinity(Box::new(ipam::Affinity {
            node,
            cidr,
            state: ipam::AffinityState::Confirmed,
        })),
    ]
}

/// What belongs to no pod.
fn surroundings() -> Vec<Resource> {
    let policy = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "deny", "namespace": "space-1" }, "spec": { "podSelector": {} } });
    let pool = json!({ "metadata": { "name": "default" }, "spec": { "cidr": "10.0.0.0/8" } });
    let reservation =
        json!({ "metadata": { "name": "routers" }, "spec": { "reservedCIDRs": ["10.9.0.0/30"] } });
    let named = |spec: serde_json::Value| json!({ "metadata": { "name": "p", "labels": { "a": "b" } }, "spec": spec });
    let ours = json!({ "apiVersion": "fabric.rs/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "deny", "namespace": "space-1" },
        "spec": { "tier": "security", "order": 1.5, "egress": [{ "action": "Deny", "newer": { "than": "this" } }] } });
    vec![
        manifest(Kind::FabricNetworkPolicy, ours),
        manifest(Kind::Tier, named(json!({ "order": 10 }))),
        manifest(Kind::ClusterNetworkPolicy, named(json!({ "tier": "Admin", "subject": { "newer": {} } }))),
        manifest(Kind::GlobalNetworkPolicy, named(json!({ "selector": "has(a)" }))),
        manifest(Kind::StagedGlobalNetworkPolicy, named(json!({ "stagedAction": "Delete" }))),
        manifest(Kind::GlobalNetworkSet, named(json!({ "nets": ["10.0.0.0/8"] }))),
        manifest(Kind::HostEndpoint, named(json!({ "node": "n1", "interfaceName": "*" }))),
        manifest(Kind::NetworkPolicy, policy),
        manifest(Kind::IpPool, pool),
        manifest(Kind::IpReservation, reservation),
        Resource::IpamConfiguration(Box::default()),
        manifest(Kind::Node, json!({ "metadata": { "name": "n1", "labels": { "rack": "a" } } })),
        manifest(Kind::Namespace, json!({ "metadata": { "name": "space-1" } })),
    ]
}

fn resources(workloads: u32, text: &str) -> Vec<Resource> {
    let workloads = (0..workloads).flat_map(|index| workload(index, text));
    workloads.chain(surroundings()).collect()
}

async fn sqlite(directory: &Path, name: &str) -> SqliteStore {
    SqliteStore::open(&directory.join(name)).await.unwrap()
}

async fn fill(store: &dyn Store, resources: Vec<Resource>) {
    let writes = resources.into_iter().map(|resource| Write::put(resource, Precondition::None));
    store.commit(writes.collect()).await.unwrap();
}

fn text(archive: &Archive) -> String {
    archive.lines().map(|line| line.unwrap() + "\n").collect()
}

/// All but the header, which says the revision of one store.
fn body(archive: &Archive) -> String {
    text(archive).split_once('\n').unwrap().1.to_owned()
}

async fn copy(from: &dyn Store, to: &dyn Store) -> Difference {
    let archive = export(from, &KINDS).await.unwrap();
    let parsed = Archive::parse(text(&archive).lines()).unwrap();
    assert_eq!(parsed, archive);
    let mut told = Vec::new();
    let done = import(to, &parsed, &KINDS, false, &mut |progress| told.push(progress)).await.unwrap();
    assert!(told.is_sorted_by_key(|progress| progress.written));
    assert_eq!(told.last().map(|last| last.written), told.last().map(|last| last.total));
    assert_eq!(body(&export(to, &KINDS).await.unwrap()), body(&archive));
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_objects_go_from_backend_to_backend_and_back() {
    let directory = TempDir::new().unwrap();
    let server = EtcdServer::start();
    let first = sqlite(directory.path(), "first.db").await;
    let etcd = EtcdStore::open(&server.options("fabric")).await.unwrap();
    let last = sqlite(directory.path(), "last.db").await;
    let all = resources(2000, "a%2F/b c");
    let count = all.len();
    assert!(count > 10_000);
    fill(&first, all).await;
    assert_eq!(copy(&first, &etcd).await.created.len(), count);
    assert_eq!(copy(&etcd, &last).await.created.len(), count);
    // And once more: there is nothing to do.
    let again = copy(&last, &etcd).await;
    assert_eq!(again, Difference { unchanged: count, ..Difference::default() });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_store_comes_back(workloads in 0_u32..20, label in "[^\\x00]{0,12}", also in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new().unwrap();
            let (from, to) = (sqlite(directory.path(), "a").await, sqlite(directory.path(), "b").await);
            let all = resources(workloads, &label);
            fill(&from, all.clone()).await;
            // Something may be there already.
            let there = if also { all.len() / 2 } else { 0 };
            fill(&to, all[..there].to_vec()).await;
            let done = copy(&from, &to).await;
            assert_eq!((done.created.len(), done.unchanged), (all.len() - there, there));
        });
    }
}

#[tokio::test]
async fn what_differs_is_replaced_only_if_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let (from, to) = (sqlite(directory.path(), "a").await, sqlite(directory.path(), "b").await);
    fill(&from, resources(3, "new")).await;
    fill(&to, workload(1, "old")).await;
    fill(&to, workload(7, "old")).await;
    let archive = export(&from, &KINDS).await.unwrap();
    let before = to.snapshot(&Kind::ALL).await.unwrap();
    let mut silent = |_| {};
    let refused = import(&to, &archive, &KINDS, false, &mut silent).await.unwrap_err();
    // Handles are called differently, hence new ones.
    let ImportError::Different(keys) = &refused else { panic!("{refused}") };
    let shown: Vec<String> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["Pod space-1/pod-1", "IPAMBlock 10-0-0-64-26", "WorkloadEndpoint space-1/pod-1"]);
    assert!(
        refused
            .to_string()
            .starts_with("3 resources are in the datastore already and differ, Pod space-1/pod-1")
    );
    assert_eq!(to.snapshot(&Kind::ALL).await.unwrap(), before);
    // Only what is asked for.
    let done = import(&to, &archive, &[Kind::IpPool, Kind::Node], false, &mut silent).await.unwrap();
    assert_eq!((done.created.len(), done.skipped), (2, archive.resources().len() - 2));
    let done = import(&to, &archive, &KINDS, true, &mut silent).await.unwrap();
    assert_eq!((done.replaced.len(), done.others), (3, 6));
    let left = compare(&to, &archive, &KINDS).await.unwrap();
    assert_eq!((left.created.len(), left.replaced.len()), (0, 0));
}

#[tokio::test]
async fn leases_and_what_holds_in_one_cluster_stay_behind() {
    let directory = TempDir::new().unwrap();
    let (from, to) = (sqlite(directory.path(), "a").await, sqlite(directory.path(), "b").await);
    let lease = json!({ "metadata": { "name": "gc", "namespace": "fabric-system" }, "spec": { "holderIdentity": "a" } });
    let metadata = json!({ "name": "shop", "uid": "u1", "resourceVersion": "7", "generation": 2,
        "creationTimestamp": "2024-01-01T00:00:00Z", "labels": { "a": "b" } });
    let space = manifest(Kind::Namespace, json!({ "metadata": metadata }));
    fill(&from, vec![manifest(Kind::Lease, lease), space.clone()]).await;
    let archive = export(&from, &Kind::ALL).await.unwrap();
    assert_eq!(
        body(&archive),
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"labels\":{\"a\":\"b\"},\"name\":\"shop\"}}\n"
    );
    // The same object of another cluster is the same.
    fill(&to, vec![space]).await;
    assert_eq!(compare(&to, &archive, &KINDS).await.unwrap().unchanged, 1);
}

/// A store that fails after so many commits, and counts what was done in each.
#[derive(Debug)]
struct Failing {
    inner: SqliteStore,
    left: AtomicUsize,
}

impl Store for Failing {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>> {
        self.inner.get(key)
    }

    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>> {
        self.inner.list_page(kind, query)
    }

    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let error = Error::Unavailable("gone".to_owned());
            return async { Err(CommitError { index: 0, done: 0, error }) }.boxed();
        }
        self.inner.commit(writes)
    }

    fn is_atomic(&self) -> bool {
        true
    }

    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        self.inner.watch(from)
    }
}

/// Whether what is there can be left so.
fn assert_safe(listing: &Listing) {
    let of = |kind| listing.items.values().filter(move |item| item.resource.kind() == kind);
    let handles: BTreeSet<String> = of(Kind::IpamHandle).map(|item| item.resource.key().name).collect();
    let pods: BTreeSet<String> = of(Kind::Pod).map(|item| item.resource.key().name).collect();
    for item in of(Kind::IpamBlock) {
        let Resource::IpamBlock(block) = &item.resource else { continue };
        for (_, allocation) in block.allocations() {
            assert!(handles.contains(&allocation.handle), "{} has no handle", allocation.handle);
            assert!(pods.contains(&allocation.attributes.pod), "{} is collected", allocation.attributes.pod);
        }
    }
    let blocks = of(Kind::IpamBlock).count();
    assert!(of(Kind::IpPool).count() == 0 || blocks == 60, "addresses may be given twice");
    assert!(pods.is_empty() || of(Kind::NetworkPolicy).count() == 1, "pods without their policy");
}

#[tokio::test]
async fn an_import_may_stop_anywhere_and_be_repeated() {
    let directory = TempDir::new().unwrap();
    let archive = Archive::new(Revision(1), resources(60, "x"));
    let store = Arc::new(Failing { inner: sqlite(directory.path(), "b").await, left: AtomicUsize::new(0) });
    let mut silent = |_| {};
    let mut interruptions = 0;
    loop {
        // A transaction more than the last time got done.
        store.left.store(1, Ordering::Relaxed);
        let done = import(store.as_ref(), &archive, &KINDS, false, &mut silent).await;
        assert_safe(&store.snapshot(&KINDS).await.unwrap());
        match done {
            Ok(_) => break,
            Err(ImportError::Interrupted { progress, error: Error::Unavailable(_) }) => {
                assert!(progress.written == ATOMIC && progress.total > ATOMIC, "{progress:?}");
                interruptions += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(interruptions, archive.resources().len().div_ceil(ATOMIC) - 1);
    assert_eq!(body(&export(store.as_ref(), &KINDS).await.unwrap()), body(&archive));
}

const ATOMIC: usize = crate::ATOMIC_WRITES;

fn good() -> String {
    text(&Archive::new(Revision(7), resources(2, "x")))
}

fn problems(text: &str) -> String {
    let problems = Archive::parse(text.lines()).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_that_is_wrong_is_said_by_line() {
    let good = good();
    assert_eq!(good.lines().count(), 24);
    for (line, complaint) in [
        (
            "",
            "line 23: after it the archive is not what its header says: 1 of kind WorkloadEndpoint instead of 2",
        ),
        ("{", "line 3: is no JSON"),
        ("{\"kind\":\"Deployment\"}", "line 3: has the unknown kind Deployment"),
        ("{\"metadata\":{}}", "line 3: has no kind"),
        ("{\"kind\":\"Lease\"}", "line 3: is a Lease, which holds only where it was written"),
        ("{\"kind\":\"Pod\",\"apiVersion\":\"v2\"}", "line 3: has not apiVersion v1"),
        ("{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", "line 3: is a Pod without metadata.name"),
        (
            "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
            "line 3: is a Pod, which must have metadata.namespace",
        ),
        (
            "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}}",
            "line 3: is a Node, which cannot have metadata.namespace",
        ),
        (
            "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"color\":1}}",
            "line 3: Node a has spec.color, which this version does not know",
        ),
        (
            "{\"kind\":\"IPPool\",\"apiVersion\":\"fabric.rs/v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"cidr\":\"x\"}}",
            "line 3: IPPool a: ",
        ),
    ] {
        let mut lines: Vec<&str> = good.lines().collect();
        if line.is_empty() {
            lines.pop();
        } else {
            lines[2] = line;
        }
        let found = problems(&lines.join("\n"));
        assert!(found.starts_with(complaint), "{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_said_too() {
    let good = good();
    assert!(
        good.starts_with("{\"fabricExport\":1,\"revision\":7,\"counts\":{\"BlockAffinity\":2,"),
        "{good}"
    );
    assert!(Archive::parse(good.replace('\n', "\r\n\n").lines()).is_ok());
    let twice = format!("{good}{}\n", good.lines().nth(4).unwrap());
    assert!(problems(&twice).contains("is in line 5 already"), "{}", problems(&twice));
    let renamed = good.replace("\"name\":\"10-0-0-64-26\"", "\"name\":\"10-0-9-64-26\"");
    assert!(
        problems(&renamed).contains("is called IPAMBlock 10-0-9-64-26, but holds IPAMBlock 10-0-0-64-26"),
        "{}",
        problems(&renamed)
    );
    for (header, complaint) in [
        ("", "line 1: is missing: the archive is empty"),
        ("hello", "line 1: is no JSON"),
        ("{\"kind\":\"Pod\"}", "line 1: is no header of an export of Fabric"),
        ("{\"fabricExport\":2}", "line 1: is of an export in format 2, and this program knows 1"),
        ("{\"fabricExport\":1,\"revision\":-1,\"counts\":{}}", "line 1: is a damaged header"),
    ] {
        assert!(problems(header).starts_with(complaint), "{}", problems(header));
    }
    assert_eq!(
        Archive::parse(["{\"fabricExport\":1,\"revision\":9,\"counts\":{}}"]).unwrap().resources(),
        []
    );
    // So many and no more.
    let nonsense = format!("{}\n{}", good.lines().next().unwrap(), "x\n".repeat(10_000));
    assert_eq!(Archive::parse(nonsense.lines()).unwrap_err().len(), crate::document::LIMIT);
}
