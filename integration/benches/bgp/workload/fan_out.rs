//! One sender and many clients, all of whom read, or all but one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::material::{announcement, catalogue};
use super::{GENTLY, Ground, PATIENCE, QUIET, Row, Sample, Sizes, Stage, clients};

/// Sets of attributes among the sender's prefixes.
const SETS: usize = 200;
/// How often they change while one client reads nothing.
pub const WAVES: u32 = 3;
/// Little enough for a device's kernel to hold that a client that reads nothing is felt at once.
const SMALL_SEND_BUFFER: &str = "4096 16384 65536";
const SEND_BUFFER: &str = "net/ipv4/tcp_wmem";

/// Row `FanOut`.
pub fn fan_out(ground: &Ground<'_>, sizes: &Sizes) -> Result<Sample> {
    let mut stage = ready(ground, sizes, sizes.fan_clients + 1)?;
    stage.measure(Row::FanOut, |load| {
        let message = announcement(super::peer_address(0), 0..sizes.fan_prefixes, SETS, 1);
        for index in 1..=sizes.fan_clients {
            load.expect(index, sizes.fan_prefixes);
        }
        let start = Instant::now();
        load.send(0, &message)?;
        Ok((start, load.wait(PATIENCE)?))
    })
}

/// Rows `NoneStuck` and `OneStuck`: the last of all clients reads nothing, or does.
pub fn stuck_client(ground: &Ground<'_>, sizes: &Sizes) -> Result<Vec<Sample>> {
    let before =
        ground.site().device.run(|| std::fs::read_to_string(format!("/proc/sys/{SEND_BUFFER}")))??;
    ground.site().device.set_sysctl(SEND_BUFFER, SMALL_SEND_BUFFER)?;
    let samples = [Row::NoneStuck, Row::OneStuck].map(|row| churn(ground, sizes, row));
    ground.site().device.set_sysctl(SEND_BUFFER, before.trim())?;
    samples.into_iter().collect()
}

fn churn(ground: &Ground<'_>, sizes: &Sizes, row: Row) -> Result<Sample> {
    let mut stage = ready(ground, sizes, sizes.clients)?;
    let last = sizes.clients - 1;
    if row == Row::OneStuck {
        stage.load.deafen(last)?;
    }
    let waves: Vec<_> = (1..=WAVES)
        .map(|med| (med, announcement(super::peer_address(0), 0..sizes.fan_prefixes, SETS, med)))
        .collect();
    let mut took = Duration::ZERO;
    // All waves are one work; between two of them the ledgers are cleared, which is not the device's time.
    let mut sample = stage.measure(row, |load| {
        for (med, messages) in &waves {
            for index in 1..last {
                load.ledger(index).count_only(*med);
                load.expect(index, sizes.fan_prefixes);
            }
            let start = Instant::now();
            load.send(0, messages)?;
            took += load.wait(PATIENCE)? - start;
        }
        let now = Instant::now();
        Ok((now, now))
    })?;
    sample.seconds = took.as_secs_f64();
    let unsent = stage.running.unsent(super::peer_address(last))?;
    ensure!((unsent > 0) == (row == Row::OneStuck), "{unsent} octets wait for the last client in {row:?}");
    sample.remark = (unsent > 0).then(|| format!("{unsent} octets wait in the stuck client's socket"));
    Ok(sample)
}

/// A device with all these clients up; the first one will send.
fn ready(ground: &Ground<'_>, sizes: &Sizes, count: usize) -> Result<Stage> {
    let mut stage = ground.stage(&clients(count), &catalogue(sizes.fan_prefixes))?;
    stage.load.establish(0..count, GENTLY, PATIENCE)?;
    stage.load.settle(QUIET, PATIENCE)?;
    Ok(stage)
}
