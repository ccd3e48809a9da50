//! The text, as a scraper reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use ::bgp::bfd;
use ::bgp::config::PeerKey;
use ::bgp::net;
use ::bgp::rib::Sizes;
use ::bgp::session::State;
use ::bgp::speaker::view::{Counters, FamilyView, PeerView, View};
use ::bgp::wire::Family;

use super::ipam::View as Addresses;
use crate::agent::Status;
use crate::agent::meter::Meter;
use crate::config::{Config, Overrides};
use crate::ipam::{Counts, standby};
use crate::leader::summary::{Collected, Summary};

fn render(status: &Status, running: Option<&(View, net::Counters)>) -> String {
    let (index, counts, upkeep) = (::ipam::Index::default(), Counts::default(), Summary::default());
    let standby = standby::Status::default();
    let addresses = Addresses {
        index: &index,
        counts: &counts,
        standby: &standby,
        unreadable: 0,
        upkeep: &upkeep,
        now: ::ipam::Timestamp(0),
    };
    super::render(status, running, &addresses)
}

fn status() -> Status {
    let text = include_str!("../../tests/fixtures/agent.yaml");
    let config = Config::parse("agent.yaml", text, &Overrides::default()).expect("valid").config;
    Status::starting(&config)
}

fn peer(key: PeerKey, state: State) -> PeerView {
    let family = FamilyView {
        family: Family::Ipv4Unicast,
        negotiated: true,
        received: 5,
        accepted: 4,
        rejected: 1,
        stale: 2,
        advertised: 3,
        limit: Some(100),
        end_of_rib_received: true,
        no_next_hop: false,
        no_import_policy: false,
        no_export_policy: false,
    };
    PeerView {
        address: None,
        interface: None,
        dynamic: false,
        remote_as: Some(65101),
        local_as: 65001,
        route_reflector_client: false,
        shutdown: None,
        state,
        state_age: Duration::from_millis(1500),
        last_down_reason: String::new(),
        last_down_age: None,
        router_id: None,
        hold_time: Duration::ZERO,
        keepalive: Duration::ZERO,
        hold_remaining: None,
        retry_in: None,
        capabilities: Vec::new(),
        role: None,
        families: vec![family],
        counters: Counters {
            messages_received: 20,
            messages_sent: 21,
            updates_received: 6,
            updates_sent: 3,
            notifications_received: 1,
            refreshes_received: 2,
            octets_sent: 1000,
            update_errors: 7,
            flaps: 8,
            ..Counters::default()
        },
        description: "tor \"1\"\\\n".to_owned(),
        stale: true,
        bfd: (state == State::Established).then_some(bfd::State::Up),
        key,
    }
}

fn view() -> View {
    View {
        local_as: 65001,
        router_id: "10.0.0.1".parse().expect("address"),
        cluster_id: "10.0.0.1".parse().expect("address"),
        synchronised: true,
        peers: vec![
            peer(PeerKey::Address("10.1.1.0".parse().expect("address")), State::Established),
            peer(PeerKey::Interface("eth1".into()), State::Active),
        ],
        sizes: Sizes { destinations: [10, 11], routes: [20, 21], paths: 5, groups: 2, shared_octets: 64 },
    }
}

fn counters() -> net::Counters {
    let bfd = net::bfd::Counters {
        received: 31,
        transmitted: 32,
        unsent: 33,
        malformed: 34,
        too_far: 35,
        unclaimed: 36,
    };
    let collector = |address: &str, connected| net::bmp::Counters {
        address: address.parse().expect("address and port"),
        connected,
        queued_octets: 41,
        connections: 42,
        overruns: 43,
        octets_sent: 44,
    };
    net::Counters {
        bfd,
        collectors: vec![collector("192.0.2.10:5000", true), collector("[fd00::9]:1", false)],
    }
}

/// Samples by name and labels; panics on what the format (0.0.4) does not allow.
fn scrape(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut typed = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("name and type");
            assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("name and value");
            let name = series.split('{').next().expect("a name");
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let kind = typed.get(name).or_else(|| typed.get(family?)).expect(line);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(name.starts_with("fabric_"), "{line}");
            let fresh = samples.insert(series.to_owned(), value.parse().expect(line)).is_none();
            assert!(fresh, "{series} comes twice");
        }
    }
    samples
}

#[test]
fn everything_that_is_counted_is_there() {
    let text = render(&status(), Some(&(view(), counters())));
    let samples = scrape(&text);
    let expected = [
        ("fabric_bgp_peer_state{peer=\"10.1.1.0\"}", 6.0),
        ("fabric_bgp_peer_state{peer=\"eth1\"}", 3.0),
        ("fabric_bgp_peer_up{peer=\"eth1\"}", 0.0),
        ("fabric_bgp_peer_up_seconds{peer=\"10.1.1.0\"}", 1.5),
        ("fabric_bgp_peer_flaps_total{peer=\"10.1.1.0\"}", 8.0),
        ("fabric_bgp_peer_bfd_state{peer=\"10.1.1.0\"}", 3.0),
        ("fabric_bgp_peer_messages_received_total{peer=\"eth1\",type=\"update\"}", 6.0),
        ("fabric_bgp_peer_messages_received_total{peer=\"eth1\",type=\"other\"}", 11.0),
        ("fabric_bgp_peer_messages_sent_total{peer=\"eth1\",type=\"other\"}", 18.0),
        ("fabric_bgp_peer_octets_sent_total{peer=\"eth1\"}", 1000.0),
        ("fabric_bgp_peer_update_errors_total{peer=\"eth1\"}", 7.0),
        ("fabric_bgp_peer_prefixes_received{peer=\"eth1\",family=\"ipv4-unicast\"}", 5.0),
        ("fabric_bgp_peer_prefixes_rejected{peer=\"eth1\",family=\"ipv4-unicast\"}", 1.0),
        ("fabric_bgp_peer_prefixes_limit{peer=\"eth1\",family=\"ipv4-unicast\"}", 100.0),
        ("fabric_bgp_rib_destinations{family=\"ipv6-unicast\"}", 11.0),
        ("fabric_bgp_rib_routes{family=\"ipv4-unicast\"}", 20.0),
        ("fabric_bgp_synchronised", 1.0),
        ("fabric_bgp_bfd_packets_received_total", 31.0),
        ("fabric_bgp_bfd_packets_sent_total", 32.0),
        ("fabric_bgp_bfd_packets_unsent_total", 33.0),
        ("fabric_bgp_bfd_packets_dropped_total{reason=\"malformed\"}", 34.0),
        ("fabric_bgp_bfd_packets_dropped_total{reason=\"too-far\"}", 35.0),
        ("fabric_bgp_bfd_packets_dropped_total{reason=\"unclaimed\"}", 36.0),
        ("fabric_bgp_bmp_collector_up{collector=\"192.0.2.10:5000\"}", 1.0),
        ("fabric_bgp_bmp_collector_up{collector=\"[fd00::9]:1\"}", 0.0),
        ("fabric_bgp_bmp_collector_queued_octets{collector=\"[fd00::9]:1\"}", 41.0),
        ("fabric_bgp_bmp_collector_connections_total{collector=\"[fd00::9]:1\"}", 42.0),
        ("fabric_bgp_bmp_collector_overruns_total{collector=\"[fd00::9]:1\"}", 43.0),
        ("fabric_bgp_bmp_collector_octets_sent_total{collector=\"[fd00::9]:1\"}", 44.0),
        ("fabric_agent_ready", 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(samples.get(series), Some(&value), "{series}\n{text}");
    }
    for absent in ["fabric_bgp_peer_up_seconds{peer=\"eth1\"}", "fabric_bgp_peer_bfd_state{peer=\"eth1\"}"] {
        assert!(!samples.contains_key(absent), "{absent}");
    }
    let odd = r#"description="tor \"1\"\\\n"}"#;
    assert!(text.contains(odd), "labels are escaped: {text}");
}

/// Series grow with peers, by a bounded number each, and with nothing else.
#[test]
fn a_peer_costs_a_bounded_number_of_series() {
    let mut running = (view(), counters());
    let before = scrape(&render(&status(), Some(&running))).len();
    running.0.peers.push(peer(PeerKey::Interface("eth2".into()), State::Active));
    let after = scrape(&render(&status(), Some(&running))).len();
    assert!(after - before < 30, "{} series", after - before);
}

#[test]
fn without_a_speaker_the_agent_still_answers() {
    let samples = scrape(&render(&status(), None));
    assert!(samples.contains_key("fabric_agent_passes_total"));
    assert!(samples.keys().all(|series| !series.contains("peer")));
}

#[test]
fn times_are_counted_below_their_bounds() {
    let mut meter = Meter::default();
    for waited in [0, 1, 2, 30, 400, 60_000] {
        meter.pass(true, Some(Duration::from_millis(waited)));
    }
    meter.pass(false, None);
    assert_eq!((meter.passes, meter.incomplete), (7, 1));
    let samples = scrape(&render(&Status { meter, ..status() }, None));
    let within = |bound: &str| samples[&format!("fabric_bgp_convergence_seconds_bucket{{le=\"{bound}\"}}")];
    assert_eq!(
        ["0.001", "0.002", "0.025", "0.05", "0.5", "30", "+Inf"].map(within),
        [2.0, 3.0, 3.0, 4.0, 5.0, 5.0, 6.0]
    );
    assert_eq!(samples["fabric_bgp_convergence_seconds_count"], 6.0);
    assert_eq!(samples["fabric_bgp_convergence_seconds_sum"], 60.433);
}

#[test]
fn pools_the_allocator_and_the_leader_are_there() {
    let mut index = ::ipam::Index::default();
    index.put_pool(::ipam::Pool::new("default", "10.0.0.0/24".parse().expect("prefix")));
    index.put_reservation(::ipam::Reservation {
        name: "gw".to_owned(),
        reserved_cidrs: vec!["10.0.0.0/30".parse().expect("prefix")],
    });
    let mut latency = [0; crate::ipam::BOUNDS_US.len() + 1];
    latency[0] = 2;
    latency[3] = 1;
    let counts = Counts {
        requests: 4,
        commits: 3,
        assignments: 3,
        latency,
        latency_total: Duration::from_micros(1100),
        ..Counts::default()
    };
    let upkeep = Summary {
        leading: true,
        problems: [(::ipam::audit::Kind::LeakedAddress, 2)].into(),
        collected: Collected { addresses: 7, ..Collected::default() },
        ..Summary::default()
    };
    let standby = standby::Status {
        families: vec![(::ipam::Family::V4, 5, 8)],
        unsettled: 3,
        ..standby::Status::default()
    };
    let now = ::ipam::Timestamp(0);
    let view =
        Addresses { index: &index, counts: &counts, standby: &standby, unreadable: 0, upkeep: &upkeep, now };
    let text = super::render(&status(), None, &view);
    let samples = scrape(&text);
    for (series, value) in [
        ("fabric_ipam_pool_addresses{pool=\"default\"}", 256.0),
        ("fabric_ipam_pool_addresses_used{pool=\"default\"}", 0.0),
        ("fabric_ipam_pool_addresses_reserved{pool=\"default\"}", 4.0),
        ("fabric_ipam_pool_blocks{pool=\"default\"}", 4.0),
        ("fabric_ipam_requests_total", 4.0),
        ("fabric_ipam_commits_total", 3.0),
        ("fabric_ipam_assignments_total", 3.0),
        ("fabric_ipam_assignment_seconds_bucket{le=\"0.0001\"}", 2.0),
        ("fabric_ipam_assignment_seconds_bucket{le=\"0.001\"}", 3.0),
        ("fabric_ipam_assignment_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("fabric_ipam_assignment_seconds_sum", 0.0011),
        ("fabric_ipam_leader", 1.0),
        ("fabric_ipam_problems{kind=\"leakedAddress\"}", 2.0),
        ("fabric_ipam_collected_total{what=\"address\"}", 7.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}\n{text}");
    }
}
