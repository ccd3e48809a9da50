//! Which protocols and ports a rule is about.

use super::Reader;
use crate::api::cluster::{Destination, Port, Protocol as ApiProtocol};
use crate::model::Service;
use crate::model::network_policy::is_port_name;
use crate::program::Protocol;

impl Reader {
    pub(super) fn protocol(
        &mut self,
        item: &ApiProtocol,
        field: &str,
        treatment: &str,
    ) -> Option<Vec<Service>> {
        if !self.is_known(field, &item.rest, treatment) {
            return None;
        }
        let (protocol, name, destination) = match item {
            ApiProtocol { tcp: Some(tcp), udp: None, sctp: None, destination_named_port: None, .. } => {
                (Protocol::Tcp, "tcp", tcp)
            }
            ApiProtocol { tcp: None, udp: Some(udp), sctp: None, destination_named_port: None, .. } => {
                (Protocol::Udp, "udp", udp)
            }
            ApiProtocol { tcp: None, udp: None, sctp: Some(sctp), destination_named_port: None, .. } => {
                (Protocol::Sctp, "sctp", sctp)
            }
            ApiProtocol { tcp: None, udp: None, sctp: None, destination_named_port: Some(name), .. } => {
                return self.named(name, &format!("{field}.destinationNamedPort"), treatment);
            }
            _ => {
                let what = "needs one of tcp, udp, sctp, destinationNamedPort";
                return self.complain(field, what, treatment);
            }
        };
        self.destination(protocol, destination, &format!("{field}.{name}"), treatment)
    }

    /// Beside networks and nodes: nobody there gives names to ports.
    pub(super) fn protocol_without_name(
        &mut self,
        item: &ApiProtocol,
        field: &str,
        treatment: &str,
    ) -> Option<Vec<Service>> {
        if item.destination_named_port.is_some() {
            let what = "a named port cannot be combined with networks or nodes";
            return self.complain(format!("{field}.destinationNamedPort"), what, treatment);
        }
        self.protocol(item, field, treatment)
    }

    fn named(&mut self, name: &str, field: &str, treatment: &str) -> Option<Vec<Service>> {
        if !is_port_name(name) {
            let what = format!("{name:?} is no port name (up to 15 of a-z, 0-9 and '-', with a letter)");
            return self.complain(field, &what, treatment);
        }
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        Some(protocols.map(|protocol| Service::Named(protocol, name.to_owned())).into())
    }

    fn destination(
        &mut self,
        protocol: Protocol,
        destination: &Destination,
        field: &str,
        treatment: &str,
    ) -> Option<Vec<Service>> {
        if !self.is_known(field, &destination.rest, treatment) {
            return None;
        }
        let Some(port) = &destination.destination_port else {
            return Some(vec![Service::Protocol(protocol.number())]);
        };
        let field = format!("{field}.destinationPort");
        if !self.is_known(&field, &port.rest, treatment) {
            return None;
        }
        let (first, last) = match port {
            Port { number: Some(number), range: None, .. } => (*number, *number),
            Port { number: None, range: Some(range), .. } if range.start < range.end => {
                (range.start, range.end)
            }
            Port { number: None, range: Some(range), .. } => {
                let what = format!("{} is not greater than the start {}", range.end, range.start);
                return self.complain(format!("{field}.range.end"), &what, treatment);
            }
            Port { number: Some(_), range: Some(_), .. } | Port { number: None, range: None, .. } => {
                return self.complain(field, "needs one of number, range", treatment);
            }
        };
        let number = |number: i32| u16::try_from(number).ok().filter(|number| *number > 0);
        match (number(first), number(last)) {
            (Some(first), Some(last)) => Some(vec![Service::Range(protocol, first, last)]),
            (None, _) => self.complain(field, &format!("{first} is no port (1 to 65535)"), treatment),
            (_, None) => self.complain(field, &format!("{last} is no port (1 to 65535)"), treatment),
        }
    }
}
