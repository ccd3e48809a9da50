//! The fixed data: a node with two ToRs, one of them away, and a shop.

use proto::v1::*;

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn peers() -> ListPeersResponse {
    let family = |family: &str, received, accepted, advertised| PeerFamily {
        family: family.to_owned(),
        received,
        accepted,
        advertised,
        end_of_rib_received: true,
        negotiated: true,
        rejected: received - accepted,
        ..PeerFamily::default()
    };
    ListPeersResponse {
        local_as: 65001,
        router_id: "10.0.1.1".to_owned(),
        cluster_id: "10.0.1.1".to_owned(),
        synchronised: true,
        peers: vec![
            Peer {
                address: "10.0.1.254".to_owned(),
                remote_as: 65100,
                state: "Established".to_owned(),
                state_age_ms: 192_000,
                peer_router_id: "10.0.0.254".to_owned(),
                hold_time_secs: 90,
                keepalive_secs: 30,
                capabilities: texts(&["route-refresh", "4-octet-as"]),
                families: vec![family("ipv4-unicast", 5, 4, 2), family("ipv6-unicast", 3, 3, 1)],
                messages_received: 20,
                messages_sent: 21,
                updates_received: 6,
                updates_sent: 3,
                flaps: 1,
                description: "tor-a".to_owned(),
                name: "10.0.1.254".to_owned(),
                local_as: 65001,
                last_down_age_ms: Some(200_000),
                hold_remaining_ms: Some(80_000),
                role: "customer".to_owned(),
                refreshes_received: 2,
                octets_sent: 4096,
                update_errors: 3,
                bfd: "Up".to_owned(),
                ..Peer::default()
            },
            Peer {
                address: "fd00:2::fe".to_owned(),
                remote_as: 65200,
                state: "Active".to_owned(),
                state_age_ms: 4_000,
                last_down_reason: "hold timer expired".to_owned(),
                families: vec![PeerFamily { no_export_policy: true, ..family("ipv6-unicast", 7, 7, 0) }],
                stale: true,
                name: "fd00:2::fe".to_owned(),
                local_as: 65001,
                retry_in_ms: Some(3_000),
                ..Peer::default()
            },
            Peer {
                remote_as: 0,
                state: "Idle".to_owned(),
                name: "eth1".to_owned(),
                interface: "eth1".to_owned(),
                local_as: 65001,
                shutdown: true,
                shutdown_message: "new disks".to_owned(),
                bfd: "Down".to_owned(),
                ..Peer::default()
            },
        ],
    }
}

pub fn routes() -> ListRoutesResponse {
    let path = |peer: &str, next_hop: &str, as_path: &str| Path {
        peer: peer.to_owned(),
        next_hop: next_hop.to_owned(),
        as_path: as_path.to_owned(),
        origin: "IGP".to_owned(),
        age_ms: 60_000,
        ..Path::default()
    };
    ListRoutesResponse {
        routes: vec![
            Route {
                prefix: "10.65.0.0/26".to_owned(),
                installed: false,
                paths: vec![Path { best: true, local_pref: Some(100), ..path("", "10.0.1.1", "") }],
            },
            Route {
                prefix: "10.65.0.64/26".to_owned(),
                installed: true,
                paths: vec![
                    Path {
                        best: true,
                        med: Some(0),
                        communities: texts(&["65100:1"]),
                        large_communities: texts(&["65100:1:2"]),
                        originator_id: "10.0.0.9".to_owned(),
                        cluster_list: texts(&["10.0.0.8"]),
                        path_id: 3,
                        unknown_attributes: vec![99],
                        ..path("10.0.1.254", "10.0.1.254", "65100 65002")
                    },
                    Path { multipath: true, stale: true, ..path("10.0.2.254", "10.0.2.254", "65200 65002") },
                    Path {
                        reason: "longer AS path than 10.0.1.254".to_owned(),
                        unusable: false,
                        ..path("10.0.3.254", "10.0.3.254", "65300 65100 65002")
                    },
                ],
            },
        ],
        truncated: false,
    }
}

pub fn why() -> WhyRouteResponse {
    let path = |index: usize| routes().routes[1].paths.get(index).cloned();
    let told =
        |peer: &str, told, reason: &str| WhyTold { peer: peer.to_owned(), told, reason: reason.to_owned() };
    WhyRouteResponse {
        asked: "10.65.0.70/32".to_owned(),
        prefix: "10.65.0.64/26".to_owned(),
        paths: vec![
            WhyPath {
                path: path(0),
                steps: texts(&[
                    "received from 10.0.1.254 60 s ago",
                    "accepted by filter tor-in, rule 2",
                    "chosen",
                ]),
            },
            WhyPath { path: path(2), steps: texts(&["lost: longer AS path than 10.0.1.254"]) },
        ],
        told: vec![
            told("10.0.1.254", false, "it announced the best path itself"),
            told("fd00:2::fe", true, "best path"),
        ],
        kernel: Some(KernelRoute {
            planned: "via 10.0.1.254".to_owned(),
            installed: true,
            problem: String::new(),
            prefix: "10.65.0.64/26".to_owned(),
            route: "via 10.0.1.254 dev eth0".to_owned(),
            protocol: 201,
        }),
    }
}

pub fn events() -> Vec<BgpEvent> {
    use bgp_event::What;
    let peer = |kind: &str, state: &str, text: &str| {
        let [kind, state, text] = [kind, state, text].map(str::to_owned);
        What::Peer(PeerEvent { peer: "10.0.1.254".to_owned(), kind, state, text })
    };
    let route = |next_hops: &[&str]| {
        What::Route(RouteEvent { prefix: "10.65.0.64/26".to_owned(), next_hops: texts(next_hops) })
    };
    let all = [
        peer("state", "Idle", "hold timer expired"),
        peer("malformed", "", "ORIGIN is 7"),
        peer("prefixes", "", "80 ipv4-unicast prefixes of at most 100"),
        peer("stale", "", "80 ipv4-unicast routes are kept over its restart"),
        peer("bfd", "Up", ""),
        route(&["10.0.1.254", "fe80::1 dev eth1"]),
        route(&[]),
        What::Synchronised(SynchronisedEvent {}),
        What::Missed(MissedEvents { count: 9 }),
    ];
    let mut at_us = 1_709_208_000_123_456;
    let dated = all.map(|what| {
        at_us += 1_000_000;
        BgpEvent { at_us, what: Some(what) }
    });
    dated.into()
}

pub fn status() -> NodeStatus {
    NodeStatus {
        node: "node-1".to_owned(),
        version: "0.1.0".to_owned(),
        uptime_ms: 12_000_000,
        ready: true,
        problems: texts(&["peer fd00:2::fe is down: hold timer expired", "pool default-v6 is disabled"]),
        endpoints: 2,
        routes_installed: 4,
        peers_established: 1,
        peers_configured: 2,
        addresses: texts(&["10.0.1.1", "fd00:1::1"]),
        standby: Some(Standby {
            ipv4_ready: 5,
            ipv4_total: 8,
            ipv6_ready: 8,
            ipv6_total: 8,
            unsettled: 3,
            away_ms: 12_000,
        }),
    }
}

pub fn endpoints() -> ListEndpointsResponse {
    ListEndpointsResponse {
        endpoints: vec![
            Endpoint {
                namespace: "shop".to_owned(),
                name: "web-0".to_owned(),
                node: "node-1".to_owned(),
                addresses: texts(&["10.65.0.2", "fd65::2"]),
                host_interface: "fab0123456789".to_owned(),
                container_id: "c1".to_owned(),
                labels: [("tier", "front"), ("app", "web")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
                policies: texts(&["shop/default-deny", "shop/web"]),
                state: "ready".to_owned(),
            },
            Endpoint {
                namespace: "shop".to_owned(),
                name: "db-0".to_owned(),
                node: "node-2".to_owned(),
                addresses: texts(&["10.65.0.66"]),
                ..Endpoint::default()
            },
        ],
    }
}

fn outcome(resource: &str, outcome: &str) -> AppliedResource {
    AppliedResource { resource: resource.to_owned(), outcome: outcome.to_owned() }
}

pub fn applied() -> Vec<AppliedResource> {
    vec![outcome("Namespace shop", "unchanged"), outcome("NetworkPolicy shop/web", "created")]
}

pub fn deleted() -> Vec<AppliedResource> {
    vec![outcome("NetworkPolicy shop/web", "deleted")]
}

pub fn objects() -> Vec<String> {
    texts(&[
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"web","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"web","tier":"front"}},"policyTypes":["Ingress","Egress"]}}"#,
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"default-deny","namespace":"shop"},"spec":{"podSelector":{},"policyTypes":["Ingress"]}}"#,
    ])
}
