//! Why a prefix is routed as it is: each route's way through the speaker, and who is told.

use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::routes::around;
use super::{PathView, Why, WhyRoute, WhyTold};
use crate::config::Source;
use crate::rib::Seen;
use crate::speaker::Speaker;
use crate::speaker::peer::Peer;
use crate::wire::Family;

impl Speaker {
    /// Why a prefix or an address is routed as it is, step by step.
    #[must_use]
    pub fn why(&self, prefix: &IpNetwork, now: Instant) -> Why {
        let asked = *prefix;
        let Some((prefix, routes)) = self.covering(prefix) else {
            return Why { asked, prefix: None, routes: Vec::new(), told: Vec::new() };
        };
        let mut routes: Vec<_> = routes.iter().map(|seen| self.why_route(seen, now)).collect();
        // The RIB's order stands but for what is unusable.
        routes.sort_by_key(|route| (!route.path.best, !route.path.multipath, route.path.unusable));
        let established = self.peers.by_key().filter(|peer| peer.established.is_some());
        let told = established.map(|peer| self.why_told(peer, &prefix)).collect();
        Why { asked, prefix: Some(prefix), routes, told }
    }

    /// What was asked for itself, if there is any route to it; else the longest prefix around it that packets can
    /// follow; else the longest at all.
    fn covering(&self, asked: &IpNetwork) -> Option<(IpNetwork, Vec<Seen>)> {
        let mut unusable = None;
        for prefix in around(asked) {
            let routes = self.rib.routes_to(&prefix);
            if routes.is_empty() {
                continue;
            }
            if prefix.prefix() == asked.prefix() || routes.iter().any(|seen| seen.unusable.is_none()) {
                return Some((prefix, routes));
            }
            unusable = unusable.or(Some((prefix, routes)));
        }
        unusable
    }

    fn why_route(&self, seen: &Seen, now: Instant) -> WhyRoute {
        let path = self.view_seen(seen, now);
        let mut steps = vec![origin(seen, &path)];
        if seen.long_lived_stale {
            steps.push("kept beyond the peer's restart time, least preferred (RFC 9494)".to_owned());
        } else if seen.stale {
            steps.push("kept while the peer restarts (RFC 4724)".to_owned());
        }
        if path.unusable {
            steps.push(format!("unusable: {}", path.reason));
            return WhyRoute { path, steps };
        }
        if !seen.import_rule.is_empty() {
            let changed = if seen.received == seen.attributes { "" } else { ", which changed it" };
            steps.push(format!("accepted by {}{changed}", seen.import_rule));
        }
        steps.push(match (path.best, path.multipath) {
            (true, _) => "best path".to_owned(),
            (false, true) => "used beside the best path".to_owned(),
            (false, false) if path.reason.is_empty() => "not used".to_owned(),
            (false, false) => format!("lost: {}", path.reason),
        });
        WhyRoute { path, steps }
    }

    fn why_told(&self, peer: &Peer, prefix: &IpNetwork) -> WhyTold {
        let family = Family::of(prefix);
        let member = peer.established.as_ref().and_then(|established| established.members.get(&family));
        let Some(member) = member else {
            let reason = format!("the session does not carry {family}");
            return WhyTold { peer: peer.key.clone(), told: false, reason };
        };
        let told = !self.rib.told(*member, prefix).is_empty();
        let reasons = self.rib.explain_export(*member, prefix);
        let several = reasons.len() > 1;
        let sentences: Vec<_> = reasons
            .into_iter()
            .map(|(source, sentence)| {
                let neighbour = source.and_then(|source| self.rib.neighbour(source));
                match neighbour.filter(|_| several) {
                    Some(neighbour) => format!("route of {}: {sentence}", neighbour.key),
                    None if several => format!("our own: {sentence}"),
                    None => sentence,
                }
            })
            .collect();
        WhyTold { peer: peer.key.clone(), told, reason: sentences.join("; ") }
    }
}

fn origin(seen: &Seen, path: &PathView) -> String {
    let what = match seen.origination {
        Some(Source::Block) => "a block of pod addresses",
        Some(Source::Node) => "the node itself",
        Some(Source::Service) => "a service",
        Some(Source::Aggregate) => "a summary of our prefixes",
        None => {
            let peer = path.peer.as_ref().map_or("a peer that is gone".to_owned(), ToString::to_string);
            return format!("received from {peer} {} ago", words(path.age));
        }
    };
    format!("originated here: {what}")
}

/// "45 s", "2 min", "3 h", "4 d".
fn words(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_words() {
        let table = [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")];
        for (seconds, expected) in table {
            assert_eq!(words(Duration::from_secs(seconds)), expected);
        }
    }
}
