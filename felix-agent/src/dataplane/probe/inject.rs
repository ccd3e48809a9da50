//! Putting a probe where a real packet would begin.
//!
//! The only place of the agent with `unsafe` code: the address of a packet socket (packet(7)) has no safe form in the
//! libraries that are here, and one call hands it to the kernel.
#![allow(unsafe_code)]

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::{Origin, Probe, packet};
use crate::cni::attach::{HOST_MAC, without_own_addresses};
use crate::cni::{Netns, NetnsError};
use crate::dataplane::links;
use crate::dataplane::netlink::{Interfaces, Netlink, NetlinkError};
use crate::dataplane::sysctl;
use crate::diff::Diff;
use crate::plan::desired::Sysctls;

/// The interface by which a probe from elsewhere arrives, and the one that sends it there. Neither begins as a pod's link does.
const ARRIVAL: &str = "probe-fabric0";
const DEPARTURE: &str = "probe-fabric1";

/// Why a probe was not sent.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The pod's namespace cannot be used.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The pod is being replaced: ask again.
    #[error("{interface} in {netns} is not the interface that the pod was attached by: it was replaced")]
    Replaced {
        /// The interface.
        interface: String,
        /// The namespace.
        netns: String,
    },
    /// The kernel refused a step.
    #[error("cannot {step}: {source}")]
    Kernel {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        source: NetlinkError,
    },
    /// It was not sent.
    #[error("cannot send the probe: {0}")]
    Send(io::Error),
}

fn during(step: &'static str) -> impl Fn(NetlinkError) -> InjectError {
    move |source| InjectError::Kernel { step, source }
}

/// Sends the probe. `node` must be of the node's network namespace, and so must the runtime's threads.
///
/// # Errors
/// See [`InjectError`]. Nothing is left behind.
pub async fn send(node: &Netlink, probe: &Probe) -> Result<(), InjectError> {
    let bytes = packet::encode(&probe.packet, probe.sign.bytes);
    match &probe.origin {
        Origin::Pod { netns, interface, mac } => {
            let netns = Netns::open(netns)?;
            let inside = netns.connect().await?.map_err(during("talk to the kernel inside the pod"))?;
            let interfaces = Interfaces::read(&inside).await.map_err(during("read the pod's interfaces"))?;
            let found = interfaces.get(interface);
            if found.and_then(|found| found.mac).map(spell).as_ref() != Some(mac) {
                let (interface, netns) = (interface.clone(), netns.path().display().to_string());
                return Err(InjectError::Replaced { interface, netns });
            }
            let (interface, is_v4) = (interface.clone(), probe.packet.source.is_ipv4());
            netns.run(move || transmit(&interface, HOST_MAC, is_v4, &bytes)).await?.map_err(InjectError::Send)
        }
        Origin::Elsewhere => {
            // What an agent that died left behind.
            remove(node).await?;
            let sent = arrive(node, probe.packet.source, &bytes).await;
            remove(node).await?;
            sent
        }
    }
}

async fn remove(node: &Netlink) -> Result<(), InjectError> {
    let interfaces = Interfaces::read(node).await.map_err(during("read the node's interfaces"))?;
    let Some(index) = interfaces.index(ARRIVAL) else { return Ok(()) };
    links::delete(node, index).await.map_err(during("remove the interface of the probe"))
}

/// Makes a link from the node to itself, and sends the packet over it.
async fn arrive(node: &Netlink, source: IpAddr, bytes: &[u8]) -> Result<(), InjectError> {
    let step = during("create an interface for the probe");
    let message = LinkMessageBuilder::<LinkVeth>::new(ARRIVAL, DEPARTURE).address(HOST_MAC.to_vec()).build();
    node.commit(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await.map_err(&step)?;
    // As an uplink is, but for the way back, which never was this interface.
    let diff = Diff { add: settings(), ..Diff::default() };
    let failed = sysctl::apply(Sysctls::new(), diff).failed;
    if let Some((setting, error)) =
        failed.into_iter().find(|(setting, _)| setting.contains("ipv4") == source.is_ipv4())
    {
        return Err(InjectError::Send(io::Error::other(format!("{setting}: {error}"))));
    }
    let interfaces = Interfaces::read(node).await.map_err(&step)?;
    for name in [ARRIVAL, DEPARTURE] {
        let Some(index) = interfaces.index(name) else { continue };
        // A kernel without IPv6 has no such setting and needs none.
        let _ = node.commit(RouteNetlinkMessage::NewLink(without_own_addresses(index)), 0).await;
        let up = LinkUnspec::new_with_index(index).up().build();
        node.commit(RouteNetlinkMessage::SetLink(up), 0).await.map_err(&step)?;
    }
    transmit(DEPARTURE, HOST_MAC, source.is_ipv4(), bytes).map_err(InjectError::Send)
}

fn settings() -> Sysctls {
    let of_arrival = [("ipv4", "forwarding", "1"), ("ipv4", "rp_filter", "0"), ("ipv6", "forwarding", "1")];
    let setting = |(family, name, value): (&str, &str, &str)| {
        (format!("net/{family}/conf/{ARRIVAL}/{name}"), value.to_owned())
    };
    of_arrival.map(setting).into()
}

fn spell(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Puts the packet on the wire of an interface of the calling thread's network namespace, below all rules for what leaves it.
fn transmit(interface: &str, to: [u8; 6], is_v4: bool, packet: &[u8]) -> io::Result<()> {
    let index = if_nametoindex(interface)?;
    let ethertype = if is_v4 { libc::ETH_P_IP } else { libc::ETH_P_IPV6 };
    let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut address = [0; 8];
    address.iter_mut().zip(to).for_each(|(byte, of)| *byte = of);
    let to = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
        sll_protocol: u16::try_from(ethertype).map_err(io::Error::other)?.to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: address,
    };
    let length = u32::try_from(size_of_val(&to)).map_err(io::Error::other)?;
    // SAFETY: both pointers are to live values of the lengths that are given with them, which the kernel only reads.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            std::ptr::from_ref(&to).cast(),
            length,
        )
    };
    match usize::try_from(sent) {
        Ok(sent) if sent == packet.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
