//! From tables to octets.

use std::io::{self, Write};
use std::net::IpAddr;

use super::{PEER_INDEX_TABLE, PeerIndexTable, RIB_IPV4_UNICAST, RIB_IPV6_UNICAST, Rib, TABLE_DUMP_V2};

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// The medium failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The format has a field of two octets for it.
    #[error("{0} do not fit into a record: 65,535 do")]
    TooMany(&'static str),
}

/// Writes a `TABLE_DUMP_V2`.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    seconds: u32,
    record: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A table of this time (seconds since 1970) into an output that should be buffered.
    pub fn new(output: W, seconds: u32) -> Self {
        Self { output, seconds, record: Vec::new() }
    }

    /// Writes the first record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_peers(&mut self, peers: &PeerIndexTable) -> Result<(), Unwritable> {
        self.record.clear();
        encode_peers(peers, &mut self.record)?;
        self.write(PEER_INDEX_TABLE)
    }

    /// Writes the routes to one prefix.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_rib(&mut self, rib: &Rib) -> Result<(), Unwritable> {
        self.record.clear();
        encode_rib(rib, &mut self.record)?;
        self.write(if rib.prefix.is_ipv4() { RIB_IPV4_UNICAST } else { RIB_IPV6_UNICAST })
    }

    /// Writes what is buffered, and gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, Unwritable> {
        self.output.flush()?;
        Ok(self.output)
    }

    fn write(&mut self, subtype: u16) -> Result<(), Unwritable> {
        let length = u32::try_from(self.record.len()).map_err(|_| Unwritable::TooMany("octets"))?;
        let mut header = [0; 12];
        header[..4].copy_from_slice(&self.seconds.to_be_bytes());
        header[4..6].copy_from_slice(&TABLE_DUMP_V2.to_be_bytes());
        header[6..8].copy_from_slice(&subtype.to_be_bytes());
        header[8..].copy_from_slice(&length.to_be_bytes());
        self.output.write_all(&header)?;
        self.output.write_all(&self.record)?;
        Ok(())
    }
}

fn encode_peers(table: &PeerIndexTable, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    out.extend(table.collector.octets());
    out.extend(count(table.view.len(), "octets of a view's name")?);
    out.extend(table.view.as_bytes());
    out.extend(count(table.peers.len(), "peers")?);
    for peer in &table.peers {
        // Bit 0: IPv6. Bit 1: an AS of four octets.
        out.push(u8::from(peer.address.is_ipv6()) | 2);
        out.extend(peer.router_id.octets());
        match peer.address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
        out.extend(peer.asn.to_be_bytes());
    }
    Ok(())
}

fn encode_rib(rib: &Rib, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    out.extend(rib.sequence.to_be_bytes());
    encode_prefix(rib.prefix, out);
    out.extend(count(rib.entries.len(), "entries")?);
    for entry in &rib.entries {
        out.extend(entry.peer.to_be_bytes());
        out.extend(entry.originated.to_be_bytes());
        out.extend(count(entry.attributes.len(), "octets of attributes")?);
        out.extend(&entry.attributes);
    }
    Ok(())
}

/// Length in bits, then as many octets as hold them: as in UPDATEs.
pub(super) fn encode_prefix(prefix: ipnetwork::IpNetwork, out: &mut Vec<u8>) {
    out.push(prefix.prefix());
    let octets = usize::from(prefix.prefix()).div_ceil(8);
    match prefix.network() {
        IpAddr::V4(address) => out.extend(&address.octets()[..octets]),
        IpAddr::V6(address) => out.extend(&address.octets()[..octets]),
    }
}

fn count(length: usize, what: &'static str) -> Result<[u8; 2], Unwritable> {
    u16::try_from(length).map(u16::to_be_bytes).map_err(|_| Unwritable::TooMany(what))
}
