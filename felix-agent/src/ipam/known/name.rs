//! From the name of a record in the datastore to the planner's key: the way back of [`ipam::Key::name`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datastore::{Key, Kind};
use ipnetwork::IpNetwork;

/// How the names of the claims of [`ipam::LOAD_BALANCER_NODE`] end.
const LOAD_BALANCER: &str = ".virtual-load-balancer";

/// The planner's key of a record; `None` for what is no record of the planner's, or has a name that none gets.
pub(super) fn record_key(key: &Key) -> Option<ipam::Key> {
    match key.kind {
        Kind::IpamBlock => block(&key.name).map(ipam::Key::Block),
        Kind::BlockAffinity => {
            // No block's name has a dot; a node's may.
            let (node, cidr) = key.name.rsplit_once('.')?;
            match block(cidr) {
                Some(cidr) => Some(ipam::Key::Affinity(node.to_owned(), cidr)),
                None => {
                    let cidr = key.name.strip_suffix(LOAD_BALANCER)?;
                    Some(ipam::Key::Affinity(ipam::LOAD_BALANCER_NODE.to_owned(), block(cidr)?))
                }
            }
        }
        Kind::IpamHandle => Some(ipam::Key::Handle(key.name.clone())),
        Kind::Node
        | Kind::Namespace
        | Kind::ServiceAccount
        | Kind::Pod
        | Kind::EndpointSlice
        | Kind::NetworkPolicy
        | Kind::ClusterNetworkPolicy
        | Kind::Lease
        | Kind::Tier
        | Kind::FabricNetworkPolicy
        | Kind::GlobalNetworkPolicy
        | Kind::StagedNetworkPolicy
        | Kind::StagedGlobalNetworkPolicy
        | Kind::StagedKubernetesNetworkPolicy
        | Kind::NetworkSet
        | Kind::GlobalNetworkSet
        | Kind::HostEndpoint
        | Kind::IpPool
        | Kind::IpReservation
        | Kind::IpamConfiguration
        | Kind::WorkloadEndpoint
        | Kind::PolicyStatus => None,
    }
}

fn block(name: &str) -> Option<IpNetwork> {
    let (address, prefix) = name.rsplit_once('-')?;
    let parts: Vec<&str> = address.split('-').collect();
    let address: IpAddr = if parts.len() == 4 {
        let octets: Vec<u8> = parts.iter().map(|part| part.parse()).collect::<Result<_, _>>().ok()?;
        Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()
    } else {
        let segments: Vec<u16> =
            parts.iter().map(|part| u16::from_str_radix(part, 16)).collect::<Result<_, _>>().ok()?;
        Ipv6Addr::from(<[u16; 8]>::try_from(segments).ok()?).into()
    };
    IpNetwork::new(address, prefix.parse().ok()?).ok()
}
