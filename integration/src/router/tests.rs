use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::*;

const PREFIX: &str = "198.51.100.0/24";

fn prefix() -> IpNetwork {
    PREFIX.parse().unwrap()
}

/// What every router below says of its one path, in its own words.
fn expected() -> Path {
    Path {
        next_hop: Some("192.0.2.1".parse().unwrap()),
        as_path: vec![65_001, 4_200_000_000],
        best: true,
        local_pref: Some(100),
        med: Some(7),
        communities: vec![(65_001, 1), (65_001, 2)],
        large_communities: vec![(65_001, 1, 4_200_000_000)],
        route_targets: vec![(65_001, 3)],
        originator: Some(Ipv4Addr::new(10, 0, 0, 1)),
        cluster_list: vec![Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)],
        unknown: [(0x99, vec![0xde, 0xad])].into(),
        ..Path::default()
    }
}

#[test]
fn bird_s_paths_are_read() {
    let answer = "BIRD 2.0.12 ready.\nTable master4:\n\
        198.51.100.0/24      unicast [n0 20:21:27.100] * (100) [AS4200000000i]\n\
        \tvia 192.0.2.1 on link\n\tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 65001 4200000000\n\
        \tBGP.next_hop: 192.0.2.1\n\tBGP.med: 7\n\tBGP.local_pref: 100\n\
        \tBGP.community: (65001,1)\n\t\t(65001,2)\n\tBGP.originator_id: 10.0.0.1\n\
        \tBGP.cluster_list: 10.0.0.2 10.0.0.3\n\tBGP.ext_community: (rt, 65001, 3)\n\
        \tBGP.large_community: (65001, 1, 4200000000)\n\tBGP.99 [t]: de ad\n\
        \x20                    unicast [n1 20:21:28.100] (100s) [AS65001i]\n\tBGP.as_path: 65001\n";
    let paths = bird::decode_paths(answer);
    assert_eq!(paths.len(), 2);
    assert_eq!(paths[0], expected());
    assert!(!paths[1].best && paths[1].stale);
    assert!(bird::decode_paths("BIRD 2.0.12 ready.\nNetwork not found\n").is_empty());
}

#[test]
fn frr_s_paths_are_read() {
    let answer = json!({ "paths": [{
        "aspath": { "string": "65001 4200000000" },
        "locPrf": 100, "metric": 7, "bestpath": { "overall": true },
        "community": { "string": "65001:1 65001:2" },
        "largeCommunity": { "string": "65001:1:4200000000" },
        "extendedCommunity": { "string": "RT:65001:3" },
        "originatorId": "10.0.0.1", "clusterList": { "list": ["10.0.0.2", "10.0.0.3"] },
        "nexthops": [{ "ip": "192.0.2.1" }],
    }] });
    let paths = frr::decode_paths(&answer.to_string()).unwrap();
    assert_eq!(
        paths,
        [Path { unknown: BTreeMap::new(), ..expected() }],
        "it does not show what it does not know"
    );
    assert!(frr::decode_paths("{}").unwrap().is_empty());
}

#[test]
fn gobgp_s_paths_are_read() {
    let answer = json!({ PREFIX: [{ "best": true, "stale": false, "attrs": [
        { "type": 1, "value": 0 },
        { "type": 2, "as_paths": [{ "segment_type": 2, "num": 2, "asns": [65_001, 4_200_000_000_u32] }] },
        { "type": 3, "nexthop": "192.0.2.1" },
        { "type": 4, "metric": 7 },
        { "type": 5, "value": 100 },
        { "type": 8, "communities": [4_259_905_537_u32, 4_259_905_538_u32] },
        { "type": 9, "value": "10.0.0.1" },
        { "type": 10, "value": ["10.0.0.2", "10.0.0.3"] },
        { "type": 16, "value": [{ "type": 0, "subtype": 2, "value": "65001:3" }] },
        { "type": 32, "value": [{ "ASN": 65_001, "LocalData1": 1, "LocalData2": 4_200_000_000_u32 }] },
        { "type": 153, "value": "3q0=" },
    ] }] });
    assert_eq!(gobgp::decode_paths(&answer.to_string(), prefix()).unwrap(), [expected()]);
    assert!(gobgp::decode_paths("{}", prefix()).unwrap().is_empty());
}

#[test]
fn openbgpd_s_paths_are_read() {
    let answer = json!({ "rib": [{
        "prefix": PREFIX, "aspath": "65001 4200000000", "exit_nexthop": "192.0.2.1", "best": true,
        "metric": 7, "localpref": 100, "communities": ["65001:1", "65001:2"],
        "extended_communities": ["rt 65001:3"], "large_communities": ["65001:1:4200000000"],
        "attributes": [
            { "type": "Originator Id", "originator": "10.0.0.1" },
            { "type": "Cluster Id List", "cluster_list": ["10.0.0.2", "10.0.0.3"] },
            { "type": "Unknown Attribute #153", "data": "dead" },
        ],
    }, { "prefix": "198.51.100.0/25" }] });
    assert_eq!(openbgpd::decode_paths(&answer.to_string(), prefix()).unwrap(), [expected()]);
}

fn exabgp_update(update: Value) -> Value {
    json!({ "type": "update", "neighbor": { "address": { "peer": "192.0.2.1" }, "message": { "update": update } } })
}

#[test]
fn exabgp_s_events_are_followed() {
    let announced = exabgp_update(json!({
        "attribute": {
            "as-path": [65_001, 4_200_000_000_u32], "med": 7, "local-preference": 100,
            "community": [[65_001, 1], [65_001, 2]], "large-community": [[65_001, 1, 4_200_000_000_u32]],
            "extended-community": [{ "value": 1, "string": "target:65001:3" }],
            "originator-id": "10.0.0.1", "cluster-list": ["10.0.0.2", "10.0.0.3"],
            "attribute-0x99-0xE0": "0xDEAD",
        },
        "announce": { "ipv4 unicast": { "192.0.2.1": [{ "nlri": PREFIX }] } },
    }));
    let state = |state: &str| {
        let address = json!({ "peer": "192.0.2.1" });
        json!({ "type": "state", "neighbor": { "address": address, "state": state, "reason": "because" } })
    };
    let mut events = vec![state("up"), announced.clone()];
    assert_eq!(exabgp::decode_paths(&events, prefix()).unwrap(), [expected()]);
    events.push(exabgp_update(json!({ "withdraw": { "ipv4 unicast": [{ "nlri": PREFIX }] } })));
    assert!(exabgp::decode_paths(&events, prefix()).unwrap().is_empty());
    events.extend([announced, state("down")]);
    assert!(exabgp::decode_paths(&events, prefix()).unwrap().is_empty(), "gone with the session");
    let session = Session { state: "Idle".to_owned(), reason: "because".to_owned() };
    assert_eq!(exabgp::decode_sessions(&events).unwrap()[&"192.0.2.1".parse::<IpAddr>().unwrap()], session);
}

#[test]
fn sessions_are_read() {
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let bird = "BIRD 2.0.12 ready.\nName       Proto      Table      State  Since         Info\n\
        device1    Device     ---        up     20:21:27.100  \n\n\
        n0         BGP        ---        start  20:21:27.100  Idle\n  BGP state:          Down\n    \
        Last error:       Received: Administrative shutdown\n    Message:          tonight\n";
    let session = &bird::decode_sessions(bird)["n0"];
    assert_eq!((&*session.state, &*session.reason), ("Idle", "Received: Administrative shutdown: tonight"));
    let frr = json!({ "192.0.2.1": { "bgpState": "Active", "lastResetDueTo": "Peer closed" } });
    assert_eq!(frr::decode_sessions(&frr.to_string()).unwrap()[&address].state, "Active");
    let gobgp = json!([{ "conf": { "neighbor_address": "192.0.2.1" }, "state": { "session_state": 6 } }]);
    assert_eq!(gobgp::decode_sessions(&gobgp.to_string()).unwrap()[&address].state, "Established");
    let openbgpd = json!({ "neighbors": [{ "remote_addr": "192.0.2.1", "state": "OpenSent" }] });
    assert_eq!(openbgpd::decode_sessions(&openbgpd.to_string()).unwrap()[&address].state, "OpenSent");
}

#[test]
fn what_a_router_cannot_do_is_not_asked_of_it() {
    let mut neighbour = Neighbour::new("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap(), 65_001);
    neighbour.role = Some(Role::Customer);
    let spec = Spec {
        name: "router".to_owned(),
        asn: 65_002,
        router_id: Ipv4Addr::new(10, 0, 0, 1),
        neighbours: vec![neighbour],
        networks: Vec::new(),
    };
    assert_eq!(spec.features(), [Feature::Roles]);
    let able: Vec<Kind> = Kind::with(Feature::Roles).collect();
    assert_eq!(able, [Kind::Bird, Kind::Frr, Kind::OpenBgpd]);
    assert!(bird::render(&spec).contains("local role customer;"));
    assert!(frr::render(&spec).contains(" neighbor 192.0.2.2 local-role customer\n"));
    assert!(openbgpd::render(&spec, FilePath::new("/run")).contains("announce policy customer\n"));
}

#[test]
fn octets_are_read() {
    assert_eq!(hexadecimal("deadbeef"), [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(base64("3q2+7w=="), [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(base64(""), [0_u8; 0]);
}
