//! Where it happens: two namespaces, one for the device, one for the load, and a veth pair between them.
//!
//! They are one [`Lab`], so that all of it goes away even when the bench does not get to do it itself.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use integration::lab::Lab;
use integration::link::{self, End};
use integration::namespace::Namespace;
use ipnetwork::IpNetwork;

/// The device's address.
pub const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

const PREFIX_LENGTH: u8 = 16;

/// The two namespaces.
#[derive(Debug)]
pub struct Site {
    /// What all of it is part of.
    pub lab: Lab,
    /// Where devices run, one at a time.
    pub device: Arc<Namespace>,
    /// Where the load runs.
    pub load: Arc<Namespace>,
}

impl Site {
    /// Makes it, with addresses for so many peers.
    pub fn new(peers: usize) -> Result<Self> {
        let lab = Lab::new("bench-bgp")?;
        let (device, load) = (lab.namespace("device")?, lab.namespace("load")?);
        let network = |address| IpNetwork::new(IpAddr::V4(address), PREFIX_LENGTH);
        let addresses =
            (0..peers).map(|index| network(peer_address(index))).collect::<Result<Vec<_>, _>>()?;
        link::connect(
            End { namespace: &device, interface: "load", addresses: &[network(DEVICE)?] },
            End { namespace: &load, interface: "device", addresses: &addresses },
        )?;
        Ok(Self { lab, device, load })
    }

    /// A directory for one run of a device.
    pub fn make_directory(&self, name: &str) -> Result<PathBuf> {
        self.lab.make_directory(name)
    }
}

/// The address of a peer of the load; below 60,000 of them.
pub fn peer_address(index: usize) -> Ipv4Addr {
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    let [high, low] = (index / 250 * 256 + index % 250 + 256 + 1).to_be_bytes();
    Ipv4Addr::new(10, 99, high, low)
}
