//! What the index answers, how long a check takes, and what an allocation costs in memory: 100,000
//! allocations in 2,000 blocks of 500 nodes, decoded from records as they come from a store.
//!
//! `cargo bench -p ipam --bench index`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and fails loudly")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipam::audit::{self, Endpoint, Facts};
use ipam::index::Filter;
use ipam::{Affinity, Block, Collector, Handle, Index, Pool, Record, Revision, Timestamp};
use serde_json::json;

const NODES: u32 = 500;
const BLOCKS: u32 = 2_000;
/// Of 64.
const USED: u32 = 50;
const ALLOCATIONS: u32 = BLOCKS * USED;
const ROUNDS: u32 = 1_000;

fn main() {
    let before = resident();
    let index = measure("decode and put in everything", ALLOCATIONS, index);
    println!(
        "  memory: {} octets an allocation, with its handle",
        (resident() - before) / ALLOCATIONS as usize
    );
    let facts = facts();

    measure("who has an address", ROUNDS, || {
        for round in 0..ROUNDS {
            let number = round * 97 % ALLOCATIONS;
            let holding = index.who_has(address(number / USED, number % USED)).unwrap();
            assert_eq!(holding.allocation.handle, handle(number));
        }
    });
    measure("one node's list", ROUNDS, || {
        for round in 0..ROUNDS {
            let name = node(round % NODES);
            let filter = Filter { node: Some(&name), ..Filter::default() };
            assert_eq!(index.allocations(filter, None).count(), (ALLOCATIONS / NODES) as usize);
        }
    });
    measure("a page of 500 from the middle", ROUNDS, || {
        let middle = index.who_has(address(BLOCKS / 2, 7)).unwrap().cursor();
        for _ in 0..ROUNDS {
            assert_eq!(index.allocations(Filter::default(), Some(middle)).take(500).count(), 500);
        }
    });
    measure("utilisation of the pool on all nodes", 1, || {
        let utilisation = index.utilisation("pool", Timestamp(0)).unwrap();
        assert_eq!((utilisation.usage.addresses_used, utilisation.nodes.len()), (100_000, 500));
    });
    measure("a snapshot for the planner", 1, || index.snapshot(ipam::Scope::All, [handle(7).as_str()]));
    let report = measure("a full check", ALLOCATIONS, || audit::check(&index, &facts, |_| ()));
    assert_eq!((report.counts.allocations, report.problems), (100_000, Vec::new()));
    let mut collector = Collector::default();
    let look = |collector: &mut Collector| collector.observe(&index, &facts, Duration::ZERO);
    assert!(measure("a look of the garbage collection", ALLOCATIONS, || look(&mut collector)).is_empty());
}

/// Does something and prints how long it took, as a whole and for each.
fn measure<T>(what: &str, each: u32, does: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = black_box(does());
    let took = began.elapsed();
    println!("{what}: {:.2} ms, {} ns each", took.as_secs_f64() * 1e3, (took / each).as_nanos());
    done
}

fn index() -> Index {
    let mut index = Index::default();
    index.put_pool(Pool { name: "pool".into(), ..Pool::new("pool", "10.0.0.0/8".parse().unwrap()) });
    for number in 0..BLOCKS {
        let owner = node(number % NODES);
        let cidr = format!("{}/26", address(number, 0));
        let affinity = json!({ "node": owner, "cidr": cidr, "state": "confirmed" });
        put(&mut index, Record::Affinity(serde_json::from_value::<Affinity>(affinity).unwrap()));
        put(&mut index, Record::Block(block(number, &owner, &cidr)));
        for used in 0..USED {
            let id = handle(number * USED + used);
            let blocks = json!({ &cidr: 1 });
            put(&mut index, Record::Handle(handle_record(json!({ "id": id, "blocks": blocks }))));
        }
    }
    index
}

fn put(index: &mut Index, record: Record) {
    index.put(record, Revision(1));
}

fn handle_record(value: serde_json::Value) -> Handle {
    serde_json::from_value(value).unwrap()
}

/// Each tenth block lends two of its addresses to the next node, and all nodes use equally many.
fn block(number: u32, owner: &str, cidr: &str) -> Block {
    let allocation = |used: u32| {
        let user =
            if used < 2 && number / NODES == 1 { node((number + 1) % NODES) } else { owner.to_owned() };
        let pod = format!("web-{:05x}-{used:05}", number * 7919 % 0xfffff);
        let attributes = json!({ "node": user, "namespace": "production", "pod": pod, "interface": "eth0" });
        let id = handle(number * USED + used);
        (used.to_string(), json!({ "handle": id, "attributes": attributes, "sequence": used + 1 }))
    };
    let allocations: serde_json::Map<_, _> = (0..USED).map(allocation).collect();
    let unallocated = format!("{USED}-63");
    let record = json!({
        "cidr": cidr, "node": owner, "allocations": allocations, "unallocated": unallocated, "sequence": USED,
    });
    let block: Block = serde_json::from_value(record).unwrap();
    // As a store gives it: in the order in which it is written, which decides how full a map's nodes become.
    serde_json::from_str(&serde_json::to_string(&block).unwrap()).unwrap()
}

fn facts() -> Facts {
    let mut facts = Facts { nodes: (0..NODES).map(node).collect(), ..Facts::default() };
    for number in 0..ALLOCATIONS {
        let (block, used) = (number / USED, number % USED);
        let (name, node) = (format!("production/web-{number}"), node(block % NODES));
        let endpoint = Endpoint { name, node, addresses: vec![address(block, used)] };
        facts.endpoints.insert(handle(number), endpoint);
    }
    facts
}

fn node(number: u32) -> String {
    format!("worker-{number:03}.example")
}

fn address(block: u32, ordinal: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + block * 64 + ordinal).into()
}

/// As long as a container's, and as unordered.
fn handle(number: u32) -> String {
    let scattered = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{scattered:016x}{scattered:016x}{scattered:016x}{scattered:016x}.eth0")
}

/// Octets of memory in use (proc_pid_statm(5)).
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * 4096
}
