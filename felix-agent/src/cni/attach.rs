//! Making and removing a pod's link.
//!
//! [`attach`] is idempotent: an attachment that stands as asked is left untouched and described; anything less, for
//! example what a crash left half made, is removed and made anew. A failed attempt leaves nothing behind. Two
//! attempts for one host end must not run at the same time.

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoVeth, LinkAttribute, LinkMessage,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::netns::{Netns, NetnsError};
use super::pod;
use crate::dataplane::links::{self, is_host_end};
use crate::dataplane::netlink::{Interface, Interfaces, Netlink, NetlinkError};
use crate::dataplane::sysctl::{self, SysctlError};
use crate::diff::Diff;
use crate::plan::desired::{InterfaceName, Sysctls};

/// The MAC of every host end: locally administered, unicast (IEEE 802 §8.4). One for all, so that what a pod knows
/// of its gateways never changes; the links are point to point, so it is never ambiguous.
pub const HOST_MAC: [u8; 6] = [0x02, 0xfa, 0xb0, 0x00, 0x00, 0x01];

/// What every IPv4 link can carry (RFC 791 §3.2).
const MIN_MTU_V4: u32 = 68;

/// What every IPv6 link must carry (RFC 8200 §5); below, the kernel turns IPv6 off.
const MIN_MTU_V6: u32 = 1280;

/// The largest IP packet; the kernel takes no more for a veth.
const MAX_MTU: u32 = 65535;

/// `IFNAMSIZ` of `linux/if.h`, less the final zero.
const MAX_NAME: usize = 15;

/// A link to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachRequest {
    /// The pod's network namespace (`CNI_NETNS`).
    pub netns: PathBuf,
    /// What the pod's end is called inside (`CNI_IFNAME`).
    pub interface: InterfaceName,
    /// What the host end is called ([`super::host_interface_name`]).
    pub host_interface: InterfaceName,
    /// The pod's addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// Bytes of IP packet; without it what every uplink carries ([`Interfaces::uplink_mtu`]).
    pub mtu: Option<u32>,
}

/// A link that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The host end's MAC, always [`HOST_MAC`].
    pub host_mac: [u8; 6],
    /// The pod's MAC, for the node's neighbour entries.
    pub container_mac: [u8; 6],
    /// Both ends' MTU.
    pub mtu: u32,
    /// The pod's gateways, one for each family it has addresses of.
    pub gateways: Vec<IpAddr>,
}

/// Why a pod was not attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The namespace cannot be used.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The pod has such an interface already, and it is not this attachment's.
    #[error("the network namespace {netns} already has an interface {interface}; it was left alone")]
    InterfaceExists {
        /// The interface inside.
        interface: InterfaceName,
        /// The namespace.
        netns: PathBuf,
    },
    /// The request cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refused one step, or did not answer. Nothing is left behind.
    #[error("cannot {step}: {source}")]
    Kernel {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        source: NetlinkError,
    },
    /// A setting inside the pod could not be made.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
}

fn during(step: &'static str) -> impl Fn(NetlinkError) -> AttachError {
    move |source| AttachError::Kernel { step, source }
}

/// Attaches a pod: a veth pair with one end in the pod, complete, and one on the node, closed. `node` must be of the
/// node's network namespace.
///
/// # Errors
/// See [`AttachError`]; the pod and the node are then as before, less what was left half made earlier.
pub async fn attach(node: &Netlink, request: &AttachRequest) -> Result<Attached, AttachError> {
    let netns = Netns::open(&request.netns)?;
    let inside = netns.connect().await?.map_err(during("talk to the kernel inside the pod"))?;
    let on_node = Interfaces::read(node).await.map_err(during("read the node's interfaces"))?;
    let mtu = request.mtu.unwrap_or_else(|| on_node.uplink_mtu());
    check(request, mtu)?;

    if let Some(host_end) = on_node.get(&request.host_interface) {
        if let Some(attached) = read(&inside, host_end, request, mtu).await? {
            return Ok(attached);
        }
        let step = during("remove what an earlier attempt left");
        links::delete(node, host_end.index).await.map_err(step)?;
    }
    let in_pod = Interfaces::read(&inside).await.map_err(during("read the pod's interfaces"))?;
    if in_pod.get(&request.interface).is_some() {
        return Err(AttachError::InterfaceExists {
            interface: request.interface.clone(),
            netns: request.netns.clone(),
        });
    }

    create(node, &netns, request, mtu).await.map_err(during("create the pod's link"))?;
    let made = complete(node, &netns, &inside, request, mtu).await;
    if made.is_err()
        && let Err(error) = detach(node, &request.host_interface).await
    {
        tracing::warn!(%error, interface = request.host_interface, "a half made link stays until the next attempt");
    }
    made
}

/// Removes a pod's link, both ends: a veth's ends live and die together, so the host end's name is all it takes. One
/// that is not there is success.
///
/// # Errors
/// [`AttachError::Invalid`] if the name is not a host end's, [`AttachError::Kernel`] if the kernel refuses.
pub async fn detach(node: &Netlink, host_interface: &str) -> Result<(), AttachError> {
    check_host_interface(host_interface)?;
    let on_node = Interfaces::read(node).await.map_err(during("read the node's interfaces"))?;
    let Some(index) = on_node.index(host_interface) else { return Ok(()) };
    links::delete(node, index).await.map_err(during("remove the pod's link"))
}

fn check(request: &AttachRequest, mtu: u32) -> Result<(), AttachError> {
    check_host_interface(&request.host_interface)?;
    check_name(&request.interface)?;
    if request.addresses.is_empty() {
        return Err(AttachError::Invalid("a pod needs at least one address".into()));
    }
    let v6 = request.addresses.iter().any(IpAddr::is_ipv6);
    let least = if v6 { MIN_MTU_V6 } else { MIN_MTU_V4 };
    if !(least..=MAX_MTU).contains(&mtu) {
        let family = if v6 { "IPv6" } else { "IPv4" };
        let said = format!("an MTU of {mtu} bytes does not do for {family}: {least} to {MAX_MTU} does");
        return Err(AttachError::Invalid(said));
    }
    Ok(())
}

fn check_host_interface(name: &str) -> Result<(), AttachError> {
    check_name(name)?;
    if is_host_end(name) {
        return Ok(());
    }
    let prefix = links::HOST_END_PREFIX;
    Err(AttachError::Invalid(format!(
        "\"{name}\" does not begin with \"{prefix}\" as a host end's name does"
    )))
}

/// The kernel's own rule: `dev_valid_name` in its net/core/dev.c.
fn check_name(name: &str) -> Result<(), AttachError> {
    let length = (1..=MAX_NAME).contains(&name.len());
    let characters = name.bytes().all(|byte| !matches!(byte, b'/' | b':' | 0) && !byte.is_ascii_whitespace());
    if length && characters && name != "." && name != ".." {
        return Ok(());
    }
    Err(AttachError::Invalid(format!(
        "\"{name}\" is no interface name: 1 to {MAX_NAME} bytes without space, slash or colon"
    )))
}

/// Both ends at once, the pod's directly in its namespace, so that it never shows on the node.
async fn create(
    node: &Netlink,
    netns: &Netns,
    request: &AttachRequest,
    mtu: u32,
) -> Result<(), NetlinkError> {
    let peer = LinkUnspec::new_with_name(&request.interface)
        .mtu(mtu)
        .setns_by_fd(netns.descriptor().as_raw_fd())
        .build();
    let message = LinkMessageBuilder::<LinkVeth>::new(&request.host_interface, &request.interface)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .address(HOST_MAC.to_vec())
        .mtu(mtu)
        .build();
    node.commit(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await
}

async fn complete(
    node: &Netlink,
    netns: &Netns,
    inside: &Netlink,
    request: &AttachRequest,
    mtu: u32,
) -> Result<Attached, AttachError> {
    let on_node = Interfaces::read(node).await.map_err(during("read the node's interfaces"))?;
    let in_pod = Interfaces::read(inside).await.map_err(during("read the pod's interfaces"))?;
    let (Some(host_end), Some(pod_end)) =
        (on_node.index(&request.host_interface), in_pod.get(&request.interface))
    else {
        let gone = NetlinkError::Refused { errno: libc::ENODEV, reason: "it vanished at once".into() };
        return Err(during("find the pod's new link")(gone));
    };
    let v6 = request.addresses.iter().any(IpAddr::is_ipv6);
    match node.commit(RouteNetlinkMessage::NewLink(without_own_addresses(host_end)), 0).await {
        // A kernel without IPv6 has no such setting and needs none.
        Err(error) if v6 => return Err(during("keep the kernel's own addresses off the host end")(error)),
        Err(_) | Ok(()) => {}
    }
    settle(netns, &request.interface, v6).await?;
    pod::configure(inside, pod_end.index, request).await.map_err(during("set up the pod's end"))?;
    describe(pod_end, request, mtu)
        .ok_or_else(|| AttachError::Invalid("the pod's end has no MAC address".into()))
}

pub(crate) fn without_own_addresses(index: u32) -> LinkMessage {
    let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    let attribute = LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]);
    LinkUnspec::new_with_index(index).append_extra_attribute(attribute).build()
}

/// Makes the settings inside the pod, before its end comes up.
async fn settle(netns: &Netns, interface: &str, v6: bool) -> Result<(), AttachError> {
    let diff = Diff { add: sysctl::inside_pod(interface), ..Diff::default() };
    let outcome = netns.run(move || sysctl::apply(Sysctls::new(), diff)).await?;
    match outcome.failed.into_values().next() {
        Some(error) if v6 => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}

/// The attachment if it stands as asked.
async fn read(
    inside: &Netlink,
    host_end: &Interface,
    request: &AttachRequest,
    mtu: u32,
) -> Result<Option<Attached>, AttachError> {
    let step = during("read the pod's interfaces");
    let in_pod = Interfaces::read(inside).await.map_err(&step)?;
    let Some(pod_end) = in_pod.get(&request.interface) else { return Ok(None) };
    let paired = host_end.peer == Some(pod_end.index) && pod_end.peer == Some(host_end.index);
    let sized = host_end.mtu == mtu && pod_end.mtu == mtu;
    if !paired || !sized || host_end.mac != Some(HOST_MAC) {
        return Ok(None);
    }
    let configured = pod::is_configured(inside, pod_end, request).await.map_err(step)?;
    Ok(if configured { describe(pod_end, request, mtu) } else { None })
}

fn describe(pod_end: &Interface, request: &AttachRequest, mtu: u32) -> Option<Attached> {
    let gateways = pod::gateways(&request.addresses);
    Some(Attached { host_mac: HOST_MAC, container_mac: pod_end.mac?, mtu, gateways })
}
