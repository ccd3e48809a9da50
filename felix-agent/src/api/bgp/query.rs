//! What is asked, as the speaker wants it; what makes no sense is refused with what would.

use std::net::IpAddr;

use ::bgp::config::PeerKey;
use ::bgp::speaker::view::{Match, PeerView, RouteQuery, Table};
use ::bgp::wire::Family;
use ipnetwork::IpNetwork;
use proto::v1;
use tonic::Status;

/// The peer of this name, address, interface or description.
pub(super) fn peer(peers: &[PeerView], text: &str) -> Result<PeerKey, Status> {
    let address: Option<IpAddr> = text.parse().ok();
    let is_named =
        |peer: &&PeerView| peer.key.to_string() == text || (address.is_some() && peer.address == address);
    if let Some(found) = peers.iter().find(is_named) {
        return Ok(found.key.clone());
    }
    let mut described = peers.iter().filter(|peer| !text.is_empty() && peer.description == text);
    match (described.next(), described.next()) {
        (Some(only), None) => Ok(only.key.clone()),
        (Some(one), Some(other)) => Err(Status::invalid_argument(format!(
            "peer {text}: {} and {} are both described so; give the address",
            one.key, other.key
        ))),
        (None, _) => {
            Err(Status::not_found(format!("peer {text}: not configured; `fabricctl peers` lists them")))
        }
    }
}

pub(super) fn routes(request: &v1::ListRoutesRequest, peer: Option<PeerKey>) -> Result<RouteQuery, Status> {
    let table = match request.table() {
        v1::RouteTable::LocRib => Table::LocRib,
        v1::RouteTable::AdjRibIn => Table::AdjRibIn,
        v1::RouteTable::AdjRibOut => Table::AdjRibOut,
    };
    let matches = match request.r#match() {
        v1::PrefixMatch::Exact => Match::Exact,
        v1::PrefixMatch::Longer => Match::Longer,
        v1::PrefixMatch::Shorter => Match::Shorter,
    };
    let prefix = if request.prefix.is_empty() { None } else { Some(prefix_or_address(&request.prefix)?) };
    let limit =
        if request.limit == 0 { usize::MAX } else { usize::try_from(request.limit).unwrap_or(usize::MAX) };
    Ok(RouteQuery {
        table,
        peer,
        family: family(&request.family)?,
        prefix: prefix.map(|prefix| (prefix, matches)),
        rejected: request.rejected,
        limit,
    })
}

/// An address means itself: /32 or /128. Host bits of a prefix are dropped.
pub(super) fn prefix_or_address(text: &str) -> Result<IpNetwork, Status> {
    let wrong = || {
        Status::invalid_argument(format!(
            "prefix \"{text}\": give a prefix such as 10.42.0.0/26, or an address"
        ))
    };
    let parsed: IpNetwork = text.parse().map_err(|_| wrong())?;
    IpNetwork::new(parsed.network(), parsed.prefix()).map_err(|_| wrong())
}

pub(super) fn family(text: &str) -> Result<Option<Family>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Status::invalid_argument(format!("family: {error}")))
}
