//! From what was asked to a packet.

use std::net::IpAddr;

use policy::evaluate::{Packet, Transport};
use policy::program::{Direction, EndpointId, Family, Protocol};
use proto::v1;
use tonic::Status;

use crate::inputs::Inputs;

/// The packet that is meant.
pub(super) fn packet(inputs: &Inputs, request: &v1::ExplainRequest) -> Result<Packet, Status> {
    let version = ip_version(request.ip_version)?;
    let sources = addresses(inputs, "source", &request.source)?;
    let destinations = addresses(inputs, "destination", &request.destination)?;
    let (source, destination) = pair(&sources, &destinations, version).ok_or_else(|| {
        Status::failed_precondition(format!(
            "{} ({}) and {} ({}) have no address family in common{}",
            request.source,
            list(&sources),
            request.destination,
            list(&destinations),
            version.map_or(String::new(), |version| format!(", or not IPv{version}")),
        ))
    })?;
    Ok(Packet { source, destination, transport: transport(request, Family::of(source))? })
}

/// The direction that is meant, if it is one.
pub(super) fn direction(text: &str) -> Result<Option<Direction>, Status> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "ingress" => Ok(Some(Direction::Ingress)),
        "egress" => Ok(Some(Direction::Egress)),
        _ => Err(Status::invalid_argument(format!(
            "direction \"{text}\": give ingress, egress, or nothing for both"
        ))),
    }
}

/// An address, or those of `namespace/pod`.
fn addresses(inputs: &Inputs, which: &str, text: &str) -> Result<Vec<IpAddr>, Status> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let Some((namespace, name)) = text.split_once('/') else {
        return Err(Status::invalid_argument(format!(
            "{which} \"{text}\": give namespace/pod or an address"
        )));
    };
    let id = EndpointId { namespace: namespace.to_owned(), name: name.to_owned() };
    match inputs.cluster.endpoint(&id) {
        Some(endpoint) => Ok(endpoint.addresses.clone()),
        None => Err(Status::not_found(format!(
            "{which} \"{text}\": no such endpoint; `fabricctl endpoints --all-nodes` lists them"
        ))),
    }
}

fn ip_version(number: u32) -> Result<Option<u32>, Status> {
    match number {
        0 => Ok(None),
        4 | 6 => Ok(Some(number)),
        _ => Err(Status::invalid_argument(format!("ip_version {number}: give 4, 6, or 0 for either"))),
    }
}

/// The first pair of one family, IPv4 preferred.
fn pair(sources: &[IpAddr], destinations: &[IpAddr], version: Option<u32>) -> Option<(IpAddr, IpAddr)> {
    [(4, true), (6, false)]
        .into_iter()
        .filter(|(number, _)| version.is_none_or(|wanted| wanted == *number))
        .find_map(|(_, is_v4)| {
            let of_family =
                |addresses: &[IpAddr]| addresses.iter().copied().find(|address| address.is_ipv4() == is_v4);
            Some((of_family(sources)?, of_family(destinations)?))
        })
}

pub(super) fn transport(request: &v1::ExplainRequest, family: Family) -> Result<Transport, Status> {
    let with_ports = |protocol| {
        let destination = port("port", request.port)?;
        match request.source_port {
            0 => Ok(Transport::to_port(protocol, destination)),
            source => Ok(Transport::Port { protocol, source: port("source_port", source)?, destination }),
        }
    };
    let name = request.protocol.to_ascii_lowercase();
    match name.as_str() {
        "" | "tcp" => with_ports(Protocol::Tcp),
        "udp" => with_ports(Protocol::Udp),
        "sctp" => with_ports(Protocol::Sctp),
        "icmp" | "icmpv6" => icmp(request, family),
        _ => match name.parse::<u8>() {
            Ok(number) if number == family.icmp() => icmp(request, family),
            Ok(number) => Protocol::from_number(number).map_or(Ok(Transport::Other(number)), with_ports),
            Err(_) => Err(Status::invalid_argument(format!(
                "protocol \"{}\": give tcp, udp, sctp, icmp, or the number of another from 0 to 255",
                request.protocol
            ))),
        },
    }
}

fn icmp(request: &v1::ExplainRequest, family: Family) -> Result<Transport, Status> {
    let octet = |what: &str, number: u32| {
        let small = u8::try_from(number);
        small.map_err(|_| Status::invalid_argument(format!("{what} {number}: give one from 0 to 255")))
    };
    let Some(kind) = request.icmp_type else { return Ok(Transport::echo(family)) };
    let code = octet("icmp_code", request.icmp_code.unwrap_or_default())?;
    Ok(Transport::Icmp { kind: octet("icmp_type", kind)?, code })
}

fn port(what: &str, number: u32) -> Result<u16, Status> {
    match u16::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(Status::invalid_argument(format!("{what} {number}: give one from 1 to 65535"))),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
