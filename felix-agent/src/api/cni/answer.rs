//! Answers: what an ADD returns, and errors of links as the gRPC codes that the plugin turns into the CNI specification's.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use proto::v1;
use tonic::{Code, Status};

use super::attachment::Attachment;
use crate::cni::{AttachError, Attached, NetnsError};

pub(super) fn reply(attachment: &Attachment, addresses: &[IpAddr], link: &Attached) -> v1::CniAddResponse {
    let gateway =
        |address: &IpAddr| link.gateways.iter().find(|gateway| gateway.is_ipv4() == address.is_ipv4());
    let gateway_text = |address: &IpAddr| gateway(address).map_or(String::new(), ToString::to_string);
    let default = |address: &IpAddr| if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    v1::CniAddResponse {
        host_interface: attachment.host_interface.clone(),
        host_mac: mac_text(link.host_mac),
        container_mac: mac_text(link.container_mac),
        mtu: link.mtu,
        addresses: addresses
            .iter()
            .map(|address| v1::CniAddress {
                address: IpNetwork::from(*address).to_string(),
                gateway: gateway_text(address),
            })
            .collect(),
        routes: addresses
            .iter()
            .map(|address| v1::CniRoute {
                destination: default(address).to_owned(),
                gateway: gateway_text(address),
            })
            .collect(),
    }
}

pub(super) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// The plugin turns these codes into the CNI specification's.
pub(super) fn link_error(error: &AttachError) -> Status {
    let code = match error {
        AttachError::Netns(NetnsError::Missing { .. }) => Code::NotFound,
        AttachError::Netns(NetnsError::NotANetns { .. } | NetnsError::Own { .. }) => Code::InvalidArgument,
        AttachError::Netns(NetnsError::Inaccessible { .. }) => Code::Internal,
        AttachError::InterfaceExists { .. } => Code::AlreadyExists,
        AttachError::Invalid(_) => Code::InvalidArgument,
        AttachError::Kernel { .. } => Code::Unavailable,
        AttachError::Sysctl(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}
