//! Feeding a table from a file to any speaker, for as long as one likes.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use integration::mrt::Table;
use integration::mrt::updates::{Feed, Sender, encode_table};

use crate::load::Identity;
use crate::load::connection::{Families, OPEN, keepalive, open};

/// A third of the shortest hold time that speakers propose as a rule.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Reads the table of a file.
pub fn read_table(path: &Path) -> Result<Table> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Table::read(BufReader::with_capacity(1 << 20, file)).with_context(|| path.display().to_string())
}

/// Announces a table to a speaker; returns the session that has to be [kept](keep), and what was announced.
pub fn announce(
    table: &Table,
    to: SocketAddr,
    asn: u32,
    next_hop_v6: Option<Ipv6Addr>,
) -> Result<(TcpStream, Feed)> {
    let mut socket = TcpStream::connect(to).with_context(|| format!("connecting to {to}"))?;
    let own = match socket.local_addr()? {
        SocketAddr::V4(own) => *SocketAddrV4::ip(&own),
        // An IPv4 next hop is needed, and a BGP identifier: any.
        SocketAddr::V6(_) => Ipv4Addr::new(192, 0, 2, 1),
    };
    let mut feed = encode_table(table, &Sender { asn, next_hop: own, next_hop_v6 });
    socket.write_all(&open(Identity { address: own, asn }, Families::Both))?;
    let mut header = [0; 19];
    socket.read_exact(&mut header).context("waiting for an OPEN")?;
    ensure!(header[18] == OPEN, "{to} says {} instead of OPEN", header[18]);
    socket.write_all(&keepalive())?;
    let mut reader = socket.try_clone()?;
    // What it has to say is of no interest, but has to be taken.
    thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    socket.write_all(&feed.messages)?;
    feed.messages.clear();
    Ok((socket, feed))
}

/// Keeps a session until the other side ends it.
pub fn keep(mut socket: TcpStream) -> Result<()> {
    loop {
        socket.write_all(&keepalive()).context("the other side ended the session")?;
        thread::sleep(KEEPALIVE);
    }
}
