//! The work that devices are given: each function starts a fresh device, gives it one kind of work and returns what it
//! took, row by row of the report.
//!
//! A clock runs from the first octet of the first UPDATE (or, where sessions are part of the work, from the first attempt
//! to connect) until the last peer holds the last prefix. CPU time is the device's own, until it idles again. Memory is
//! the most the device ever had, from its start.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::device::{Device, Plan, Running};
use crate::load::ledger::Catalogue;
use crate::load::{Identity, Load};
use crate::site::{DEVICE, Site, peer_address};

mod fan_out;
mod full_table;
mod material;
mod reflector;

pub use fan_out::{WAVES, fan_out, stuck_client};
pub use full_table::{FullTable, full_table};
pub use reflector::{all_have_all, cold_start};

/// The device's AS.
pub const DEVICE_AS: u32 = 64_512;
/// The AS of the load's first external peer; the others follow.
pub const FIRST_EXTERNAL_AS: u32 = 64_601;

/// For anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(180);
/// Silence after which a device is taken to have said all it has to say.
const QUIET: Duration = Duration::from_millis(400);
/// Few enough to dial at a time that no listening socket drops any (BIRD's backlog is 8).
const GENTLY: usize = 4;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Prefixes of the full table.
    pub prefixes: usize,
    /// Sets of attributes of the full table.
    pub sets: usize,
    /// Route-reflector clients.
    pub clients: usize,
    /// Prefixes that each of them has.
    pub prefixes_each: usize,
    /// Prefixes of one sender to many clients.
    pub fan_prefixes: usize,
    /// Clients that get them.
    pub fan_clients: usize,
}

/// A line of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// A table from one sender to one receiver.
    FullTable,
    /// All of it withdrawn.
    Withdrawn,
    /// All of it announced again.
    AnnouncedAgain,
    /// A receiver that joins late gets all of it.
    LateJoiner,
    /// Route-reflector clients all have what all have.
    AllHaveAll,
    /// One client's change is seen by the others.
    OneChange,
    /// Sessions come up, all at once.
    ColdStart,
    /// One sender's prefixes to many clients.
    FanOut,
    /// The same churn to all clients.
    NoneStuck,
    /// With one of them reading nothing.
    OneStuck,
}

/// What a row took once.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Which row.
    pub row: Row,
    /// Wall-clock time.
    pub seconds: f64,
    /// The device's CPU time.
    pub cpu_secs: f64,
    /// The device's peak memory so far.
    pub peak_mb: f64,
    /// What else was seen.
    pub remark: Option<String>,
}

/// Where, and with what, a round takes place.
#[derive(Debug)]
pub struct Ground<'a> {
    site: &'a Site,
    device: &'a dyn Device,
    label: String,
    runs: AtomicUsize,
}

impl<'a> Ground<'a> {
    /// For one device in one round.
    pub fn new(site: &'a Site, device: &'a dyn Device, label: &str) -> Self {
        Self { site, device, label: format!("{}-{label}", device.name()), runs: AtomicUsize::new(0) }
    }

    /// A fresh device with these peers, and the load that will be them.
    fn stage(&self, peers: &[Identity], catalogue: &Arc<Catalogue>) -> Result<Stage> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let directory = self.site.make_directory(&format!("{}-{run}", self.label))?;
        let plan = Plan { asn: DEVICE_AS, address: DEVICE, peers: peers.to_vec() };
        let running = Running::start(self.device, self.site, &directory, &plan)?;
        let load = Load::new(SocketAddrV4::new(DEVICE, 179), peers, catalogue)?;
        Ok(Stage { running, load })
    }

    fn site(&self) -> &Site {
        self.site
    }
}

/// A device at work.
struct Stage {
    running: Running,
    load: Load,
}

impl Stage {
    /// Does some work and says what it took. The work returns when it was done; the device idles before the CPU time is
    /// taken.
    fn measure(
        &mut self,
        row: Row,
        work: impl FnOnce(&mut Load) -> Result<(Instant, Instant)>,
    ) -> Result<Sample> {
        let cpu_before = self.running.cpu_secs()?;
        let (from, to) = work(&mut self.load).with_context(|| format!("{row:?}"))?;
        self.load.settle(QUIET, PATIENCE)?;
        Ok(Sample {
            row,
            seconds: to.duration_since(from).as_secs_f64(),
            cpu_secs: self.running.cpu_secs()? - cpu_before,
            peak_mb: self.running.peak_mb()?,
            remark: None,
        })
    }
}

/// Route-reflector clients: peers inside the device's AS.
fn clients(count: usize) -> Vec<Identity> {
    (0..count).map(|index| Identity { address: peer_address(index), asn: DEVICE_AS }).collect()
}
