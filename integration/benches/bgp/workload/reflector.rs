//! A route reflector and its clients, as nodes of a cluster are: each announces a few blocks and wants all others'.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::material::{announcement, catalogue};
use super::{GENTLY, Ground, PATIENCE, QUIET, Row, Sample, Sizes, clients};

/// Changes that are made one after the other; the median counts.
const CHANGES: u32 = 15;

/// How long sessions may take to come up: after 63 s a kernel has forgotten connections that nobody takes
/// (`tcp_synack_retries`), though the peers that dialled have not.
const COLD_PATIENCE: Duration = Duration::from_secs(70);

/// Row `ColdStart`: everybody dials at once, as after a restart of the reflector. Where some never get through, the time
/// is that at which they were given up, and the remark says so.
pub fn cold_start(ground: &Ground<'_>, sizes: &Sizes) -> Result<Sample> {
    let peers = clients(sizes.clients);
    let mut stage = ground.stage(&peers, &catalogue(1))?;
    let cpu_before = stage.running.cpu_secs()?;
    let arrival = stage.load.try_establish(0..peers.len(), peers.len(), COLD_PATIENCE)?;
    let remark = match (arrival.redials, arrival.missing) {
        (0, 0) => None,
        (redials, 0) => Some(format!("{redials} attempts failed")),
        (redials, missing) => Some(format!("{redials} attempts failed, {missing} sessions were given up")),
    };
    Ok(Sample {
        row: Row::ColdStart,
        seconds: arrival.took.as_secs_f64(),
        cpu_secs: stage.running.cpu_secs()? - cpu_before,
        peak_mb: stage.running.peak_mb()?,
        remark,
    })
}

/// Rows `AllHaveAll` and `OneChange`.
pub fn all_have_all(ground: &Ground<'_>, sizes: &Sizes) -> Result<Vec<Sample>> {
    let peers = clients(sizes.clients);
    let total = peers.len() * sizes.prefixes_each;
    let own = |index: usize| index * sizes.prefixes_each..(index + 1) * sizes.prefixes_each;
    let messages: Vec<_> =
        peers.iter().enumerate().map(|(index, peer)| announcement(peer.address, own(index), 1, 1)).collect();
    let mut stage = ground.stage(&peers, &catalogue(total))?;
    stage.load.establish(0..peers.len(), GENTLY, PATIENCE)?;
    stage.load.settle(QUIET, PATIENCE)?;
    let mut samples = Vec::new();
    samples.push(stage.measure(Row::AllHaveAll, |load| {
        for index in 0..peers.len() {
            load.ledger(index).leave_out(own(index));
            load.expect(index, total - sizes.prefixes_each);
        }
        let start = Instant::now();
        for (index, messages) in messages.iter().enumerate() {
            load.send(index, messages)?;
        }
        Ok((start, load.wait(PATIENCE)?))
    })?);
    let mut changes = Vec::new();
    for med in 2..2 + CHANGES {
        let message = announcement(peers[0].address, 0..1, 1, med);
        changes.push(stage.measure(Row::OneChange, |load| {
            for index in 1..peers.len() {
                load.ledger(index).count_only(med);
                load.expect(index, 1);
            }
            let start = Instant::now();
            load.send(0, &message)?;
            Ok((start, load.wait(PATIENCE)?))
        })?);
    }
    changes.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    samples.push(changes.swap_remove(changes.len() / 2));
    Ok(samples)
}
