//! Policy is in the kernel before a pod's first packet: under senders that are already running, not one gets through.

use std::net::{IpAddr, SocketAddr};

use integration::namespace::Namespace;
use integration::pod::PodSpec;
use integration::pod::cni::{self, Answer, Attachment, PodIdentity};
use integration::probe::udp::{Flow, Pace};
use integration::tor::Kind;
use serde_json::json;

use crate::world::{World, await_received, await_sent, bind, finish, progress};

const DENY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: late, name: nothing }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
";

const RATE: u32 = 400;

fn flow(from: &Namespace, to: &Namespace, address: IpAddr, port: u16) -> Flow {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let receiver = bind(to, any, port);
    Flow::one_way(bind(from, any, 0), receiver, SocketAddr::new(address, port), Pace::per_second(RATE))
        .unwrap()
}

#[test]
fn a_pod_attached_under_a_policy_gets_and_sends_nothing_before_it() {
    let mut world = World::new(&[Kind::Bird], 2);
    world.attach(1, PodSpec::new("default", "near"));
    world.attach(2, PodSpec::new("default", "far"));
    world.apply(DENY);
    let node = world.node(1);
    // Addresses of blocks that the node has and announces already, so that packets find their way from the start.
    let own = world.pod("default/near").addresses().to_vec();
    let late: Vec<IpAddr> =
        own.iter().map(|own| node.block_of(*own).unwrap().iter().nth(50).unwrap()).collect();
    let namespace = world.fabric.lab.namespace("late-pod").unwrap();

    let mut flows = Vec::new();
    for (number, pod) in [world.pod("default/near"), world.pod("default/far")].into_iter().enumerate() {
        for (family, address) in late.iter().enumerate() {
            let port = 9_000 + u16::try_from(number * 2 + family).unwrap();
            flows.push(flow(pod.namespace(), &namespace, *address, port));
            let back = pod.address_like(*address).unwrap();
            flows.push(flow(&namespace, pod.namespace(), back, port + 100));
        }
    }
    await_sent(&flows, 200);

    let attachment = Attachment {
        container_id: format!("{}-late", world.fabric.lab.id()),
        netns: namespace.path(),
        interface: "eth0".to_owned(),
        pod: Some(PodIdentity { namespace: "late".into(), name: "pod".into(), uid: "uid-late".into() }),
    };
    let mut config = cni::config(node);
    config["runtimeConfig"] = json!({ "ips": late.iter().map(ToString::to_string).collect::<Vec<_>>() });
    let answer = cni::call(node, "ADD", &attachment, &config).unwrap();
    let Answer::Success(result) = answer else { panic!("{answer:?}") };
    let addresses: Vec<IpAddr> = cni::decode_addresses(&result).unwrap().iter().map(|ip| ip.ip()).collect();
    assert_eq!(addresses, late);

    await_sent(&flows, 4_000);
    assert_eq!(progress(&flows).1, 0, "packets that got through before or past the policy");
    // The other way round, so that the silence means something.
    node.fabricctl(&["delete", "netpol", "nothing", "-n", "late"]).unwrap();
    for flow in &flows {
        await_received(std::slice::from_ref(flow), 10);
    }
    println!("{:?}", finish(flows));
}
