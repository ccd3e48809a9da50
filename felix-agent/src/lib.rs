//! stub
pub mod plan;
