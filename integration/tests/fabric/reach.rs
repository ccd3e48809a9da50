//! Pods reach each other, across routers of two makes and on one node, over both families, as themselves.

use integration::pod::PodSpec;
use integration::tor::Kind;

use crate::world::{Servers, World, trials};

#[test]
fn pods_reach_each_other_under_their_own_addresses() {
    let mut world = World::new(&[Kind::Bird, Kind::Frr], 2);
    for (node, name) in [(1, "a"), (1, "b"), (2, "c"), (2, "d")] {
        world.attach(node, PodSpec::new("default", name));
    }
    let _servers: Vec<Servers> =
        world.pods.values().map(|pod| Servers::start(pod.namespace(), &[8080])).collect();
    for pod in world.pods.values() {
        assert_eq!(
            pod.addresses().iter().map(|address| address.is_ipv4()).collect::<Vec<_>>(),
            [true, false]
        );
    }
    // Connections are only counted if the far end sees the pod's own address.
    world.expect(
        "every pod reaches every other",
        &trials(
            "default/a default/b tcp 8080 yes
             default/b default/a udp 8080 yes
             default/a default/c tcp 8080 yes
             default/b default/d udp 8080 yes
             default/c default/a tcp 8080 yes
             default/c default/d tcp 8080 yes
             default/d default/b udp 8080 yes
             default/a default/a tcp 8080 yes",
        ),
    );
    // The parts of a fabric that are not there are not reached: what was detached is gone for everybody.
    let gone = world.pod("default/d").addresses().to_vec();
    world.detach("default/d");
    for address in gone {
        let asked = ["route", "get", &address.to_string()].map(str::to_owned);
        let arguments: Vec<&str> = asked.iter().map(String::as_str).collect();
        let answer = world.node(2).namespace().output("ip", &arguments);
        assert!(answer.is_err(), "the block's blackhole takes {address}: {answer:?}");
    }
}
