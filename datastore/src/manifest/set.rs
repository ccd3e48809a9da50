//! What can be told of network sets, host endpoints and endpoint slices by looking at one.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use policy::api::host::{EndpointPort, HostEndpointSpec};
use policy::api::set::NetworkSetSpec;
use policy::api::word;

use super::{Report, names};

/// Most networks of one set: what fits into an object of every datastore.
const NETS: usize = 50_000;
/// Most characters of an interface's name (`IFNAMSIZ` of the kernel, less the final 0).
const INTERFACE: usize = 15;

/// Reports everything that is wrong with a network set.
pub(super) fn check_set(spec: &NetworkSetSpec, report: &mut Report<'_>) {
    report.unknown("spec", &spec.rest, &[NetworkSetSpec::FIELDS]);
    if spec.nets.len() > NETS {
        let what = format!(
            "has {} entries; write at most {NETS}, and the rest into other sets with the same labels",
            spec.nets.len()
        );
        report.add("spec.nets", what);
        return;
    }
    for (index, text) in spec.nets.iter().enumerate() {
        // The field's name costs more than the check.
        if word::network(text).is_none() {
            report.network(&format!("spec.nets[{index}]"), text);
        }
    }
}

/// Reports everything that is wrong with a host endpoint.
pub(super) fn check_host(spec: &HostEndpointSpec, report: &mut Report<'_>) {
    report.unknown("spec", &spec.rest, &[HostEndpointSpec::FIELDS]);
    if spec.node.is_empty() {
        report.add("spec.node", "is missing; write the name of the node");
    } else if let Some(what) = names::subdomain_problem(&spec.node) {
        report.add("spec.node", what);
    }
    let interface = &spec.interface_name;
    if interface.is_empty() && spec.expected_ips.is_empty() {
        report.add("spec", "names no interface; write interfaceName (\"*\": all), or expectedIPs");
    }
    let is_name = |c: char| !c.is_whitespace() && c != '/';
    if interface.len() > INTERFACE || !interface.chars().all(is_name) {
        let what = format!(
            "\"{interface}\" is no name of an interface; write at most {INTERFACE} characters, without '/'"
        );
        report.add("spec.interfaceName", what);
    }
    for (index, text) in spec.expected_ips.iter().enumerate() {
        report.address(&format!("spec.expectedIPs[{index}]"), text);
    }
    for (index, port) in spec.ports.iter().enumerate() {
        report.named_port(&format!("spec.ports[{index}]"), port);
    }
}

/// Reports addresses of a slice that are none.
pub(super) fn check_slice(slice: &EndpointSlice, report: &mut Report<'_>) {
    report.word("addressType", &slice.address_type, &["IPv4", "IPv6", "FQDN"]);
    if slice.address_type == "FQDN" {
        return;
    }
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        for (inner, text) in endpoint.addresses.iter().enumerate() {
            report.address(&format!("endpoints[{index}].addresses[{inner}]"), text);
        }
    }
}

impl Report<'_> {
    fn address(&mut self, field: &str, text: &str) {
        if text.parse::<std::net::IpAddr>().is_err() {
            self.add(field, format!("\"{text}\" is no IP address; write one like 192.0.2.1 or 2001:db8::1"));
        }
    }

    fn named_port(&mut self, field: &str, port: &EndpointPort) {
        self.unknown(field, &port.rest, &[EndpointPort::FIELDS]);
        if let Some(what) = names::port_name_problem(&port.name) {
            self.add(&format!("{field}.name"), what);
        }
        if !word::protocol(&port.protocol).is_some_and(word::has_ports) {
            self.add(&format!("{field}.protocol"), "has no ports; write TCP, UDP or SCTP");
        }
        self.port_number(&format!("{field}.port"), port.port);
    }
}
