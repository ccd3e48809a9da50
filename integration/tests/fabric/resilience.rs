//! What others do to the kernel is repaired; an agent that ends leaves it as it is, and one that comes back takes it
//! over without a lost packet.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::ensure;
use datastore::{Key, Kind as ResourceKind, Precondition, SqliteStore, Store as _};
use integration::eventually::eventually;
use integration::node::Node;
use integration::pod::PodSpec;
use integration::pod::cni::{self, Answer, Attachment, PodIdentity};
use integration::probe::udp::Flow;
use integration::topology::addresses;
use integration::tor::Kind;
use integration::{kernel, link};
use ipnetwork::IpNetwork;
use serde_json::json;

use crate::world::{
    PATIENCE, World, assert_unchanged, await_received, await_sent, finish, flows, kernel_state, progress,
    routes, table, try_table,
};

const GUARD: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: default, name: guard }
spec:
  podSelector: { matchLabels: { app: server } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: friend } } }] }]
";

/// Only for who asks for one of its addresses.
const EXTRA: &str = "\
apiVersion: fabric.rs/v1
kind: IPAMConfiguration
metadata: { name: default }
spec: { ipCooldownSeconds: 0 }
---
apiVersion: fabric.rs/v1
kind: IPPool
metadata: { name: extra }
spec: { cidr: 10.42.200.0/24, assignmentMode: Manual }
";

/// The block of 10.42.200.5.
const EXTRA_BLOCK: &str = "10.42.200.0/26";

/// How often somebody flushes the whole ruleset.
const FLUSHES: u64 = 3;

fn guarded_world() -> World {
    let mut world = World::new(&[Kind::Bird, Kind::Bird], 2);
    world.attach(1, PodSpec::new("default", "server").label("app", "server"));
    world.attach(2, PodSpec::new("default", "friend").label("app", "friend"));
    world.attach(2, PodSpec::new("default", "stranger"));
    world.apply(GUARD);
    await_everything(&world);
    world
}

fn gateways(n: u8, tors: &[u8], like: IpAddr) -> BTreeSet<IpAddr> {
    let ends = tors.iter().flat_map(|t| addresses::link(*t, n).tor).map(|end| end.ip());
    ends.filter(|gateway| gateway.is_ipv4() == like.is_ipv4()).collect()
}

/// The other node's blocks, as the first node has to reach them.
fn remote_blocks(world: &World) -> Vec<IpNetwork> {
    let friend = world.pod("default/friend").addresses();
    friend.iter().map(|address| world.node(2).block_of(*address).unwrap()).collect()
}

/// Waits until the first node goes by these routers.
fn await_routers(world: &World, tors: &[u8]) {
    for block in remote_blocks(world) {
        eventually("the routes are as they should be", PATIENCE, || {
            let found = kernel::gateways(world.node(1).namespace(), block)?;
            ensure!(found == gateways(1, tors, block.ip()), "{block}: {found:?}");
            Ok(())
        })
        .unwrap();
    }
}

/// Until all is in the kernels: sessions, routes, policy.
fn await_everything(world: &World) {
    world.await_sessions();
    await_routers(world, &[1, 2]);
    let local = world
        .pod("default/server")
        .addresses()
        .iter()
        .map(|address| world.node(1).block_of(*address).unwrap());
    for block in local {
        eventually("the other node knows the way back", PATIENCE, || {
            let found = kernel::gateways(world.node(2).namespace(), block)?;
            ensure!(found == gateways(2, &[1, 2], block.ip()), "{block}: {found:?}");
            Ok(())
        })
        .unwrap();
    }
    let friend = world.pod("default/friend").addresses()[0].to_string();
    eventually("the policy is in the kernel", PATIENCE, || {
        ensure!(table(world.node(1)).contains(&friend), "without {friend}");
        Ok(())
    })
    .unwrap();
}

fn friendly(world: &World, port: u16) -> Vec<Flow> {
    let (server, friend) = (world.pod("default/server"), world.pod("default/friend"));
    [flows(friend, server, port, 200), flows(server, friend, port, 200)].into_iter().flatten().collect()
}

#[test]
fn what_others_break_in_the_kernel_is_repaired() {
    let world = guarded_world();
    the_whole_ruleset(&world);
    parts_of_the_table(&world);
    single_routes(&world);
    a_link(&world);
}

fn the_whole_ruleset(world: &World) {
    let node = world.node(1);
    let before = table(node);
    let denied = flows(world.pod("default/stranger"), world.pod("default/server"), 9_100, 500);
    let allowed = flows(world.pod("default/friend"), world.pod("default/server"), 9_200, 200);
    await_received(&allowed, 100);
    await_sent(&denied, 500);
    assert_eq!(progress(&denied).1, 0);
    for _ in 0..FLUSHES {
        node.namespace().output("nft", &["flush", "ruleset"]).unwrap();
        await_table(node, &before);
        // Whatever slipped through has arrived by then, and opened no way for what follows.
        await_sent(&denied, 100);
        let slipped = progress(&denied).1;
        await_sent(&denied, 500);
        assert_eq!(progress(&denied).1, slipped, "the policy holds again");
    }
    let report = finish(denied);
    // How much gets through before the repair is a matter of how busy the machine is, so it is told and not judged.
    println!("denied, over {FLUSHES} flushes: {report:?}");
    let report = finish(allowed);
    // A packet that is between two hooks when conntrack comes back was not tracked: invalid, and so dropped.
    assert!(report.lost <= 2 * FLUSHES, "{report:?}");
}

fn await_table(node: &Node, wanted: &str) {
    eventually("the table is back", PATIENCE, || {
        let found = try_table(node)?;
        ensure!(found == wanted, "{found}\nnot\n{wanted}");
        Ok(())
    })
    .unwrap();
}

fn parts_of_the_table(world: &World) {
    let node = world.node(1);
    let before = table(node);
    let friend = world.pod("default/friend").addresses()[0].to_string();
    // The set that has the friend's address.
    let (above, _) = before.split_once(&friend).unwrap();
    let set = above.rsplit("set ").next().unwrap().split_whitespace().next().unwrap();
    for script in [
        format!("delete element inet fabric {set} {{ {friend} }}"),
        format!("flush set inet fabric {set}"),
        "add rule inet fabric forward accept".to_owned(),
        "add chain inet fabric stowaway".to_owned(),
        "delete table inet fabric".to_owned(),
    ] {
        // A name that this version of the table does not have is no damage done.
        if node.namespace().output("nft", &[&script]).is_ok() {
            await_table(node, &before);
        } else {
            assert!(script.contains("forward"), "{script}");
        }
    }
}

fn single_routes(world: &World) {
    let node = world.node(1);
    let before = routes(node);
    let pods = world.pod("default/server").addresses().iter().map(ToString::to_string);
    let own =
        world.pod("default/server").addresses().iter().map(|own| node.block_of(*own).unwrap().to_string());
    let learned = remote_blocks(world).into_iter().map(|block| block.to_string());
    for destination in pods.chain(own).chain(learned) {
        let family = if destination.contains(':') { "-6" } else { "-4" };
        node.namespace().output("ip", &[family, "route", "del", &destination, "proto", "201"]).unwrap();
        eventually("the route is back", PATIENCE, || {
            let found = routes(node);
            ensure!(found == before, "after {destination} was deleted: {found:#?}\nnot\n{before:#?}");
            Ok(())
        })
        .unwrap();
    }
    let flows = friendly(world, 9_300);
    await_received(&flows, 200);
    assert_eq!(finish(flows).lost, 0);
}

/// The router's end goes down, so that the node only loses the carrier.
fn a_link(world: &World) {
    let running = friendly(world, 9_400);
    await_received(&running, 400);
    let tor = &world.fabric.tors[0];
    link::set_down(tor.namespace(), "node1").unwrap();
    await_routers(world, &[2]);
    await_received(&running, 400);
    println!("a link goes down: {:?}", finish(running));
    let flows = friendly(world, 9_500);
    await_received(&flows, 400);
    let report = finish(flows);
    assert_eq!(report.lost, 0, "over the router that is left: {report:?}");

    link::set_up(tor.namespace(), "node1").unwrap();
    // The kernel took it with the link.
    link::add_address(tor.namespace(), "node1", addresses::link(1, 1).tor[1]).unwrap();
    await_routers(world, &[1, 2]);
}

#[test]
fn an_agent_that_ends_leaves_everything_and_traffic_never_stops() {
    let mut world = guarded_world();
    let denied = flows(world.pod("default/stranger"), world.pod("default/server"), 9_100, 100);
    for (port, kill) in [(9_000, false), (9_050, true)] {
        let flows = friendly(&world, port);
        await_received(&flows, 200);
        let before = kernel_state(world.node(1));
        let node = &mut world.fabric.nodes[0];
        if kill {
            node.kill_agent().unwrap()
        } else {
            node.stop_agent(PATIENCE).unwrap()
        }
        assert_unchanged(world.node(1), &before, if kill { "after SIGKILL" } else { "after SIGTERM" });
        await_received(&flows, 400);
        the_routers_keep_the_routes(&world);
        assert_unchanged(world.node(1), &before, if kill { "after SIGKILL" } else { "after SIGTERM" });

        world.fabric.nodes[0].start_agent().unwrap();
        await_everything(&world);
        await_received(&flows, 400);
        let report = finish(flows);
        println!("killed: {kill}: {report:?}");
        assert_eq!(report.lost, 0, "killed: {kill}: {report:?}");
        assert_unchanged(world.node(1), &before, "taken over");
    }
    let report = finish(denied);
    assert!(report.sent > 0 && report.received == 0, "the policy held all the time: {report:?}");
}

fn the_routers_keep_the_routes(world: &World) {
    for address in world.pod("default/server").addresses() {
        let own = world.node(2).blocks().unwrap();
        assert!(!own.is_empty());
        for tor in &world.fabric.tors {
            let ways = kernel::gateways(tor.namespace(), block(world, *address)).unwrap();
            assert!(!ways.is_empty(), "{} has forgotten the way to {address}", tor.spec().name);
        }
    }
}

/// Of the first node, asked of the second, whose agent runs.
fn block(world: &World, address: IpAddr) -> IpNetwork {
    let blocks = world.node(2).ask(|channel| async {
        let request = proto::v1::ListBlocksRequest::default();
        let mut client = proto::v1::ipam_client::IpamClient::new(channel);
        Ok(client.list_blocks(request).await?.into_inner().blocks)
    });
    let mut cidrs = blocks.unwrap().into_iter().map(|block| block.cidr.parse::<IpNetwork>().unwrap());
    cidrs.find(|cidr| cidr.contains(address)).unwrap()
}

/// Attaches a pod to the second node with an address of [`EXTRA`], whose block the node then has, and announces.
fn attach_extra(world: &World) -> Attachment {
    let namespace = world.fabric.lab.namespace("extra").unwrap();
    let attachment = Attachment {
        container_id: format!("{}-extra", world.fabric.lab.id()),
        netns: namespace.path(),
        interface: "eth0".to_owned(),
        pod: Some(PodIdentity { namespace: "default".into(), name: "extra".into(), uid: "uid-extra".into() }),
    };
    let mut config = cni::config(world.node(2));
    config["runtimeConfig"] = json!({ "ips": ["10.42.200.5"] });
    let answer = cni::call(world.node(2), "ADD", &attachment, &config).unwrap();
    assert!(matches!(answer, Answer::Success(_)), "{answer:?}");
    attachment
}

#[test]
fn what_became_wrong_while_the_agent_was_dead_is_swept() {
    let mut world = guarded_world();
    world.apply(EXTRA);
    world.attach(1, PodSpec::new("default", "gone"));
    let extra = attach_extra(&world);
    let ghost = world.pod("default/gone").addresses().to_vec();
    let stays = |found: &[String], what: &str| found.iter().any(|route| route.starts_with(what));
    eventually("the block of that address is known", PATIENCE, || {
        let routes = routes(world.node(1));
        ensure!(stays(&routes, EXTRA_BLOCK), "{routes:#?}");
        Ok(())
    })
    .unwrap();

    world.fabric.nodes[0].kill_agent().unwrap();
    let (first, second) = (world.node(1), world.node(2));
    let friendly = friendly(&world, 9_000);
    second.fabricctl(&["delete", "netpol", "guard"]).unwrap();
    assert!(matches!(cni::call(second, "DEL", &extra, &cni::config(second)).unwrap(), Answer::Success(_)));
    second.fabricctl(&["delete", "ippool", "extra"]).unwrap();
    delete_endpoint(&world, "gone");
    eventually("the block is given back, and withdrawn", PATIENCE, || {
        for tor in &world.fabric.tors {
            let ways = kernel::gateways(tor.namespace(), EXTRA_BLOCK.parse()?)?;
            ensure!(ways.is_empty(), "{} has it", tor.spec().name);
        }
        Ok(())
    })
    .unwrap();
    let stale = routes(first);
    assert!(stays(&stale, EXTRA_BLOCK) && stays(&stale, &ghost[0].to_string()), "{stale:#?}");
    let friend = world.pod("default/friend").addresses()[0].to_string();
    assert!(table(first).contains(&friend));
    await_received(&friendly, 100);

    world.fabric.nodes[0].start_agent().unwrap();
    let first = world.node(1);
    eventually("everything that became wrong is gone", PATIENCE, || {
        let (routes, table) = (routes(first), table(first));
        ensure!(!stays(&routes, "10.42.200."), "{routes:#?}");
        for address in &ghost {
            ensure!(!stays(&routes, &address.to_string()), "{routes:#?}");
        }
        ensure!(!table.contains(&friend), "{table}");
        Ok(())
    })
    .unwrap();
    let report = finish(friendly);
    assert_eq!(report.lost, 0, "what is still right was never gone: {report:?}");
    let strangers = flows(world.pod("default/stranger"), world.pod("default/server"), 9_900, 100);
    await_received(&strangers, 20);
}

/// As if another agent had cleaned up after a node that is gone.
fn delete_endpoint(world: &World, name: &str) {
    let path = world.fabric.lab.directory().join("datastore/fabric.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        let key = Key::namespaced(ResourceKind::WorkloadEndpoint, "default", name);
        assert!(store.get(&key).await.unwrap().is_some());
        store.delete(&key, Precondition::None).await.unwrap();
    });
}
