//! What is measured: a BGP speaker as a process of its own.
//!
//! Each gets the same [`Plan`] in its own words, with every knob that makes it faster and that its manual has; what that
//! changes, and what it does by itself, is said in its [`notes`](Device::notes) and printed with the figures. None of
//! them gives routes to a kernel.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use integration::measure;
use integration::process::Process;

use crate::load::Identity;
use crate::site::Site;
use crate::sockets;

mod bird;
mod frr;
mod ours;

pub use bird::Bird;
pub use frr::Frr;
pub use ours::Ours;

/// Proposed by devices as by the load: nobody needs to keep a session alive.
const HOLD_TIME_SECS: u32 = 3_600;

/// What a device gets to be ready after it listens, and then until it idles: FRR waits a second before it takes
/// sessions, whatever it is told.
const AFTER_LISTENING: Duration = Duration::from_millis(2_500);
/// A device idles that used less than 1 % of a CPU for so long.
const IDLE: Duration = Duration::from_millis(300);
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What a device is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its AS.
    pub asn: u32,
    /// Its address and BGP identifier.
    pub address: Ipv4Addr,
    /// With whom it peers, passively. Those of its own AS are route-reflector clients.
    pub peers: Vec<Identity>,
}

/// A kind of device.
pub trait Device: fmt::Debug + Sync {
    /// Short, for tables.
    fn name(&self) -> &'static str;

    /// As it says itself.
    fn version(&self) -> Result<String>;

    /// What it does by default that bears on the figures, and what was set instead.
    fn notes(&self) -> &'static [&'static str];

    /// Starts it; its files go to `directory`.
    fn start(&self, site: &Site, directory: &Path, plan: &Plan) -> Result<Process>;
}

/// A device that is ready.
#[derive(Debug)]
pub struct Running {
    process: Process,
}

impl Running {
    /// Starts a device and waits until it listens and idles.
    pub fn start(device: &dyn Device, site: &Site, directory: &Path, plan: &Plan) -> Result<Self> {
        let mut process = device.start(site, directory, plan)?;
        let start = Instant::now();
        while !sockets::listens(process.pid(), 179)? {
            process.ensure_running()?;
            if start.elapsed() > START_PATIENCE {
                bail!("{} does not listen after {START_PATIENCE:?}", device.name());
            }
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(AFTER_LISTENING);
        let running = Self { process };
        loop {
            let before = running.cpu_secs()?;
            thread::sleep(IDLE);
            if running.cpu_secs()? - before < IDLE.as_secs_f64() / 100.0 {
                return Ok(running);
            }
            if start.elapsed() > START_PATIENCE {
                bail!("{} is still busy after {START_PATIENCE:?}", device.name());
            }
        }
    }

    /// CPU time so far, seconds.
    pub fn cpu_secs(&self) -> Result<f64> {
        measure::read_cpu_secs(self.process.pid())
    }

    /// Peak memory so far, MB.
    pub fn peak_mb(&self) -> Result<f64> {
        measure::read_peak_mb(self.process.pid())
    }

    /// Octets that wait to be sent to a peer.
    pub fn unsent(&self, peer: Ipv4Addr) -> Result<usize> {
        sockets::read_unsent(self.process.pid(), peer)
    }
}
