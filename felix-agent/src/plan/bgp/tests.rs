//! The file's reference, as the speaker is told of it.

use std::time::Duration;

use ::bgp::config as speaker;
use ::bgp::config::{PeerKey, Policy, RemoteAs, SendPaths};
use ::bgp::filter::{Action, Condition, Decision, NextHopChange, Subject, Then};
use ::bgp::wire::{Attributes, Community, Family, Role};

use super::filter;
use crate::config::filter as written;
use crate::config::{Config, Overrides};

const REFERENCE: &str = include_str!("../../../tests/fixtures/agent.yaml");

fn config(text: &str) -> Config {
    Config::parse("agent.yaml", text, &Overrides::default()).expect("valid").config
}

fn peer<'a>(config: &'a speaker::Config, address: &str) -> &'a speaker::PeerConfig {
    &config.peers[&PeerKey::Address(address.parse().expect("address"))]
}

#[test]
fn the_speaker_itself() {
    let told = super::speaker(&config(REFERENCE), true);
    assert_eq!((told.local_as, told.router_id.to_string().as_str()), (65001, "10.255.0.1"));
    assert_eq!(
        (told.multipath.external, told.multipath.internal, told.multipath.relaxed_as_path),
        (16, 16, true)
    );
    assert!(told.graceful_restart.restarting && told.forwarding && told.monitoring);
    assert_eq!(told.graceful_restart.deferral_time, Duration::from_secs(120));
    assert_eq!(told.aggregates.len(), 1);
    let range = &told.listen_ranges[0];
    assert_eq!((range.limit, range.peer.remote_as, range.peer.passive), (100, RemoteAs::Any, true));

    assert!(told.client_to_client_reflection);
    let meshed = config(&REFERENCE.replace("Reflection: true", "Reflection: false"));
    assert!(!super::speaker(&meshed, false).client_to_client_reflection);
    let off = config(&REFERENCE.replace("    enabled: true", "    enabled: false"));
    assert!(!super::speaker(&off, true).graceful_restart.restarting, "nobody was told to wait");
}

#[test]
fn each_peer_is_as_it_is_written() {
    let told = super::speaker(&config(REFERENCE), false);
    let tor = peer(&told, "10.1.1.0");
    assert_eq!(tor.remote_as, RemoteAs::Is(65101));
    assert_eq!(tor.local_as, Some(speaker::LocalAs { asn: 64999, replace: true }));
    assert_eq!(tor.hops, speaker::Hops::Security(1));
    assert_eq!(tor.password.as_ref().map(|secret| &*secret.0), Some("not in any log"));
    assert_eq!(tor.tcp_ao, None);
    let signed = REFERENCE
        .replace("      password: ", "      # password: ")
        .replace("# tcpAO: ", "tcpAO: ")
        .replace("passwordFile: /etc/fabric/tor1.key", "password: of AO");
    let signed = super::speaker(&config(&signed), false);
    let (algorithm, secret) = (speaker::TcpAoAlgorithm::HmacSha1, speaker::Secret("of AO".into()));
    let key = speaker::TcpAo { send_id: 1, receive_id: 2, algorithm, secret };
    let signed = peer(&signed, "10.1.1.0");
    assert_eq!((&signed.tcp_ao, &signed.password), (&Some(key), &None));
    assert_eq!(
        (tor.timers.hold, tor.timers.keepalive),
        (Duration::from_secs(9), Some(Duration::from_secs(3)))
    );
    assert_eq!(tor.role, Some(speaker::RoleConfig { role: Role::Customer, strict: false }));
    assert_eq!(
        tor.bfd.map(|bfd| (bfd.transmit_interval, bfd.multiplier)),
        Some((Duration::from_millis(300), 3))
    );
    let v4 = &tor.families[&Family::Ipv4Unicast];
    assert!(matches!(&v4.import, Policy::Filter(filter) if filter.name == "tor-in"));
    assert!(matches!(&v4.export, Policy::Filter(filter) if filter.name == "node-only"));
    assert_eq!((v4.add_path_receive, v4.add_path_send), (true, SendPaths::Limit(4)));
    let beyond = v4.max_prefixes.map(|max| (max.limit, max.beyond));
    assert_eq!(beyond, Some((10_000, speaker::Beyond::Restart(Duration::from_secs(60)))));
    let v6 = &tor.families[&Family::Ipv6Unicast];
    assert!(matches!(&v6.import, Policy::Filter(filter) if filter.name == "tor-in"));
    assert_eq!(v6.export, Policy::Originated);

    let unnumbered = &told.peers[&PeerKey::Interface("eth1".into())];
    assert!(unnumbered.extended_next_hop, "there is no other next hop on such a link");
    let internal = peer(&told, "fd00:ff::9");
    assert_eq!(internal.hops, speaker::Hops::Multihop(3));
    assert_eq!(internal.shutdown.as_deref(), Some("new disks until noon"));
    assert!(internal.route_reflector_client);
    assert!(internal.families.values().all(|family| family.import == Policy::Unset));
}

#[test]
fn what_the_file_leaves_out_is_the_same_as_what_the_speaker_would_choose() {
    let bare = "node: { name: n }\ndatastore: { sqlite: { path: /d } }\n\
        bgp: { localAS: 1, routerID: 1.1.1.1, peers: [{ address: 10.0.0.1, remoteAS: external }] }\n";
    let told = super::speaker(&config(bare), false);
    let chosen = speaker::PeerConfig::new(RemoteAs::External);
    // Nodes and their routers are near each other: the agent's hold time is shorter.
    let timers = speaker::Timers { hold: Duration::from_secs(9), ..chosen.timers };
    assert_eq!(*peer(&told, "10.0.0.1"), speaker::PeerConfig { timers, ..chosen });
}

/// Equal text is an equal configuration: a file that is read again resets nobody.
#[test]
fn what_is_read_twice_is_the_same() {
    assert_eq!(super::speaker(&config(REFERENCE), false), super::speaker(&config(REFERENCE), false));
}

fn compiled(rules: &str) -> ::bgp::filter::Filter {
    let text = format!(
        "node: {{ name: n }}\ndatastore: {{ sqlite: {{ path: /d }} }}\n\
        bgp: {{ localAS: 65001, routerID: 1.1.1.1, filters: {{ f: {{ rules: {rules} }} }} }}\n"
    );
    filter::compile("f", &config(&text).bgp.filters["f"], 65001)
}

#[test]
fn each_key_is_one_condition_or_action() {
    let filter = compiled(
        "[{ name: n, match: { asPathLength: { min: 2 }, originAS: [7], not: { med: { max: 5 }, neighbourAS: [9] } }, \
         set: { med: none, prepend: { times: 3 }, nextHop: self, replaceCommunities: [] }, then: continue }]",
    );
    let rule = &filter.rules[0];
    assert_eq!((rule.name.as_str(), rule.then, filter.otherwise), ("n", Then::Continue, Decision::Reject));
    assert_eq!(
        rule.conditions,
        [
            Condition::AsPathLength(2, u32::MAX),
            Condition::OriginAs(vec![7]),
            Condition::Not(Box::new(Condition::NeighbourAs(vec![9]))),
            Condition::Not(Box::new(Condition::Med(0, 5))),
        ]
    );
    assert_eq!(
        rule.actions,
        [
            Action::SetMed(None),
            Action::ReplaceCommunities(Vec::new()),
            Action::Prepend(65001, 3),
            Action::SetNextHopItself,
        ]
    );
}

/// Every set of sources, against every source a route can have: the filter itself is asked.
#[test]
fn a_source_is_one_of_those_named() {
    use written::Source::{Aggregate, Block, Learned, Node, Service};
    let all = [
        (Block, "block", Some(speaker::Source::Block)),
        (Node, "node", Some(speaker::Source::Node)),
        (Service, "service", Some(speaker::Source::Service)),
        (Aggregate, "aggregate", Some(speaker::Source::Aggregate)),
        (Learned, "learned", None),
    ];
    let prefix = "10.0.0.0/8".parse().expect("prefix");
    let attributes = Attributes::default();
    for named in 1_u8..32 {
        let chosen = |index: usize| named & 1 << index != 0;
        let names: Vec<&str> = all
            .iter()
            .enumerate()
            .filter(|(index, _)| chosen(*index))
            .map(|(_, (_, name, _))| *name)
            .collect();
        let filter = compiled(&format!("[{{ match: {{ source: [{}] }}, then: accept }}]", names.join(", ")));
        for (index, (_, name, origination)) in all.into_iter().enumerate() {
            let next_hop = origination.is_none().then(|| "10.0.0.1".parse().expect("next hop"));
            let subject = Subject { prefix: &prefix, attributes: &attributes, next_hop, origination };
            let passes = filter.evaluate(&subject).decision == Decision::Accept;
            assert_eq!(passes, chosen(index), "{name} by {names:?}");
        }
    }
}

#[test]
fn the_references_filters_do_what_they_say() {
    let told = super::speaker(&config(REFERENCE), false);
    let v4 = &peer(&told, "10.1.1.0").families[&Family::Ipv4Unicast];
    let Policy::Filter(export) = &v4.export else { panic!("a filter") };
    let prefix = "10.255.0.1/32".parse().expect("prefix");
    let attributes = Attributes { communities: vec![Community(1)], ..Attributes::default() };
    let of = |origination| Subject { prefix: &prefix, attributes: &attributes, next_hop: None, origination };
    let outcome = export.evaluate(&of(Some(speaker::Source::Node)));
    assert_eq!((outcome.decision, outcome.rule), (Decision::Accept, Some(0)));
    let changed = outcome.attributes.expect("changed");
    assert_eq!(changed.communities, [Community::NO_EXPORT]);
    assert_eq!(outcome.next_hop, NextHopChange::Untouched);
    assert_eq!(export.evaluate(&of(Some(speaker::Source::Block))).decision, Decision::Reject);
}
