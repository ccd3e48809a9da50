//! `peers`, `routes`, `why`, `events` and `reset`.

use proto::v1::{
    ListPeersRequest, ListRoutesRequest, PrefixMatch, ResetKind, ResetPeerRequest, RouteTable,
    WatchEventsRequest, WhyRouteRequest,
};

use crate::agent::Agent;
use crate::cli::{Direction, EventsArgs, Family, PeersArgs, ResetArgs, RoutesArgs, Table, WhyArgs};
use crate::failure::Failure;
use crate::output::{Output, Reader};
use crate::view::events::Event;
use crate::view::peer::PeerInFull;
use crate::view::peers::Peers;
use crate::view::reset::Done;
use crate::view::routes::Routes;
use crate::view::why::Why;

/// `peers`.
pub(crate) async fn peers(agent: &Agent, output: &Output, args: PeersArgs) -> Result<(), Failure> {
    let alone = args.peer.is_some();
    let request = ListPeersRequest { peer: args.peer.unwrap_or_default() };
    let answer = Peers::from(agent.ask(agent.bgp().list_peers(request)).await?);
    if alone { output.print(&PeerInFull(answer)) } else { output.print(&answer) }
}

/// What `routes` asks.
pub(crate) fn plan_routes(args: RoutesArgs) -> ListRoutesRequest {
    let RoutesArgs { prefix, longer, shorter, table, peer, received, advertised, rejected, family, limit } =
        args;
    let (table, peer) = match (received, advertised, table) {
        (Some(peer), _, _) => (RouteTable::AdjRibIn, Some(peer)),
        (None, Some(peer), _) => (RouteTable::AdjRibOut, Some(peer)),
        (None, None, Some(Table::In)) => (RouteTable::AdjRibIn, peer),
        (None, None, Some(Table::Out)) => (RouteTable::AdjRibOut, peer),
        (None, None, Some(Table::Loc) | None) => (RouteTable::LocRib, peer),
    };
    let matches = match (longer, shorter) {
        (true, _) => PrefixMatch::Longer,
        (false, true) => PrefixMatch::Shorter,
        (false, false) => PrefixMatch::Exact,
    };
    ListRoutesRequest {
        table: table.into(),
        peer: peer.unwrap_or_default(),
        prefix: prefix.map(|prefix| prefix.0).unwrap_or_default(),
        r#match: matches.into(),
        family: family.map(Family::name).unwrap_or_default().to_owned(),
        rejected,
        limit: limit.unwrap_or_default(),
    }
}

/// `routes`.
pub(crate) async fn routes(agent: &Agent, output: &Output, args: RoutesArgs) -> Result<(), Failure> {
    let request = plan_routes(args);
    let answer = agent.ask(agent.bgp().list_routes(request)).await?;
    if answer.truncated {
        output.remark("There are more routes than --limit lets through.");
    }
    output.print(&Routes::from(answer))
}

/// `why`.
pub(crate) async fn why(agent: &Agent, output: &Output, args: WhyArgs) -> Result<(), Failure> {
    let request = WhyRouteRequest { prefix: args.destination.0 };
    let answer = agent.ask(agent.bgp().why_route(request)).await?;
    output.print(&Why::from(answer))
}

/// `events`: each is printed as it comes, as an object of its own.
pub(crate) async fn events(agent: &Agent, output: &Output, args: EventsArgs) -> Result<(), Failure> {
    let EventsArgs { follow, peer } = args;
    let request = WatchEventsRequest { peer: peer.unwrap_or_default(), follow };
    let mut stream = agent.ask(agent.bgp().watch_events(request)).await?;
    let mut any = false;
    while let Some(event) = agent.next(&mut stream, follow).await? {
        any = true;
        if output.print_one_of_many(&Event::from(event))? == Reader::Gone {
            return Ok(());
        }
    }
    if !any {
        output.remark("Nothing happened to peers since the agent started.");
    }
    Ok(())
}

/// `reset`.
pub(crate) async fn reset(agent: &Agent, output: &Output, args: ResetArgs) -> Result<(), Failure> {
    let ResetArgs { peer, soft, family, message } = args;
    let kind = match soft {
        None => ResetKind::Hard,
        Some(Direction::In) => ResetKind::SoftIn,
        Some(Direction::Out) => ResetKind::SoftOut,
    };
    let request = ResetPeerRequest {
        peer,
        kind: kind.into(),
        message: message.unwrap_or_default(),
        family: family.map(Family::name).unwrap_or_default().to_owned(),
    };
    let answer = agent.ask(agent.bgp().reset_peer(request)).await?;
    output.print(&Done::new(answer, kind))
}
