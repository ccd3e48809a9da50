//! What is asked of the agent.

use crate::fixture::Agent;
use proto::v1::*;

#[test]
fn every_option_reaches_the_agent() {
    let routes = |table: RouteTable, peer: &str, prefix: &str| {
        let (peer, prefix) = (peer.to_owned(), prefix.to_owned());
        format!("{:?}", ListRoutesRequest { table: table.into(), peer, prefix })
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
        ("peers", vec![format!("{:?}", ListPeersRequest {})]),
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
