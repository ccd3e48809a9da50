//! One tracked connection, as ctnetlink tells of it (`nfnetlink_conntrack.h`).
//!
//! A connection has two directions, each with its own addresses and ports: what its beginner sends, and what is sent
//! back. Translation of addresses makes the one differ from the inverse of the other.

use std::net::IpAddr;

use policy::evaluate::{Packet, Transport};
use policy::program::Protocol;

use crate::dataplane::netfilter::wire::{Attributes, Message, Received, code};

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its beginner sends.
    pub original: Flow,
    /// What is sent back.
    pub reply: Flow,
    /// The IP protocol number.
    pub protocol: u8,
    /// Its mark.
    pub mark: u32,
    /// By what the kernel knows it: the original tuple as it was told, the zone, the number.
    tuple: Vec<u8>,
    zone: Option<u16>,
    id: u32,
}

/// Packets in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// From there.
    pub source: IpAddr,
    /// To there.
    pub destination: IpAddr,
    /// From which port, and to which; zero where the protocol has none.
    pub ports: (u16, u16),
    /// ICMP's type and code; zero elsewhere.
    pub icmp: (u8, u8),
}

impl Entry {
    /// `None` for what is no connection of IPv4 or IPv6.
    pub(super) fn decode(message: &Message<'_>) -> Option<Self> {
        let attributes = message.attributes();
        let tuple = attributes.bytes(code::CTA_TUPLE_ORIG)?;
        let (original, protocol) = flow(Received(tuple))?;
        let (reply, _) = flow(attributes.nested(code::CTA_TUPLE_REPLY)?)?;
        Some(Self {
            original,
            reply,
            protocol,
            mark: attributes.number(code::CTA_MARK).unwrap_or(0),
            tuple: tuple.to_vec(),
            zone: attributes.number16(code::CTA_ZONE),
            id: attributes.number(code::CTA_ID)?,
        })
    }

    #[cfg(test)]
    pub(super) fn of_datagrams(source: IpAddr, destination: IpAddr, mark: u32) -> Self {
        let original = Flow { source, destination, ports: (40_000, 53), icmp: (0, 0) };
        let reply = Flow { source: destination, destination: source, ports: (53, 40_000), icmp: (0, 0) };
        Self { original, reply, protocol: 17, mark, tuple: Vec::new(), zone: None, id: 0 }
    }

    /// The connection's first packet as policy sees it: addressed to whom it reaches, from whom it comes.
    #[must_use]
    pub fn packet(&self) -> Packet {
        let transport = match (Protocol::from_number(self.protocol), self.protocol, self.original.source) {
            (Some(protocol), ..) => {
                Transport::Port { protocol, source: self.original.ports.0, destination: self.reply.ports.0 }
            }
            (None, ICMP, IpAddr::V4(_)) | (None, ICMPV6, IpAddr::V6(_)) => {
                let (kind, code) = self.original.icmp;
                Transport::Icmp { kind, code }
            }
            (None, other, _) => Transport::Other(other),
        };
        Packet { source: self.original.source, destination: self.reply.source, transport }
    }

    /// All addresses that packets of it have.
    pub fn ends(&self) -> impl Iterator<Item = IpAddr> {
        [self.original, self.reply].into_iter().flat_map(|flow| [flow.source, flow.destination])
    }

    /// Tells the kernel which connection is meant.
    pub(super) fn name(&self, attributes: &mut Attributes) {
        attributes.bytes(code::CTA_TUPLE_ORIG | code::NLA_F_NESTED, &self.tuple);
        if let Some(zone) = self.zone {
            attributes.number16(code::CTA_ZONE, zone);
        }
    }

    pub(super) fn family(&self) -> u8 {
        match self.original.source {
            IpAddr::V4(_) => code::NFPROTO_IPV4,
            IpAddr::V6(_) => code::NFPROTO_IPV6,
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

fn flow(tuple: Received<'_>) -> Option<(Flow, u8)> {
    let ip = tuple.nested(code::CTA_TUPLE_IP)?;
    let source = address(ip, code::CTA_IP_V4_SRC, code::CTA_IP_V6_SRC)?;
    let destination = address(ip, code::CTA_IP_V4_DST, code::CTA_IP_V6_DST)?;
    let above = tuple.nested(code::CTA_TUPLE_PROTO)?;
    let octet = |kind| above.bytes(kind).and_then(|bytes| bytes.first()).copied();
    let port = |kind| above.number16(kind).unwrap_or(0);
    let either = |v4, v6| octet(v4).or_else(|| octet(v6)).unwrap_or(0);
    let flow = Flow {
        source,
        destination,
        ports: (port(code::CTA_PROTO_SRC_PORT), port(code::CTA_PROTO_DST_PORT)),
        icmp: (
            either(code::CTA_PROTO_ICMP_TYPE, code::CTA_PROTO_ICMPV6_TYPE),
            either(code::CTA_PROTO_ICMP_CODE, code::CTA_PROTO_ICMPV6_CODE),
        ),
    };
    Some((flow, octet(code::CTA_PROTO_NUM)?))
}

fn address(ip: Received<'_>, v4: u16, v6: u16) -> Option<IpAddr> {
    let of_v4 = ip.bytes(v4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(IpAddr::from);
    of_v4.or_else(|| ip.bytes(v6).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(IpAddr::from))
}
