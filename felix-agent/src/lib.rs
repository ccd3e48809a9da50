//! stub
pub mod api;
pub mod ipam;
pub mod plan;
