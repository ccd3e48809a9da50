//! `Assign`: addresses for a handle, from the pools that serve this node.

use std::net::IpAddr;

use ::ipam::plan::Wanted;
use ::ipam::{Attributes, Family, Index, Use};
use proto::v1;
use tonic::Status;

use super::{Service, argument, describe};
use crate::api::failure;
use crate::ipam;

/// The most addresses of one request: more than one block has is a slip rather than a wish.
const MOST: usize = 64;

impl Service {
    pub(super) async fn assign_all(&self, request: v1::AssignRequest) -> Result<v1::AssignResponse, Status> {
        let wish = understand(request)?;
        let handle = wish.handle.clone();
        let assigned = self.allocator.assign(wish).await;
        let addresses = assigned.map_err(|error| failure::addresses(&error))?;
        let state = self.state();
        let describe = |address: &IpAddr| held(&state.index, *address, &handle, state.node());
        Ok(v1::AssignResponse { allocations: addresses.iter().map(describe).collect() })
    }
}

/// What is known of an address that `handle` holds.
fn held(index: &Index, address: IpAddr, handle: &str, node: &str) -> v1::Allocation {
    match index.who_has(address).filter(|holding| holding.allocation.handle == handle) {
        Some(holding) => describe::allocation(index, &holding),
        // Somebody else assigned it a moment ago, or has given it back.
        None => v1::Allocation {
            address: address.to_string(),
            handle: handle.to_owned(),
            node: node.to_owned(),
            ..v1::Allocation::default()
        },
    }
}

fn understand(request: v1::AssignRequest) -> Result<ipam::Request, Status> {
    let v1::AssignRequest { handle, ipv4, ipv6, addresses, pools, r#use, pod_namespace, pod_name } = request;
    argument::handle("handle", &handle)?;
    let usage = if r#use.is_empty() {
        Use::default()
    } else {
        r#use.parse().map_err(|unknown: ::ipam::UnknownUse| failure::field("use", unknown.to_string()))?
    };
    let wanted = wanted(ipv4, ipv6, &addresses)?;
    if pod_namespace.is_empty() != pod_name.is_empty() {
        return Err(failure::field("pod_name", "a pod has a name and a namespace; give both or neither"));
    }
    let attributes = Attributes { namespace: pod_namespace, pod: pod_name, ..Attributes::default() };
    Ok(ipam::Request { handle, attributes, wanted, every_family: false, pools, usage, container: None })
}

fn wanted(ipv4: u32, ipv6: u32, addresses: &[String]) -> Result<Vec<Wanted>, Status> {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let total = count(ipv4).saturating_add(count(ipv6)).saturating_add(addresses.len());
    if total == 0 {
        return Err(failure::field(
            "ipv4",
            "no address is asked for; say how many of ipv4 and ipv6, or which",
        ));
    }
    if total > MOST {
        let field = if count(ipv4) > MOST { "ipv4" } else { "ipv6" };
        return Err(failure::field(
            field,
            format!("{total} addresses are too many for one handle; at most {MOST}"),
        ));
    }
    let certain: Result<Vec<Wanted>, Status> =
        addresses.iter().map(|text| argument::address("addresses", text).map(Wanted::Address)).collect();
    let any = |count, family| std::iter::repeat_n(Wanted::Any(family), count);
    let certain = certain?.into_iter();
    Ok(certain.chain(any(count(ipv4), Family::V4)).chain(any(count(ipv6), Family::V6)).collect())
}
