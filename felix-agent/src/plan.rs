//! What the node should look like, as a pure function of what it knows.
//!
//! ```text
//! Inputs ─► routes links ─► Desired ─► (diff, dataplane) ─► what the kernel holds ─► bgp ─► prefixes to originate
//!    └─ what became different ─► rules: the policy is kept, and follows
//! ```
//!
//! The one exception to "inputs only" is deliberate: what is announced follows from what the kernel *carries*, so
//! that no router is sent packets that this node would drop.
//!
//! Deliberately absent: sockets, clocks, the kernel. Planning twice from equal inputs gives equal plans.

pub mod bgp;
pub mod desired;
pub mod links;
pub mod routes;
pub mod rules;
#[cfg(test)]
mod tests;

use crate::inputs::Inputs;
use desired::Desired;

/// The node as it should be.
#[must_use]
pub fn plan(inputs: &Inputs) -> Desired {
    Desired {
        routes: routes::routes(inputs),
        links: links::links(inputs),
        neighbours: links::neighbours(inputs),
        sysctls: links::sysctls(inputs),
    }
}
