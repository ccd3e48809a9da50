//! `fabric.v1.Policy`: what the engine decides, and why; what the kernel counted; what a change would do.
//!
//! - `packet`: from what was asked to a packet;
//! - `explain`: what both ends decide about it, and the rules in the kernel that stand for it;
//! - `trace`: what the kernel does with one such packet, held against that;
//! - `list`: policies, with what their rules counted;
//! - `describe`: the rules in force on an endpoint, in words;
//! - `diff`: what a change would do.
//!
//! Questions to the inputs are answered between two passes of the loop, and are short; what takes longer (the kernel's
//! counters, a trace, a comparison) happens beside it.

mod describe;
mod diff;
mod explain;
mod list;
mod packet;
#[cfg(test)]
mod tests;
mod trace;

use std::io;
use std::sync::Arc;

use datastore::Kind;
use policy::engine::Stage;
use policy::program::{Action, Direction, PolicyKind, RuleOrigin};
use proto::v1;
use proto::v1::policy_server::Policy;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use crate::agent::Handle;
use crate::dataplane::netlink::Netlink;
use crate::dataplane::nftables::counters::KernelRules;
use crate::inputs::statuses::object_kind;

/// The service.
pub struct Service {
    agent: Handle,
    netlink: Netlink,
    /// One probe at a time.
    tracing: Arc<Mutex<()>>,
}

impl Service {
    pub(super) fn new(agent: Handle, netlink: Netlink) -> Self {
        Self { agent, netlink, tracing: Arc::default() }
    }
}

#[tonic::async_trait]
impl Policy for Service {
    async fn list_policies(
        &self,
        request: Request<v1::ListPoliciesRequest>,
    ) -> Result<Response<v1::ListPoliciesResponse>, Status> {
        let v1::ListPoliciesRequest { hits, policy } = request.into_inner();
        let found =
            self.agent.ask(move |inputs| list::find(inputs, &policy)).await.map_err(super::stopped)?;
        let rules = if hits { Some(kernel_rules().await?) } else { None };
        Ok(Response::new(found.answer(rules.as_ref())))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let request = request.into_inner();
        let wants_trace = request.trace;
        let mut explained = self
            .agent
            .ask(move |inputs| explain::explain(inputs, &request))
            .await
            .map_err(super::stopped)??;
        if wants_trace {
            let _turn = self.tracing.lock().await;
            explained.trace(&self.netlink).await?;
        }
        if explained.is_of_this_node() {
            let rules = kernel_rules().await?;
            explained.count(&rules);
        }
        Ok(Response::new(explained.answer))
    }

    async fn describe_endpoint(
        &self,
        request: Request<v1::DescribeEndpointRequest>,
    ) -> Result<Response<v1::EndpointDescription>, Status> {
        let request = request.into_inner();
        let states = self.agent.status().endpoints.clone();
        let described = self
            .agent
            .ask(move |inputs| {
                let description = describe::describe(inputs, &states, &request)?;
                let is_local = description.node == inputs.node.name;
                Ok::<_, Status>((description, is_local.then_some(inputs.enforcement.mark)))
            })
            .await
            .map_err(super::stopped)?;
        let (mut description, mark) = described?;
        if let Some(mark) = mark {
            describe::add_generations(&mut description, &kernel_rules().await?, mark);
        }
        Ok(Response::new(description))
    }

    async fn diff(&self, request: Request<v1::DiffRequest>) -> Result<Response<v1::DiffResponse>, Status> {
        let change = diff::plan(request.into_inner())?;
        let before = self.agent.ask(|inputs| inputs.cluster.engine().model().clone()).await;
        let before = before.map_err(super::stopped)?;
        let compared = tokio::task::spawn_blocking(move || diff::compare(&before, change)).await;
        compared
            .map_err(|error| Status::internal(format!("the comparison broke off: {error}")))
            .map(Response::new)
    }
}

/// What the kernel holds and has counted. Blocks a thread of its own for as long as the kernel takes.
async fn kernel_rules() -> Result<KernelRules, Status> {
    blocking(KernelRules::read)
        .await
        .map_err(|error| Status::unavailable(format!("the kernel's rules cannot be read: {error}")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What the object of a policy is called.
fn kind(kind: PolicyKind, stage: Stage) -> Kind {
    match (stage, kind) {
        (Stage::Staged, PolicyKind::NetworkPolicy) => Kind::StagedKubernetesNetworkPolicy,
        (Stage::Staged, PolicyKind::FabricNetworkPolicy) => Kind::StagedNetworkPolicy,
        (Stage::Staged, PolicyKind::GlobalNetworkPolicy) => Kind::StagedGlobalNetworkPolicy,
        (Stage::Staged, PolicyKind::ClusterNetworkPolicy) | (Stage::Enforced, _) => object_kind(kind),
    }
}

fn rule_ref(origin: &RuleOrigin, direction: Direction) -> v1::RuleRef {
    let RuleOrigin { policy, rule, name } = origin;
    v1::RuleRef {
        namespace: policy.namespace.clone().unwrap_or_default(),
        policy: policy.name.clone(),
        direction: direction.to_string(),
        rule: *rule,
        kind: kind(policy.kind, Stage::Enforced).name().to_owned(),
        name: name.clone().unwrap_or_default(),
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Allow => "Allow",
        Action::Deny => "Deny",
        Action::Pass => "Pass",
        Action::Log => "Log",
    }
}
