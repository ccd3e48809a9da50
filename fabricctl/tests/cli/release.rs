//! `ipam release`: by address, by handle, by report; what is refused; and reports that are none.

use proto::v1::{ListAllocationsRequest, ReleaseItem, ReleaseRequest, WhoHasRequest};
use serde_json::{Value, json};
use tonic::Status;

use crate::data_ipam as data;
use crate::fixture::{Agent, Outcome};
use crate::ipam::allocations;

fn who(address: &str) -> String {
    format!("{:?}", WhoHasRequest { address: address.to_owned() })
}

fn items(items: &[(&str, &str, u64)]) -> String {
    let item = |(address, handle, sequence): &(&str, &str, u64)| ReleaseItem {
        address: (*address).to_owned(),
        handle: (*handle).to_owned(),
        sequence: Some(*sequence),
    };
    let items = items.iter().map(item).collect();
    format!("{:?}", ReleaseRequest { handle: String::new(), items })
}

/// Each as it is held when it is asked for, once, in order.
#[test]
fn addresses_are_released_as_they_are_seen() {
    let agent = Agent::start();
    let shown = agent.show("ipam release 10.65.0.65 10.65.0.2 10.65.0.65");
    let expected = "\
ADDRESS      OUTCOME    POD          NODE     HANDLE    REASON
10.65.0.2    released   shop/web-0   node-1   c1.eth0   -
10.65.0.65   released   shop/web-0   node-1   c1.eth0   -
";
    assert_eq!(shown, expected, "{shown}");
    let both = items(&[("10.65.0.2", "c1.eth0", 0), ("10.65.0.65", "c1.eth0", 9)]);
    assert_eq!(agent.asked(), [who("10.65.0.2"), who("10.65.0.65"), both]);
}

#[test]
fn what_is_refused_is_told_and_is_a_failure() {
    let agent = Agent::start();
    let outcome = agent.line("ipam release 10.65.0.2 192.0.2.1");
    let stdout = "\
ADDRESS     OUTCOME    POD          NODE     HANDLE    REASON
10.65.0.2   released   shop/web-0   node-1   c1.eth0   -
192.0.2.1   refused    -            -        -         192.0.2.1 is not in use
";
    let stderr = "error: 1 of 2 addresses were not released\n".to_owned();
    assert_eq!(outcome, Outcome { status: 1, stdout: stdout.to_owned(), stderr });

    let outcome = agent.line("ipam release 10.65.0.2 192.0.2.1 -o json");
    let [_, pod, _] = allocations();
    let expected = json!({
        "dryRun": false,
        "released": [pod],
        "refused": [{"address": "192.0.2.1", "reason": "192.0.2.1 is not in use", "code": "notInUse"}],
    });
    let shown: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!((outcome.status, &shown), (1, &expected));
    let outcome = agent.line("ipam release 10.65.0.2 192.0.2.1 -o yaml");
    assert_eq!(serde_saphyr::from_str::<Value>(&outcome.stdout).expect("YAML"), expected);
}

#[test]
fn all_of_a_handle() {
    let agent = Agent::start();
    let shown = agent.show("ipam release --handle c1.eth0");
    assert_eq!(shown.matches(" released ").count(), 2, "{shown}");
    let request = ReleaseRequest { handle: "c1.eth0".to_owned(), items: Vec::new() };
    assert_eq!(agent.asked(), [format!("{request:?}")]);
}

/// A dry run only reads.
#[test]
fn a_dry_run_releases_nothing() {
    let agent = Agent::start();
    let shown = agent.show("ipam release 10.65.0.2 --dry-run");
    assert!(shown.contains("10.65.0.2   would be released   shop/web-0"), "{shown}");
    assert_eq!(agent.asked(), [who("10.65.0.2")]);

    *agent.script.page_size.lock().expect("lock") = Some(1);
    let shown = agent.show("ipam release --handle c1.eth0 --dry-run -o json");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let [_, pod, borrowed] = allocations();
    assert_eq!(shown, json!({"dryRun": true, "released": [pod, borrowed], "refused": []}));
    let page = |page_token: &str| {
        let (handle, page_token) = ("c1.eth0".to_owned(), page_token.to_owned());
        format!("{:?}", ListAllocationsRequest { handle, page_token, ..Default::default() })
    };
    assert_eq!(agent.asked(), [page(""), page("1")]);
}

/// A report as `ipam check --report` writes it.
fn write_report(agent: &Agent, problems: Vec<proto::v1::CheckProblem>) -> String {
    let file = agent.path("report.json");
    *agent.script.check.lock().expect("lock") = Some(data::check(problems).into_iter().map(Ok).collect());
    agent.run(&["ipam", "check", "--report", &file]);
    agent.asked();
    file
}

/// Exactly what the report says is to be released, and nothing else that it names; each once.
#[test]
fn what_a_report_says() {
    let agent = Agent::start();
    let mut problems = data::problems();
    problems.push(data::leaked("10.65.0.2", "c1.eth0", 0));
    let file = write_report(&agent, problems);
    let outcome = agent.run(&["ipam", "release", "--from-report", &file]);
    let stdout = "\
ADDRESS      OUTCOME    POD          NODE     HANDLE    REASON
10.65.0.2    released   shop/web-0   node-1   c1.eth0   -
10.65.0.65   refused    -            -        -         it is not as it was
";
    let stderr = "error: 1 of 2 addresses were not released\n".to_owned();
    assert_eq!(outcome, Outcome { status: 1, stdout: stdout.to_owned(), stderr });
    let both = items(&[("10.65.0.2", "c1.eth0", 0), ("10.65.0.65", "c0.eth0", 5)]);
    assert_eq!(agent.asked(), [both]);

    let report = std::fs::read_to_string(&file).expect("file");
    let outcome = agent.run_with_stdin(&["ipam", "release", "--from-report", "-"], &report);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, stdout));
}

/// What the datastore did not answer is no refusal, and no success: whoever asks again is told.
#[test]
fn what_is_not_known_is_told_apart() {
    let agent = Agent::start();
    let problems = vec![
        data::leaked("10.65.0.2", "c1.eth0", 0),
        data::leaked("fd65::ffff", "c0.eth0", 5),
        data::leaked("10.65.0.65", "c0.eth0", 5),
    ];
    let file = write_report(&agent, problems);
    let outcome = agent.run(&["ipam", "release", "--from-report", &file, "-o", "json"]);
    let stderr = "error: agent not available: 2 of 3 addresses were not released, 1 of them because the datastore did not \
                  answer; try again\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (3, stderr));
    let shown: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let codes: Vec<&Value> =
        shown["refused"].as_array().expect("list").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["otherHolder", "unavailable"]);
    let table = agent.run(&["ipam", "release", "--from-report", &file]).stdout;
    assert!(table.contains("fd65::ffff   not known") && table.contains("10.65.0.65   refused"), "{table}");
}

#[test]
fn a_dry_run_of_a_report_compares_it_with_what_is() {
    let agent = Agent::start();
    let problems = vec![
        data::leaked("10.65.0.1", "node-1.tunnel", 6),
        data::leaked("10.65.0.2", "c1.eth0", 0),
        data::leaked("10.65.0.65", "c0.eth0", 9),
        data::leaked("10.65.0.9", "c9.eth0", 1),
    ];
    let file = write_report(&agent, problems);
    let outcome = agent.run(&["ipam", "release", "--from-report", &file, "--dry-run"]);
    let stdout = "\
ADDRESS      OUTCOME             POD          NODE     HANDLE    REASON
10.65.0.2    would be released   shop/web-0   node-1   c1.eth0   -
10.65.0.1    refused             -            -        -         given out again since the check
10.65.0.65   refused             -            -        -         held by c1.eth0 now, not by c0.eth0
10.65.0.9    refused             -            -        -         10.65.0.9 is not in use
";
    let stderr = "error: 3 of 4 addresses would not be released\n".to_owned();
    assert_eq!(outcome, Outcome { status: 1, stdout: stdout.to_owned(), stderr });
    assert!(agent.asked().iter().all(|asked| asked.starts_with("WhoHas")), "nothing is released");
}

#[test]
fn a_report_without_anything_to_release() {
    let agent = Agent::start();
    let file = write_report(&agent, vec![data::problem("goneNode", "node-2 is gone", "")]);
    let outcome = agent.run(&["ipam", "release", "--from-report", &file]);
    let stderr = "There was nothing to release.\n".to_owned();
    assert_eq!(outcome, Outcome { status: 0, stdout: String::new(), stderr });
    assert!(agent.asked().is_empty(), "the agent need not be asked");
}

/// More than one message holds goes in several, and what was done before a failure is told.
#[test]
fn a_long_report() {
    let agent = Agent::start();
    let mut problems: Vec<_> = (0..1000).map(|n| data::leaked(&format!("fd65::{n:04x}"), "h", 1)).collect();
    problems.push(data::leaked("10.65.0.2", "c1.eth0", 0));
    let file = write_report(&agent, problems);
    let outcome = agent.run(&["ipam", "release", "--from-report", &file]);
    assert_eq!(outcome.stderr, "error: 1000 of 1001 addresses were not released\n");
    let asked = agent.asked();
    let sizes: Vec<usize> = asked.iter().map(|asked| asked.matches("ReleaseItem").count()).collect();
    assert_eq!(sizes, [1000, 1]);

    agent.refuse_after(1, Status::unavailable("the datastore does not answer"));
    let outcome = agent.run(&["ipam", "release", "--from-report", &file]);
    let stderr = "error: agent not available: the datastore does not answer; try again in a moment\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (3, stderr));
    assert!(outcome.stdout.contains("10.65.0.2    released "), "{}", outcome.stdout);
    assert_eq!(outcome.stdout.lines().count(), 1001, "the head, and what was in the first message");
}

#[test]
fn reports_that_are_none() {
    let agent = Agent::start();
    let good = std::fs::read_to_string(write_report(&agent, data::problems())).expect("file");
    let half = &good[..good.len() / 2];
    let table = [
        (half.to_owned(), "it is cut off: "),
        (String::new(), "it is cut off: "),
        ("ADDRESS  OUTCOME".to_owned(), "it is not JSON: expected value at line 1 column 1"),
        ("{\"pools\": []}".to_owned(), "it is no report of `fabricctl ipam check`"),
        ("[1]".to_owned(), "it is no report of `fabricctl ipam check`"),
        (
            good.replace("\"fabricCheck\": 1", "\"fabricCheck\": 2"),
            "it is a report of version 2, and this fabricctl knows version 1",
        ),
        (
            good.replace("\"fabricCheck\": 1", "\"fabricCheck\": \"1\""),
            "it is a report of version \"1\", and this fabricctl knows version 1",
        ),
        (good.replace("\"problems\"", "\"troubles\""), "it is damaged: missing field `problems`"),
        (
            good.replace("\"sequence\": 5", "\"sequence\": null"),
            "it is damaged: what is to be released of \"10.65.0.65\" names no handle or no sequence",
        ),
        (
            good.replace("\"handle\": \"c0.eth0\"", "\"handle\": \"\""),
            "it is damaged: what is to be released of \"10.65.0.65\" names no handle or no sequence",
        ),
    ];
    for (text, expected) in table {
        assert_ne!(text, good);
        let file = agent.write("bad.json", &text);
        let outcome = agent.run(&["ipam", "release", "--from-report", &file]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{expected}");
        let beginning = format!("error: {file} cannot be used: {expected}");
        assert!(outcome.stderr.starts_with(&beginning), "{} is not {beginning}", outcome.stderr);
    }
    let outcome = agent.line("ipam release --from-report /nonexistent.json");
    let stderr = "error: cannot read /nonexistent.json: No such file or directory (os error 2)\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, stderr));
    assert!(agent.asked().is_empty(), "nothing is asked of the agent");
    // What a newer program adds does not hinder.
    let more = good.replace("\"revision\"", "\"more\": {\"a\": 1},\n  \"revision\"");
    assert_ne!(more, good);
    let file = agent.write("more.json", &more);
    assert!(agent.run(&["ipam", "release", "--from-report", &file]).stdout.contains("released"));
}
