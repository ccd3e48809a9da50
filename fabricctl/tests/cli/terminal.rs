//! Progress, which is for terminals only; and readers that go away.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use crate::fixture::Agent;

/// Exit status, standard output, and all that standard error, a terminal, was sent.
fn run_on_a_terminal(agent: &Agent, arguments: &[&str]) -> (i32, String, String) {
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let mut command = agent.command(arguments);
    let program =
        command.stdout(Stdio::piped()).stderr(Stdio::from(terminal.slave)).spawn().expect("it runs");
    // The command holds the terminal's other end, and its end is seen when the last copy of that is closed.
    drop(command);
    let output = program.wait_with_output().expect("it ends");
    let mut seen = Vec::new();
    // A terminal whose other end is closed is no end of file but an error.
    let _ = std::fs::File::from(terminal.master).read_to_end(&mut seen);
    let status = output.status.code().expect("an exit status");
    let [stdout, seen] = [output.stdout, seen].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    (status, stdout, seen)
}

#[test]
fn progress_is_one_line_and_gone_in_the_end() {
    let agent = Agent::start();
    let (status, stdout, seen) = run_on_a_terminal(&agent, &["ipam", "check"]);
    assert_eq!(status, 1);
    assert!(stdout.starts_with("Checked at revision 4711"), "{stdout}");
    assert!(seen.contains("\r\x1b[KChecking blocks: 0 of 2000 (0%)"), "{seen:?}");
    assert!(
        seen.contains("\r\x1b[KChecking handles: 2000 of 2000 (100%)"),
        "the last step is shown: {seen:?}"
    );
    assert!(seen.ends_with("\r\x1b[K") && !seen.contains('\n'), "{seen:?}");
}

#[test]
fn progress_is_gone_before_an_error_is_told() {
    let agent = Agent::start();
    let first = crate::data_ipam::check(Vec::new()).remove(0);
    *agent.script.check.lock().expect("lock") = Some(vec![Ok(first)]);
    let (status, _, seen) = run_on_a_terminal(&agent, &["ipam", "check"]);
    assert_eq!(status, 4);
    assert!(
        seen.contains("Checking blocks: 0 of 2000 (0%)\r\x1b[Kerror: the agent ended its check"),
        "{seen:?}"
    );
}

#[test]
fn an_export_shows_how_far_it_is() {
    let agent = Agent::start();
    let file = agent.path("all.jsonl");
    let (status, stdout, seen) = run_on_a_terminal(&agent, &["datastore", "export", &file]);
    assert_eq!(status, 0);
    assert!(stdout.starts_with("File:"), "{stdout}");
    assert!(seen.contains("Exporting: 3 of 3 (100%)\r\x1b[K"), "{seen:?}");
}

/// The agent has everything, and writes.
#[test]
fn an_import_shows_that_it_waits() {
    let agent = Agent::start();
    agent.hang();
    let export: String = crate::serve_resources::export().concat().join("\n");
    let file = agent.write("all.jsonl", &export);
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let mut command = agent.command(&["datastore", "import", "--timeout", "1s", &file]);
    let mut program = command.stderr(Stdio::from(terminal.slave)).spawn().expect("it runs");
    drop(command);
    let mut terminal = BufReader::new(std::fs::File::from(terminal.master));
    // Shown five times a second: longer than other answers are waited for.
    for _ in 0..8 {
        let mut seen = Vec::new();
        terminal.read_until(b':', &mut seen).expect("a line that goes on");
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.ends_with("\r\x1b[KWaiting until it is written, seconds:"), "{seen:?}");
    }
    assert!(program.try_wait().expect("a process").is_none(), "it waits on");
    program.kill().expect("killed");
    program.wait().expect("a process");
}

/// What takes no time shows nothing: not a byte is sent to the terminal.
#[test]
fn what_is_short_has_no_progress() {
    let (status, _, seen) = run_on_a_terminal(&Agent::start(), &["ipam", "show"]);
    assert_eq!((status, seen.as_str()), (0, ""));
}

/// A reader that has seen enough, as `head`, ends the program, and that is no failure; what goes on forever ends too.
#[test]
fn a_reader_that_goes_away() {
    let table = [
        ("ipam show", 0),
        ("ipam check", 1),
        ("ipam check -o json", 1),
        ("ipam watch", 0),
        ("events --follow", 0),
        ("datastore export", 0),
    ];
    let agent = Agent::start();
    for (line, status) in table {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = agent.command(&line.split_whitespace().collect::<Vec<_>>());
        let mut program = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("it runs");
        let ended = wait(&mut program);
        let mut said = String::new();
        program.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        assert_eq!((ended, said.as_str()), (Some(status), ""), "{line}");
    }
}

/// The exit status, or nothing if it does not end.
fn wait(program: &mut std::process::Child) -> Option<i32> {
    for _ in 0..1000 {
        if let Some(status) = program.try_wait().expect("a process") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    program.kill().expect("killed");
    program.wait().expect("a process");
    None
}
