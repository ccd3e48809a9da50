//! What people see.

use crate::fixture::{Agent, Outcome};

#[track_caller]
pub fn check(line: &str, expected: &str) {
    let shown = Agent::start().show(line);
    // The expected text starts on its own line so that the columns can be compared by eye.
    assert_eq!(shown, expected.trim_start_matches('\n'), "{line}\n{shown}");
}

#[test]
fn peers() {
    check(
        "peers",
        "
PEER         AS      STATE                                    AGE     IPV4-RX/OK/TX   IPV6-RX/OK/TX   FLAPS   LAST-DOWN
10.0.1.254   65100   Established                              3m12s   5/4/2           3/3/1           1       -
fd00:2::fe   65200   Active (routes kept, no export policy)   4s      -               7/7/0           0       hold timer expired
eth1         any     Idle (shut down, BFD is not up)          0s      -               -               0       -
",
    );
}

#[test]
fn one_peer_in_full() {
    let shown = Agent::start().show("peers tor-a");
    let (first, rest) = shown.split_once("\n\nPeer: ").expect("several peers");
    let expected = "\
Peer:            10.0.1.254
Description:     tor-a
Address:         10.0.1.254
AS:              65100, ours 65001
State:           Established
In this state:   3m12s
Last down:       3m20s ago
Flaps:           1
Router ID:       10.0.0.254
Timers:          hold 90 s, keepalive 30 s
Hold timer:      80s
Next attempt:    -
Capabilities:    route-refresh,4-octet-as
Messages:        received 20 (6 updates, 0 notifications, 2 refreshes), sent 21 (3 updates, 0 notifications)
Octets sent:     4096
Update errors:   3
Role:            customer
BFD:             Up

FAMILY         NEGOTIATED   RECEIVED   ACCEPTED   REJECTED   STALE   TOLD   LIMIT   COMPLETE   REMARKS
ipv4-unicast   yes          5          4          1          0       2      -       yes        -
ipv6-unicast   yes          3          3          0          0       1      -       yes        -";
    assert_eq!(first, expected, "{shown}");
    assert!(rest.contains("no export policy: nothing is told (RFC 8212)"), "{rest}");
    assert!(
        rest.contains("Interface:       eth1\n") && rest.contains("Shut down:       new disks\n"),
        "{rest}"
    );
}

#[test]
fn why() {
    check(
        "why 10.65.0.70",
        "
10.65.0.70/32 lies in 10.65.0.64/26

path from 10.0.1.254 [best]
    next hop: 10.0.1.254
    AS path: 65100 65002
    origin: IGP
    MED: 0
    communities: 65100:1
    large communities: 65100:1:2
    originator: 10.0.0.9
    cluster list: 10.0.0.8
    path id: 3
    unknown attributes: 99
  - received from 10.0.1.254 60 s ago
  - accepted by filter tor-in, rule 2
  - chosen

path from 10.0.3.254
    next hop: 10.0.3.254
    AS path: 65300 65100 65002
    origin: IGP
  - lost: longer AS path than 10.0.1.254

kernel
  - installed: via 10.0.1.254
  - for 10.65.0.70 the kernel follows 10.65.0.64/26 via 10.0.1.254 dev eth0

peers
  - 10.0.1.254 is not told: it announced the best path itself
  - fd00:2::fe is told: best path
",
    );
}

/// What was last, and what comes: while it is followed each is shown at once.
#[test]
fn events() {
    let expected = [
        "2024-02-29T12:00:01.123Z   10.0.1.254 is Idle: hold timer expired",
        "2024-02-29T12:00:02.123Z   10.0.1.254: errors in an UPDATE were survived: ORIGIN is 7",
        "2024-02-29T12:00:03.123Z   10.0.1.254: 80 ipv4-unicast prefixes of at most 100",
        "2024-02-29T12:00:04.123Z   10.0.1.254: 80 ipv4-unicast routes are kept over its restart",
        "2024-02-29T12:00:05.123Z   10.0.1.254: BFD is Up",
        "2024-02-29T12:00:06.123Z   10.65.0.64/26 via 10.0.1.254 and fe80::1 dev eth1",
        "2024-02-29T12:00:07.123Z   10.65.0.64/26: no path is left",
        "2024-02-29T12:00:08.123Z   all peers have said what they had",
        "2024-02-29T12:00:09.123Z   9 events were missed: too slow",
    ];
    let agent = Agent::start();
    assert_eq!(agent.show("events").lines().collect::<Vec<_>>(), expected);
    assert_eq!(agent.first_lines("events --follow", expected.len()), expected);
}

#[test]
fn resets() {
    check("reset tor-a --message bye", "\ntor-a: its session ends and starts anew\n");
    check("reset tor-a --soft in", "\ntor-a: its routes are judged and asked for anew\n");
    check("reset tor-a --soft out", "\ntor-a: it is told everything again\n");
}

#[test]
fn routes() {
    check("routes", "
PREFIX          STATE        PEER         NEXT-HOP     AS-PATH             ORIGIN   PREF   MED   KERNEL   AGE   REASON
10.65.0.0/26    best         local        10.0.1.1     -                   IGP      100    -     no       60s   -
10.65.0.64/26   best         10.0.1.254   10.0.1.254   65100 65002         IGP      -      0     yes      60s   -
10.65.0.64/26   ecmp,stale   10.0.2.254   10.0.2.254   65200 65002         IGP      -      -     yes      60s   -
10.65.0.64/26   -            10.0.3.254   10.0.3.254   65300 65100 65002   IGP      -      -     no       60s   longer AS path than 10.0.1.254
");
}

#[test]
fn endpoints() {
    check(
        "endpoints --all-nodes",
        "
NAMESPACE   NAME    NODE     ADDRESSES           INTERFACE       STATE   POLICIES
shop        web-0   node-1   10.65.0.2,fd65::2   fab0123456789   ready   shop/default-deny,shop/web
shop        db-0    node-2   10.65.0.66          -               -       -
",
    );
}

#[test]
fn node_status() {
    check(
        "node status",
        "
Node:                node-1
Ready:               yes
Version:             0.1.0
Uptime:              3h20m
Addresses:           10.0.1.1,fd00:1::1
Endpoints:           2
Routes installed:    4
Peers established:   1 of 2
Datastore:           away for 12s
Standby addresses:   5 of 8 IPv4, 8 of 8 IPv6
Unsettled:           3 pods of which the datastore does not know yet
Problem:             peer fd00:2::fe is down: hold timer expired
Problem:             pool default-v6 is disabled
",
    );
}

#[test]
fn objects() {
    check(
        "get netpol",
        "
NAMESPACE   NAME           POD-SELECTOR         TYPES
shop        web            app=web,tier=front   Ingress,Egress
shop        default-deny   -                    Ingress
",
    );
}

#[test]
fn outcomes() {
    let agent = Agent::start();
    let file = agent.write("shop.yaml", "kind: NetworkPolicy");
    let applied = "Namespace shop unchanged\nNetworkPolicy shop/web created\n";
    assert_eq!(agent.show(&format!("apply -f {file}")), applied);
    assert_eq!(agent.show("delete netpol web -n shop"), "NetworkPolicy shop/web deleted\n");
}

#[test]
fn versions() {
    let version = env!("CARGO_PKG_VERSION");
    check("version", &format!("\nfabricctl:     {version}\nfelix-agent:   0.1.0\n"));
    check("--version", &format!("\nfabricctl {version}\n"));
}

#[test]
fn nothing_to_show_is_said_on_standard_error() {
    let agent = Agent::start();
    agent.clear();
    let table = [
        ("peers", "No peers are configured.\n"),
        ("routes", "No such routes.\n"),
        ("events", "Nothing happened to peers since the agent started.\n"),
        ("ipam show", "There are no pools: apply an IPPool.\n"),
        ("ipam show --blocks", "No such blocks.\n"),
        ("ipam show --allocations", "No such addresses in use.\n"),
        ("ipam show --node x", "No such blocks, and no such addresses in use.\n"),
        ("ipam show --handle x", "No such addresses in use.\n"),
        ("ipam show --nodes", "There are no pools: apply an IPPool.\n"),
        ("ipam release --handle x", "There was nothing to release.\n"),
        ("endpoints", "No such endpoints; --all-nodes asks for those of other nodes too.\n"),
        ("policy list", "There are no policies: everything is allowed.\n"),
        ("get netpol", "No such objects.\n"),
    ];
    for (line, remark) in table {
        let expected = Outcome { status: 0, stdout: String::new(), stderr: remark.to_owned() };
        assert_eq!(agent.line(line), expected, "{line}");
    }
}
