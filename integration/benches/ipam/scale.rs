//! Many addresses: 50 in use of each block of 64, five blocks to a node, as a fabric of 250 pods a node has it.
//!
//! They are written straight into an SQLite file, each with the handle that holds it and for a pod of its own; endpoints
//! are left out, and so the check counts as many fewer records. The agent is started on an empty datastore and on the full
//! one, and its resident memory compared when it answers. A quarter of all is measured as well: what a check takes of
//! each address must not grow with their number.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use datastore::{Precondition, Resource, SqliteStore, Store, Write};
use integration::eventually::eventually;
use integration::fleet::Backend;
use integration::measure::{self, sorted};
use integration::random::Random;
use ipam::{Affinity, AffinityState, Block, Handle};
use k8s_openapi::api::core::v1::Node;
use proto::v1::check_response::Step;
use proto::v1::ipam_client::IpamClient;
use proto::v1::{CheckRequest, ListAllocationsRequest, ListPoolsRequest, WhoHasRequest};
use serde_json::json;
use tonic::transport::Channel;

use crate::report::{Goal, Measure, OURS, Report};
use crate::site::{BLOCK, PATIENCE, Site};

/// Addresses in use of each block.
const USED: u32 = 50;

/// Blocks of a node.
const BLOCKS: u32 = 5;

/// Questions of a sample.
const QUESTIONS: usize = 2_000;
const LISTS: usize = 200;
const CHECKS: usize = 5;

/// How long an agent that answers is left alone before its memory is read, so that what a listing took can be given back.
const REST: Duration = Duration::from_secs(2);

/// How many writes go into a commit.
const AT_ONCE: usize = datastore::ATOMIC_WRITES;

/// Who a check of a quarter is compared as.
const QUARTER: &str = "agent, a quarter of it";

/// Measures all of it.
pub fn measure(target: &Path, blocks: u32, report: &mut Report) -> Result<()> {
    let addresses = blocks * USED;
    let row = format!("{addresses} addresses in {blocks} blocks");
    let quarter = check_alone(target, blocks / 4)?;

    let mut site = Site::new(target, Backend::Sqlite)?;
    site.start_agent()?;
    std::thread::sleep(REST);
    let empty = measure::read_resident(site.agent_pid()?)?;
    site.fleet.nodes.first_mut().context("no node")?.kill_agent()?;
    fill(&site, blocks)?;
    start_full(&mut site, addresses)?;
    std::thread::sleep(REST);
    let full = measure::read_resident(site.agent_pid()?)?;
    report.add(&format!("{row}: memory"), OURS, Measure::Octets, (full - empty) / f64::from(addresses));

    site.runtime()?.block_on(async {
        let mut client = site.connect().await?;
        who_has(&mut client, blocks, &format!("{row}: who has one"), report).await?;
        one_node(&mut client, blocks, &format!("{row}: what one node has ({})", BLOCKS * USED), report)
            .await?;
        let checked = check(&mut client, addresses).await?;
        report.add(&format!("{row}: a full check"), OURS, Measure::Time, checked);
        let each = format!("{row}: a full check, for each address");
        report.add(&each, QUARTER, Measure::Time, quarter / f64::from(blocks / 4 * USED));
        report.add_ours(&each, Measure::Time, Goal::Below(1.5, QUARTER), checked / f64::from(addresses));
        Ok(())
    })
}

fn check_alone(target: &Path, blocks: u32) -> Result<f64> {
    let mut site = Site::new(target, Backend::Sqlite)?;
    site.start_agent()?;
    site.fleet.nodes.first_mut().context("no node")?.kill_agent()?;
    fill(&site, blocks)?;
    start_full(&mut site, blocks * USED)?;
    site.runtime()?.block_on(async { check(&mut site.connect().await?, blocks * USED).await })
}

/// Starts the agent and waits until it knows everything.
fn start_full(site: &mut Site, addresses: u32) -> Result<()> {
    let node = site.fleet.nodes.first_mut().context("no node")?;
    node.start_agent()?;
    let runtime = site.runtime()?;
    eventually("the agent knows all addresses", PATIENCE, || {
        let answer = runtime.block_on(async {
            let answer = site.connect().await?.list_pools(ListPoolsRequest {}).await?;
            anyhow::Ok(answer.into_inner())
        })?;
        let used: u64 = answer.pools.iter().map(|pool| pool.addresses_used).sum();
        ensure!(used == u64::from(addresses), "{used} of {addresses}");
        Ok(())
    })
}

async fn who_has(
    client: &mut IpamClient<Channel>,
    blocks: u32,
    row: &str,
    report: &mut Report,
) -> Result<()> {
    let mut random = Random(1);
    let mut took = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let (block, ordinal) = (random.below(blocks), random.below(USED));
        let request = WhoHasRequest { address: address(block, ordinal).to_string() };
        let began = Instant::now();
        let answer = client.who_has(request).await?.into_inner();
        took.push(began.elapsed().as_secs_f64());
        let holder = answer.allocation.context("nobody")?.handle;
        ensure!(holder == handle(block, ordinal), "{holder} has it");
    }
    add_latency(row, took, report)
}

async fn one_node(
    client: &mut IpamClient<Channel>,
    blocks: u32,
    row: &str,
    report: &mut Report,
) -> Result<()> {
    let mut random = Random(1);
    let mut took = Vec::with_capacity(LISTS);
    for _ in 0..LISTS {
        let node = node(random.below(blocks / BLOCKS));
        let began = Instant::now();
        let (mut found, mut page_token) = (0, String::new());
        loop {
            let request = ListAllocationsRequest {
                node: node.clone(),
                page_token: std::mem::take(&mut page_token),
                ..ListAllocationsRequest::default()
            };
            let answer = client.list_allocations(request).await?.into_inner();
            found += answer.allocations.len();
            if answer.next_page_token.is_empty() {
                break;
            }
            page_token = answer.next_page_token;
        }
        took.push(began.elapsed().as_secs_f64());
        ensure!(found == (BLOCKS * USED) as usize, "{node} has {found}");
    }
    add_latency(row, took, report)
}

fn add_latency(row: &str, took: Vec<f64>, report: &mut Report) -> Result<()> {
    let took = sorted(took);
    let median = took.pick(500).context("no samples")?;
    report.add_ours(row, Measure::Median, Goal::Under(0.001), median);
    report.add(row, OURS, Measure::P99, took.pick(990).context("no samples")?);
    Ok(())
}

/// How long a check takes, from the request to its report; the median of some.
async fn check(client: &mut IpamClient<Channel>, addresses: u32) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..CHECKS {
        let began = Instant::now();
        let mut steps = client.check(CheckRequest {}).await?.into_inner();
        let report = loop {
            match steps.message().await?.and_then(|answer| answer.step) {
                Some(Step::Progress(_)) => {}
                Some(Step::Report(report)) => break report,
                None => bail!("the check ended without a report"),
            }
        };
        took.push(began.elapsed().as_secs_f64());
        ensure!(report.allocations == u64::from(addresses), "{} were checked", report.allocations);
        ensure!(report.problems.is_empty(), "{:?}", report.problems.first());
    }
    measure::median(took).context("no samples")
}

/// Writes everything while no agent runs.
fn fill(site: &Site, blocks: u32) -> Result<()> {
    let path = site.disk.path().join("fabric.db");
    site.runtime()?.block_on(async {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await?);
        let mut writes = Vec::new();
        for number in 0..blocks / BLOCKS {
            let mut object = Node::default();
            object.metadata.name = Some(node(number));
            writes.push(create(Resource::Node(Box::new(object))));
        }
        for block in 0..blocks {
            writes.extend(block_of(block)?.into_iter().map(create));
        }
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            store.commit(writes.by_ref().take(AT_ONCE).collect()).await?;
        }
        Ok(())
    })
}

fn create(resource: Resource) -> Write {
    Write::put(resource, Precondition::Absent)
}

/// A block with its claim and the handles of its addresses.
fn block_of(block: u32) -> Result<Vec<Resource>> {
    let (cidr, owner) = (format!("{}/26", address(block, 0)), node(block / BLOCKS));
    let allocation = |ordinal: u32| {
        let attributes = json!({ "node": owner, "namespace": "production", "pod": format!("web-{block:05}-{ordinal:05}") });
        let allocation =
            json!({ "handle": handle(block, ordinal), "attributes": attributes, "sequence": ordinal + 1 });
        (ordinal.to_string(), allocation)
    };
    let allocations: serde_json::Map<_, _> = (0..USED).map(allocation).collect();
    let record: Block = serde_json::from_value(json!({
        "cidr": cidr, "node": owner, "allocations": allocations, "unallocated": format!("{USED}-{}", BLOCK - 1),
        "sequence": USED,
    }))?;
    let claim = Affinity { node: owner, cidr: cidr.parse()?, state: AffinityState::Confirmed };
    let mut all = vec![Resource::BlockAffinity(Box::new(claim)), Resource::IpamBlock(Box::new(record))];
    for ordinal in 0..USED {
        let blocks = [(cidr.parse()?, 1)].into();
        all.push(Resource::IpamHandle(Box::new(Handle { id: handle(block, ordinal), blocks })));
    }
    Ok(all)
}

fn node(number: u32) -> String {
    format!("worker-{number:03}.example")
}

fn address(block: u32, ordinal: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + block * BLOCK + ordinal)
}

/// As long as a container's, and as unordered.
fn handle(block: u32, ordinal: u32) -> String {
    let mut random = Random(u64::from(block * BLOCK + ordinal));
    let [a, b, c, d] = std::array::from_fn(|_| random.draw());
    format!("fabric.{a:016x}{b:016x}{c:016x}{d:016x}.eth0")
}
