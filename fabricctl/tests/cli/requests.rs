//! What is asked of the agent.

use crate::fixture::Agent;
use proto::v1::*;

#[test]
fn every_option_reaches_the_agent() {
    let routes = |table: RouteTable, peer: &str, prefix: &str| {
        let (peer, prefix) = (peer.to_owned(), prefix.to_owned());
        format!(
            "{:?}",
            ListRoutesRequest { table: table.into(), peer, prefix, ..ListRoutesRequest::default() }
        )
    };
    let around = |prefix: &str, matches: PrefixMatch| {
        let prefix = prefix.to_owned();
        format!("{:?}", ListRoutesRequest { prefix, r#match: matches.into(), ..ListRoutesRequest::default() })
    };
    let narrowed = |family: &str, rejected, limit| {
        let family = family.to_owned();
        format!("{:?}", ListRoutesRequest { family, rejected, limit, ..ListRoutesRequest::default() })
    };
    let peers = |peer: &str| format!("{:?}", ListPeersRequest { peer: peer.to_owned() });
    let why = |prefix: &str| format!("{:?}", WhyRouteRequest { prefix: prefix.to_owned() });
    let events = |peer: &str| format!("{:?}", WatchEventsRequest { peer: peer.to_owned(), follow: false });
    let reset = |kind: ResetKind, message: &str, family: &str| {
        let (peer, message, family) = ("tor-a".to_owned(), message.to_owned(), family.to_owned());
        format!("{:?}", ResetPeerRequest { peer, kind: kind.into(), message, family })
    };
    let blocks = |node: &str, pool: &str| {
        format!("{:?}", ListBlocksRequest { node: node.to_owned(), pool: pool.to_owned() })
    };
    let allocations = |node: &str, pool: &str, namespace: &str| {
        let (node, pool, namespace) = (node.to_owned(), pool.to_owned(), namespace.to_owned());
        format!("{:?}", ListAllocationsRequest { node, pool, namespace })
    };
    let endpoints = |all_nodes, namespace: &str| {
        format!("{:?}", ListEndpointsRequest { all_nodes, namespace: namespace.to_owned() })
    };
    let explain = |protocol: &str, port, ip_version| {
        let (source, destination) = ("a/b".to_owned(), "10.0.0.1".to_owned());
        format!(
            "{:?}",
            ExplainRequest { source, destination, protocol: protocol.to_owned(), port, ip_version }
        )
    };
    let get = |kind: &str, namespace: &str, name: &str| {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        format!("{:?}", GetRequest { kind, namespace, name })
    };
    let delete = |kind: &str, namespace: &str, name: &str| {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        format!("{:?}", DeleteRequest { kind, namespace, name, ..DeleteRequest::default() })
    };
    let table = [
        ("peers", vec![peers("")]),
        ("peers tor-a", vec![peers("tor-a")]),
        ("why 10.65.0.5", vec![why("10.65.0.5")]),
        ("why FD65::0/64", vec![why("fd65::/64")]),
        ("events", vec![events("")]),
        ("events --peer eth1", vec![events("eth1")]),
        ("reset tor-a", vec![reset(ResetKind::Hard, "", "")]),
        ("reset tor-a --message bye", vec![reset(ResetKind::Hard, "bye", "")]),
        ("reset tor-a --soft in", vec![reset(ResetKind::SoftIn, "", "")]),
        ("reset tor-a --soft out --family ipv6", vec![reset(ResetKind::SoftOut, "", "ipv6-unicast")]),
        ("routes --table in", vec![routes(RouteTable::AdjRibIn, "", "")]),
        ("routes --table out --peer eth1", vec![routes(RouteTable::AdjRibOut, "eth1", "")]),
        ("routes 10.0.0.0/8 --longer", vec![around("10.0.0.0/8", PrefixMatch::Longer)]),
        ("routes 10.65.0.5/32 --shorter", vec![around("10.65.0.5/32", PrefixMatch::Shorter)]),
        ("routes --rejected --family ipv4-unicast --limit 7", vec![narrowed("ipv4-unicast", true, 7)]),
        ("routes", vec![routes(RouteTable::LocRib, "", "")]),
        ("routes FD65::0/64", vec![routes(RouteTable::LocRib, "", "fd65::/64")]),
        ("routes --peer 10.0.0.1", vec![routes(RouteTable::LocRib, "10.0.0.1", "")]),
        ("routes --received 10.0.0.1", vec![routes(RouteTable::AdjRibIn, "10.0.0.1", "")]),
        (
            "routes --advertised fd00::1 10.65.0.0/26",
            vec![routes(RouteTable::AdjRibOut, "fd00::1", "10.65.0.0/26")],
        ),
        ("ipam show", vec![format!("{:?}", ListPoolsRequest {})]),
        ("ipam show --blocks --node n1 --pool p", vec![blocks("n1", "p")]),
        ("ipam show --allocations --node n1 -n shop", vec![allocations("n1", "", "shop")]),
        ("ipam show --node n1", vec![blocks("n1", ""), allocations("n1", "", "")]),
        ("ipam show -n shop", vec![allocations("", "", "shop")]),
        ("ipam show --ip FD65::0:2", vec![format!("{:?}", WhoHasRequest { address: "fd65::2".to_owned() })]),
        ("endpoints", vec![endpoints(false, "")]),
        ("endpoints --all-nodes -n shop", vec![endpoints(true, "shop")]),
        ("policy list", vec![format!("{:?}", ListPoliciesRequest {})]),
        ("policy explain a/b 10.0.0.1 80", vec![explain("tcp", 80, 0)]),
        ("policy explain a/b 10.0.0.1 53/udp --ip-version 6", vec![explain("udp", 53, 6)]),
        ("policy explain a/b 10.0.0.1 --protocol icmp --ip-version 4", vec![explain("icmp", 0, 4)]),
        ("node status", vec![format!("{:?}", GetStatusRequest {})]),
        ("get netpol", vec![get("netpol", "", "")]),
        ("get netpol web -n shop", vec![get("netpol", "shop", "web")]),
        ("delete netpol web", vec![delete("netpol", "", "web")]),
        ("delete netpol web -n shop", vec![delete("netpol", "shop", "web")]),
    ];
    let agent = Agent::start();
    for (line, expected) in table {
        agent.show(line);
        assert_eq!(agent.asked(), expected, "{line}");
    }
}

#[test]
fn manifests_are_sent_in_the_order_given() {
    let agent = Agent::start();
    let one = agent.write("one.yaml", "kind: A");
    let two = agent.write("two.yaml", "kind: B");
    let outcome = agent.run_with_stdin(&["apply", "-f", &two, "-f", "-", "--file", &one], "kind: C");
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let apply = |manifest: &str, file: &str| {
        format!("{:?}", ApplyRequest { manifest: manifest.to_owned(), file_name: file.to_owned() })
    };
    assert_eq!(agent.asked(), [apply("kind: B", &two), apply("kind: C", "stdin"), apply("kind: A", &one)]);

    agent.run(&["delete", "-f", &one]);
    let delete = DeleteRequest { manifest: "kind: A".to_owned(), file_name: one, ..DeleteRequest::default() };
    assert_eq!(agent.asked(), [format!("{delete:?}")]);
}
