//! The real binary against a gRPC server with fixed data: whole outputs, requests and exit statuses.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/data.rs"]
mod data;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/requests.rs"]
mod requests;
#[path = "cli/tables.rs"]
mod tables;
