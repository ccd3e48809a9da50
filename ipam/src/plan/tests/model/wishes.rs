//! What the handles of the model want. Each wants the same all its life, on one node.

use super::*;

pub(super) const HANDLES: usize = 20;

pub(super) fn name(handle: usize) -> String {
    format!("h{handle}")
}

/// What this handle wants, at this moment.
pub(super) fn wish(handle: usize, now: Timestamp) -> Request {
    let wanted: &[Wanted] = match handle % 10 {
        0 | 1 | 7 => &[V4],
        2 | 3 => &[V4, V6],
        4 => &[V6],
        5 => &[V4, V4],
        6 => &[V6, V4, V6],
        8 => &[Wanted::Address(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5)))],
        _ => &[V4, Wanted::Address(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2))), V6],
    };
    let (node, rack, _) = NODES[handle % 3];
    let mut request =
        Request { node_labels: labels(&[("rack", rack)]), now, ..request(node, &name(handle), wanted) };
    if handle.is_multiple_of(2) {
        request.namespace_labels = labels(&[("team", "x")]);
    }
    // As of a pod that is not known to run.
    request.rewrite = handle % 4 == 1;
    match handle {
        7 => request.pools = vec!["manual".into()],
        10 | 11 => request.usage = Use::LoadBalancer,
        17 => request.usage = Use::Tunnel,
        _ => {}
    }
    request
}
