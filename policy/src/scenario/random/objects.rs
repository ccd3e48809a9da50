//! What policies are about: namespaces, pods, nodes, service accounts, services and network sets.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, Namespace, Node, NodeAddress, NodeStatus, Pod, PodIP, PodSpec, PodStatus,
    ServiceAccount,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    HOLES, NAMESPACE_KEYS, NAMESPACES, NETWORKS, OUTSIDE, POD_KEYS, PODS, PORT_NAMES, PORTS, SERVED, labels,
    metadata, pod_address,
};
use crate::api::set::{NetworkSet, NetworkSetSpec};
use crate::spec::Cluster;

/// Without policies.
pub(super) fn clusters() -> impl Strategy<Value = Cluster> {
    let namespaces = NAMESPACES.map(|name| option::weighted(0.9, namespace(name)));
    let pods: Vec<_> = (0..PODS).map(pod).collect();
    let nodes: Vec<_> = (0..2).map(node).collect();
    let accounts: Vec<_> = (0..6).map(|index| option::weighted(0.8, service_account(index))).collect();
    let slices = vec((0..4usize).prop_flat_map(endpoint_slice), 0..3);
    let sets = (
        vec((0..6usize).prop_flat_map(|index| network_set(index, false)), 0..3),
        vec((0..3usize).prop_flat_map(|index| network_set(index, true)), 0..3),
    );
    (namespaces, pods, nodes, accounts, slices, sets).prop_map(
        |(namespaces, pods, nodes, accounts, endpoint_slices, (network_sets, global_network_sets))| Cluster {
            namespaces: namespaces.into_iter().flatten().collect(),
            pods,
            nodes,
            service_accounts: accounts.into_iter().flatten().collect(),
            endpoint_slices: once(endpoint_slices, |slice| &slice.metadata),
            network_sets: once(network_sets, |set| &set.metadata),
            global_network_sets: once(global_network_sets, |set| &set.metadata),
            ..Cluster::default()
        },
    )
}

/// Each name once.
fn once<T>(objects: Vec<T>, metadata: fn(&T) -> &ObjectMeta) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for object in objects {
        let is_same = |other: &T| {
            let (a, b) = (metadata(other), metadata(&object));
            (&a.namespace, &a.name) == (&b.namespace, &b.name)
        };
        if !kept.iter().any(is_same) {
            kept.push(object);
        }
    }
    kept
}

pub(crate) fn namespace(name: &'static str) -> impl Strategy<Value = Namespace> {
    labels(NAMESPACE_KEYS).prop_map(move |labels| Namespace {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        ..Namespace::default()
    })
}

/// The pod with this number. Its addresses follow from its number, except that one that has finished or is on the
/// host's network may share those of another.
pub(crate) fn pod(index: usize) -> impl Strategy<Value = Pod> {
    let phase = prop_oneof![8 => Just("Running"), 1 => Just("Succeeded"), 1 => Just("Failed")];
    let host_network = prop_oneof![8 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let restart = select(vec![None, Some("Always".to_owned())]);
    let addresses = (prop::bool::weighted(0.8), prop::bool::weighted(0.8), 0..PODS);
    let account = select(vec![None, Some("bot".to_owned()), Some("cat".to_owned())]);
    let shape = (phase, host_network, restart, addresses, account);
    let ports = (vec(container_port(), 0..5), vec(container_port(), 0..3));
    (labels(POD_KEYS), shape, ports).prop_map(move |(labels, shape, (main, init))| {
        let (phase, host_network, restart_policy, (v4, v6, other), service_account_name) = shape;
        let idle = phase != "Running" || host_network == Some(true);
        let number = if idle { other } else { index };
        let families = [(v4 || !v6, false), (v6, true)];
        let families = families.into_iter().filter(|(present, _)| *present);
        let pod_ips = families.map(|(_, v6)| PodIP { ip: pod_address(number, v6).to_string() }).collect();
        let container = |name: &str, ports| Container {
            name: name.to_owned(),
            ports: Some(ports),
            ..Container::default()
        };
        Pod {
            metadata: ObjectMeta { labels: Some(labels), ..metadata(index, "pod", false) },
            spec: Some(PodSpec {
                containers: vec![container("main", main)],
                init_containers: Some(vec![Container { restart_policy, ..container("init", init) }]),
                host_network,
                service_account_name,
                ..PodSpec::default()
            }),
            status: Some(PodStatus {
                phase: Some(phase.to_owned()),
                pod_ips: Some(pod_ips),
                ..PodStatus::default()
            }),
        }
    })
}

pub(crate) fn pods() -> impl Strategy<Value = Pod> {
    (0..PODS).prop_flat_map(pod)
}

fn protocol_names() -> impl Strategy<Value = Option<String>> {
    select(vec![None, Some("TCP"), Some("UDP"), Some("SCTP")]).prop_map(|name| name.map(str::to_owned))
}

fn container_port() -> impl Strategy<Value = ContainerPort> {
    let name = option::weighted(0.9, select(PORT_NAMES.to_vec()));
    (name, protocol_names(), select(SERVED.to_vec())).prop_map(|(name, protocol, port)| ContainerPort {
        name: name.map(str::to_owned),
        protocol,
        container_port: port.into(),
        ..ContainerPort::default()
    })
}

/// The node with this number, which has the address of that number in both families.
pub(crate) fn node(index: usize) -> impl Strategy<Value = Node> {
    labels(&["role"]).prop_map(move |labels| {
        let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
        let status = NodeStatus {
            addresses: Some(vec![
                address("InternalIP", OUTSIDE[0][index + 3].to_owned()),
                address("ExternalIP", OUTSIDE[1][index + 3].to_owned()),
                address("Hostname", format!("node{index}.example.org")),
            ]),
            ..NodeStatus::default()
        };
        Node {
            metadata: ObjectMeta { labels: Some(labels), ..metadata(index, "node", true) },
            status: Some(status),
            ..Node::default()
        }
    })
}

/// `bot` or `cat` of a namespace.
pub(crate) fn service_account(index: usize) -> impl Strategy<Value = ServiceAccount> {
    labels(&["env"]).prop_map(move |labels| ServiceAccount {
        metadata: ObjectMeta {
            namespace: Some(NAMESPACES[index / 2].to_owned()),
            name: Some(["bot", "cat"][index % 2].to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    })
}

/// Two for each of the services `red/web` and `green/web`.
pub(crate) fn endpoint_slice(index: usize) -> impl Strategy<Value = EndpointSlice> {
    let ports = vec((protocol_names(), select(PORTS.to_vec())), 1..3);
    (vec(0..PODS, 0..4), any::<bool>(), ports).prop_map(move |(pods, v6, ports)| {
        let labels = [("kubernetes.io/service-name".to_owned(), "web".to_owned())];
        let endpoint =
            |pod| Endpoint { addresses: vec![pod_address(pod, v6).to_string()], ..Endpoint::default() };
        let port = |(protocol, port): (Option<String>, u16)| EndpointPort {
            protocol,
            port: Some(port.into()),
            ..EndpointPort::default()
        };
        EndpointSlice {
            address_type: if v6 { "IPv6" } else { "IPv4" }.to_owned(),
            endpoints: pods.into_iter().map(endpoint).collect(),
            metadata: ObjectMeta {
                namespace: Some(NAMESPACES[index / 2].to_owned()),
                name: Some(format!("web-{index}")),
                labels: Some(labels.into()),
                ..ObjectMeta::default()
            },
            ports: Some(ports.into_iter().map(port).collect()),
        }
    })
}

pub(crate) fn network_set(index: usize, is_global: bool) -> impl Strategy<Value = NetworkSet> {
    let addresses = ["10.0.0.1", "fd00::1", "192.0.2.1", "10.0.0.0/33"];
    let net = select([&NETWORKS[1..], &HOLES[..], &addresses[..]].concat());
    (labels(POD_KEYS), vec(net, 0..4)).prop_map(move |(labels, nets)| NetworkSet {
        metadata: ObjectMeta { labels: Some(labels), ..metadata(index, "set", is_global) },
        spec: NetworkSetSpec {
            nets: nets.into_iter().map(str::to_owned).collect(),
            ..NetworkSetSpec::default()
        },
    })
}
