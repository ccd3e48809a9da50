//! Links between namespaces: veth pairs, made and changed by rtnetlink.
//!
//! Both ends are born in the namespace they belong to, under their final names; nothing is ever made in, or moved
//! through, the namespace that the caller runs in. Duplicate address detection is off on these links: a lab gives its
//! addresses out itself, and a second of waiting for nobody to object proves nothing.

use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use ipnetwork::IpNetwork;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute};
use rtnetlink::{LinkUnspec, LinkVeth};

use crate::namespace::Namespace;

/// One end of a link.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// Its interface's name there; at most 15 characters.
    pub interface: &'a str,
    /// Its addresses.
    pub addresses: &'a [IpNetwork],
}

/// Makes a veth pair with these ends, addresses them and sets both up.
///
/// # Errors
/// Where the kernel refuses, for instance because a name is taken.
pub fn connect(one: End<'_>, other: End<'_>) -> Result<()> {
    let peer_namespace = other.namespace.handle().as_raw_fd();
    one.namespace
        .netlink(|handle| async move {
            let peer = LinkUnspec::new_with_name(other.interface)
                .append_extra_attribute(LinkAttribute::NetNsFd(peer_namespace))
                .build();
            let pair = LinkVeth::new(one.interface, other.interface)
                .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
                .build();
            Ok(handle.link().add(pair).execute().await?)
        })
        .with_context(|| format!("linking {} to {}", one.namespace.name(), other.namespace.name()))?;
    for end in [one, other] {
        end.namespace.set_sysctl(&format!("net/ipv6/conf/{}/accept_dad", end.interface), "0")?;
        for address in end.addresses {
            add_address(end.namespace, end.interface, *address)?;
        }
        set_up(end.namespace, end.interface)?;
    }
    Ok(())
}

/// Adds an address to an interface.
///
/// # Errors
/// Where there is no such interface, or it has the address.
pub fn add_address(namespace: &Namespace, interface: &str, address: IpNetwork) -> Result<()> {
    change(namespace, interface, move |handle, index| async move {
        let mut request = handle.address().add(index, address.ip(), address.prefix());
        if matches!(address.ip(), IpAddr::V6(_)) {
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        request.execute().await
    })
    .with_context(|| format!("giving {address} to {interface} in {}", namespace.name()))
}

/// Sets an interface administratively up.
///
/// # Errors
/// Where there is no such interface.
pub fn set_up(namespace: &Namespace, interface: &str) -> Result<()> {
    change(namespace, interface, |handle, index| async move {
        handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await
    })
    .with_context(|| format!("setting {interface} in {} up", namespace.name()))
}

/// Sets an interface administratively down; its other end loses the carrier.
///
/// # Errors
/// Where there is no such interface.
pub fn set_down(namespace: &Namespace, interface: &str) -> Result<()> {
    change(namespace, interface, |handle, index| async move {
        handle.link().set(LinkUnspec::new_with_index(index).down().build()).execute().await
    })
    .with_context(|| format!("setting {interface} in {} down", namespace.name()))
}

/// Deletes an interface and, for a veth pair, its other end.
///
/// # Errors
/// Where there is no such interface.
pub fn delete(namespace: &Namespace, interface: &str) -> Result<()> {
    change(namespace, interface, |handle, index| async move { handle.link().del(index).execute().await })
        .with_context(|| format!("deleting {interface} in {}", namespace.name()))
}

/// The names of a namespace's interfaces, `lo` included.
///
/// # Errors
/// Where the namespace cannot be entered.
pub fn names(namespace: &Namespace) -> Result<Vec<String>> {
    let names = namespace.run(|| {
        nix::net::if_::if_nameindex().map(|interfaces| {
            interfaces.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
        })
    })?;
    names.with_context(|| format!("listing the interfaces of {}", namespace.name()))
}

fn change<F>(
    namespace: &Namespace,
    interface: &str,
    request: impl FnOnce(rtnetlink::Handle, u32) -> F + Send,
) -> Result<()>
where
    F: Future<Output = Result<(), rtnetlink::Error>>,
{
    namespace.netlink(|handle| async move {
        let index = nix::net::if_::if_nametoindex(interface)?;
        Ok(request(handle, index).await?)
    })
}
