//! Network policy: what the objects say, what a node must enforce, and why a packet passes or not.
//!
//! ```text
//!  policies      ─┐                     ┌─ evaluate ── does this packet pass?
//!  Pod, Node, ... ├─► model ─► program ─┼─ explain ─── which tier, policy and rule decide?
//!  Namespace, ... ┘    (compile/engine) ├─ render ──── how does it look?
//!                                       ├─ words ───── what does a rule say?
//!                                       └─ the agent lowers it to its kernel
//! ```
//!
//! - [`api`] holds objects as they are written and stored, as far as `k8s_openapi` does not.
//! - [`model`] validates objects. What cannot be used is reported and never widens a policy.
//! - [`compile`](compile::compile) makes the [`Program`](program::Program) of the local endpoints from all that is
//!   known, from scratch. [`Engine`] keeps the same program up to date for the work of each change, and tells what
//!   became different ([`delta`]).
//! - [`evaluate`](evaluate::evaluate) runs a program on a packet; [`explain`](explain::explain) puts its decision
//!   into words; [`words`] says what rules say, and why one does not match; [`render`](render::render) shows a program.
//! - [`diff`](diff::diff) says which connections a change would give another verdict.
//! - [`spec`] decides packets from the text of the API alone, slowly. Tests hold everything else against it.
//!
//! Everything is pure: no clock, no IO, no kernel. Two things of the API's semantics belong to the kernel and are
//! the agent's: traffic between a pod and its own node, and neighbour discovery under isolation.

pub mod api;

pub mod program;

pub mod selector;

pub mod model;

mod ranges;

pub mod compile;

mod index;

pub mod delta;

pub mod engine;

pub mod evaluate;

pub mod explain;

pub mod render;

pub mod words;

pub mod diff;

pub mod spec;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenario;

pub use engine::Engine;
