//! `ipam show`: for people, for programs, and in pages.

use serde_json::{Value, json};

use crate::fixture::{Agent, Outcome};
use crate::{programs, tables};

#[test]
fn pools() {
    tables::check(
        "ipam show",
        "
POOL         CIDR           BLOCK   BLOCKS     ADDRESSES     USAGE              RESERVED   COOLING   STATE
default-v4   10.65.0.0/16   /26     400/1024   20000/65536   [###===----] 30%   16384      20        enabled
default-v6   fd65::/48      /122    3/2^74     3/2^80        [#---------] <1%   0          0         deleting,disabled,manual
",
    );
}

#[test]
fn pools_in_full() {
    tables::check(
        "ipam show -o wide",
        "
POOL         CIDR           BLOCK   BLOCKS     ADDRESSES     USAGE              RESERVED   COOLING   STATE                      STANDBY   USES              NODES         NAMESPACES
default-v4   10.65.0.0/16   /26     400/1024   20000/65536   [###===----] 30%   16384      20        enabled                    0         Workload,Tunnel   all()         all()
default-v6   fd65::/48      /122    3/2^74     3/2^80        [#---------] <1%   0          0         deleting,disabled,manual   0         LoadBalancer      rack == 'a'   team == 'shop'
",
    );
}

#[test]
fn one_pool() {
    let shown = Agent::start().show("ipam show --pool default-v6");
    assert!(!shown.contains("default-v4") && shown.contains("fd65::/48"), "{shown}");
}

#[test]
fn blocks() {
    tables::check(
        "ipam show --blocks",
        "
BLOCK           POOL         NODE     AFFINITY    ADDRESSES   USAGE               BORROWED   COOLING
10.65.0.0/26    default-v4   node-1   confirmed   64/64       [##########] 100%   0          0
10.65.0.64/26   default-v4   node-2   pending     1/64        [#=====----] 1%     1          32
",
    );
}

/// What is borrowed names the node whose block it is.
#[test]
fn what_a_node_has() {
    tables::check(
        "ipam show --node node-1",
        "
BLOCK           POOL         NODE     AFFINITY    ADDRESSES   USAGE               BORROWED   COOLING
10.65.0.0/26    default-v4   node-1   confirmed   64/64       [##########] 100%   0          0
10.65.0.64/26   default-v4   node-2   pending     1/64        [#=====----] 1%     1          32

ADDRESS      POD          NODE     BLOCK                     POOL         HANDLE
10.65.0.1    -            node-1   10.65.0.0/26              default-v4   node-1.tunnel
10.65.0.2    shop/web-0   node-1   10.65.0.0/26              default-v4   c1.eth0
10.65.0.65   shop/web-0   node-1   10.65.0.64/26 of node-2   default-v4   c1.eth0
",
    );
}

#[test]
fn what_a_handle_holds() {
    tables::check(
        "ipam show --handle node-1.tunnel -o wide",
        "
ADDRESS     POD   NODE     BLOCK          POOL         HANDLE          SEQUENCE
10.65.0.1   -     node-1   10.65.0.0/26   default-v4   node-1.tunnel   7
",
    );
}

#[test]
fn who_has_an_address() {
    tables::check(
        "ipam show --ip 10.65.0.2",
        "
ADDRESS     POD          NODE     BLOCK          POOL         HANDLE
10.65.0.2   shop/web-0   node-1   10.65.0.0/26   default-v4   c1.eth0
",
    );
    let outcome = Agent::start().line("ipam show --ip 10.65.0.9");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, "error: 10.65.0.9 is not in use\n"));
}

#[test]
fn nodes() {
    let shown = Agent::start().show("ipam show --nodes");
    let (pools, nodes) = shown.split_once("\n\n").expect("two sections");
    assert!(pools.starts_with("POOL "), "{pools}");
    let expected = "\
NODE     POOL         BLOCKS   ADDRESSES   USAGE              BORROWED   STANDBY
node-1   default-v4   2        96/128      [########--] 75%   1          8
node-2   default-v4   1        0/64        [----------] 0%    0          0
node-1   default-v6   0        0/0         -                  3          0
";
    assert_eq!(nodes, expected, "{nodes}");

    let agent = Agent::start();
    let shown = agent.show("ipam show --nodes --node node-2 --pool default-v4");
    assert!(
        !shown.contains("node-1") && !shown.contains("default-v6") && shown.contains("node-2"),
        "{shown}"
    );
    let outcome = agent.line("ipam show --nodes --pool nope");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, "error: no pool \"nope\"\n"));
}

#[test]
fn for_programs() {
    let v4 = json!({
        "name": "default-v4", "cidr": "10.65.0.0/16", "blockSize": 26, "disabled": false, "deleting": false,
        "assignmentMode": "Automatic", "nodeSelector": "", "namespaceSelector": "",
        "allowedUses": ["Workload", "Tunnel"], "addressesTotal": "65536", "addressesUsed": 20_000,
        "addressesReserved": "16384", "addressesCooling": 20, "addressesStandby": 0, "blocksTotal": "1024", "blocksUsed": 400,
    });
    let v6 = json!({
        "name": "default-v6", "cidr": "fd65::/48", "blockSize": 122, "disabled": true, "deleting": true,
        "assignmentMode": "Manual", "nodeSelector": "rack == 'a'", "namespaceSelector": "team == 'shop'",
        "allowedUses": ["LoadBalancer"], "addressesTotal": "1208925819614629174706176", "addressesUsed": 3,
        "addressesReserved": "0", "addressesCooling": 0, "addressesStandby": 0,
        "blocksTotal": "18889465931478580854784", "blocksUsed": 3,
    });
    let block = |cidr: &str, node: &str, state: &str, used: u64, borrowed: u64, cooling: u64| {
        json!({
            "cidr": cidr, "node": node, "pool": "default-v4", "affinityState": state, "addressesTotal": 64,
            "addressesUsed": used, "addressesBorrowed": borrowed, "addressesCooling": cooling,
        })
    };
    let blocks = [
        block("10.65.0.0/26", "node-1", "confirmed", 64, 0, 0),
        block("10.65.0.64/26", "node-2", "pending", 1, 1, 32),
    ];
    let [tunnel, pod, borrowed] = allocations();
    let node = |node: &str, pool: &str, blocks: u64, used: u64, borrowed: u64| {
        json!({
            "node": node, "pool": pool, "blocks": blocks, "addressesTotal": blocks * 64, "addressesUsed": used,
            "addressesBorrowed": borrowed, "addressesStandby": used / 12,
        })
    };
    let nodes = [
        node("node-1", "default-v4", 2, 97, 1),
        node("node-2", "default-v4", 1, 0, 0),
        node("node-1", "default-v6", 0, 3, 3),
    ];
    programs::check("ipam show", &json!({"pools": [v4, v6]}));
    programs::check("ipam show --nodes", &json!({"pools": [v4, v6], "nodes": nodes}));
    let both = json!({"blocks": blocks, "allocations": [tunnel, pod, borrowed]});
    programs::check("ipam show --blocks --allocations", &both);
    programs::check("ipam show --ip 10.65.0.2", &json!({"allocations": [pod]}));
}

/// The tunnel's, the pod's, and that which the pod borrows.
pub fn allocations() -> [Value; 3] {
    let tunnel = json!({
        "address": "10.65.0.1", "handle": "node-1.tunnel", "node": "node-1", "block": "10.65.0.0/26",
        "pool": "default-v4", "podNamespace": "", "podName": "", "sequence": 7, "borrowedFrom": "",
    });
    let pod = programs::with(
        &tunnel,
        &json!({
            "address": "10.65.0.2", "handle": "c1.eth0", "podNamespace": "shop", "podName": "web-0", "sequence": 0,
        }),
    );
    let borrowed = programs::with(
        &pod,
        &json!({
            "address": "10.65.0.65", "block": "10.65.0.64/26", "borrowedFrom": "node-2", "sequence": 9,
        }),
    );
    [tunnel, pod, borrowed]
}

#[test]
fn pages_are_shown_as_one_listing() {
    let line = "ipam show --node node-1";
    let whole = Agent::start().show(line);
    let agent = Agent::start();
    *agent.script.page_size.lock().expect("lock") = Some(1);
    assert_eq!(agent.show(line), whole);
    let tokens: Vec<bool> = agent.asked().iter().map(|asked| asked.contains("page_token: \"\"")).collect();
    assert_eq!(tokens, [true, false, true, false, false], "two pages of blocks, three of addresses");
}

/// The filters are those of the first page on every other.
#[test]
fn a_page_is_asked_for_like_the_first() {
    let agent = Agent::start();
    *agent.script.page_size.lock().expect("lock") = Some(1);
    agent.show("ipam show --allocations --node n --pool p -n shop");
    for asked in agent.asked() {
        let filters = "node: \"n\", pool: \"p\", namespace: \"shop\"";
        assert!(asked.contains(filters), "{asked}");
    }
}

#[test]
fn a_listing_that_is_too_old_to_go_on_begins_again() {
    let line = "ipam show --allocations";
    let whole = Agent::start().show(line);
    let agent = Agent::start();
    *agent.script.page_size.lock().expect("lock") = Some(2);
    *agent.script.stale.lock().expect("lock") = 2;
    assert_eq!(agent.show(line), whole, "nothing is shown twice");

    *agent.script.stale.lock().expect("lock") = 3;
    let expected = "error: what is listed changed faster than it could be read: ask for less of it, with --node or --pool\n";
    let outcome = Outcome { status: 1, stdout: String::new(), stderr: expected.to_owned() };
    assert_eq!(agent.line(line), outcome);
}

#[test]
fn a_listing_that_goes_in_circles_ends() {
    let agent = Agent::start();
    *agent.script.page_size.lock().expect("lock") = Some(1);
    *agent.script.repeats.lock().expect("lock") = true;
    let expected = "error: the agent's listing does not end: it repeats a page\n";
    let outcome = Outcome { status: 1, stdout: String::new(), stderr: expected.to_owned() };
    assert_eq!(agent.line("ipam show --allocations"), outcome);
}
