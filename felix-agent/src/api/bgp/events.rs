//! What happens to peers and routes, as a stream of messages.
//!
//! Peers' events come from the agent's [`History`], routes' straight from the speaker. Between the two kinds the order
//! is not exact; the time stamps say what was when.

use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use ::bgp::config::PeerKey;
use ::bgp::net;
use ::bgp::speaker::{Notice, NoticeKind};
use futures_util::{Stream, StreamExt as _, future, stream};
use proto::v1;
use proto::v1::bgp_event::What;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tonic::Status;

use crate::shell::history::{Dated, Fact, History};

/// What was last, then (with `follow`) what happens: of one peer, or of all and of routes.
pub(super) fn watch(
    history: &History,
    speaker: &net::Handle,
    peer: Option<PeerKey>,
    follow: bool,
) -> Pin<Box<dyn Stream<Item = Result<v1::BgpEvent, Status>> + Send>> {
    let (past, coming) = history.follow();
    let wanted = peer.clone();
    let of_peer = move |dated: &Dated| match (&wanted, &dated.fact) {
        (None, _) => true,
        (Some(wanted), Fact::Peer(notice)) => notice.peer == *wanted,
        (Some(_), Fact::Synchronised) => false,
    };
    let past: Vec<_> =
        past.into_iter().filter(|dated| of_peer(dated)).map(|dated| Ok(encode(dated))).collect();
    let past = stream::iter(past);
    if !follow {
        return Box::pin(past);
    }
    let peers = BroadcastStream::new(coming).filter_map(move |received| {
        future::ready(match received {
            Ok(dated) => of_peer(&dated).then(|| encode(dated)),
            Err(BroadcastStreamRecvError::Lagged(count)) => Some(missed(count)),
        })
    });
    if peer.is_some() {
        return Box::pin(past.chain(peers.map(Ok)));
    }
    let routes = BroadcastStream::new(speaker.subscribe()).filter_map(|received| {
        future::ready(match received {
            Ok(stamped) => route(stamped),
            Err(BroadcastStreamRecvError::Lagged(count)) => Some(missed(count)),
        })
    });
    Box::pin(past.chain(stream::select(peers, routes).map(Ok)))
}

fn encode(Dated { at, fact }: Dated) -> v1::BgpEvent {
    let what = match fact {
        Fact::Peer(notice) => What::Peer(peer(notice)),
        Fact::Synchronised => What::Synchronised(v1::SynchronisedEvent {}),
    };
    event(at, what)
}

fn route(net::Stamped { at, what }: net::Stamped) -> Option<v1::BgpEvent> {
    match what {
        net::Happening::Route(prefix, hops) => {
            let hops = hops.unwrap_or_default().into_iter().map(|hop| match hop.interface {
                Some(interface) => format!("{} dev {interface}", hop.next_hop),
                None => hop.next_hop.to_string(),
            });
            let changed = v1::RouteEvent { prefix: prefix.to_string(), next_hops: hops.collect() };
            Some(event(at, What::Route(changed)))
        }
        // Told by the history.
        net::Happening::Peer(_) | net::Happening::Synchronised => None,
    }
}

fn missed(count: u64) -> v1::BgpEvent {
    event(SystemTime::now(), What::Missed(v1::MissedEvents { count }))
}

fn event(at: SystemTime, what: What) -> v1::BgpEvent {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    v1::BgpEvent { at_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX), what: Some(what) }
}

fn peer(Notice { peer, kind }: Notice) -> v1::PeerEvent {
    let (kind, state, text) = match kind {
        NoticeKind::State { state, reason } => ("state", state.to_string(), reason),
        NoticeKind::Malformed(reason) => ("malformed", String::new(), reason),
        NoticeKind::Prefixes { family, count, limit } => {
            let text = format!("{count} {family} prefixes of at most {limit}");
            ("prefixes", String::new(), text)
        }
        NoticeKind::Stale { family, count, long_lived } => {
            let text = match (count, long_lived) {
                (0, _) => format!("no {family} routes are kept any more"),
                (_, false) => format!("{count} {family} routes are kept over its restart"),
                (_, true) => format!("{count} {family} routes are kept, least preferred (RFC 9494)"),
            };
            ("stale", String::new(), text)
        }
        NoticeKind::Bfd(state) => ("bfd", state.to_string(), String::new()),
    };
    v1::PeerEvent { peer: peer.to_string(), kind: kind.to_owned(), state, text }
}
