//! The real binary against a gRPC server with fixed data: whole outputs, requests and exit statuses.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "cli/changes.rs"]
mod changes;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/data_ipam.rs"]
mod data_ipam;
#[path = "cli/data_policy.rs"]
mod data_policy;
#[path = "cli/datastore.rs"]
mod datastore;
#[path = "cli/details.rs"]
mod details;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/ipam.rs"]
mod ipam;
#[path = "cli/policy.rs"]
mod policy;
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/release.rs"]
mod release;
#[path = "cli/requests.rs"]
mod requests;
#[path = "cli/serve_ipam.rs"]
mod serve_ipam;
#[path = "cli/serve_resources.rs"]
mod serve_resources;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/terminal.rs"]
mod terminal;
