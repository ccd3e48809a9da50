//! `fabric.v1.Policy`: what the engine decides, and why.

use std::net::IpAddr;

use datastore::Kind;
use policy::engine::Stage;
use policy::evaluate::{Packet, Transport};
use policy::explain::{DirectionVerdict, Explanation};
use policy::program::{EndpointId, Family, PolicyKind, Protocol, Verdict};
use proto::v1;
use proto::v1::policy_server::Policy;
use tonic::{Request, Response, Status};

use crate::agent::Handle;
use crate::inputs::Inputs;

/// The service.
pub struct Service {
    agent: Handle,
}

impl Service {
    pub(super) fn new(agent: Handle) -> Self {
        Self { agent }
    }
}

#[tonic::async_trait]
impl Policy for Service {
    async fn list_policies(
        &self,
        _: Request<v1::ListPoliciesRequest>,
    ) -> Result<Response<v1::ListPoliciesResponse>, Status> {
        let policies = self.agent.ask(summaries).await.map_err(super::stopped)?;
        Ok(Response::new(v1::ListPoliciesResponse { policies }))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let request = request.into_inner();
        self.agent
            .ask(move |inputs| explain(inputs, &request))
            .await
            .map_err(super::stopped)?
            .map(Response::new)
    }
}

fn summaries(inputs: &Inputs) -> Vec<v1::PolicySummary> {
    let summaries = inputs.cluster.engine().summaries().into_iter();
    summaries
        .map(|summary| v1::PolicySummary {
            kind: kind(summary.id.kind, summary.stage).name().to_owned(),
            tier: summary.tier,
            namespace: summary.id.namespace.unwrap_or_default(),
            name: summary.id.name,
            types: summary.directions.iter().map(ToString::to_string).collect(),
            endpoints: summary.endpoints as u64,
            problems: summary.problems,
        })
        .collect()
}

/// What the object of a policy is called.
fn kind(kind: PolicyKind, stage: Stage) -> Kind {
    match (kind, stage) {
        (PolicyKind::NetworkPolicy, Stage::Enforced) => Kind::NetworkPolicy,
        (PolicyKind::NetworkPolicy, Stage::Staged) => Kind::StagedKubernetesNetworkPolicy,
        (PolicyKind::ClusterNetworkPolicy, _) => Kind::ClusterNetworkPolicy,
        (PolicyKind::FabricNetworkPolicy, Stage::Enforced) => Kind::FabricNetworkPolicy,
        (PolicyKind::FabricNetworkPolicy, Stage::Staged) => Kind::StagedNetworkPolicy,
        (PolicyKind::GlobalNetworkPolicy, Stage::Enforced) => Kind::GlobalNetworkPolicy,
        (PolicyKind::GlobalNetworkPolicy, Stage::Staged) => Kind::StagedGlobalNetworkPolicy,
    }
}

/// Answers for one packet, whose ends are named by pod or address.
fn explain(inputs: &Inputs, request: &v1::ExplainRequest) -> Result<v1::ExplainResponse, Status> {
    let version = ip_version(request.ip_version)?;
    let sources = addresses(inputs, "source", &request.source)?;
    let destinations = addresses(inputs, "destination", &request.destination)?;
    let (source, destination) = pair(&sources, &destinations, version).ok_or_else(|| {
        Status::failed_precondition(format!(
            "{} ({}) and {} ({}) have no address family in common{}",
            request.source,
            list(&sources),
            request.destination,
            list(&destinations),
            version.map_or(String::new(), |version| format!(", or not IPv{version}")),
        ))
    })?;
    let transport = transport(&request.protocol, request.port, source)?;
    if let Some(answer) = from_own_node(inputs, source, destination) {
        return Ok(answer);
    }
    let packet = Packet { source, destination, transport };
    let Explanation { verdict, directions } = inputs.cluster.engine().explain(&packet);
    Ok(v1::ExplainResponse {
        allowed: verdict == Verdict::Allow,
        source_address: source.to_string(),
        destination_address: destination.to_string(),
        directions: directions.into_iter().map(direction).collect(),
    })
}

/// What a node sends to its own pods is not policed (networking.k8s.io/v1, NetworkPolicyIngressRule: traffic from the
/// pod's own node is always allowed), and never passes the rules.
fn from_own_node(inputs: &Inputs, source: IpAddr, destination: IpAddr) -> Option<v1::ExplainResponse> {
    let (id, _) = inputs.workloads.iter().find(|(_, workload)| workload.addresses.contains(&destination))?;
    let is_node = inputs.node.addresses.contains(&source);
    is_node.then(|| v1::ExplainResponse {
        allowed: true,
        source_address: source.to_string(),
        destination_address: destination.to_string(),
        directions: vec![v1::DirectionVerdict {
            direction: policy::program::Direction::Ingress.to_string(),
            endpoint: id.to_string(),
            allowed: true,
            reason: "allowed: it comes from the pod's own node".to_owned(),
            decided_by: None,
            considered: Vec::new(),
        }],
    })
}

fn direction(verdict: DirectionVerdict) -> v1::DirectionVerdict {
    let considered = verdict.considered().map(ToString::to_string).collect();
    let DirectionVerdict { direction, endpoint, verdict, reason, decided_by, tiers: _ } = verdict;
    v1::DirectionVerdict {
        direction: direction.to_string(),
        endpoint: format!("{}/{}", endpoint.namespace, endpoint.name),
        allowed: verdict == Verdict::Allow,
        reason,
        decided_by: decided_by.map(|origin| v1::RuleRef {
            namespace: origin.policy.namespace.unwrap_or_default(),
            policy: origin.policy.name,
            direction: direction.to_string(),
            rule: origin.rule,
        }),
        considered,
    }
}

/// An address, or those of `namespace/pod`.
fn addresses(inputs: &Inputs, which: &str, text: &str) -> Result<Vec<IpAddr>, Status> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let Some((namespace, name)) = text.split_once('/') else {
        return Err(Status::invalid_argument(format!(
            "{which} \"{text}\": give namespace/pod or an address"
        )));
    };
    let id = EndpointId { namespace: namespace.to_owned(), name: name.to_owned() };
    match inputs.cluster.endpoint(&id) {
        Some(endpoint) => Ok(endpoint.addresses.clone()),
        None => Err(Status::not_found(format!(
            "{which} \"{text}\": no such endpoint; `fabricctl endpoints --all-nodes` lists them"
        ))),
    }
}

fn ip_version(number: u32) -> Result<Option<u32>, Status> {
    match number {
        0 => Ok(None),
        4 | 6 => Ok(Some(number)),
        _ => Err(Status::invalid_argument(format!("ip_version {number}: give 4, 6, or 0 for either"))),
    }
}

/// The first pair of one family, IPv4 preferred.
fn pair(sources: &[IpAddr], destinations: &[IpAddr], version: Option<u32>) -> Option<(IpAddr, IpAddr)> {
    [(4, true), (6, false)]
        .into_iter()
        .filter(|(number, _)| version.is_none_or(|wanted| wanted == *number))
        .find_map(|(_, is_v4)| {
            let of_family =
                |addresses: &[IpAddr]| addresses.iter().copied().find(|address| address.is_ipv4() == is_v4);
            Some((of_family(sources)?, of_family(destinations)?))
        })
}

fn transport(protocol: &str, port: u32, source: IpAddr) -> Result<Transport, Status> {
    let with_port = |protocol| match u16::try_from(port) {
        Ok(number) if number > 0 => Ok(Transport::to_port(protocol, number)),
        Ok(_) | Err(_) => Err(Status::invalid_argument(format!("port {port}: give one from 1 to 65535"))),
    };
    match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => with_port(Protocol::Tcp),
        "udp" => with_port(Protocol::Udp),
        "sctp" => with_port(Protocol::Sctp),
        "icmp" | "icmpv6" => Ok(Transport::echo(Family::of(source))),
        _ => Err(Status::invalid_argument(format!("protocol \"{protocol}\": give tcp, udp, sctp or icmp"))),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
