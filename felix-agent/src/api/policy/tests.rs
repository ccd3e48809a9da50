use policy::evaluate::Transport;
use policy::program::{Direction, EndpointId, Family, ProfileId, Protocol, Verdict};
use proto::v1;

use super::explain::KernelEnd;
use super::packet::{direction, transport};
use super::trace::compare;
use crate::dataplane::nftables::counters::KernelRules;
use crate::dataplane::nftables::trace::{Step, StepVerdict, TRACE_TABLE_NAME};

fn step(table: &str, chain: &str, verdict: StepVerdict) -> Step {
    let (table, chain) = (table.to_owned(), chain.to_owned());
    Step { family: "inet", table, chain, handle: Some(1), verdict }
}

fn end(verdict: Verdict) -> KernelEnd {
    let endpoint = EndpointId { namespace: "shop".to_owned(), name: "db".to_owned() };
    KernelEnd { direction: Direction::Ingress, endpoint, verdict, rule: None }
}

fn differences(ends: &[KernelEnd], steps: &[Step]) -> (String, Vec<String>) {
    let trace = compare(ends, steps, &KernelRules::default());
    (trace.outcome, trace.differences)
}

#[test]
fn the_kernel_agrees_if_the_packet_fares_as_the_engine_says() {
    let begin = step(TRACE_TABLE_NAME, "begin", StepVerdict::Continue);
    let passed = [begin.clone(), step(TRACE_TABLE_NAME, "end_forward", StepVerdict::Drop)];
    let denied = [begin.clone(), step("fabric", "deny_1", StepVerdict::Drop)];
    let foreign = [begin.clone(), step("filter", "FORWARD", StepVerdict::Drop)];
    let (allow, deny) = (end(Verdict::Allow), end(Verdict::Deny));
    assert_eq!(differences(std::slice::from_ref(&allow), &passed), ("passed".to_owned(), Vec::new()));
    assert_eq!(differences(std::slice::from_ref(&deny), &denied), ("denied".to_owned(), Vec::new()));
    let told = |ends: &[KernelEnd], steps: &[Step]| {
        let (outcome, differences) = differences(ends, steps);
        assert_eq!(differences.len(), 1, "{differences:?}");
        format!("{outcome}: {}", differences.concat())
    };
    assert_eq!(
        told(&[deny], &passed),
        "passed: the engine says that ingress of shop/db denies it, and the kernel lets it pass"
    );
    assert_eq!(
        told(std::slice::from_ref(&allow), &denied),
        "denied: the engine says that it passes here, and the kernel denies it"
    );
    assert_eq!(
        told(std::slice::from_ref(&allow), &foreign),
        "dropped: table inet filter, which is not ours, drops it in chain FORWARD"
    );
    assert!(told(&[allow], &[begin]).starts_with("lost: the kernel threw it away"));
}

#[test]
fn another_rule_than_the_engines_is_a_difference() {
    let rule = Some((ProfileId("p1".to_owned()), "shop/db ingress#0".to_owned()));
    let ends = [KernelEnd { rule, ..end(Verdict::Allow) }];
    let steps =
        [step("fabric", "p1", StepVerdict::Return), step(TRACE_TABLE_NAME, "end_forward", StepVerdict::Drop)];
    let (_, told) = differences(&ends, &steps);
    assert_eq!(
        told,
        [
            "ingress of shop/db: the engine says that \"shop/db ingress#0\" decides, and the kernel that \"\" does"
        ]
    );
    // An end that it did not come to says nothing.
    assert_eq!(differences(&ends, &steps[1..]).1, [""; 0]);
    let trace = compare(&ends, &steps, &KernelRules::default());
    assert_eq!(trace.steps.len(), 1, "the tracer's own are not shown");
    assert_eq!(trace.steps[0].verdict, "return");
}

#[test]
fn what_is_above_ip_is_read_and_refused_in_words() {
    let asked = |protocol: &str, port, source_port| v1::ExplainRequest {
        protocol: protocol.to_owned(),
        port,
        source_port,
        ..v1::ExplainRequest::default()
    };
    let read = |request: &v1::ExplainRequest| {
        transport(request, Family::V4).map_err(|status| status.message().to_owned())
    };
    assert_eq!(read(&asked("", 80, 0)), Ok(Transport::to_port(Protocol::Tcp, 80)));
    assert_eq!(
        read(&asked("UDP", 53, 1234)),
        Ok(Transport::Port { protocol: Protocol::Udp, source: 1234, destination: 53 })
    );
    assert_eq!(read(&asked("17", 53, 0)), Ok(Transport::to_port(Protocol::Udp, 53)));
    assert_eq!(read(&asked("47", 0, 0)), Ok(Transport::Other(47)));
    assert_eq!(read(&asked("icmp", 0, 0)), Ok(Transport::Icmp { kind: 8, code: 0 }));
    let message = v1::ExplainRequest { icmp_type: Some(3), icmp_code: Some(1), ..asked("1", 0, 0) };
    assert_eq!(read(&message), Ok(Transport::Icmp { kind: 3, code: 1 }));
    let wrong = v1::ExplainRequest { icmp_type: Some(256), ..asked("icmp", 0, 0) };
    let refused = [
        (asked("tcp", 0, 0), "port 0: give one from 1 to 65535"),
        (asked("tcp", 80, 65536), "source_port 65536: give one from 1 to 65535"),
        (
            asked("gre", 0, 0),
            "protocol \"gre\": give tcp, udp, sctp, icmp, or the number of another from 0 to 255",
        ),
        (wrong, "icmp_type 256: give one from 0 to 255"),
    ];
    for (request, message) in refused {
        assert_eq!(read(&request), Err(message.to_owned()));
    }
    assert_eq!(direction("Egress").ok(), Some(Some(Direction::Egress)));
    assert!(direction("up").is_err());
}
