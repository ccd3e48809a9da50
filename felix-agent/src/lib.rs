//! stub
pub mod dataplane;
pub mod plan;
