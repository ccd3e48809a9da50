//! Leaders on one store, on paused time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use datastore::WorkloadEndpoint;
use ipam::plan::Wanted;
use ipam::{Attributes, Configuration, Family, Pool};
use tokio::time::sleep;

use super::*;
use crate::config::Overrides;
use crate::ipam::Request;
use crate::ipam::testing::{Node, node};
use memory::{Line, Memory};

mod memory;

const GRACE: u32 = 60;
const INTERVAL: u32 = 10;

fn settings() -> GarbageCollection {
    GarbageCollection { interval_secs: INTERVAL, grace_period_secs: GRACE }
}

fn config() -> Arc<Config> {
    let text = include_str!("../../tests/fixtures/agent.yaml");
    let mut config = Config::parse("agent.yaml", text, &Overrides::default()).unwrap().config;
    config.ipam.garbage_collection = settings();
    Arc::new(config)
}

/// One agent's part in it.
struct Candidate {
    line: Arc<Line>,
    upkeep: Published,
    resign: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _config: watch::Sender<Arc<Config>>,
}

impl Candidate {
    fn start(memory: &Arc<Memory>, name: &str) -> Self {
        let line = Line::to(memory);
        let store: Arc<dyn Store> = Arc::<Line>::clone(&line);
        let (config, configured) = watch::channel(config());
        let (summary, upkeep) = watch::channel(Arc::default());
        let (resign, resigned) = oneshot::channel::<()>();
        let resigned = async {
            let _ = resigned.await;
        };
        let running = run(store, Known::new(name), configured, summary, Timing::default(), resigned);
        Self { line, upkeep, resign: Some(resign), task: tokio::spawn(running), _config: config }
    }

    fn leads(&self) -> bool {
        self.upkeep.borrow().leading
    }
}

async fn put(store: &dyn Store, resource: Resource) {
    store.put(resource, Precondition::None).await.unwrap();
}

async fn add_node(store: &dyn Store, name: &str) {
    let mut node = k8s_openapi::api::core::v1::Node::default();
    node.metadata.name = Some(name.to_owned());
    put(store, Resource::Node(Box::new(node))).await;
}

async fn add_endpoint(store: &dyn Store, node: &str, container: &str, addresses: Vec<IpAddr>) {
    let endpoint = WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: container.to_owned(),
        node: node.to_owned(),
        container_id: container.to_owned(),
        interface: "eth0".to_owned(),
        host_interface: format!("fab-{container}"),
        mac: String::new(),
        addresses,
        labels: BTreeMap::new(),
        netns: String::new(),
    };
    put(store, Resource::WorkloadEndpoint(Box::new(endpoint))).await;
}

/// A fabric of n1 and n2, with one pool, and addresses that do not rest.
async fn fabric(store: &Arc<dyn Store>) -> (Node, Node) {
    let configuration = Configuration { ip_cooldown_seconds: 0, ..Configuration::default() };
    put(store.as_ref(), Resource::IpamConfiguration(Box::new(configuration))).await;
    let pool = Pool::new("default", "10.0.0.0/16".parse().unwrap());
    put(store.as_ref(), Resource::IpPool(Box::new(pool))).await;
    for name in ["n1", "n2"] {
        add_node(store.as_ref(), name).await;
    }
    (node(store, "n1"), node(store, "n2"))
}

/// An address as a pod's interface gets it.
async fn attach(node: &Node, container: &str) -> Vec<IpAddr> {
    let attributes = Attributes { interface: "eth0".to_owned(), ..Attributes::default() };
    let (handle, wanted) = (format!("net.{container}.eth0"), vec![Wanted::Any(Family::V4)]);
    node.assign(Request { handle, attributes, wanted, ..Request::default() }).await.unwrap()
}

async fn handles(store: &dyn Store) -> BTreeSet<String> {
    store.list(Kind::IpamHandle).await.unwrap().items.into_keys().map(|key| key.name).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Two candidates, one of which is cut off from the store, then comes back, then dies: at no moment do both lead, and
/// somebody does again before long.
#[tokio::test(start_paused = true)]
async fn one_leads_whatever_happens() {
    let memory = Arc::<Memory>::default();
    let mut candidates = [Candidate::start(&memory, "n1"), Candidate::start(&memory, "n2")];
    let leader = |candidates: &[Candidate; 2]| {
        let leading: Vec<usize> = (0..2).filter(|index| candidates[*index].leads()).collect();
        assert!(leading.len() < 2, "both lead");
        leading.first().copied()
    };
    // How many of so many seconds somebody led, and who does in the end.
    let watch = async |candidates: &[Candidate; 2], seconds: u32| {
        let mut led = 0;
        for _ in 0..seconds * 4 {
            sleep(Duration::from_millis(250)).await;
            led += u32::from(leader(candidates).is_some());
        }
        (led / 4, leader(candidates))
    };
    let (_, first) = watch(&candidates, 60).await;
    let first = first.expect("somebody leads");
    let other = 1 - first;

    candidates[first].line.is_cut.store(true, Ordering::SeqCst);
    let (led, second) = watch(&candidates, 120).await;
    assert_eq!(second, Some(other), "the other takes over");
    assert!(led > 60);
    candidates[first].line.is_cut.store(false, Ordering::SeqCst);
    assert_eq!(watch(&candidates, 60).await, (60, Some(other)), "who is back waits");

    candidates[other].task.abort();
    sleep(Duration::from_secs(120)).await;
    assert!(candidates[first].leads(), "the lease of the dead expires");

    candidates[first].resign.take().unwrap().send(()).unwrap();
    (&mut candidates[first].task).await.unwrap();
    let third = Candidate::start(&memory, "n3");
    sleep(Duration::from_secs(5)).await;
    assert!(third.leads(), "what was given back is free at once");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_collected_and_what_lives_is_not() {
    let memory = Arc::<Memory>::default();
    let store: Arc<dyn Store> = Line::to(&memory);
    let (first, second) = fabric(&store).await;
    let live = attach(&first, "live").await;
    add_endpoint(store.as_ref(), "n1", "live", live).await;
    attach(&first, "leaked").await;
    let far = attach(&second, "far").await;
    add_endpoint(store.as_ref(), "n2", "far", far).await;
    let host =
        Request { handle: "host".to_owned(), wanted: vec![Wanted::Any(Family::V4)], ..Request::default() };
    first.assign(host).await.unwrap();

    let leader = Candidate::start(&memory, "n1");
    sleep(Duration::from_secs(u64::from(GRACE) - 10)).await;
    assert!(leader.leads());
    let all = names(&["net.live.eth0", "net.leaked.eth0", "net.far.eth0", "host"]);
    assert_eq!(handles(store.as_ref()).await, all, "not before the grace is over");
    assert_eq!(leader.upkeep.borrow().problems[&audit::Kind::LeakedAddress], 1);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(handles(store.as_ref()).await, names(&["net.live.eth0", "net.far.eth0", "host"]));
    assert_eq!(leader.upkeep.borrow().problems[&audit::Kind::LeakedAddress], 0);

    // A node that is gone takes what was on it along, its block and its endpoints.
    drop(second);
    store.delete(&Key::global(Kind::Node, "n2"), Precondition::None).await.unwrap();
    sleep(Duration::from_secs(400)).await;
    assert_eq!(handles(store.as_ref()).await, names(&["net.live.eth0", "host"]));
    let endpoints = store.list(Kind::WorkloadEndpoint).await.unwrap().items;
    assert_eq!(endpoints.keys().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["live"]);
    for kind in [Kind::IpamBlock, Kind::BlockAffinity] {
        let left = store.list(kind).await.unwrap().items;
        assert!(left.keys().all(|key| !key.name.starts_with("n2.")), "{left:?}");
    }
    let summary = Arc::clone(&leader.upkeep.borrow());
    assert_eq!((summary.collected.handles, summary.collected.addresses), (2, 2));
    assert_eq!((summary.collected.endpoints, summary.failed), (1, 0));
    assert!(summary.collected.claims >= 1);
    assert!(summary.problems.values().all(|count| *count == 0), "{:?}", summary.problems);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pool_goes_with_its_last_address() {
    let memory = Arc::<Memory>::default();
    let store: Arc<dyn Store> = Line::to(&memory);
    let (first, _second) = fabric(&store).await;
    let live = attach(&first, "live").await;
    add_endpoint(store.as_ref(), "n1", "live", live).await;
    assert!(pools::mark(store.as_ref(), "default").await.unwrap());
    let waiting = pools::retire(store.as_ref(), "default").await.unwrap();
    assert_eq!(waiting.to_string(), "deleting: 1 of its addresses in use");
    let leader = Candidate::start(&memory, "n1");
    sleep(Duration::from_secs(120)).await;
    let key = Key::global(Kind::IpPool, "default");
    assert!(store.get(&key).await.unwrap().is_some(), "an address is in use");
    first.release("net.live.eth0").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(store.get(&key).await.unwrap(), None);
    for kind in [Kind::IpamBlock, Kind::BlockAffinity, Kind::IpamHandle] {
        assert!(store.list(kind).await.unwrap().items.is_empty(), "{kind}");
    }
    assert_eq!(leader.upkeep.borrow().collected.pools, 1);
}

/// Somebody may turn up between the look and the deed.
#[tokio::test(start_paused = true)]
async fn who_turns_up_late_is_spared() {
    let memory = Arc::<Memory>::default();
    let store: Arc<dyn Store> = Line::to(&memory);
    let (first, _second) = fabric(&store).await;
    let late = attach(&first, "late").await;
    attach(&first, "leaked").await;
    let elector = Elector::start(Arc::clone(&store), LEASE, "n1", Timing::default());
    elector.leadership().wait_for(|_| elector.is_leader()).await.unwrap();
    let (published, _) = watch::channel(Arc::default());
    let mut term = Term::new(store.as_ref(), &first.known, &elector, &published, &settings());

    let mut now = Duration::ZERO;
    let mut see = async |term: &mut Term<'_>| {
        let Look { gathered, .. } = look(list(store.as_ref(), &facts::KINDS).await.unwrap());
        now += Duration::from_secs(20);
        (term.collector.observe(&gathered.index, &gathered.facts, now), gathered.facts)
    };
    let mut due = see(&mut term).await;
    while due.0.is_empty() {
        due = see(&mut term).await;
    }
    assert_eq!(due.0.len(), 2);
    add_endpoint(store.as_ref(), "n1", "late", late).await;
    term.collect(due.0.clone(), &due.1).await.unwrap();
    assert_eq!(handles(store.as_ref()).await, names(&["net.late.eth0"]));

    // A node that has come since may hold what no endpoint tells.
    attach(&first, "again").await;
    let mut due = see(&mut term).await;
    while due.0.is_empty() {
        due = see(&mut term).await;
    }
    add_node(store.as_ref(), "n3").await;
    term.collect(due.0, &due.1).await.unwrap();
    assert_eq!(handles(store.as_ref()).await, names(&["net.late.eth0", "net.again.eth0"]));
}

/// Without a lease, nothing is written.
#[tokio::test(start_paused = true)]
async fn who_lost_the_lease_does_nothing() {
    let memory = Arc::<Memory>::default();
    let store: Arc<dyn Store> = Line::to(&memory);
    let (first, _second) = fabric(&store).await;
    attach(&first, "leaked").await;
    pools::mark(store.as_ref(), "default").await.unwrap();
    let other = Elector::start(Arc::clone(&store), LEASE, "n2", Timing::default());
    other.leadership().wait_for(|_| other.is_leader()).await.unwrap();
    let elector = Elector::start(Arc::clone(&store), LEASE, "n1", Timing::default());
    let (published, _) = watch::channel(Arc::default());
    let mut term = Term::new(store.as_ref(), &first.known, &elector, &published, &settings());
    for _ in 0..20 {
        sleep(Duration::from_secs(20)).await;
        term.round().await.unwrap();
    }
    assert!(!elector.is_leader() && other.is_leader());
    assert_eq!(handles(store.as_ref()).await, names(&["net.leaked.eth0"]));
    assert_eq!(published.borrow().collected, summary::Collected::default());
    assert!(published.borrow().problems[&audit::Kind::LeakedAddress] > 0, "looking is free");
}
