//! What both ends decide about a packet, and the rules in the kernel that stand for it.

use std::net::IpAddr;

use policy::evaluate::Packet;
use policy::explain::{AskedTier, DirectionVerdict, Explanation, Outcome};
use policy::program::{Direction, EndpointId, ProfileId, Tier, TierEnd, Verdict};
use proto::v1;
use tonic::Status;

use super::{packet, rule_ref};
use crate::dataplane::nftables::counters::{Count, KernelRules};
use crate::dataplane::nftables::lower::name;
use crate::dataplane::probe::Origin;
use crate::inputs::Inputs;

/// An answer, and what is needed to hold the kernel against it.
pub(super) struct Explained {
    pub(super) answer: v1::ExplainResponse,
    pub(super) packet: Packet,
    /// Those ends that are judged in this node's kernel, in order.
    pub(super) ends: Vec<KernelEnd>,
    /// From where a probe would go; or why none can.
    pub(super) origin: Result<Origin, String>,
}

/// One end's decision, as this node's kernel makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KernelEnd {
    pub(super) direction: Direction,
    pub(super) endpoint: EndpointId,
    pub(super) verdict: Verdict,
    /// Its chain and the comment of the rule that decides; `None`: no rule of a policy does.
    pub(super) rule: Option<(ProfileId, String)>,
}

impl Explained {
    /// Whether anything is decided on this node.
    pub(super) fn is_of_this_node(&self) -> bool {
        self.ends.iter().any(|end| end.rule.is_some())
    }

    /// Adds what the kernel has counted.
    pub(super) fn count(&mut self, rules: &KernelRules) {
        for end in &self.ends {
            let Some((profile, comment)) = &end.rule else { continue };
            let mut chains = Vec::new();
            let mut count = Count::default();
            for rule in rules.of_profile(&profile.0, comment) {
                if !chains.contains(&rule.chain) {
                    chains.push(rule.chain.clone());
                }
                count += rule.count.unwrap_or_default();
            }
            let Count { packets, bytes } = count;
            let kernel = v1::KernelRule { chains, comment: comment.clone(), packets, bytes };
            let direction = end.direction.to_string();
            let verdicts = self.answer.directions.iter_mut();
            if let Some(verdict) = verdicts.into_iter().find(|verdict| verdict.direction == direction) {
                verdict.kernel = Some(kernel).filter(|kernel| !kernel.chains.is_empty());
            }
        }
    }
}

/// Answers for one packet, whose ends are named by pod or address.
pub(super) fn explain(inputs: &Inputs, request: &v1::ExplainRequest) -> Result<Explained, Status> {
    let packet = packet::packet(inputs, request)?;
    let only = packet::direction(&request.direction)?;
    let Packet { source, destination, .. } = packet;
    if let Some(answer) = from_own_node(inputs, source, destination) {
        let origin = Err("what a node sends to its own pods passes no rules".to_owned());
        return Ok(Explained { answer, packet, ends: Vec::new(), origin });
    }
    let Explanation { mut directions, .. } = inputs.cluster.engine().explain(&packet);
    directions.retain(|end| only.is_none_or(|only| end.direction == only));
    let is_local = |end: &&DirectionVerdict| inputs.workloads.contains_key(&end.endpoint);
    let ends = directions.iter().filter(is_local).map(kernel_end).collect();
    let allowed = directions.iter().all(|end| end.verdict == Verdict::Allow);
    Ok(Explained {
        answer: v1::ExplainResponse {
            allowed,
            source_address: source.to_string(),
            destination_address: destination.to_string(),
            directions: directions.iter().map(|end| verdict(inputs, end)).collect(),
            trace: None,
        },
        packet,
        ends,
        origin: origin(inputs, &packet),
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
            direction: Direction::Ingress.to_string(),
            endpoint: id.to_string(),
            allowed: true,
            reason: "allowed: it comes from the pod's own node".to_owned(),
            node: inputs.node.name.clone(),
            ..v1::DirectionVerdict::default()
        }],
        trace: None,
    })
}

fn verdict(inputs: &Inputs, end: &DirectionVerdict) -> v1::DirectionVerdict {
    let node = inputs.cluster.endpoint(&end.endpoint).map(|endpoint| endpoint.node.clone());
    v1::DirectionVerdict {
        direction: end.direction.to_string(),
        endpoint: end.endpoint.to_string(),
        allowed: end.verdict == Verdict::Allow,
        reason: end.reason.clone(),
        decided_by: end.decided_by.as_ref().map(|origin| rule_ref(origin, end.direction)),
        considered: end.considered().map(ToString::to_string).collect(),
        node: node.unwrap_or_default(),
        tiers: end.tiers.iter().map(|tier| asked_tier(tier, end.direction)).collect(),
        kernel: None,
    }
}

fn asked_tier(tier: &AskedTier, direction: Direction) -> v1::AskedTier {
    let passed_over = tier
        .passed_over
        .iter()
        .map(|over| v1::PassedOver { rule: Some(rule_ref(&over.rule, direction)), why: over.why.clone() });
    v1::AskedTier {
        name: tier.name.clone(),
        outcome: match tier.outcome {
            Outcome::Allowed => "allowed",
            Outcome::Denied => "denied",
            Outcome::Passed => "passed",
        }
        .to_owned(),
        rule: tier.rule.as_ref().map(|origin| rule_ref(origin, direction)),
        policies: tier.policies.iter().map(ToString::to_string).collect(),
        passed_over: passed_over.collect(),
        logged: tier.logged.iter().map(|origin| rule_ref(origin, direction)).collect(),
    }
}

/// Which rule of the kernel's stands for a decision, as the lowering names it.
fn kernel_end(end: &DirectionVerdict) -> KernelEnd {
    let comment = end.tiers.last().map(|tier| match (&tier.rule, tier.outcome) {
        (Some(origin), _) => name::rule(origin, end.direction),
        (None, Outcome::Denied) => {
            let (name, policies) = (tier.name.clone(), tier.policies.clone());
            name::tier_end(&Tier { name, policies, rules: Vec::new(), end: TierEnd::Deny }, end.direction)
        }
        (None, Outcome::Allowed | Outcome::Passed) => name::fallback(end.direction),
    });
    KernelEnd {
        direction: end.direction,
        endpoint: end.endpoint.clone(),
        verdict: end.verdict,
        rule: end.profile.clone().zip(comment),
    }
}

/// Where a probe would begin. A sentence where it cannot.
fn origin(inputs: &Inputs, packet: &Packet) -> Result<Origin, String> {
    let at =
        |address: IpAddr| inputs.workloads.iter().find(|(_, workload)| workload.addresses.contains(&address));
    let (source, destination) = (at(packet.source), at(packet.destination));
    let node_of = |address: IpAddr| {
        let id = inputs.cluster.engine().owner(address)?;
        inputs.cluster.endpoint(id).map(|endpoint| endpoint.node.clone())
    };
    match (source, destination) {
        (Some((from, _)), Some((to, _))) if from == to => {
            Err(format!("{from} reaches itself without leaving its network namespace"))
        }
        (Some((_, workload)), _) => Ok(Origin::Pod {
            netns: workload.netns.clone().into(),
            interface: workload.interface.clone(),
            mac: workload.mac.clone(),
        }),
        (None, Some(_)) => Ok(Origin::Elsewhere),
        (None, None) => {
            let nodes: Vec<String> =
                [packet.source, packet.destination].into_iter().filter_map(node_of).collect();
            let there = match nodes.as_slice() {
                [] => "no node judges it".to_owned(),
                nodes => format!("ask the agent of {}", nodes.join(" or ")),
            };
            Err(format!("neither end is on this node ({}); {there}", inputs.node.name))
        }
    }
}
