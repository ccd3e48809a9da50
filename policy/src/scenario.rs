//! Small clusters for tests, written in the API's own YAML, and judged by everyone who can judge.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Namespace as ApiNamespace, Pod, PodIP, PodSpec, PodStatus};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::compile::compile;
use crate::engine::Engine;
use crate::evaluate::{Packet, Transport, evaluate};
use crate::explain::Explanation;
use crate::model::{Endpoint, Model, Namespace, Policy, PolicyId, PolicyKind};
use crate::program::{EndpointId, Family, Program, Protocol, Verdict};
use crate::spec::{self, Cluster};

pub(crate) mod random;

#[derive(Debug, Clone, Default)]
pub(crate) struct Scenario {
    pub(crate) cluster: Cluster,
}

/// Two namespaces with two pods each; `shop/db` and `bank/vault` serve named ports.
///
/// | pod | labels | addresses |
/// |---|---|---|
/// | `shop/web` | `app: web` | `10.0.0.1` `fd00::1` |
/// | `shop/db` | `app: db` | `10.0.0.2` `fd00::2` |
/// | `bank/web` | `app: web` | `10.0.1.1` `fd00::1:1` |
/// | `bank/vault` | `app: vault` | `10.0.1.2` `fd00::1:2` |
pub(crate) fn town() -> Scenario {
    Scenario::default()
        .namespace("shop", "{team: red}")
        .namespace("bank", "{team: blue}")
        .pod("shop/web", "10.0.0.1 fd00::1", "{app: web}", "{containers: []}")
        .pod(
            "shop/db",
            "10.0.0.2 fd00::2",
            "{app: db}",
            "{containers: [{name: db, ports: [{name: sql, containerPort: 5432}, {name: dns, containerPort: 53, protocol: UDP}]}]}",
        )
        .pod("bank/web", "10.0.1.1 fd00::1:1", "{app: web}", "{containers: []}")
        .pod(
            "bank/vault",
            "10.0.1.2 fd00::1:2",
            "{app: vault}",
            "{containers: [{name: vault, ports: [{name: sql, containerPort: 6543}]}]}",
        )
}

pub(crate) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn endpoint_id(text: &str) -> EndpointId {
    let (namespace, name) = text.split_once('/').unwrap();
    EndpointId { namespace: namespace.to_owned(), name: name.to_owned() }
}

pub(crate) fn policy_id(text: &str) -> PolicyId {
    let EndpointId { namespace, name } = endpoint_id(text);
    PolicyId::namespaced(PolicyKind::NetworkPolicy, namespace, name)
}

fn metadata(id: &EndpointId, labels: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(id.namespace.clone()),
        name: Some(id.name.clone()),
        labels: Some(yaml(labels)),
        ..ObjectMeta::default()
    }
}

impl Scenario {
    pub(crate) fn namespace(mut self, name: &str, labels: &str) -> Self {
        self.cluster.namespaces.retain(|known| known.metadata.name.as_deref() != Some(name));
        let metadata =
            ObjectMeta { name: Some(name.to_owned()), labels: Some(yaml(labels)), ..ObjectMeta::default() };
        self.cluster.namespaces.push(ApiNamespace { metadata, ..ApiNamespace::default() });
        self
    }

    /// Adds or replaces a running pod. `addresses`: separated by spaces.
    pub(crate) fn pod(mut self, id: &str, addresses: &str, labels: &str, spec: &str) -> Self {
        let id = endpoint_id(id);
        let pod_ips = addresses.split_whitespace().map(|ip| PodIP { ip: ip.to_owned() }).collect();
        let pod = Pod {
            metadata: metadata(&id, labels),
            spec: Some(yaml::<PodSpec>(spec)),
            status: Some(PodStatus {
                phase: Some("Running".to_owned()),
                pod_ips: Some(pod_ips),
                ..PodStatus::default()
            }),
        };
        self.cluster.pods.retain(|known| {
            known.metadata.name != pod.metadata.name || known.metadata.namespace != pod.metadata.namespace
        });
        self.cluster.pods.push(pod);
        self
    }

    pub(crate) fn change_pod(mut self, id: &str, change: impl Fn(&mut Pod)) -> Self {
        let id = endpoint_id(id);
        let is_meant = |pod: &&mut Pod| {
            pod.metadata.namespace.as_ref() == Some(&id.namespace)
                && pod.metadata.name.as_ref() == Some(&id.name)
        };
        change(self.cluster.pods.iter_mut().find(is_meant).unwrap());
        self
    }

    pub(crate) fn phase(self, id: &str, phase: &str) -> Self {
        self.change_pod(id, |pod| pod.status.as_mut().unwrap().phase = Some(phase.to_owned()))
    }

    /// Adds or replaces a policy; `spec` as in the object.
    pub(crate) fn policy(mut self, id: &str, spec: &str) -> Self {
        let metadata = metadata(&endpoint_id(id), "{}");
        self = self.without_policy(id);
        let spec: NetworkPolicySpec = yaml(spec);
        self.cluster.policies.push(NetworkPolicy { metadata, spec: Some(spec) });
        self
    }

    pub(crate) fn without_policy(mut self, id: &str) -> Self {
        let id = endpoint_id(id);
        self.cluster.policies.retain(|known| {
            known.metadata.name.as_ref() != Some(&id.name)
                || known.metadata.namespace.as_ref() != Some(&id.namespace)
        });
        self
    }

    pub(crate) fn model(&self) -> Model {
        let mut model = Model::default();
        for object in &self.cluster.namespaces {
            let (name, namespace) = Namespace::from_kubernetes(object).unwrap();
            model.namespaces.insert(name, namespace);
        }
        for pod in &self.cluster.pods {
            let (endpoint, problems) = Endpoint::from_kubernetes(pod).unwrap();
            assert_eq!(problems, []);
            model.endpoints.insert(endpoint.id.clone(), endpoint);
        }
        for object in &self.cluster.policies {
            let policy = policy_of(object);
            model.policies.insert(policy.id.clone(), policy);
        }
        model
    }

    /// The program of a node that has all pods.
    pub(crate) fn program(&self) -> Program {
        let model = self.model();
        let local = model.endpoints.keys().cloned().collect();
        compile(&model, &local)
    }

    pub(crate) fn engine(&self) -> Engine {
        let mut engine = Engine::new();
        let model = self.model();
        engine.set_local(model.endpoints.keys().cloned().collect());
        for object in &self.cluster.policies {
            let policy = policy_of(object);
            engine.set_policy(&policy.id.clone(), Some(policy));
        }
        for (id, endpoint) in model.endpoints {
            engine.set_endpoint(&id, Some(endpoint));
        }
        for (name, namespace) in model.namespaces {
            engine.set_namespace(&name, Some(namespace));
        }
        engine
    }

    /// An address, or the first address of a pod (`shop/web`).
    fn address(&self, end: &str) -> IpAddr {
        if !end.contains('/') {
            return end.parse().unwrap();
        }
        let id = endpoint_id(end);
        let named = |pod: &&Pod| {
            pod.metadata.namespace.as_ref() == Some(&id.namespace)
                && pod.metadata.name.as_ref() == Some(&id.name)
        };
        let pod = self.cluster.pods.iter().find(named).unwrap();
        pod.status.as_ref().unwrap().pod_ips.as_ref().unwrap()[0].ip.parse().unwrap()
    }

    /// `service`: `tcp/80`, `icmp`.
    pub(crate) fn packet(&self, from: &str, to: &str, service: &str) -> Packet {
        let (source, destination) = (self.address(from), self.address(to));
        let transport = match service.split_once('/') {
            Some(("tcp", port)) => Transport::to_port(Protocol::Tcp, port.parse().unwrap()),
            Some(("udp", port)) => Transport::to_port(Protocol::Udp, port.parse().unwrap()),
            Some(("sctp", port)) => Transport::to_port(Protocol::Sctp, port.parse().unwrap()),
            Some(_) => panic!("{service}"),
            None if service == "icmp" => Transport::echo(Family::of(source)),
            None => Transport::Other(service.parse().unwrap()),
        };
        Packet { source, destination, transport }
    }

    /// Whether both ends allow it: according to the specification and to the program, which must agree.
    pub(crate) fn allows(&self, from: &str, to: &str, service: &str) -> bool {
        let packet = self.packet(from, to, service);
        let allowed = self.agreed(&self.program(), &packet);
        assert_eq!(self.explain(from, to, service).verdict == Verdict::Allow, allowed);
        allowed
    }

    /// Like [`Scenario::allows`] for objects that the specification does not cover.
    pub(crate) fn program_allows(&self, from: &str, to: &str, service: &str) -> bool {
        evaluate(&self.program(), &self.packet(from, to, service)).verdict() == Verdict::Allow
    }

    pub(crate) fn explain(&self, from: &str, to: &str, service: &str) -> Explanation {
        self.engine().explain(&self.packet(from, to, service))
    }

    /// Holds the program's decision about a packet against the specification, end by end.
    pub(crate) fn agreed(&self, program: &Program, packet: &Packet) -> bool {
        let evaluation = evaluate(program, packet);
        let allowed = |end: &Option<crate::evaluate::Decision>| {
            end.as_ref().map(|decision| decision.verdict() == Verdict::Allow)
        };
        let judgement = spec::judge(&self.cluster, packet);
        assert_eq!(allowed(&evaluation.egress), judgement.egress, "egress of {packet:?}\n{program}");
        assert_eq!(allowed(&evaluation.ingress), judgement.ingress, "ingress of {packet:?}\n{program}");
        evaluation.verdict() == Verdict::Allow
    }

    /// Checks many packets: `(from, to, service, allowed)`.
    #[track_caller]
    pub(crate) fn check(&self, packets: &[(&str, &str, &str, bool)]) {
        for (from, to, service, allowed) in packets {
            assert_eq!(self.allows(from, to, service), *allowed, "{from} -> {to} {service}");
        }
    }

    /// The problems of all policies.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.engine().summaries().into_iter().flat_map(|summary| summary.problems).collect()
    }
}

fn policy_of(object: &NetworkPolicy) -> Policy {
    let ObjectMeta { namespace, name, .. } = &object.metadata;
    Policy::from_kubernetes(namespace.as_deref().unwrap(), name.as_deref().unwrap(), object)
}

pub(crate) fn ids(texts: &[&str]) -> BTreeSet<EndpointId> {
    texts.iter().map(|text| endpoint_id(text)).collect()
}
