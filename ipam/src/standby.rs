//! Standby addresses: what a node has taken ahead, to give to pods while the store does not answer.
//!
//! Each is held by a handle of its own, `standby:<node>:<number>`, taken from the node's own blocks by the ordinary
//! comparing and swapping while the store is there. In the store it is an address in use like any other, so nobody else
//! can have it, whatever anybody knows or does not know meanwhile. When the store is away, its node, and nobody else,
//! may promise it to a pod, which costs no write there; what was promised is noted where it survives the node's crash.
//! When the store is back, [`crate::plan::transfer`] makes the allocation the pod's.
//!
//! - No pod's handle can look like this: names of networks and containers have no colon (CNI specification, §3).
//! - The allocation names its node and no interface. So it is in use as long as the node exists, and garbage when the
//!   node is gone, by the rules that hold for every address ([`crate::audit`]).
//! - It was never used by anybody until it is promised. Given back unpromised it need not rest.
//!
//! Deliberately absent: remembering what was promised. That is for whoever promises.

use crate::block::{Allocation, Block};

/// How all handles of standby addresses begin.
const PREFIX: &str = "standby:";

/// The handle of this standby address of a node.
#[must_use]
pub fn handle(node: &str, number: u32) -> String {
    format!("{PREFIX}{node}:{number}")
}

/// Whether a handle is of a standby address, of any node.
#[must_use]
pub fn is_handle(handle: &str) -> bool {
    handle.starts_with(PREFIX)
}

/// The node whose standby address a handle is of.
#[must_use]
pub fn node_of(handle: &str) -> Option<&str> {
    let (node, number) = handle.strip_prefix(PREFIX)?.rsplit_once(':')?;
    number.parse::<u32>().is_ok().then_some(node)
}

/// The standby addresses of a node in this block, ascending.
pub fn of_node<'a>(
    block: &'a Block,
    node: &'a str,
) -> impl Iterator<Item = (std::net::IpAddr, &'a Allocation)> {
    block.allocations().filter(move |(_, allocation)| node_of(&allocation.handle) == Some(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_its_node() {
        assert_eq!(node_of(&handle("rack-1.node-2", 7)), Some("rack-1.node-2"));
        for other in ["standby:n1", "standby:n1:", "standby:n1:x", "standby.n1", "net.standby:n1:3", ""] {
            assert_eq!(node_of(other), None, "{other}");
        }
    }
}
