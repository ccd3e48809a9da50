//! Agents are killed and frozen at random while clients assign and release, and so is etcd. At no time may an address have
//! two holders; what was assigned must be there in the end, and when it is released, nothing may be left.
//!
//! A seed decides what is done, and is printed; `FABRIC_SEED` gives it, `FABRIC_CHAOS_SECS` says for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use integration::eventually::eventually;
use integration::fleet::{Backend, Fleet};
use integration::node::Node;
use integration::random::Random;
use proto::v1::Allocation;
use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, Tally, addresses};
use crate::history::{self, History};
use crate::world::{PATIENCE, QUICK, World, allocations, await_clean, await_nothing_left, names};

/// As small as to be full at times: 16 blocks of each family, for a handful of nodes.
const MANIFEST: &str = "\
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.42.0.0/24, blockSize: 28 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: \"fd00:42::/120\", blockSize: 124 }
---
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 2 }
";

/// Of the cooldown above: clocks of agents and clients tick alike, but agents count milliseconds.
const REST: Duration = Duration::from_millis(1_950);

const NODES: u8 = 4;

/// Addresses of each family that each node keeps ready, if there is room.
const STANDBY: u32 = 2;
const CLIENTS_OF_A_NODE: u64 = 3;

/// How long things go wrong, seconds.
const CHAOS_SECS: u64 = 25;

#[test]
fn agents_that_are_killed_lose_and_leak_nothing_on_sqlite() {
    run(Backend::Sqlite);
}

#[test]
fn agents_and_etcd_that_are_killed_lose_and_leak_nothing() {
    run(Backend::Etcd);
}

fn run(backend: Backend) {
    let seed = number("FABRIC_SEED").unwrap_or_else(|| {
        u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos())
    });
    println!("FABRIC_SEED={seed}");
    // What is kept ready is in the way of nobody.
    let mut world = World::with_standby(backend, NODES, QUICK, STANDBY);
    world.apply(MANIFEST);

    let history = Arc::new(History::default());
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients: Vec<_> = clients(&world.fleet, seed, &history, &stop)
        .into_iter()
        .map(|client| runtime.spawn(client.run()))
        .collect();

    let mut faults = Faults { fleet: &mut world.fleet, random: Random(seed), tally: BTreeMap::new() };
    let secs = number("FABRIC_CHAOS_SECS").unwrap_or(CHAOS_SECS);
    faults.run(Duration::from_secs(secs));
    println!("{:?}", faults.tally);
    stop.store(true, Ordering::Relaxed);
    let clients: Vec<Client> = runtime.block_on(async {
        let mut done = Vec::new();
        for client in clients {
            done.push(client.await.unwrap());
        }
        done
    });
    report(&clients);

    assert_eq!(history::problems(&history.holds(), REST), Vec::<String>::new());
    await_what_was_told(&world, &clients);
    await_clean(world.node(1));
    release_all(&runtime, clients);
    await_nothing_left(world.node(2));
    await_clean(world.node(2));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn clients(fleet: &Fleet, seed: u64, history: &Arc<History>, stop: &Arc<AtomicBool>) -> Vec<Client> {
    let mut clients = Vec::new();
    for (index, node) in fleet.nodes.iter().enumerate() {
        let mut sockets: Vec<PathBuf> = fleet.nodes.iter().map(Node::socket).collect();
        sockets.swap(0, index);
        for number in 0..CLIENTS_OF_A_NODE {
            clients.push(Client {
                name: format!("{}.c{number}", node.name()),
                random: Random(seed ^ (1 + index as u64 * CLIENTS_OF_A_NODE + number) << 32),
                sockets: sockets.clone(),
                history: Arc::clone(history),
                stop: Arc::clone(stop),
                held: Vec::new(),
                doubted: BTreeSet::new(),
                tally: Tally::default(),
            });
        }
    }
    clients
}

/// Says what was done, and that it was worth the while.
fn report(clients: &[Client]) {
    let sum = |of: fn(&Tally) -> usize| clients.iter().map(|client| of(&client.tally)).sum::<usize>();
    let (assigned, refused, released, doubts) =
        (sum(|t| t.assigned), sum(|t| t.refused), sum(|t| t.released), sum(|t| t.doubts));
    println!("{assigned} assigned, {refused} refused, {released} released, {doubts} calls without an answer");
    let idle: Vec<&str> = clients
        .iter()
        .filter(|client| client.tally.assigned == 0)
        .map(|client| client.name.as_str())
        .collect();
    assert!(idle.is_empty(), "never assigned anything: {idle:?}");
    assert!(doubts > 0, "nobody was ever in doubt: nothing was proved");
}

/// Waits until every agent knows of every address that a client was told to have. Beyond those only handles hold something
/// that were in doubt: what a dead agent had sent may have been done after the handle was released.
fn await_what_was_told(world: &World, clients: &[Client]) {
    let doubted: BTreeSet<&String> = clients.iter().flat_map(|client| &client.doubted).collect();
    for node in &world.fleet.nodes {
        eventually("agents know what clients were told", PATIENCE, || {
            let mut known: BTreeMap<String, Vec<Allocation>> = BTreeMap::new();
            for allocation in allocations(node)?.into_iter().filter(|one| !is_standby(&one.handle)) {
                known.entry(allocation.handle.clone()).or_default().push(allocation);
            }
            let mut handles: BTreeSet<String> =
                names(node, "handles")?.into_iter().filter(|handle| !is_standby(handle)).collect();
            for held in clients.iter().flat_map(|client| &client.held) {
                let handle = &held.request.handle;
                let told = addresses(&held.allocations);
                let found = known.remove(handle).unwrap_or_default();
                ensure!(addresses(&found) == told, "{handle} has {found:?} and was told {told:?}");
                ensure!(handles.remove(handle), "{handle} has no record");
            }
            known.retain(|handle, _| !doubted.contains(handle));
            handles.retain(|handle| !doubted.contains(handle));
            ensure!(known.is_empty() && handles.is_empty(), "nobody knows of {known:?}, {handles:?}");
            Ok(())
        })
        .unwrap();
    }
}

/// Whether a handle is of what a node keeps ready.
fn is_standby(handle: &str) -> bool {
    handle.starts_with("standby:")
}

/// Releases whatever may be held. Of handles that were in doubt once more, as a container runtime does.
fn release_all(runtime: &Runtime, clients: Vec<Client>) {
    runtime.block_on(async {
        for mut client in clients {
            let mut handles = std::mem::take(&mut client.doubted);
            handles.extend(client.held.iter().map(|held| held.request.handle.clone()));
            for handle in handles {
                client.release_for_certain(&handle).await;
            }
        }
    });
}

/// Who lets things go wrong.
struct Faults<'a> {
    fleet: &'a mut Fleet,
    random: Random,
    tally: BTreeMap<&'static str, usize>,
}

impl Faults<'_> {
    /// One fault after another for so long. In the end everything runs.
    fn run(&mut self, span: Duration) {
        let start = Instant::now();
        while start.elapsed() < span {
            self.wait(100, 700);
            let victim = self.random.below(NODES.into()) as usize;
            let fault = match (self.fleet.etcd.is_some(), self.random.below(12)) {
                (_, 0..5) => self.kill(&[victim]),
                (_, 5) => self.kill(&[0, 1, 2, 3]),
                (_, 6) => self.freeze(victim),
                (true, 7 | 8) => self.kill_etcd(),
                (true, 9) => self.freeze_etcd(),
                (true, 10) => self.kill_both(victim),
                (true, _) => self.freeze_etcd_and_kill(victim),
                (false, _) => self.kill(&[victim, (victim + 1) % usize::from(NODES)]),
            };
            let name = fault.unwrap();
            *self.tally.entry(name).or_default() += 1;
        }
    }

    fn wait(&mut self, least_ms: u64, more_ms: u32) {
        thread::sleep(Duration::from_millis(least_ms + u64::from(self.random.below(more_ms))));
    }

    fn kill(&mut self, victims: &[usize]) -> Result<&'static str> {
        for victim in victims {
            self.fleet.nodes[*victim].kill_agent()?;
        }
        self.wait(0, 500);
        for victim in victims {
            self.fleet.nodes[*victim].start_agent()?;
        }
        Ok(if victims.len() > 1 { "agents killed together" } else { "agent killed" })
    }

    /// As a machine that swaps: it goes on with what it knew.
    fn freeze(&mut self, victim: usize) -> Result<&'static str> {
        self.fleet.nodes[victim].agent()?.freeze()?;
        self.wait(100, 5_000);
        self.fleet.nodes[victim].agent()?.thaw()?;
        Ok("agent frozen")
    }

    fn kill_etcd(&mut self) -> Result<&'static str> {
        self.etcd().kill()?;
        self.wait(0, 1_500);
        self.etcd().restart()?;
        Ok("etcd killed")
    }

    fn freeze_etcd(&mut self) -> Result<&'static str> {
        self.etcd().process().freeze()?;
        self.wait(100, 3_000);
        self.etcd().process().thaw()?;
        Ok("etcd frozen")
    }

    /// What the agent has sent may be done, or not, before or after it is asked again.
    fn freeze_etcd_and_kill(&mut self, victim: usize) -> Result<&'static str> {
        self.etcd().process().freeze()?;
        self.wait(20, 200);
        self.fleet.nodes[victim].kill_agent()?;
        self.wait(0, 500);
        self.etcd().process().thaw()?;
        self.fleet.nodes[victim].start_agent()?;
        Ok("agent killed while etcd was frozen")
    }

    /// An agent that starts without its datastore ends, or waits; with it, it runs.
    fn kill_both(&mut self, victim: usize) -> Result<&'static str> {
        self.etcd().kill()?;
        self.fleet.nodes[victim].kill_agent()?;
        let ended = self.fleet.nodes[victim].start_agent().is_err();
        self.etcd().restart()?;
        if ended {
            self.fleet.nodes[victim].start_agent()?;
        }
        Ok("agent started while etcd was dead")
    }

    fn etcd(&mut self) -> &mut integration::etcd::Etcd {
        self.fleet.etcd.as_mut().unwrap()
    }
}
