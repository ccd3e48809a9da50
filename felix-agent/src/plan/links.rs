//! How the host ends of the pods' links stand.
//!
//! A link is opened by the dataplane only after the policy of its endpoint is in the kernel; what is planned here is
//! the state at the end of the pass.

use crate::inputs::Inputs;

use super::desired::{Link, Links, Neighbours, Sysctls};
use crate::dataplane::links::GATEWAY_V6;
use crate::dataplane::sysctl;

/// Every host end.
#[must_use]
pub fn links(inputs: &Inputs) -> Links {
    inputs
        .workloads
        .values()
        .map(|workload| {
            let gateway_v6 = workload.addresses.iter().any(std::net::IpAddr::is_ipv6).then_some(GATEWAY_V6);
            (workload.host_interface.clone(), Link { up: true, gateway_v6 })
        })
        .collect()
}

/// Permanent neighbour entries: nobody has to be asked where a local pod is.
#[must_use]
pub fn neighbours(inputs: &Inputs) -> Neighbours {
    inputs
        .workloads
        .values()
        .filter_map(|workload| parse_mac(&workload.mac).map(|mac| (workload, mac)))
        .flat_map(|(workload, mac)| {
            workload.addresses.iter().map(move |address| ((workload.host_interface.clone(), *address), mac))
        })
        .collect()
}

/// Kernel settings of the node and of every host end.
#[must_use]
pub fn sysctls(inputs: &Inputs) -> Sysctls {
    let mut settings = sysctl::for_node();
    for (name, uplink) in &inputs.uplinks {
        settings.extend(sysctl::for_uplink(name, uplink.accepts_router_advertisements));
    }
    for workload in inputs.workloads.values() {
        settings.extend(sysctl::for_pod_interface(&workload.host_interface));
    }
    settings
}

/// Reads `aa:bb:cc:dd:ee:ff`.
#[must_use]
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    let mut mac = [0; 6];
    for slot in &mut mac {
        *slot = octets.next()??;
    }
    octets.next().is_none().then_some(mac)
}
