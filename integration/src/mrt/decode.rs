//! From octets to [`Record`]s.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{
    BGP4MP, BGP4MP_ET, Body, Entry, PEER_INDEX_TABLE, Peer, PeerIndexTable, PeerMessage, RIB_IPV4_UNICAST,
    RIB_IPV6_UNICAST, Record, Rib, Session, StateChange, TABLE_DUMP_V2,
};

/// Longer than any record of a collector: one prefix by all its peers, or one message.
const MAX_RECORD: u32 = 16 * 1024 * 1024;

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium failed, or the file ends inside a record.
    #[error("reading the record at octet {offset}: {error}")]
    Io {
        /// Where the record begins.
        offset: u64,
        /// What the system says.
        error: io::Error,
    },
    /// A record says of itself what cannot be.
    #[error("the record at octet {offset} is wrong: {what}")]
    Malformed {
        /// Where the record begins.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads records one by one; an iterator that is over after an error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    offset: u64,
    record: Vec<u8>,
    over: bool,
}

impl<R: Read> Reader<R> {
    /// Of an input that is buffered, and already unpacked.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, record: Vec::new(), over: false }
    }

    fn read(&mut self) -> Result<Option<Record>, ReadError> {
        let offset = self.offset;
        let io = |error| ReadError::Io { offset, error };
        let malformed = |what| ReadError::Malformed { offset, what };
        let mut header = [0; 12];
        let mut have = 0;
        while have < header.len() {
            match self.input.read(&mut header[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io(io::ErrorKind::UnexpectedEof.into())),
                Ok(more) => have += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io(error)),
            }
        }
        let mut fields = Octets(&header);
        let (seconds, kind, subtype, length) = fields.header().map_err(malformed)?;
        if length > MAX_RECORD {
            return Err(malformed("it claims to be longer than 16 MiB"));
        }
        self.record.resize(length as usize, 0);
        self.input.read_exact(&mut self.record).map_err(io)?;
        self.offset += 12 + u64::from(length);
        let mut octets = Octets(&self.record);
        let microseconds = if kind == BGP4MP_ET { octets.u32().map_err(malformed)? } else { 0 };
        let body = decode(kind, subtype, octets).map_err(malformed)?;
        Ok(Some(Record { seconds, microseconds, body }))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.read().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

type Decoded<T> = Result<T, &'static str>;

fn decode(kind: u16, subtype: u16, mut octets: Octets<'_>) -> Decoded<Body> {
    let body = match (kind, subtype) {
        (TABLE_DUMP_V2, PEER_INDEX_TABLE) => Body::PeerIndexTable(octets.peer_index_table()?),
        (TABLE_DUMP_V2, RIB_IPV4_UNICAST) => Body::Rib(octets.rib(32)?),
        (TABLE_DUMP_V2, RIB_IPV6_UNICAST) => Body::Rib(octets.rib(128)?),
        (BGP4MP | BGP4MP_ET, 0 | 5) => {
            let session = octets.session(subtype == 5)?;
            Body::StateChange(StateChange { session, old: octets.u16()?, new: octets.u16()? })
        }
        (BGP4MP | BGP4MP_ET, 1 | 4 | 6 | 7) => {
            let four_octet_as = matches!(subtype, 4 | 7);
            let session = octets.session(four_octet_as)?;
            let message = octets.take(octets.0.len())?.to_vec();
            Body::Message(PeerMessage { session, four_octet_as, sent: subtype >= 6, message })
        }
        _ => return Ok(Body::Other { kind, subtype }),
    };
    if octets.0.is_empty() { Ok(body) } else { Err("octets are left over at its end") }
}

/// What is left to read of a record.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, length: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends before what it promises")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| "it ends before what it promises")
    }

    fn u8(&mut self) -> Decoded<u8> {
        self.array().map(|[octet]| octet)
    }

    fn u16(&mut self) -> Decoded<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Decoded<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn header(&mut self) -> Decoded<(u32, u16, u16, u32)> {
        Ok((self.u32()?, self.u16()?, self.u16()?, self.u32()?))
    }

    fn address(&mut self, is_ipv6: bool) -> Decoded<IpAddr> {
        Ok(if is_ipv6 {
            IpAddr::V6(Ipv6Addr::from(self.array::<16>()?))
        } else {
            IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))
        })
    }

    fn asn(&mut self, four_octets: bool) -> Decoded<u32> {
        if four_octets { self.u32() } else { self.u16().map(u32::from) }
    }

    fn peer_index_table(&mut self) -> Decoded<PeerIndexTable> {
        let collector = Ipv4Addr::from(self.array::<4>()?);
        let length = self.u16()?;
        let view = String::from_utf8_lossy(self.take(length.into())?).into_owned();
        let mut peers = Vec::new();
        for _ in 0..self.u16()? {
            let kind = self.u8()?;
            let router_id = Ipv4Addr::from(self.array::<4>()?);
            let address = self.address(kind & 1 != 0)?;
            let asn = self.asn(kind & 2 != 0)?;
            peers.push(Peer { router_id, address, asn });
        }
        Ok(PeerIndexTable { collector, view, peers })
    }

    fn rib(&mut self, bits: u8) -> Decoded<Rib> {
        let sequence = self.u32()?;
        let length = self.u8()?;
        if length > bits {
            return Err("a prefix is longer than an address");
        }
        let octets = self.take(usize::from(length).div_ceil(8))?;
        let mut address = [0; 16];
        address.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        let [a, b, c, d, ..] = address;
        let address = if bits == 32 { IpAddr::from([a, b, c, d]) } else { IpAddr::from(address) };
        let prefix = IpNetwork::new(address, length).map_err(|_| "a prefix is longer than an address")?;
        let prefix = IpNetwork::new(prefix.network(), length).map_err(|_| "a prefix without a network")?;
        let mut entries = Vec::new();
        for _ in 0..self.u16()? {
            let (peer, originated, length) = (self.u16()?, self.u32()?, self.u16()?);
            entries.push(Entry { peer, originated, attributes: self.take(length.into())?.to_vec() });
        }
        Ok(Rib { sequence, prefix, entries })
    }

    fn session(&mut self, four_octets: bool) -> Decoded<Session> {
        let (peer_as, local_as) = (self.asn(four_octets)?, self.asn(four_octets)?);
        let interface = self.u16()?;
        let is_ipv6 = match self.u16()? {
            1 => false,
            2 => true,
            _ => return Err("an address family other than IPv4 and IPv6"),
        };
        let (peer, local) = (self.address(is_ipv6)?, self.address(is_ipv6)?);
        Ok(Session { peer_as, local_as, interface, peer, local })
    }
}
