//! What goes wrong, what is said about it, and the exit status.

use tonic::Status;

use crate::fixture::{Agent, Outcome};

#[track_caller]
fn check(outcome: &Outcome, status: i32, stderr: &str) {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (status, stderr));
    assert_eq!(outcome.stdout, "", "an error leaves standard output alone");
}

#[test]
fn an_absent_agent() {
    let agent = Agent::start();
    let socket = agent.directory.path().join("none.sock").display().to_string();
    let advice = "is felix-agent running? start it, or give --socket";
    let expected = format!(
        "error: agent not reachable at {socket} (No such file or directory (os error 2)): {advice}\n"
    );
    check(&agent.run(&["peers", "--socket", &socket]), 3, &expected);

    let socket = agent.directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("socket"));
    let socket = socket.display().to_string();
    let expected =
        format!("error: agent not reachable at {socket} (Connection refused (os error 111)): {advice}\n");
    check(&agent.run(&["--socket", &socket, "get", "netpol"]), 3, &expected);

    let outcome = agent.run(&["version", "--socket", &socket]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout.ends_with("felix-agent:   not reachable\n"), "{}", outcome.stdout);
}

#[test]
fn refusals() {
    let version = env!("CARGO_PKG_VERSION");
    let table = [
        (Status::not_found("no peer 10.0.0.9"), 1, "no peer 10.0.0.9".to_owned()),
        (Status::invalid_argument("peer: not an address"), 1, "peer: not an address".to_owned()),
        (Status::internal("poisoned"), 1, "the agent failed: poisoned; its log says more".to_owned()),
        (Status::permission_denied("read only"), 1, "the agent refuses: read only".to_owned()),
        (
            Status::unimplemented(""),
            1,
            format!(
                "the agent does not know this request: it is of another version than this fabricctl ({version}); \
                 compare with `fabricctl version`"
            ),
        ),
        (
            Status::unavailable("starting"),
            3,
            "agent not available: starting; try again in a moment".to_owned(),
        ),
    ];
    let agent = Agent::start();
    for (refusal, status, message) in table {
        agent.refuse(refusal);
        check(&agent.line("routes --peer 10.0.0.9"), status, &format!("error: {message}\n"));
    }
}

#[test]
fn a_silent_agent() {
    let agent = Agent::start();
    agent.hang();
    let expected = "error: the agent did not answer within 200ms: give it more with --timeout\n";
    check(&agent.line("peers --timeout 200ms"), 1, expected);
}

#[test]
fn manifests_with_mistakes() {
    let agent = Agent::start();
    let good = agent.write("good.yaml", "good");
    let bad = agent.write("bad.yaml", "wrong");
    let lines = |file: &str| {
        format!(
            "{file}:3:1: spec.podSelecter: is unknown; did you mean \"podSelector\"?\n{file}:9:3: spec: is missing\n"
        )
    };
    check(&agent.run(&["apply", "-f", &bad, "-f", &good]), 1, &lines(&bad));
    assert!(agent.asked().is_empty(), "nothing after the mistake is sent");
    check(&agent.run_with_stdin(&["apply", "-f", "-"], "wrong"), 1, &lines("stdin"));

    let outcome = agent.run(&["apply", "-f", &good, "-f", &bad]);
    let done = "Namespace shop unchanged\nNetworkPolicy shop/web created\n";
    let expected = Outcome { status: 1, stdout: done.to_owned(), stderr: lines(&bad) };
    assert_eq!(outcome, expected, "what was done before the mistake is told");
}

#[test]
fn manifests_that_cannot_be_read() {
    let agent = Agent::start();
    let good = agent.write("good.yaml", "good");
    let expected = "error: cannot read /nonexistent.yaml: No such file or directory (os error 2)\n";
    check(&agent.run(&["apply", "-f", &good, "-f", "/nonexistent.yaml"]), 1, expected);
    assert!(agent.asked().is_empty(), "nothing is sent before everything is read");
    let expected = "error: standard input can be read once: give `-f -` only once\n\n\
                    For more information, try '--help'.\n";
    check(&agent.line("apply -f - -f -"), 2, expected);
}

#[test]
fn what_is_not_there() {
    let agent = Agent::start();
    check(&agent.line("get netpol nope -n shop"), 1, "error: no netpol named nope in namespace shop\n");
    check(&agent.line("get netpol nope"), 1, "error: no netpol named nope in any namespace\n");
    let expected = "error: no pool \"nope\"; the pools: default-v4, default-v6\n";
    check(&agent.line("ipam show --pool nope"), 1, expected);
}

#[test]
fn wrong_command_lines() {
    let agent = Agent::start();
    let expected = "error: tcp needs a destination port, such as `fabricctl policy explain a/b c/d 8080/tcp`\n\n\
                    For more information, try '--help'.\n";
    check(&agent.line("policy explain a/b c/d"), 2, expected);
    let outcome = agent.line("routes 10.65.0.5");
    assert_eq!(outcome.status, 2);
    assert!(outcome.stderr.contains("for exactly this address write 10.65.0.5/32"), "{}", outcome.stderr);
    let outcome = agent.line("peer");
    assert_eq!(outcome.status, 2);
    assert!(outcome.stderr.contains("'peers'"), "the nearest command is named: {}", outcome.stderr);
    assert!(agent.asked().is_empty());
}

#[test]
fn a_denial_is_no_failure() {
    let outcome = Agent::start().line("policy explain shop/web-0 shop/db-0 5432");
    assert_eq!(outcome.status, 0);
    assert!(outcome.stdout.starts_with("DENIED: "), "{}", outcome.stdout);
}
