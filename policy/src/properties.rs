//! What must be true of every cluster and every packet.
//!
//! - `verdicts`: the program decides as the specification, and the explanation says so; and what that is worth;
//! - `engine`: whatever it learns and in whatever order, an engine has the program of what it knows;
//! - `coverage`: what happens in random clusters, and must, or the others would prove nothing;
//! - `contract`: what a program promises to whoever lowers it.

mod contract;
mod coverage;
mod engine;
mod verdicts;
