//! What is asked of the agent.

use crate::fixture::Agent;
use proto::v1::*;

#[test]
fn every_option_reaches_the_agent() {
    let endpoints = |all_nodes, namespace: &str| {
        format!("{:?}", ListEndpointsRequest { all_nodes, namespace: namespace.to_owned() })
    };
    let about = || ExplainRequest {
        source: "a/b".to_owned(),
        destination: "10.0.0.1".to_owned(),
        ..ExplainRequest::default()
    };
    let explain = |protocol: &str, port, ip_version| {
        let protocol = protocol.to_owned();
        format!("{:?}", ExplainRequest { protocol, port, ip_version, ..about() })
    };
    let every_option = ExplainRequest {
        protocol: "udp".to_owned(),
        port: 53,
        source_port: 1234,
        direction: "ingress".to_owned(),
        ..about()
    };
    let message = ExplainRequest {
        protocol: "icmp".to_owned(),
        icmp_type: Some(3),
        icmp_code: Some(1),
        trace: true,
        ..about()
    };
    let policies = |hits, policy: &str| {
        let policy = policy.to_owned();
        format!("{:?}", ListPoliciesRequest { hits, policy })
    };
    let pod = DescribeEndpointRequest { namespace: "shop".to_owned(), name: "web".to_owned() };
    let get = |kind: &str, namespace: &str, name: &str| {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        format!("{:?}", GetRequest { kind, namespace, name })
    };
    let delete = |kind: &str, namespace: &str, name: &str| {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        format!("{:?}", DeleteRequest { kind, namespace, name, ..DeleteRequest::default() })
    };
    let table = [
        ("endpoints", vec![endpoints(false, "")]),
        ("endpoints --all-nodes -n shop", vec![endpoints(true, "shop")]),
        ("endpoints show shop/web", vec![format!("{pod:?}")]),
        ("policy list", vec![policies(false, "")]),
        ("policy list --hits", vec![policies(true, "")]),
        ("policy show shop/web", vec![policies(true, "shop/web")]),
        (
            "policy diff --staged",
            vec![format!("{:?}", DiffRequest { staged: true, ..DiffRequest::default() })],
        ),
        ("policy explain a/b 10.0.0.1 80", vec![explain("tcp", 80, 0)]),
        ("policy explain a/b 10.0.0.1 53/udp --ip-version 6", vec![explain("udp", 53, 6)]),
        ("policy explain a/b 10.0.0.1 --protocol icmp --ip-version 4", vec![explain("icmp", 0, 4)]),
        (
            "policy explain a/b 10.0.0.1 53/udp --source-port 1234 --direction ingress",
            vec![format!("{every_option:?}")],
        ),
        ("policy explain a/b 10.0.0.1 --protocol 47", vec![explain("47", 0, 0)]),
        ("node status", vec![format!("{:?}", GetStatusRequest {})]),
        ("get netpol", vec![get("netpol", "", "")]),
        ("get netpol web -n shop", vec![get("netpol", "shop", "web")]),
        ("delete netpol web", vec![delete("netpol", "", "web")]),
        ("delete netpol web -n shop", vec![delete("netpol", "shop", "web")]),
    ];
    check(&table);
    // The fixed answer is that of a kernel that does something else.
    let agent = Agent::start();
    assert_eq!(agent.line("policy explain a/b 10.0.0.1 --icmp 3/1 --trace").status, 1);
    assert_eq!(agent.asked(), [format!("{message:?}")]);
}

#[test]
fn every_option_of_bgp_reaches_the_agent() {
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
    ];
    check(&table);
}

#[test]
fn every_option_of_ipam_show_reaches_the_agent() {
    let blocks = |node: &str, pool: &str| {
        let (node, pool) = (node.to_owned(), pool.to_owned());
        format!("{:?}", ListBlocksRequest { node, pool, ..ListBlocksRequest::default() })
    };
    let allocations = |node: &str, pool: &str, namespace: &str, handle: &str| {
        let [node, pool, namespace, handle] = [node, pool, namespace, handle].map(str::to_owned);
        let request = ListAllocationsRequest { node, pool, namespace, handle, ..Default::default() };
        format!("{request:?}")
    };
    let nodes = |pool: &str| format!("{:?}", GetUtilisationRequest { pool: pool.to_owned() });
    let who = |address: &str| format!("{:?}", WhoHasRequest { address: address.to_owned() });
    let table = [
        ("ipam show", vec![format!("{:?}", ListPoolsRequest {})]),
        ("ipam show --pool default-v4", vec![format!("{:?}", ListPoolsRequest {})]),
        ("ipam show --blocks --node n1 --pool p", vec![blocks("n1", "p")]),
        ("ipam show --allocations --node n1 -n shop", vec![allocations("n1", "", "shop", "")]),
        ("ipam show --node n1", vec![blocks("n1", ""), allocations("n1", "", "", "")]),
        ("ipam show -n shop", vec![allocations("", "", "shop", "")]),
        ("ipam show --handle c1.eth0 --pool p", vec![allocations("", "p", "", "c1.eth0")]),
        ("ipam show --nodes", vec![nodes("")]),
        ("ipam show --nodes --node n1 --pool default-v4", vec![nodes("default-v4")]),
        ("ipam show --ip 10.65.0.2", vec![who("10.65.0.2")]),
    ];
    check(&table);
    let agent = Agent::start();
    agent.line("ipam show --ip FD65::0:2");
    assert_eq!(agent.asked(), [who("fd65::2")]);
}

#[test]
fn every_option_of_what_changes_addresses_reaches_the_agent() {
    let assign = |ipv4, ipv6, addresses: &[&str], pools: &[&str], purpose: &str| {
        let [addresses, pools] =
            [addresses, pools].map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        let (handle, purpose) = ("host.router".to_owned(), purpose.to_owned());
        format!(
            "{:?}",
            AssignRequest { handle, ipv4, ipv6, addresses, pools, r#use: purpose, ..Default::default() }
        )
    };
    let cidrs = |cidrs: &[&str]| cidrs.iter().map(|cidr| (*cidr).to_owned()).collect::<Vec<String>>();
    let reserve = |all: &[&str]| format!("{:?}", ReserveRequest { name: "r".to_owned(), cidrs: cidrs(all) });
    let unreserve =
        |all: &[&str]| format!("{:?}", UnreserveRequest { name: "r".to_owned(), cidrs: cidrs(all) });
    let watch = |node: &str, pool: &str| {
        format!("{:?}", WatchAllocationsRequest { node: node.to_owned(), pool: pool.to_owned() })
    };
    let table = [
        ("ipam assign --handle host.router --ipv4 1", vec![assign(1, 0, &[], &[], "Workload")]),
        (
            "ipam assign --handle host.router --ipv4 2 --ipv6 3 --pool a --pool b --use tunnel",
            vec![assign(2, 3, &[], &["a", "b"], "Tunnel")],
        ),
        (
            "ipam assign --handle host.router 10.65.0.9 FD65::9 --use load-balancer",
            vec![assign(0, 0, &["10.65.0.9", "fd65::9"], &[], "LoadBalancer")],
        ),
        ("ipam reserve r 10.65.0.0/30 FD65::0/126", vec![reserve(&["10.65.0.0/30", "fd65::/126"])]),
        ("ipam unreserve r", vec![unreserve(&[])]),
        ("ipam unreserve r 10.65.0.0/30", vec![unreserve(&["10.65.0.0/30"])]),
    ];
    check(&table);
    let agent = Agent::start();
    agent.first_lines("ipam watch --node n1 --pool p", 1);
    agent.first_lines("ipam watch", 1);
    assert_eq!(agent.asked(), [watch("n1", "p"), watch("", "")]);
    agent.line("ipam split default-v4 4 --dry-run");
    agent.line("ipam split default-v4 4");
    let split =
        |dry_run| format!("{:?}", SplitPoolRequest { pool: "default-v4".to_owned(), parts: 4, dry_run });
    assert_eq!(agent.asked(), [split(true), split(false)]);
}

#[track_caller]
fn check(table: &[(&str, Vec<String>)]) {
    let agent = Agent::start();
    for (line, expected) in table {
        agent.show(line);
        assert_eq!(agent.asked(), *expected, "{line}");
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

#[test]
fn what_may_not_be_meant_is_remarked_beside_the_answer() {
    let agent = Agent::start();
    let plain = agent.run_with_stdin(&["apply", "-f", "-"], "kind: A");
    let remarked = agent.run_with_stdin(&["apply", "-f", "-"], "kind: A, order: 5");
    assert_eq!((remarked.status, &remarked.stdout), (0, &plain.stdout));
    let said = "GlobalNetworkPolicy deny: spec.order: GlobalNetworkPolicy other has the same\n";
    assert_eq!((plain.stderr.as_str(), remarked.stderr.as_str()), ("", said));
}
