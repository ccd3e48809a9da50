//! stub
pub mod program;
