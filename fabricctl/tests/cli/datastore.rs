//! `datastore export` and `import`.

use std::os::unix::fs::PermissionsExt as _;

use proto::v1::{ExportRequest, ImportRequest};
use serde_json::json;
use tonic::Status;

use crate::fixture::{Agent, Outcome};
use crate::programs;
use crate::serve_resources::export;

fn whole() -> String {
    export().concat().iter().map(|line| format!("{line}\n")).collect()
}

fn failure(message: &str) -> Outcome {
    Outcome { status: 1, stdout: String::new(), stderr: format!("error: {message}\n") }
}

#[test]
fn to_standard_output() {
    let agent = Agent::start();
    assert_eq!(agent.show("datastore export"), whole());
    assert_eq!(agent.show("datastore export -"), whole());
    assert_eq!(agent.show("datastore export -o yaml"), whole(), "an export has one format");
    assert_eq!(agent.asked(), vec![format!("{:?}", ExportRequest {}); 3]);
}

#[test]
fn to_a_file() {
    let agent = Agent::start();
    let file = agent.path("all.jsonl");
    let shown = agent.show(&format!("datastore export {file}"));
    assert_eq!(shown, format!("File:      {file}\nObjects:   3\n"));
    assert_eq!(std::fs::read_to_string(&file).expect("file"), whole());
    let line = format!("datastore export --force {file}");
    programs::check(&line, &json!({"file": file, "objects": 3}));
}

#[test]
fn a_file_that_is_there_is_left_alone_unless_it_is_to_go() {
    let agent = Agent::start();
    let file = agent.write("all.jsonl", "something dear");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let link = agent.path("link");
    std::os::unix::fs::symlink(&file, &link).expect("link");
    for name in [&file, &link] {
        let expected = failure(&format!("{name} is there already: --force replaces it"));
        assert_eq!(agent.run(&["datastore", "export", name]), expected);
    }
    assert!(agent.asked().is_empty());
    assert_eq!(std::fs::read_to_string(&file).expect("file"), "something dear");

    agent.show(&format!("datastore export --force {link}"));
    assert!(std::fs::symlink_metadata(&link).expect("link").is_symlink(), "the link still leads there");
    assert_eq!(std::fs::read_to_string(&file).expect("file"), whole());
    let mode = std::fs::metadata(&file).expect("file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "whoever could not read the old one cannot read the new");
}

#[test]
fn places_that_are_no_files() {
    let agent = Agent::start();
    agent.show("datastore export /dev/null");
    assert!(!std::fs::metadata("/dev/null").expect("a device").is_file(), "it is not replaced");
    let folder = agent.directory.path().display().to_string();
    let expected = failure(&format!("cannot write {folder}: Is a directory (os error 21)"));
    assert_eq!(agent.run(&["datastore", "export", &folder]), expected);
}

/// Half an export is none: nothing is left in its place.
#[test]
fn an_export_that_does_not_arrive_whole() {
    let agent = Agent::start();
    let mut short = export();
    short.pop();
    let table = [
        (short, "it is cut off or damaged: 2 of 3 objects are there"),
        (Vec::new(), "it is empty"),
        (vec![vec![r#"{"kind":"IPPool"}"#.to_owned()]], "its first line is not that of an export"),
    ];
    for (messages, problem) in table {
        *agent.script.export.lock().expect("lock") = Some(messages);
        let file = agent.path("all.jsonl");
        let expected = failure(&format!("the agent's export cannot be used: {problem}"));
        assert_eq!(agent.run(&["datastore", "export", &file]), expected);
        let left = std::fs::read_dir(agent.directory.path()).expect("directory").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != "stdin").collect();
        assert_eq!(left, ["agent.sock"]);
    }
}

#[test]
fn in_again() {
    let agent = Agent::start();
    let file = agent.write("all.jsonl", &whole());
    let asked = |overwrite, dry_run| {
        format!("1 x {:?}", ImportRequest { overwrite, dry_run, lines: export().concat() })
    };
    let shown = agent.show(&format!("datastore import {file}"));
    assert_eq!(shown, "1 created, 0 replaced, 2 unchanged\n");
    let shown = agent.show(&format!("datastore import {file} --dry-run --overwrite"));
    assert_eq!(shown, "1 would be created, 0 would be replaced, 2 would be unchanged\n");
    let outcome = agent.run_with_stdin(&["datastore", "import", "-"], &whole());
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert_eq!(agent.asked(), [asked(false, false), asked(true, true), asked(false, false)]);

    let counts = json!({"dryRun": false, "created": 1, "replaced": 0, "unchanged": 2});
    programs::check(&format!("datastore import {file}"), &counts);
}

/// Every message fits, whatever the whole: 5 MiB are more than a server takes at once.
#[test]
fn much() {
    let agent = Agent::start();
    let object = format!(r#"{{"kind":"Node","text":"{}"}}"#, "x".repeat(10_000));
    let mut text = r#"{"fabricExport":1,"revision":1,"counts":{"Node":524}}"#.to_owned() + "\n";
    text.extend(std::iter::repeat_n(object + "\n", 524));
    let file = agent.write("all.jsonl", &text);
    assert!(text.len() > 5 * 1024 * 1024);
    agent.show(&format!("datastore import {file}"));
    let asked = agent.asked().concat();
    assert!(asked.starts_with("11 x ImportRequest"), "{}", &asked[..30]);
    assert_eq!(asked.matches(r#"{\"kind\":\"Node\""#).count(), 524);
}

/// An agent that takes no more is not waited for; one that has everything is.
#[test]
fn an_agent_that_does_not_listen() {
    let agent = Agent::start();
    *agent.script.is_deaf.lock().expect("lock") = true;
    let object = format!(r#"{{"kind":"Node","text":"{}"}}"#, "x".repeat(10_000));
    let mut text = r#"{"fabricExport":1,"revision":1,"counts":{"Node":2000}}"#.to_owned() + "\n";
    text.extend(std::iter::repeat_n(object + "\n", 2000));
    let file = agent.write("all.jsonl", &text);
    let expected = failure("the agent did not answer within 300ms: give it more with --timeout");
    assert_eq!(agent.run(&["datastore", "import", &file, "--timeout", "300ms"]), expected);
}

#[test]
fn files_that_are_no_export() {
    let agent = Agent::start();
    let mut short = whole();
    short.truncate(short.len() - r#"{"kind":"Node","n":3}"#.len() - 1);
    let table = [
        (short.as_str(), "it is cut off or damaged: 2 of 3 objects are there"),
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("apiVersion: v1\nkind: Node\n", "its first line is not that of an export"),
        (r#"{"fabricCheck":1}"#, "its first line is not that of an export"),
    ];
    for (text, problem) in table {
        let file = agent.write("bad.jsonl", text);
        let expected = failure(&format!("{file} cannot be imported: {problem}"));
        assert_eq!(agent.run(&["datastore", "import", &file]), expected);
    }
    let expected = failure("cannot read /nonexistent: No such file or directory (os error 2)");
    assert_eq!(agent.line("datastore import /nonexistent"), expected);
    assert!(agent.asked().is_empty());
}

#[test]
fn what_the_agent_refuses() {
    let agent = Agent::start();
    let file = agent.write("all.jsonl", &whole());
    agent.refuse(Status::invalid_argument("line 2: spec.cidr: \"x\" is no prefix\nline 3: spec: is missing"));
    let stderr = format!("{file}: line 2: spec.cidr: \"x\" is no prefix\n{file}: line 3: spec: is missing\n");
    let expected = Outcome { status: 1, stdout: String::new(), stderr };
    assert_eq!(agent.run(&["datastore", "import", &file]), expected);
    agent.refuse(Status::already_exists("IPPool a is something else already; --overwrite replaces it"));
    let expected = failure("IPPool a is something else already; --overwrite replaces it");
    assert_eq!(agent.run(&["datastore", "import", &file]), expected);
}
