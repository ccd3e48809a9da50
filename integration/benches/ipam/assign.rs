//! Assignments that survive, through the agent's gRPC and without an agent.
//!
//! Without an agent, each writer has blocks of its own, and commits what the planner would have an agent commit, planned
//! beforehand: the handle, which must not be there, and the block, which must be as it was; every 64th time
//! the next block's claim. With an agent, each client has a connection of its own, and asks for one IPv4 address for a
//! new handle. Both wait for each answer before they go on, and all begin at once.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use datastore::{EtcdStore, Key, Precondition, Resource, Revision, SqliteStore, Store, etcd};
use integration::fleet::Backend;
use integration::measure::{Sorted, sorted};
use integration::node::settings::Datastore;
use ipam::plan::{Batch, Outcome, Request, Task, Wanted};
use ipam::{Attributes, Configuration, Family, Pool, Snapshot, Timestamp};
use ipnetwork::IpNetwork;
use proto::v1::AssignRequest;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::report::{Goal, Measure, Report};
use crate::site::Site;

const BARE: &str = "datastore alone";

/// Before the clock runs: connections and statements are made once.
const WARM_UP: usize = 8;

/// Measures both, one after the other.
pub fn compare(target: &Path, backend: Backend, clients: usize, report: &mut Report) -> Result<()> {
    let row = format!("{backend:?}: assignments, {clients} at once");
    let each = (total(backend, clients) / clients).max(10);
    let bare = without_agent(&Site::new(target, backend)?, clients, each)?;
    report.add(&row, BARE, Measure::Rate, bare.rate);
    report.add(&row, BARE, Measure::Median, bare.took.pick(500).context("no samples")?);
    report.add(&row, BARE, Measure::P99, bare.took.pick(990).context("no samples")?);
    let mut site = Site::new(target, backend)?;
    site.start_agent()?;
    let ours = with_agent(&site, clients, each)?;
    report.add_ours(&row, Measure::Rate, Goal::AtLeast(0.7, BARE), ours.rate);
    report.add(&row, crate::report::OURS, Measure::Median, ours.took.pick(500).context("no samples")?);
    let p99 = ours.took.pick(990).context("no samples")?;
    report.add_ours(&row, Measure::P99, Goal::Below(5.0, BARE), p99);
    Ok(())
}

/// Enough for a second or two.
fn total(backend: Backend, clients: usize) -> usize {
    match (backend, clients) {
        (Backend::Sqlite, 1) => 3_000,
        (Backend::Sqlite, _) => 12_000,
        (Backend::Etcd, 1) => 800,
        (Backend::Etcd, _) => 4_000,
    }
}

/// What came of it.
struct Figures {
    rate: f64,
    took: Sorted,
}

impl Figures {
    fn of(all: Duration, each: Vec<Vec<Duration>>) -> Self {
        let count = each.iter().map(Vec::len).sum::<usize>();
        let took = sorted(each.into_iter().flatten().map(|took| took.as_secs_f64()));
        Self { rate: count as f64 / all.as_secs_f64(), took }
    }
}

/// Lets all that were spawned begin at once, and waits for them. They meet at the barrier when they are warm.
async fn race(mut set: JoinSet<Result<Vec<Duration>>>, start: &Barrier) -> Result<Figures> {
    start.wait().await;
    let began = Instant::now();
    let mut each = Vec::new();
    while let Some(done) = set.join_next().await {
        each.push(done??);
    }
    Ok(Figures::of(began.elapsed(), each))
}

fn with_agent(site: &Site, clients: usize, each: usize) -> Result<Figures> {
    site.runtime()?.block_on(async {
        let start = Arc::new(Barrier::new(clients + 1));
        let mut set = JoinSet::new();
        for number in 0..clients {
            let (mut client, start) = (site.connect().await?, Arc::clone(&start));
            set.spawn(async move {
                let mut took = Vec::with_capacity(each);
                for serial in 0..WARM_UP + each {
                    if serial == WARM_UP {
                        start.wait().await;
                    }
                    let handle = handle(number, serial);
                    let request = AssignRequest { handle, ipv4: 1, ..AssignRequest::default() };
                    let began = Instant::now();
                    let answer = client.assign(request).await?.into_inner();
                    if serial >= WARM_UP {
                        took.push(began.elapsed());
                    }
                    if answer.allocations.len() != 1 {
                        bail!("asked for one address: {answer:?}");
                    }
                }
                Ok(took)
            });
        }
        race(set, &start).await
    })
}

fn without_agent(site: &Site, writers: usize, each: usize) -> Result<Figures> {
    let datastore = site.datastore()?;
    let plans: Vec<Vec<Step>> =
        (0..writers).map(|number| plan(number, WARM_UP + each)).collect::<Result<_>>()?;
    site.runtime()?.block_on(async {
        let store = open(&datastore).await?;
        let start = Arc::new(Barrier::new(writers + 1));
        let mut set = JoinSet::new();
        for plan in plans {
            let (store, start) = (Arc::clone(&store), Arc::clone(&start));
            set.spawn(async move {
                let mut took = Vec::with_capacity(each);
                let mut revisions = HashMap::new();
                for (serial, step) in plan.into_iter().enumerate() {
                    if serial == WARM_UP {
                        start.wait().await;
                    }
                    let began = Instant::now();
                    for writes in step {
                        commit(store.as_ref(), writes, &mut revisions).await?;
                    }
                    if serial >= WARM_UP {
                        took.push(began.elapsed());
                    }
                }
                Ok(took)
            });
        }
        race(set, &start).await
    })
}

/// Opens it as an agent would.
pub async fn open(datastore: &Datastore) -> Result<Arc<dyn Store>> {
    Ok(match datastore.clone() {
        Datastore::Sqlite(path) => Arc::new(SqliteStore::open(&path).await?),
        Datastore::Etcd { endpoints, prefix } => {
            let options = etcd::Options { endpoints, prefix, tls: None, credentials: None };
            Arc::new(EtcdStore::open(&options).await?)
        }
    })
}

/// What is to be written, but for the revisions that must be there.
type Blind = (Key, bool, Option<Resource>);

/// The commits of one assignment: most often one.
type Step = Vec<Vec<Blind>>;

async fn commit(store: &dyn Store, writes: Vec<Blind>, revisions: &mut HashMap<Key, Revision>) -> Result<()> {
    let keys: Vec<Key> = writes.iter().map(|(key, _, _)| key.clone()).collect();
    let write = |(key, is_new, value): Blind| {
        let known = revisions.get(&key).copied().filter(|_| !is_new);
        let precondition = known.map_or(Precondition::Absent, Precondition::Unchanged);
        datastore::Write { key, precondition, value }
    };
    let writes = writes.into_iter().map(write).collect();
    let written = store.commit(writes).await?;
    revisions.extend(keys.into_iter().zip(written));
    Ok(())
}

/// Plans so many assignments of one writer, each on what the ones before it leave.
fn plan(writer: usize, count: usize) -> Result<Vec<Step>> {
    let octet = u8::try_from(writer).context("too many writers")?;
    let cidr = IpNetwork::new(Ipv4Addr::new(10, octet, 0, 0).into(), 16)?;
    let node = format!("writer{writer}");
    let mut snapshot = Snapshot::all();
    snapshot.set_pools([Pool::new(node.clone(), cidr)]);
    snapshot.set_configuration(Configuration { max_blocks_per_host: 100_000, ..Configuration::default() });
    (0..count)
        .map(|serial| {
            let request = Request {
                node: node.clone(),
                handle: handle(writer, serial),
                attributes: Attributes { node: node.clone(), ..Attributes::default() },
                wanted: vec![Wanted::Any(Family::V4)],
                now: Timestamp(1_735_689_600_000),
                ..Request::default()
            };
            steps(&mut snapshot, &Task::Assign(Box::new(request)))
        })
        .collect()
}

fn steps(snapshot: &mut Snapshot, task: &Task) -> Result<Step> {
    let mut steps = Vec::new();
    loop {
        let Batch { writes, answers } = Batch::plan(snapshot, [task]);
        let blind = |write: &ipam::Write| {
            (Key::from(&write.key), write.expected.is_none(), write.value.clone().map(Resource::from))
        };
        steps.push(writes.iter().map(blind).collect());
        for write in &writes {
            snapshot.apply(write, ipam::Revision(1));
        }
        match answers.first().map(|answer| &answer.outcome) {
            Some(Outcome::Assigned(_)) => return Ok(steps),
            Some(Outcome::Again) => {}
            other => bail!("the planner assigns nothing: {other:?}"),
        }
    }
}

/// As long as a container's.
fn handle(number: usize, serial: usize) -> String {
    format!("fabric.{number:032x}{serial:032x}.eth0")
}
