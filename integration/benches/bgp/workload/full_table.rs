//! A full table from one external peer to another: announced, withdrawn, announced again, and to one who comes late.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use integration::mrt::updates::{Sender, encode_table, encode_table_withdrawal};
use integration::mrt::{Peer, Shape, Table};

use super::{FIRST_EXTERNAL_AS, GENTLY, Ground, PATIENCE, QUIET, Row, Sample, Sizes};
use crate::load::Identity;
use crate::load::ledger::Catalogue;
use crate::site::peer_address;

const SENDER: usize = 0;
const RECEIVER: usize = 1;
const LATE: usize = 2;

/// The table, ready to be sent.
#[derive(Debug)]
pub struct FullTable {
    catalogue: Arc<Catalogue>,
    announcement: Arc<[u8]>,
    withdrawal: Arc<[u8]>,
    prefixes: usize,
}

impl FullTable {
    /// A generated one of this size.
    pub fn generate(sizes: &Sizes) -> Result<Self> {
        let address = peer_address(SENDER);
        let peer = Peer { router_id: address, address: IpAddr::V4(address), asn: FIRST_EXTERNAL_AS };
        let shape = Shape { seed: 20_250_101, ipv4: sizes.prefixes, ipv6: 0, sets: sizes.sets };
        Self::new(&Table::generate(&shape, peer))
    }

    /// The IPv4 part of any.
    pub fn new(table: &Table) -> Result<Self> {
        let sender = Sender { asn: FIRST_EXTERNAL_AS, next_hop: peer_address(SENDER), next_hop_v6: None };
        let mut table = table.clone();
        table.routes.retain(|route| route.prefix.is_ipv4());
        let feed = encode_table(&table, &sender);
        ensure!(feed.left_out == 0, "{} routes of the table cannot be announced", feed.left_out);
        let prefixes: Vec<_> = table.ipv4().collect();
        Ok(Self {
            catalogue: Arc::new(Catalogue::table(prefixes.into_iter())),
            announcement: feed.messages.into(),
            withdrawal: encode_table_withdrawal(&table).into(),
            prefixes: feed.announced,
        })
    }
}

/// Rows `FullTable`, `Withdrawn`, `AnnouncedAgain` and `LateJoiner`.
pub fn full_table(ground: &Ground<'_>, table: &FullTable) -> Result<Vec<Sample>> {
    let peers: Vec<Identity> = (SENDER..=LATE)
        .zip(FIRST_EXTERNAL_AS..)
        .map(|(index, asn)| Identity { address: peer_address(index), asn })
        .collect();
    let mut stage = ground.stage(&peers, &table.catalogue)?;
    stage.load.establish(SENDER..LATE, GENTLY, PATIENCE)?;
    stage.load.settle(QUIET, PATIENCE)?;
    let mut samples = Vec::new();
    for (row, messages, expected) in [
        (Row::FullTable, &table.announcement, table.prefixes),
        (Row::Withdrawn, &table.withdrawal, 0),
        (Row::AnnouncedAgain, &table.announcement, table.prefixes),
    ] {
        samples.push(stage.measure(row, |load| {
            load.expect(RECEIVER, expected);
            let start = Instant::now();
            load.send(SENDER, messages)?;
            Ok((start, load.wait(PATIENCE)?))
        })?);
    }
    samples.push(stage.measure(Row::LateJoiner, |load| {
        load.expect(LATE, table.prefixes);
        let start = Instant::now();
        load.establish(LATE..LATE + 1, 1, PATIENCE)?;
        Ok((start, load.wait(PATIENCE)?))
    })?);
    Ok(samples)
}
