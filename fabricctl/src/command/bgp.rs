//! `peers` and `routes`.

use proto::v1::{ListPeersRequest, ListRoutesRequest, RouteTable};

use crate::agent::Agent;
use crate::cli::RoutesArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::peers::Peers;
use crate::view::routes::Routes;

/// `peers`.
pub(crate) async fn peers(agent: &Agent, output: &Output) -> Result<(), Failure> {
    let answer = agent.ask(agent.bgp().list_peers(ListPeersRequest {})).await?;
    output.print(&Peers::from(answer))
}

/// `routes`.
pub(crate) async fn routes(agent: &Agent, output: &Output, args: RoutesArgs) -> Result<(), Failure> {
    let RoutesArgs { prefix, peer, received, advertised } = args;
    let (table, peer) = match (received, advertised) {
        (Some(peer), _) => (RouteTable::AdjRibIn, Some(peer)),
        (None, Some(peer)) => (RouteTable::AdjRibOut, Some(peer)),
        (None, None) => (RouteTable::LocRib, peer),
    };
    let request = ListRoutesRequest {
        table: table.into(),
        peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
        prefix: prefix.map(|prefix| prefix.0).unwrap_or_default(),
    };
    let answer = agent.ask(agent.bgp().list_routes(request)).await?;
    output.print(&Routes::from(answer))
}
