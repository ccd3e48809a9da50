//! `ipam check`: the report for people and programs, its file, and the exit status.

use serde_json::{Value, json};
use tonic::Status;

use crate::data_ipam as data;
use crate::fixture::{Agent, Outcome};

fn agent_that_finds(problems: Vec<proto::v1::CheckProblem>) -> Agent {
    let agent = Agent::start();
    let steps = data::check(problems).into_iter().map(Ok).collect();
    *agent.script.check.lock().expect("lock") = Some(steps);
    agent
}

const CHECKED: &str = "Checked at revision 4711: 2 pools, 3 blocks, 4 affinities, 5 handles, 6 addresses in use, \
                       7 endpoints, 8 nodes.\n";

#[test]
fn nothing_is_wrong() {
    let outcome = agent_that_finds(Vec::new()).line("ipam check");
    let stdout = format!("{CHECKED}\nNo problems.\n");
    assert_eq!(outcome, Outcome { status: 0, stdout, stderr: String::new() });
}

/// Standard error is no terminal: there is no progress on it.
#[test]
fn problems_are_grouped_by_kind() {
    let outcome = Agent::start().line("ipam check");
    let stdout = format!(
        "{CHECKED}
leakedAddress: 2
  - 10.65.0.2 is held by c1.eth0, which is gone
  - 10.65.0.65 is held by c0.eth0, which is gone
    remedy: release it

goneNode: 1
  - 10.65.0.64/26 belongs to node-2, which is gone
    remedy: none is needed, it mends itself

3 problems; `fabricctl ipam release --from-report` mends 2 of them (write the report with --report).
"
    );
    assert_eq!(outcome, Outcome { status: 1, stdout, stderr: String::new() });
}

#[test]
fn many_of_a_kind_are_cut_short_unless_all_are_wanted() {
    let mut problems: Vec<_> = (1..=11).map(|n| data::leaked(&format!("10.65.1.{n}"), "h", n)).collect();
    // Another remedy is another group, of the same kind.
    problems.push(data::problem("leakedAddress", "and another", "do it by hand"));
    let agent = agent_that_finds(problems);
    let shown = agent.line("ipam check").stdout;
    assert!(shown.contains("leakedAddress: 12\n"), "{shown}");
    assert!(shown.contains("10.65.1.10 ") && !shown.contains("10.65.1.11 "), "{shown}");
    assert!(shown.contains("    remedy: release it\n  and 2 more: --show-all shows them\n"), "{shown}");
    let shown = agent.line("ipam check --show-all").stdout;
    assert!(shown.contains("10.65.1.11 ") && !shown.contains("more:"), "{shown}");
    assert!(shown.contains("  - and another\n    remedy: do it by hand\n"), "{shown}");
    // Programs get all, always.
    let shown: Value = serde_json::from_str(&agent.line("ipam check -o json").stdout).expect("JSON");
    assert_eq!(shown["problems"].as_array().map(Vec::len), Some(12));
}

fn report() -> Value {
    json!({
        "fabricCheck": 1,
        "revision": 4711,
        "checked": {
            "pools": 2, "blocks": 3, "affinities": 4, "handles": 5, "allocations": 6, "standby": 0,
            "endpoints": 7, "nodes": 8,
        },
        "problems": [
            {
                "kind": "leakedAddress", "what": "10.65.0.2 is held by c1.eth0, which is gone",
                "remedy": "release it", "subject": "10.65.0.2",
                "release": {"address": "10.65.0.2", "handle": "c1.eth0", "sequence": 0},
            },
            {
                "kind": "goneNode", "what": "10.65.0.64/26 belongs to node-2, which is gone", "remedy": "",
                "subject": "10.65.0.64/26", "release": null,
            },
            {
                "kind": "leakedAddress", "what": "10.65.0.65 is held by c0.eth0, which is gone",
                "remedy": "release it", "subject": "10.65.0.65",
                "release": {"address": "10.65.0.65", "handle": "c0.eth0", "sequence": 5},
            },
        ],
    })
}

#[test]
fn for_programs() {
    let agent = Agent::start();
    let outcome = agent.line("ipam check -o json");
    let shown: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!((outcome.status, shown, outcome.stderr.as_str()), (1, report(), ""));
    let outcome = agent.line("ipam check -o yaml");
    let shown: Value = serde_saphyr::from_str(&outcome.stdout).expect("YAML");
    assert_eq!((outcome.status, shown), (1, report()));
}

#[test]
fn the_report_is_written_to_a_file_and_replaces_the_last() {
    let agent = Agent::start();
    let file = agent.write("report.json", "an old one");
    let outcome = agent.run(&["ipam", "check", "--report", &file]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""));
    assert!(outcome.stdout.starts_with(CHECKED), "it is shown too");
    let written = std::fs::read_to_string(&file).expect("file");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), report());
    assert_eq!(agent.line("ipam check -o json").stdout, written, "the same as on standard output");
    let files: Vec<_> = std::fs::read_dir(agent.directory.path()).expect("directory").flatten().collect();
    let names: Vec<_> = files.iter().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with('.')), "nothing else is left: {names:?}");
}

/// A failure is told apart from problems by the exit status.
#[test]
fn what_cannot_be_finished() {
    let agent = Agent::start();
    let file = agent.write("report.json", "an old one");
    let progress = data::check(Vec::new()).remove(0);
    let table = [
        (vec![Ok(progress.clone()), Err(Status::aborted("the datastore changed"))], "the datastore changed"),
        (vec![Ok(progress)], "the agent ended its check without a report; its log says more"),
        (vec![Err(Status::internal("poisoned"))], "the agent failed: poisoned; its log says more"),
    ];
    for (steps, message) in table {
        *agent.script.check.lock().expect("lock") = Some(steps);
        let outcome = agent.run(&["ipam", "check", "--report", &file]);
        let stderr = format!("error: {message}\n");
        assert_eq!(outcome, Outcome { status: 4, stdout: String::new(), stderr });
        assert_eq!(std::fs::read_to_string(&file).expect("file"), "an old one", "half a report is none");
    }
    agent.refuse(Status::unavailable("starting"));
    assert_eq!(agent.line("ipam check").status, 3);
    agent.hang();
    let outcome = agent.line("ipam check --timeout 200ms");
    assert_eq!(outcome.status, 4);
    assert!(outcome.stderr.contains("did not answer within 200ms"), "{}", outcome.stderr);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_check() {
    let agent = Agent::start();
    let outcome = agent.line("ipam check --report /nonexistent/report.json");
    let stderr = "error: cannot write /nonexistent/report.json: No such file or directory (os error 2)\n";
    assert_eq!(outcome, Outcome { status: 4, stdout: String::new(), stderr: stderr.to_owned() });
    let outcome = agent.line("ipam check --report -");
    assert_eq!(outcome.status, 2);
    assert!(outcome.stderr.contains("`-o json` writes the report to standard output"), "{}", outcome.stderr);
    assert!(agent.asked().is_empty());
}
