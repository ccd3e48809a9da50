//! `ipam assign`, `reserve`, `unreserve`, `split` and `watch`.

use serde_json::{Value, json};

use crate::fixture::{Agent, Outcome};
use crate::ipam::allocations;
use crate::{data_ipam, programs, tables};

#[test]
fn an_assignment() {
    let line = "ipam assign --handle node-1.tunnel --ipv4 1";
    tables::check(
        line,
        "
ADDRESS     POD   NODE     BLOCK          POOL         HANDLE
10.65.0.1   -     node-1   10.65.0.0/26   default-v4   node-1.tunnel
",
    );
    let [tunnel, _, _] = allocations();
    programs::check(line, &json!({"allocations": [tunnel]}));
}

#[test]
fn a_reservation() {
    let line = "ipam reserve routers 10.65.0.0/30 fd65::/126";
    tables::check(
        line,
        "
Reservation:   routers
Reserved:      10.65.0.0/30,fd65::/126

In use in spite of it:
ADDRESS     POD   NODE     BLOCK          POOL         HANDLE
10.65.0.1   -     node-1   10.65.0.0/26   default-v4   node-1.tunnel
",
    );
    let [tunnel, _, _] = allocations();
    let expected = json!({"name": "routers", "cidrs": ["10.65.0.0/30", "fd65::/126"], "inUse": [tunnel]});
    programs::check(line, &expected);
}

#[test]
fn the_end_of_a_reservation() {
    tables::check("ipam unreserve routers", "\nReservation:   routers\nReserved:      -\n");
    let line = "ipam unreserve routers 10.65.0.0/30";
    tables::check(line, "\nReservation:   routers\nReserved:      fd65::/126\n");
    programs::check(line, &json!({"name": "routers", "cidrs": ["fd65::/126"], "inUse": []}));
}

#[test]
fn a_split() {
    let agent = Agent::start();
    let pools = agent.show("ipam show");
    assert_eq!(agent.show("ipam split default-v4 2"), pools);
    let stderr = "Nothing was written: this is what would be.\n".to_owned();
    let outcome = agent.line("ipam split default-v4 2 --dry-run");
    assert_eq!(outcome, Outcome { status: 0, stdout: pools, stderr });
    assert_eq!(agent.show("ipam split default-v4 2 -o json"), agent.show("ipam show -o json"));
}

#[test]
fn what_was_typed_is_judged_first() {
    let agent = Agent::start();
    let table = [
        ("ipam split default-v4 3", "not a power of two such as 2, 4 or 8"),
        ("ipam split default-v4 1", "not a power of two such as 2, 4 or 8"),
        ("ipam reserve r 10.65.0.1", "for exactly this address write 10.65.0.1/32"),
        ("ipam assign --handle h", "required arguments were not provided"),
        ("ipam release", "required arguments were not provided"),
    ];
    for (line, expected) in table {
        let outcome = agent.line(line);
        assert_eq!(outcome.status, 2, "{line}");
        assert!(outcome.stderr.contains(expected), "{line}: {}", outcome.stderr);
    }
    assert!(agent.asked().is_empty());
}

const EVENTS: [&str; 4] = [
    "assigned   10.65.0.1 on node-1, held by node-1.tunnel, from 10.65.0.0/26",
    "assigned   10.65.0.65 of shop/web-0 on node-1, held by c1.eth0, from 10.65.0.64/26 of node-2",
    "synchronised: this was all that is in use",
    "released   10.65.0.2 of shop/web-0 on node-1, held by c1.eth0, from 10.65.0.0/26",
];

/// Each is shown as it comes, while the watch goes on.
#[test]
fn a_watch() {
    assert_eq!(Agent::start().first_lines("ipam watch", EVENTS.len()), EVENTS);
}

#[test]
fn a_watch_for_programs() {
    let [tunnel, pod, borrowed] = allocations();
    let expected = [
        json!({"event": "assigned", "allocation": tunnel}),
        json!({"event": "assigned", "allocation": borrowed}),
        json!({"event": "synchronised", "allocation": null}),
        json!({"event": "released", "allocation": pod}),
    ];
    let agent = Agent::start();
    let lines = agent.first_lines("ipam watch -o json", expected.len());
    let shown: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown, expected);

    *agent.script.watch.lock().expect("lock") = Some(data_ipam::events());
    let text = agent.line("ipam watch -o yaml").stdout;
    let documents = text.split("---\n").filter(|document| !document.is_empty());
    let shown: Vec<Value> = documents.map(|text| serde_saphyr::from_str(text).expect("YAML")).collect();
    assert_eq!(shown, expected);
}

/// From then on something may happen that nobody tells.
#[test]
fn a_watch_that_ends_is_a_failure() {
    let agent = Agent::start();
    let unknown = proto::v1::AllocationEvent { event: None };
    *agent.script.watch.lock().expect("lock") = Some(vec![unknown]);
    let stdout = "something that is not known to this fabricctl\n".to_owned();
    let stderr = "error: agent not available: it ended the watch; begin again\n".to_owned();
    assert_eq!(agent.line("ipam watch"), Outcome { status: 3, stdout, stderr });
}
