//! What errors say beyond their message: google.rpc's details, as lines under it.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fixture::{Agent, Outcome};

#[track_caller]
fn check(code: Code, message: &str, details: ErrorDetails, status: i32, stderr: &str) {
    let agent = Agent::start();
    agent.refuse(Status::with_error_details(code, message, details));
    let outcome = agent.line("ipam assign --handle h --ipv4 1");
    assert_eq!(outcome, Outcome { status, stdout: String::new(), stderr: stderr.to_owned() });
}

#[test]
fn every_pool_that_is_full() {
    let mut details = ErrorDetails::new();
    details
        .add_quota_failure_violation("pool default-v4", "65536 of 65536 in use")
        .add_quota_failure_violation("pool late", "64 of 64 in use or cooling\u{1b}[2J");
    let expected = "\
error: no pool has room for 1 IPv4 address
  pool default-v4: 65536 of 65536 in use
  pool late: 64 of 64 in use or cooling\\u{1b}[2J
";
    check(Code::ResourceExhausted, "no pool has room for 1 IPv4 address", details, 1, expected);
}

#[test]
fn every_field_that_is_wrong() {
    let details = ErrorDetails::with_bad_request_violation("addresses", "10.0.0.1 lies in no pool");
    let expected = "error: not assigned\n  addresses: 10.0.0.1 lies in no pool\n";
    check(Code::InvalidArgument, "not assigned", details, 1, expected);
}

#[test]
fn every_state_that_hinders() {
    let details = ErrorDetails::with_precondition_failure_violation("POOL", "pods", "it is disabled");
    let expected = "error: not assigned\n  pods: it is disabled\n";
    check(Code::FailedPrecondition, "not assigned", details, 1, expected);
}

#[test]
fn what_the_message_says_is_not_said_again() {
    let message = "addresses: 10.0.0.1 lies in no pool";
    let details = ErrorDetails::with_bad_request_violation("addresses", "10.0.0.1 lies in no pool");
    check(Code::InvalidArgument, message, details, 1, &format!("error: {message}\n"));
}

#[test]
fn when_to_try_again() {
    let details = || ErrorDetails::with_retry_info(Some(Duration::from_millis(2500)));
    let expected = "error: agent not available: the datastore does not answer; try again in 2.5s\n";
    check(Code::Unavailable, "the datastore does not answer", details(), 3, expected);
    let expected = "error: others were faster; try again in 2.5s\n";
    check(Code::Aborted, "others were faster", details(), 1, expected);
}

/// Of a newer agent, or damaged.
#[test]
fn details_that_cannot_be_read_are_left_out() {
    let agent = Agent::start();
    let details = vec![0xff; 3];
    agent.refuse(Status::with_details(Code::Aborted, "others were faster", details.into()));
    let outcome = agent.line("ipam assign --handle h --ipv4 1");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, "error: others were faster\n"));
}
