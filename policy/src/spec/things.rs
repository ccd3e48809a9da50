//! Pods and network sets, where they are, and by what labels our own policies know them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerPort, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Cluster;
use super::expression::Label;
use super::labels::{Labels, of_namespace};
use super::text::Network;
use crate::api::NetworkSet;

impl Cluster {
    /// Pods on the host's network cannot be told from their node (our choice: they are not pods for policy), and
    /// the address of a pod that has finished may be another's.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Pod> + Clone {
        self.pods.iter().filter(|pod| {
            let host_network = pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
            !host_network && phase != "Succeeded" && phase != "Failed"
        })
    }
}

pub(super) fn name_of(pod: &Pod) -> (&Option<String>, &Option<String>) {
    (&pod.metadata.namespace, &pod.metadata.name)
}

pub(super) fn namespace_of(pod: &Pod) -> String {
    pod.metadata.namespace.clone().unwrap_or_default()
}

pub(super) fn labels_of(metadata: &ObjectMeta) -> Labels {
    metadata.labels.clone().unwrap_or_default()
}

pub(super) fn has_address(pod: &Pod, address: IpAddr) -> bool {
    let addresses = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
    addresses.filter_map(|listed| listed.ip.parse::<IpAddr>().ok()).any(|listed| listed == address)
}

/// Whether a pod with this address serves this port under this name.
pub(super) fn serves(cluster: &Cluster, address: IpAddr, name: &str, protocol: &str, number: i32) -> bool {
    cluster.pods().filter(|pod| has_address(pod, address)).any(|pod| {
        container_ports(pod).iter().any(|port| {
            port.name.as_deref() == Some(name)
                && port.protocol.as_deref().unwrap_or("TCP") == protocol
                && port.container_port == number
        })
    })
}

/// Of containers that run beside each other: not of init containers that end before the others start.
fn container_ports(pod: &Pod) -> Vec<ContainerPort> {
    let spec = pod.spec.clone().unwrap_or_default();
    let mut containers = spec.containers;
    for container in spec.init_containers.unwrap_or_default() {
        if container.restart_policy.as_deref() == Some("Always") {
            containers.push(container);
        }
    }
    containers.into_iter().flat_map(|container| container.ports.unwrap_or_default()).collect()
}

/// What selectors of our own policies select: a pod or a network set.
pub(super) struct Thing {
    labels: Labels,
    /// `None`: a global network set.
    pub(super) namespace: Option<String>,
    /// Of pods.
    pub(super) service_account: Option<String>,
}

impl Thing {
    pub(super) fn from_pod(pod: &Pod) -> Self {
        // The API server fills this in; of a pod without it (our choice) nobody knows as what it runs.
        let account = pod.spec.clone().and_then(|spec| spec.service_account_name);
        Self {
            labels: labels_of(&pod.metadata),
            namespace: Some(namespace_of(pod)),
            service_account: account.filter(|name| !name.is_empty()),
        }
    }

    fn from_set(set: &NetworkSet, namespace: Option<String>) -> Self {
        Self { labels: labels_of(&set.metadata), namespace, service_account: None }
    }

    /// All that have this address.
    pub(super) fn at(cluster: &Cluster, address: IpAddr) -> Vec<Self> {
        let contains = |set: &&NetworkSet| {
            let mut networks = set.spec.nets.iter().filter_map(|text| Network::read_or_address(text));
            networks.any(|network| network.contains(address))
        };
        let pods = cluster.pods().filter(|pod| has_address(pod, address)).map(Self::from_pod);
        let sets = cluster.network_sets.iter().filter(contains);
        let sets = sets.map(|set| Self::from_set(set, set.metadata.namespace.clone()));
        let global = cluster.global_network_sets.iter().filter(contains);
        pods.chain(sets).chain(global.map(|set| Self::from_set(set, None))).collect()
    }

    /// Its own label, or one of the two that are given to it and that nobody can give himself: the names of its namespace
    /// and of its service account.
    pub(super) fn label(&self, key: &str) -> Label {
        match key {
            "projectcalico.org/namespace" => known(self.namespace.clone()),
            "projectcalico.org/serviceaccount" => known(self.service_account.clone()),
            _ => known(self.labels.get(key).cloned()),
        }
    }

    /// A label of its namespace.
    pub(super) fn namespace_label(&self, cluster: &Cluster, key: &str) -> Label {
        let Some(name) = &self.namespace else { return Label::Absent };
        let names = ["projectcalico.org/name", "projectcalico.org/namespace", "kubernetes.io/metadata.name"];
        if names.contains(&key) {
            return known(Some(name.clone()));
        }
        match of_namespace(cluster, name) {
            None => Label::Unknown,
            Some(labels) => known(labels.get(key).cloned()),
        }
    }

    /// A label of its service account.
    pub(super) fn account_label(&self, cluster: &Cluster, key: &str) -> Label {
        let Some(name) = &self.service_account else { return Label::Absent };
        if key == "projectcalico.org/name" {
            return known(Some(name.clone()));
        }
        let mut accounts = cluster.service_accounts.iter();
        match accounts.find(|account| {
            account.metadata.namespace == self.namespace && account.metadata.name.as_ref() == Some(name)
        }) {
            None => Label::Unknown,
            Some(account) => known(labels_of(&account.metadata).get(key).cloned()),
        }
    }
}

fn known(value: Option<String>) -> Label {
    value.map_or(Label::Absent, Label::Value)
}
