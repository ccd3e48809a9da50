//! Step 5: a router loses power under traffic, and the traffic goes on over the other; an agent is killed and started
//! again under traffic, and nothing is lost.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;

use crate::demo::scene::Scene;
use crate::demo::stage::Stage;
use crate::demo::steps::reach::await_routes;
use crate::eventually::eventually;
use crate::kernel;
use crate::probe::sequence::Report;
use crate::probe::udp::{Flow, Pace};

/// Between pods on different nodes; none towards the one that a policy now guards.
const PAIRS: [(&str, &str); 5] = [
    ("shop/frontend", "shop/cart"),
    ("shop/cart", "guest/batch"),
    ("guest/batch", "shop/frontend"),
    ("guest/visitor", "shop/frontend"),
    ("shop/backend", "guest/visitor"),
];

/// Flows of each pair and family, from different ports: so that they spread over both routers.
const FLOWS_EACH: u16 = 2;

/// Packets a second of each flow.
const RATE: u32 = 200;

/// Destination ports are counted up from here.
const FIRST_PORT: u16 = 9_000;

/// How long traffic runs before, between and after what happens.
const WATCH: Duration = Duration::from_secs(1);

/// Until a session is up again, a route as expected, or a flow over the other router.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(30);

/// No flow may be silent for longer when a router goes. It takes milliseconds, and how many is told; on a busy machine it
/// may be seconds. That nobody had to wait for a hold time the agents are asked.
const LONGEST_GAP_MS: u64 = 10_000;

/// Packets of a flow that are no accident.
const MANY: u64 = 20;

/// Shows and checks it.
///
/// # Errors
/// When traffic cannot be started, or what is to break cannot be broken.
pub fn play(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    lose_router(scene, stage)?;
    kill_agent(scene, stage)
}

fn lose_router(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    let before = kernel::received_packets(scene.fabric.tors[0].namespace())?;
    let flows = start_flows(scene)?;
    thread::sleep(WATCH);
    let carried = kernel::received_packets(scene.fabric.tors[0].namespace())?.saturating_sub(before);
    let (sent, _) = progress(&flows);
    let name = scene.fabric.tors[0].spec().name.clone();
    let share = ensure_share(carried, sent);
    stage.check(&format!("{name} carries part of the traffic"), share);

    scene.fabric.tors[0].pull_the_plug()?;
    stage.say(&format!("{name}: daemons killed, links cut, under {} flows", flows.len()));
    let moved = await_routes(scene, &[2]).and_then(|_| every_flow_arrives(&flows));
    let report = finish(flows)?;
    stage.check(
        &format!("{name} is stopped hard: the traffic goes on over the other router"),
        moved.and_then(|()| ensure_noticed(scene, &name)).and_then(|()| survived(report)),
    );

    let report = finish_after(start_flows(scene)?, WATCH)?;
    stage.check("after that, nothing is lost", nothing_lost(report));
    Ok(())
}

fn ensure_share(carried: u64, sent: u64) -> Result<String> {
    // Far more than the routing protocol's own packets, if it carries any of the flows at all.
    ensure!(carried > sent / 10, "{carried} packets of {sent}");
    Ok(format!("about {carried} packets of {sent}"))
}

/// Waits until more of every flow has come.
fn every_flow_arrives(flows: &[Flow]) -> Result<()> {
    for flow in flows {
        let (_, before) = flow.progress();
        eventually("the flow goes on", RECOVERY_PATIENCE, || {
            let (_, received) = flow.progress();
            ensure!(received >= before + MANY, "{} of {MANY} packets", received - before);
            Ok(())
        })?;
    }
    Ok(())
}

/// Fails if an agent took the router for alive until it had been silent for the hold time.
fn ensure_noticed(scene: &Scene, router: &str) -> Result<()> {
    for node in &scene.fabric.nodes {
        for peer in node.peers()?.iter().filter(|peer| peer.description == router) {
            let (state, reason) = (&peer.state, &peer.last_down_reason);
            let at_once = state != "Established" && !reason.contains("hold timer");
            ensure!(at_once, "{}: {} is {state} ({reason})", node.name(), peer.address);
        }
    }
    Ok(())
}

fn survived(report: Report) -> Result<String> {
    ensure!(report.received > 0 && report.longest_gap_ms < LONGEST_GAP_MS, "{}", describe(report));
    Ok(describe(report))
}

fn kill_agent(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    let block = block_on_second_node(scene)?;
    let flows = start_flows(scene)?;
    thread::sleep(WATCH);
    scene.fabric.nodes[1].kill_agent()?;
    stage.say("node2: agent killed with SIGKILL");
    let kept = eventually("the router keeps its routes", RECOVERY_PATIENCE, || stale_path(scene, block));
    stage.check("the router keeps the routes of the dead agent (graceful restart)", kept);
    thread::sleep(WATCH);
    scene.fabric.nodes[1].start_agent()?;
    let back = eventually("the sessions are back", RECOVERY_PATIENCE, || sessions_back(scene));
    stage.check("started again, its sessions come back", back);
    let fresh = eventually("the routes are fresh", RECOVERY_PATIENCE, || fresh_path(scene, block));
    stage.check("and its routes are fresh again", fresh);
    let report = finish_after(flows, WATCH)?;
    stage.check("node2's agent is killed and restarted: nothing is lost", nothing_lost(report));
    Ok(())
}

fn block_on_second_node(scene: &Scene) -> Result<IpNetwork> {
    let pod = scene.pod("shop/frontend")?;
    let address = pod.addresses().first().context("a pod without address")?;
    scene.node(pod.node())?.block_of(*address)
}

/// Over the router that is left.
fn sessions_back(scene: &Scene) -> Result<String> {
    let (tor, node) = (&scene.fabric.tors[1], &scene.fabric.nodes[1]);
    tor.ensure_established()?;
    let peers = node.peers()?;
    let mut up = 0;
    for peer in peers.iter().filter(|peer| peer.description == tor.spec().name) {
        ensure!(
            peer.state == "Established",
            "{} is {} ({})",
            peer.address,
            peer.state,
            peer.last_down_reason
        );
        up += 1;
    }
    ensure!(up > 0, "the agent knows no peer described as {}", tor.spec().name);
    Ok(format!("{up} sessions with {} Established", tor.spec().name))
}

fn stale_path(scene: &Scene, block: IpNetwork) -> Result<String> {
    let tor = &scene.fabric.tors[1];
    let paths = tor.paths(block)?;
    ensure!(paths.iter().any(|path| path.best && path.stale), "{block}: {paths:?}");
    Ok(format!("{} has {block} as stale", tor.spec().name))
}

fn fresh_path(scene: &Scene, block: IpNetwork) -> Result<String> {
    let tor = &scene.fabric.tors[1];
    let paths = tor.paths(block)?;
    ensure!(paths.iter().any(|path| path.best && !path.stale), "{block}: {paths:?}");
    Ok(format!("{} has {block} anew", tor.spec().name))
}

fn start_flows(scene: &Scene) -> Result<Vec<Flow>> {
    let mut flows = Vec::new();
    for (from, to) in PAIRS {
        let (from, to) = (scene.pod(from)?, scene.pod(to)?);
        for (address, _) in
            to.addresses().iter().flat_map(|address| (0..FLOWS_EACH).map(move |n| (*address, n)))
        {
            let port = FIRST_PORT + u16::try_from(flows.len())?;
            let sender = bind(from.namespace(), from.address_like(address)?, 0)?;
            let receiver = bind(to.namespace(), address, port)?;
            let destination = SocketAddr::new(address, port);
            flows.push(Flow::one_way(sender, receiver, destination, Pace::per_second(RATE))?);
        }
    }
    Ok(flows)
}

fn bind(namespace: &crate::namespace::Namespace, address: IpAddr, port: u16) -> Result<UdpSocket> {
    let socket = namespace.run(|| UdpSocket::bind((address, port)))?;
    socket.with_context(|| format!("binding {address} in {}", namespace.name()))
}

fn progress(flows: &[Flow]) -> (u64, u64) {
    flows.iter().map(Flow::progress).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn finish_after(flows: Vec<Flow>, duration: Duration) -> Result<Report> {
    thread::sleep(duration);
    finish(flows)
}

fn finish(flows: Vec<Flow>) -> Result<Report> {
    // All senders are asked before the first receiver is waited for.
    flows.iter().for_each(Flow::stop);
    flows.into_iter().map(Flow::finish).try_fold(Report::default(), |sum, one| Ok(sum.and(one?)))
}

fn nothing_lost(report: Report) -> Result<String> {
    ensure!(report.sent > 0 && report.lost == 0, "{}", describe(report));
    Ok(describe(report))
}

fn describe(report: Report) -> String {
    format!("{} packets sent, {} lost, longest gap {} ms", report.sent, report.lost, report.longest_gap_ms)
}
