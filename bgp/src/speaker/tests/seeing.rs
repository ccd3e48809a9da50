//! What is seen: peers, routes, why; and what BMP collectors are told.

use std::sync::Arc;
use std::time::Duration;

use super::lab::{Lab, asn, config, key, peer, prefix, v4};
use crate::config::Policy;
use crate::filter::{Condition, Decision, Filter, PrefixPattern, Rule, Then};
use crate::speaker::view::Match;
use crate::speaker::{Monitored, MonitoredDown, Reset, RouteQuery, RouteView, Table};
use crate::wire::{Family, Message, RefreshKind, RouteRefresh};

fn query(table: Table) -> RouteQuery {
    RouteQuery { table, peer: None, family: None, prefix: None, rejected: false, limit: usize::MAX }
}

fn routes(lab: &Lab, node: usize, query: &RouteQuery) -> Vec<RouteView> {
    lab.speaker(node).routes(query, lab.now)
}

fn prefixes(lab: &Lab, node: usize, query: &RouteQuery) -> Vec<String> {
    routes(lab, node, query).iter().map(|route| route.prefix.to_string()).collect()
}

/// Three peers of each other; 1 and 2 announce.
fn triangle() -> Lab {
    let mut lab = Lab::external(3);
    lab.originate(1, &["10.101.0.0/16", "10.101.1.0/24", "fd01::/64"]);
    lab.originate(2, &["10.101.1.0/24"]);
    lab
}

#[test]
fn routes_by_table_peer_family_prefix_and_limit() {
    let lab = triangle();
    let all = query(Table::LocRib);
    assert_eq!(prefixes(&lab, 0, &all), ["10.101.0.0/16", "10.101.1.0/24", "fd01::/64"]);
    assert_eq!(prefixes(&lab, 0, &RouteQuery { limit: 2, ..all.clone() }).len(), 2);
    let v6 = RouteQuery { family: Some(Family::Ipv6Unicast), ..all.clone() };
    assert_eq!(prefixes(&lab, 0, &v6), ["fd01::/64"]);
    let of = |text: &str, how| RouteQuery { prefix: Some((prefix(text), how)), ..all.clone() };
    assert_eq!(prefixes(&lab, 0, &of("10.101.1.0/24", Match::Exact)), ["10.101.1.0/24"]);
    assert_eq!(prefixes(&lab, 0, &of("10.101.0.0/16", Match::Longer)), ["10.101.0.0/16", "10.101.1.0/24"]);
    assert_eq!(prefixes(&lab, 0, &of("10.101.1.9/32", Match::Shorter)), ["10.101.0.0/16", "10.101.1.0/24"]);
    assert_eq!(prefixes(&lab, 0, &of("10.101.1.9/32", Match::Exact)), [""; 0]);

    let paths = &routes(&lab, 0, &of("10.101.1.0/24", Match::Exact))[0].paths;
    assert_eq!(paths.len(), 2, "each announces its own and prefers it to the other's");
    assert!(paths[0].best && !paths[1].best && !paths[1].reason.is_empty());

    for table in [Table::AdjRibIn, Table::AdjRibOut] {
        let with_2 = RouteQuery { peer: Some(key(2)), ..query(table) };
        let found = routes(&lab, 0, &with_2);
        assert!(found.iter().flat_map(|route| &route.paths).all(|path| path.peer == Some(key(2))));
        assert!(!found.is_empty());
        let exact = RouteQuery { prefix: Some((prefix("10.101.1.0/24"), Match::Exact)), ..query(table) };
        let exact_of_all: Vec<_> = prefixes(&lab, 0, &exact);
        assert_eq!(exact_of_all, ["10.101.1.0/24"], "{table:?}");
        let limited = RouteQuery { limit: 1, ..query(table) };
        assert_eq!(prefixes(&lab, 0, &limited), ["10.101.0.0/16"], "{table:?}: the first of all");
    }
}

#[test]
fn what_the_peer_has_is_what_it_was_told() {
    let lab = triangle();
    let told = RouteQuery { peer: Some(key(1)), ..query(Table::AdjRibOut) };
    let has = RouteQuery { peer: Some(key(0)), ..query(Table::AdjRibIn) };
    let simple = |routes: Vec<RouteView>| -> Vec<_> {
        let path =
            |route: RouteView| route.paths.into_iter().map(move |path| (route.prefix, path.attributes));
        routes.into_iter().flat_map(path).collect()
    };
    assert_eq!(simple(routes(&lab, 0, &told)), simple(routes(&lab, 1, &has)));
    let advertised: u64 = lab.peer(0, 1).families.iter().map(|family| family.advertised).sum();
    assert_eq!(usize::try_from(advertised).unwrap(), routes(&lab, 0, &told).len());
}

fn filter(text: &str) -> Policy {
    let pattern = PrefixPattern { network: prefix(text), at_least: prefix(text).prefix(), at_most: 32 };
    Policy::Filter(Arc::new(Filter {
        name: "tor-in".to_owned(),
        rules: vec![Rule {
            name: "mine".to_owned(),
            conditions: vec![Condition::Prefix([pattern].into_iter().collect())],
            actions: Vec::new(),
            then: Then::Accept,
        }],
        otherwise: Decision::Reject,
    }))
}

#[test]
fn why_names_each_step_from_the_peer_to_the_peers() {
    let mut lab = triangle();
    lab.configure_peer(0, 1, |peer| {
        peer.families.get_mut(&Family::Ipv4Unicast).unwrap().import = filter("10.101.1.0/24");
    });
    lab.configure_peer(0, 2, |peer| {
        peer.families.get_mut(&Family::Ipv4Unicast).unwrap().export = Policy::Reject;
    });
    lab.seconds(200);
    let why = |text: &str| lab.speaker(0).why(&prefix(text), lab.now);

    let answer = why("10.101.1.9/32");
    assert_eq!(answer.prefix, Some(prefix("10.101.1.0/24")));
    assert_eq!(answer.routes.len(), 2);
    let used = &answer.routes[0];
    assert_eq!(used.path.peer, Some(key(1)));
    assert_eq!(
        used.steps,
        ["received from 10.0.0.2 3 min ago", "accepted by filter tor-in, rule 1 (mine)", "best path"]
    );
    assert!(answer.routes[1].steps.last().unwrap().starts_with("lost: "), "{:?}", answer.routes[1].steps);
    let told: Vec<_> = answer.told.iter().map(|told| (&told.peer, told.told)).collect();
    assert_eq!(told, [(&key(1), false), (&key(2), false)]);
    assert!(answer.told.iter().all(|told| !told.reason.is_empty()));

    // What the filter refuses from one peer is known by way of the other.
    let answer = why("10.101.0.0/16");
    let refused = answer.routes.iter().find(|route| route.path.peer == Some(key(1))).unwrap();
    assert!(refused.path.unusable);
    assert!(refused.steps[1].contains("filter tor-in, no rule applied"), "{:?}", refused.steps);
    let rejected = RouteQuery { rejected: true, ..query(Table::AdjRibIn) };
    assert_eq!(prefixes(&lab, 0, &rejected), ["10.101.0.0/16"]);
    assert_eq!(lab.family(0, 1).rejected, 1);

    assert_eq!(why("192.0.2.1/32").prefix, None);
}

#[test]
fn the_view_tells_of_sessions_and_of_why_they_were_down() {
    let mut lab = triangle();
    lab.configure_peer(0, 1, |peer| peer.description = "ToR 1".to_owned());
    lab.seconds(5);
    let view = lab.speaker(0).view(lab.now);
    assert_eq!((view.local_as, view.router_id, view.cluster_id), (65000, v4(0), v4(0)));
    assert!(view.synchronised);
    assert_eq!(view.peers.len(), 2);
    assert!(view.sizes.routes[0] >= 4);
    let peer = lab.peer(0, 1);
    assert_eq!((peer.description.as_str(), peer.remote_as, peer.local_as), ("ToR 1", Some(asn(1)), 65000));
    assert_eq!((peer.address, peer.router_id), (Some(v4(1).into()), Some(v4(1))));
    assert_eq!((peer.hold_time, peer.keepalive), (Duration::from_secs(90), Duration::from_secs(30)));
    assert!(peer.hold_remaining.is_some_and(|left| left <= peer.hold_time && left > Duration::from_secs(50)));
    assert!(peer.capabilities.iter().any(|name| name.contains("route")), "{:?}", peer.capabilities);
    assert_eq!(peer.retry_in, None);
    let last = lab.peer(2, 1);
    assert_eq!((last.last_down_age, last.last_down_reason.as_str()), (None, ""), "it was there at once");
    assert!(peer.counters.messages_sent >= 3 && peer.counters.octets_sent >= 19 * 3);
    assert!(peer.counters.updates_sent > 0 && peer.counters.updates_received > 0);
    let family = lab.family(0, 1);
    assert!(family.negotiated && family.end_of_rib_received && !family.no_next_hop);
    lab.kill(1);
    lab.seconds(3);
    let peer = lab.peer(0, 1);
    assert_eq!(peer.last_down_age, Some(Duration::from_secs(3)));
    assert!(peer.retry_in.is_some() && peer.hold_remaining.is_none());
    assert_eq!(peer.last_down_reason, "connection lost: reset by peer");
}

/// 0 is monitored; 1 is its peer.
fn monitored() -> Lab {
    let mut lab = Lab::new(2);
    let mut config_0 = config(0, 65000, &[(1, peer(65001))]);
    config_0.monitoring = true;
    lab.start(0, config_0);
    lab.start(1, config(1, 65001, &[(0, peer(65000))]));
    lab.seconds(5);
    lab
}

#[test]
fn collectors_hear_of_sessions_and_routes_as_they_come() {
    let mut lab = monitored();
    lab.originate(1, &["10.101.0.0/24"]);
    let told = std::mem::take(&mut lab.nodes[0].monitored);
    let Some(Monitored::Up(up)) = told.first() else { panic!("{told:?}") };
    assert_eq!((up.peer.asn, up.sent.asn, up.received.asn), (65001, 65000, 65001));
    assert_eq!(up.remote_port, 179);
    let updates: Vec<_> = lab
        .take_received(0, 1)
        .into_iter()
        .filter_map(|message| if let Message::Update(update) = message { Some(update) } else { None })
        .collect();
    let routes = told.iter().filter_map(|monitored| {
        if let Monitored::Routes { update, .. } = monitored { Some(update.clone()) } else { None }
    });
    assert_eq!(routes.collect::<Vec<_>>(), updates);
    lab.reset(0, 1, Reset::Hard(None));
    let down = |lab: &mut Lab| {
        std::mem::take(&mut lab.nodes[0].monitored).into_iter().find_map(|monitored| {
            if let Monitored::Down { reason, .. } = monitored { Some(reason) } else { None }
        })
    };
    assert!(matches!(down(&mut lab), Some(MonitoredDown::Sent(_))));
    lab.seconds(60);
    lab.reset(1, 0, Reset::Hard(None));
    assert!(matches!(down(&mut lab), Some(MonitoredDown::Received(_))));
    lab.seconds(60);
    lab.kill(1);
    assert_eq!(down(&mut lab), Some(MonitoredDown::Lost));
    lab.start(1, config(1, 65001, &[(0, peer(65000))]));
    lab.seconds(60);
    lab.configure(0, |config| config.peers.clear());
    assert_eq!(down(&mut lab), Some(MonitoredDown::Deconfigured));
}

#[test]
fn a_new_collector_is_told_what_an_old_one_knows() {
    let mut lab = monitored();
    lab.originate(1, &["10.101.0.0/24", "10.102.0.0/24", "fd01::/64"]);
    let told = lab.speaker(0).monitored();
    assert!(matches!(told[0], Monitored::Up(_)));
    let mut announced = Vec::new();
    let mut markers = Vec::new();
    for monitored in &told[1..] {
        let Monitored::Routes { update, .. } = monitored else { panic!("{monitored:?}") };
        markers.extend(update.end_of_rib);
        let reach = update.reach.iter().flat_map(|reach| &reach.prefixes);
        announced.extend(reach.map(|nlri| nlri.prefix.to_string()));
    }
    announced.sort();
    assert_eq!(announced, ["10.101.0.0/24", "10.102.0.0/24", "fd01::/64"]);
    assert_eq!(markers, Family::ALL);
    // Without collectors nothing is said.
    let lab = Lab::external(2);
    assert!(lab.nodes[0].monitored.is_empty());
}

#[test]
fn collectors_are_told_of_what_a_refresh_leaves_out() {
    let mut lab = monitored();
    lab.originate(1, &["10.101.0.0/24", "10.102.0.0/24"]);
    lab.nodes[0].monitored.clear();
    for kind in [RefreshKind::Begin, RefreshKind::End] {
        lab.inject(0, 1, Message::RouteRefresh(RouteRefresh { family: Family::Ipv4Unicast, kind }));
    }
    let withdrawn = lab.nodes[0].monitored.iter().flat_map(|monitored| match monitored {
        Monitored::Routes { update, .. } => update.withdrawn.clone(),
        Monitored::Up(_) | Monitored::Down { .. } => Vec::new(),
    });
    let withdrawn: Vec<_> = withdrawn.map(|nlri| nlri.prefix).collect();
    assert_eq!(withdrawn, [prefix("10.101.0.0/24"), prefix("10.102.0.0/24")]);
}
