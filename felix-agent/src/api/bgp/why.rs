//! Why a prefix is routed as it is: the speaker's steps, then what became of them in the kernel.

use ::bgp::speaker::Why;
use ipnetwork::IpNetwork;
use proto::v1;
use tonic::Status;

use super::answer;
use crate::agent::Handle;
use crate::dataplane::netlink::Netlink;
use crate::dataplane::routes::lookup::{Verdict, find, look_up};
use crate::plan::routes::route_to;

pub(super) fn answer(why: Why, kernel: v1::KernelRoute) -> v1::WhyRouteResponse {
    let paths = why.routes.into_iter();
    let told = why.told.into_iter();
    v1::WhyRouteResponse {
        asked: why.asked.to_string(),
        prefix: why.prefix.map_or(String::new(), |prefix| prefix.to_string()),
        paths: paths
            .map(|route| v1::WhyPath { path: Some(answer::path(route.path)), steps: route.steps })
            .collect(),
        told: told
            .map(|told| v1::WhyTold { peer: told.peer.to_string(), told: told.told, reason: told.reason })
            .collect(),
        kernel: Some(kernel),
    }
}

/// What this node wants of the kernel for the prefix that BGP found, and what the kernel itself says of the first
/// address that was asked for. No packet goes to the first address of a default route: that one is looked for by itself.
pub(super) async fn kernel(
    agent: &Handle,
    netlink: &Netlink,
    asked: IpNetwork,
    found: Option<IpNetwork>,
) -> Result<v1::KernelRoute, Status> {
    let prefix = found.unwrap_or(asked);
    let planned = agent.ask(move |inputs| route_to(inputs, &prefix)).await.map_err(super::super::stopped)?;
    let status = agent.status();
    let about = format!("route {prefix}: ");
    let problem = status.problems.iter().find_map(|problem| problem.strip_prefix(&about));
    let mut kernel = v1::KernelRoute {
        planned: planned.map_or(String::new(), |route| route.to_string()),
        installed: status.installed.contains(&prefix),
        problem: problem.unwrap_or_default().to_owned(),
        ..v1::KernelRoute::default()
    };
    let verdict =
        if asked.prefix() == 0 { find(netlink, asked).await } else { look_up(netlink, asked.ip()).await };
    let verdict =
        verdict.map_err(|error| Status::unavailable(format!("the kernel cannot be asked: {error}")))?;
    match verdict {
        Verdict::Route { destination, protocol, text } => {
            kernel.prefix = destination.to_string();
            kernel.route = text;
            kernel.protocol = protocol.into();
        }
        Verdict::Blackhole => kernel.route = "dropped (blackhole)".to_owned(),
        Verdict::Refused => kernel.route = "refused".to_owned(),
        Verdict::Unreachable => {}
    }
    Ok(kernel)
}
