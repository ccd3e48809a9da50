use std::path::Path;
use std::time::Duration;

use tonic::{Code as Grpc, Status};

use super::{code_of, explain, explain_status};
use crate::agent::Failure;
use crate::error::Code;

/// Every gRPC code, and what a runtime is told.
const TABLE: [(Grpc, u32); 17] = [
    (Grpc::Ok, 104),
    (Grpc::Cancelled, 11),
    (Grpc::Unknown, 104),
    (Grpc::InvalidArgument, 7),
    (Grpc::DeadlineExceeded, 11),
    (Grpc::NotFound, 3),
    (Grpc::AlreadyExists, 101),
    (Grpc::PermissionDenied, 102),
    (Grpc::ResourceExhausted, 100),
    (Grpc::FailedPrecondition, 104),
    (Grpc::Aborted, 11),
    (Grpc::OutOfRange, 7),
    (Grpc::Unimplemented, 103),
    (Grpc::Internal, 104),
    (Grpc::Unavailable, 11),
    (Grpc::DataLoss, 104),
    (Grpc::Unauthenticated, 102),
];

#[test]
fn every_status_has_its_code_and_keeps_its_message() {
    let socket = Path::new("/run/a.sock");
    for (grpc, number) in TABLE {
        assert_eq!(code_of(grpc).number(), number, "{grpc:?}");
        let error = explain(socket, Failure::Refused(Box::new(Status::new(grpc, "because"))));
        assert_eq!(error.code.number(), number, "{grpc:?}");
        assert!(error.details.starts_with("because"), "{grpc:?}: {}", error.details);
        assert_eq!(error.details.contains("retry"), number == 11, "{grpc:?}: {}", error.details);
        let error = explain_status(socket, Failure::Refused(Box::new(Status::new(grpc, "because"))));
        assert_eq!(error.code.number(), 50, "{grpc:?}");
        assert!(error.details.contains("because"), "{grpc:?}: {}", error.details);
    }
}

#[test]
fn a_missed_deadline_may_be_retried() {
    let error = explain(Path::new("/run/a.sock"), Failure::Deadline(Duration::from_secs(30)));
    assert_eq!(error.code, Code::TryAgainLater);
    assert!(
        error.details.starts_with("agent at /run/a.sock: no answer within 30 s; retry"),
        "{}",
        error.details
    );
}
