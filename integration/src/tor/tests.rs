use super::*;

fn spec(kind: Kind) -> Spec {
    let neighbour = |name: &str, local: &str, remote: &str, passive| Neighbour {
        name: name.to_owned(),
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        asn: 65_001,
        passive,
    };
    Spec {
        name: "tor1".to_owned(),
        kind,
        asn: 65_101,
        router_id: Ipv4Addr::new(10, 255, 1, 1),
        loopbacks: vec!["10.255.1.1/32".parse().unwrap()],
        fabric: vec!["10.42.0.0/16".parse().unwrap(), "fd00:42::/48".parse().unwrap()],
        neighbours: vec![
            neighbour("node-1", "10.1.1.0", "10.1.1.1", false),
            neighbour("node-1", "fd00:1:1::", "fd00:1:1::1", true),
        ],
    }
}

#[test]
fn bird_is_told_its_sessions_filters_and_nothing_else_to_announce() {
    let text = bird::render(&spec(Kind::Bird));
    assert!(
        text.contains("filter fabric4 { if net ~ [ 10.42.0.0/16+, 10.255.1.1/32+ ] then accept; reject; }")
    );
    assert!(text.contains("filter fabric6 { if net ~ [ fd00:42::/48+ ] then accept; reject; }"));
    assert!(text.contains("protocol bgp node_1_v4 {"), "a name that BIRD takes");
    let (_, v6) = text.split_once("protocol bgp node_1_v6 {").unwrap();
    assert!(v6.contains("neighbor fd00:1:1::1 as 65001;") && v6.contains("passive on;"));
    assert_eq!(text.matches("passive on;").count(), 1);
}

#[test]
fn frr_is_told_each_session_in_its_own_family() {
    let text = frr::render(&spec(Kind::Frr));
    assert!(text.contains("ip prefix-list FABRIC4 seq 5 permit 10.42.0.0/16 le 32\n"));
    assert!(
        text.contains("ip prefix-list FABRIC4 seq 15 permit 10.255.1.1/32\n"),
        "no `le` where nothing is longer"
    );
    let (_, v6) = text.split_once("address-family ipv6 unicast").unwrap();
    assert!(v6.contains("neighbor fd00:1:1::1 activate") && !v6.contains("10.1.1.1"));
    assert!(text.contains(" neighbor fd00:1:1::1 passive\n") && !text.contains(" neighbor 10.1.1.1 passive"));
}

#[test]
fn bird_s_sessions_are_read() {
    let answer = "BIRD 2.0.12 ready.\n\
        Name       Proto      Table      State  Since         Info\n\
        device1    Device     ---        up     16:30:00.100  \n\
        node1_v4   BGP        ---        up     16:30:02.200  Established   \n\
        node2_v4   BGP        ---        start  16:30:02.200  Active        Socket: Connection refused\n\
        node3_v4   BGP        ---        down   16:30:02.200  \n";
    let sessions = bird::decode_sessions(answer);
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions["node1_v4"], "Established");
    assert_eq!(sessions["node2_v4"], "Active");
    assert_eq!(sessions["node3_v4"], "Idle");
}

#[test]
fn bird_s_paths_are_read() {
    let answer = "BIRD 2.0.12 ready.\nTable master6:\n\
        fd00:42::/122        unicast [node1_v6 16:30:02.000] * (100) [AS65001i]\n\
        \tvia fd00:1:1::1 on node1\n\tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 65001\n\
        \tBGP.next_hop: fd00:1:1::1 fe80::1\n\
        \x20                    unicast [tor2_v6 16:30:03.000] (100s) [AS65001i]\n\
        \tvia fd00:1:9::1 on tor2\n\tBGP.as_path: 65102 65001\n\tBGP.next_hop: fd00:1:9::1\n";
    let paths = bird::decode_paths(answer).unwrap();
    let way = |next_hop: &str, as_path: &[u32], best, stale| Way {
        next_hop: next_hop.parse().unwrap(),
        as_path: as_path.to_vec(),
        best,
        stale,
    };
    assert_eq!(
        paths,
        [way("fd00:1:1::1", &[65_001], true, false), way("fd00:1:9::1", &[65_102, 65_001], false, true)]
    );
    assert!(bird::decode_paths("BIRD 2.0.12 ready.\nNetwork not found\n").unwrap().is_empty());
}

#[test]
fn frr_s_answers_are_read() {
    let sessions = frr::decode_sessions(
        r#"{"ipv4Unicast":{"peers":{"10.1.1.1":{"state":"Established"}}},"ipv6Unicast":{"peers":{"fd00::1":{"state":"Active"}}}}"#,
    )
    .unwrap();
    assert_eq!(sessions[&"10.1.1.1".parse::<IpAddr>().unwrap()], "Established");
    assert_eq!(sessions[&"fd00::1".parse::<IpAddr>().unwrap()], "Active");
    let paths = frr::decode_paths(
        r#"{"paths":[{"aspath":{"string":"65101 65001"},"stale":true,"bestpath":{"overall":true},
            "nexthops":[{"ip":"fd00::1","scope":"global"},{"ip":"fe80::1","scope":"link-local"}]}]}"#,
    )
    .unwrap();
    let expected =
        Way { next_hop: "fd00::1".parse().unwrap(), as_path: vec![65_101, 65_001], best: true, stale: true };
    assert_eq!(paths, [expected]);
    assert!(frr::decode_paths("{}").unwrap().is_empty());
}
