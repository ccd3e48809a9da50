//! `events`: one object each: `{at, kind, peer, state, text, prefix, nextHops, missed}`.

use proto::v1;
use proto::v1::bgp_event::What;
use serde::Serialize;

use crate::output::View;
use crate::output::quantity::render_time;
use crate::output::table::clean;

/// Something that happened.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// RFC 3339, UTC.
    at: String,
    /// `state`, `malformed`, `prefixes`, `stale`, `bfd`; `route`; `synchronised`; `missed`.
    kind: String,
    peer: String,
    state: String,
    text: String,
    prefix: String,
    next_hops: Vec<String>,
    /// So many events were lost to this reader.
    missed: u64,
}

impl From<v1::BgpEvent> for Event {
    fn from(message: v1::BgpEvent) -> Self {
        let v1::BgpEvent { at_us, what } = message;
        let mut event = Self {
            at: render_time(at_us),
            kind: String::new(),
            peer: String::new(),
            state: String::new(),
            text: String::new(),
            prefix: String::new(),
            next_hops: Vec::new(),
            missed: 0,
        };
        match what {
            Some(What::Peer(v1::PeerEvent { peer, kind, state, text })) => {
                Self { peer, kind, state, text, ..event }
            }
            Some(What::Route(v1::RouteEvent { prefix, next_hops })) => {
                Self { kind: "route".to_owned(), prefix, next_hops, ..event }
            }
            Some(What::Synchronised(v1::SynchronisedEvent {})) => {
                event.kind = "synchronised".to_owned();
                event
            }
            Some(What::Missed(v1::MissedEvents { count })) => {
                Self { kind: "missed".to_owned(), missed: count, ..event }
            }
            // Of a newer agent.
            None => event,
        }
    }
}

impl View for Event {
    fn render(&self) -> String {
        let words = match self.kind.as_str() {
            "state" => format!("{} is {}{}", self.peer, self.state, after_colon(&self.text)),
            "bfd" => format!("{}: BFD is {}", self.peer, self.state),
            "malformed" => {
                format!("{}: errors in an UPDATE were survived{}", self.peer, after_colon(&self.text))
            }
            "prefixes" | "stale" => format!("{}{}", self.peer, after_colon(&self.text)),
            "route" if self.next_hops.is_empty() => format!("{}: no path is left", self.prefix),
            "route" => format!("{} via {}", self.prefix, self.next_hops.join(" and ")),
            "synchronised" => "all peers have said what they had".to_owned(),
            "missed" => format!("{} events were missed: too slow", self.missed),
            other => format!("{other}: not known to this fabricctl"),
        };
        format!("{}   {}\n", self.at, clean(words))
    }

    fn remark_if_empty(&self) -> &'static str {
        // Each says something.
        ""
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
