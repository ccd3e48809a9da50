//! Our end: a monitor and all that it has reported.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bgp::bfd::{Report, State, Watch};
use bgp::config::{Bfd, PeerKey};
use bgp::net::bfd::Monitor;
use integration::namespace::Namespace;
use tokio::sync::mpsc::Receiver;

use crate::place::Way;
use crate::wait_until;

/// A monitor in a namespace.
pub struct Node {
    pub monitor: Monitor,
    reports: Receiver<(PeerKey, Report)>,
    history: Vec<(IpAddr, Report)>,
}

impl Node {
    pub fn start(namespace: &Namespace) -> Self {
        let (monitor, reports) = namespace.run(Monitor::start).unwrap();
        Self { monitor, reports, history: Vec::new() }
    }

    /// Watches the other end of a way.
    pub fn watch(&self, way: &Way, interval_ms: u64, multiplier: u8) {
        let interval = Duration::from_millis(interval_ms);
        let settings = Bfd {
            transmit_interval: interval,
            receive_interval: interval,
            multiplier,
            multihop: way.multihop,
        };
        // A link-local address is found on its interface; a peer is known by it alone.
        let interface = way.interface().map(Into::into);
        let watch = Watch { remote: way.theirs, local: Some(way.ours), interface, settings };
        self.monitor.watch(PeerKey::Address(way.theirs), Some(watch));
    }

    pub fn forget(&self, way: &Way) {
        self.monitor.watch(PeerKey::Address(way.theirs), None);
    }

    /// All that was reported of a peer, in order.
    pub fn reports(&mut self, peer: IpAddr) -> Vec<Report> {
        while let Ok((key, report)) = self.reports.try_recv() {
            let PeerKey::Address(address) = key else { panic!("{key} is not watched") };
            self.history.push((address, report));
        }
        self.history.iter().filter(|(address, _)| *address == peer).map(|(_, report)| *report).collect()
    }

    pub fn forget_reports(&mut self, peer: IpAddr) {
        self.reports(peer);
        self.history.retain(|(address, _)| *address != peer);
    }

    pub fn ensure_last(&mut self, peer: IpAddr, state: State) -> Result<Report> {
        let last = self.reports(peer).last().copied();
        ensure!(last.is_some_and(|last| last.state == state), "{peer}: {last:?}, not {state}");
        Ok(last.unwrap())
    }

    pub fn wait_for(&mut self, ways: &[Way], state: State) {
        for way in ways {
            wait_until("our end says so", || self.ensure_last(way.theirs, state));
        }
    }
}
