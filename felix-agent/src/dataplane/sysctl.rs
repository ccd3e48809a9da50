//! Kernel settings: what forwarding between pods and uplinks needs, and reading and writing them below `/proc/sys`.
//!
//! Which settings a node wants is pure ([`for_node`], [`for_uplink`], [`for_pod_interface`]); the planner unites
//! them. `/proc/sys/net` shows the network namespace of the calling thread, so [`read`] and [`apply`] are for threads
//! that never leave theirs.
//!
//! A setting has no absence: one that is no longer desired keeps its value, and what stood there before is not
//! restored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diff::{Diff, Outcome};
use crate::plan::desired::Sysctls;

const ROOT: &str = "/proc/sys";
const ALL_FORWARDING_V6: &str = "net/ipv6/conf/all/forwarding";

/// Why a setting is not as desired.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// Try again when the interface that it belongs to appears; or the kernel lacks the feature.
    #[error("/proc/sys/{path} does not exist")]
    Missing {
        /// The setting.
        path: String,
    },
    /// The kernel or the file system (a read-only `/proc/sys`) did not take the value.
    #[error("cannot write \"{value}\" to /proc/sys/{path}: {source}")]
    Refused {
        /// The setting.
        path: String,
        /// The value.
        value: String,
        /// Why.
        source: io::Error,
    },
    /// A fault of the plan.
    #[error("\"{path}\" is not the path of a setting: it must be relative, without \"..\"")]
    Malformed {
        /// What was asked for.
        path: String,
    },
}

/// What the whole node needs, whatever its interfaces.
///
/// Multipath hashes over layer 4 (policy 1), so that flows between the same two pods spread over the uplinks.
#[must_use]
pub fn for_node() -> Sysctls {
    settings(&[
        ("net/ipv4/ip_forward", "1"),
        (ALL_FORWARDING_V6, "1"),
        ("net/ipv4/fib_multipath_hash_policy", "1"),
        ("net/ipv6/fib_multipath_hash_policy", "1"),
    ])
}

/// What a link to a router needs.
///
/// A next hop whose link has no carrier leaves its multipath route at once, before BGP notices. Reverse path
/// filtering is loose (2): with ECMP a packet's way back need not be the way it came; the kernel takes the larger
/// of this and `all`, so a strict `all` does not stand against it.
///
/// A host that takes its default route from router advertisements goes on doing so: on a router, which a node is, the
/// kernel takes them only where `accept_ra` is 2.
#[must_use]
pub fn for_uplink(name: &str, accepts_router_advertisements: bool) -> Sysctls {
    let v4 = format!("net/ipv4/conf/{name}");
    let v6 = format!("net/ipv6/conf/{name}");
    settings(&[
        (&format!("{v4}/forwarding"), "1"),
        (&format!("{v4}/ignore_routes_with_linkdown"), "1"),
        (&format!("{v4}/rp_filter"), "2"),
        (&format!("{v6}/ignore_routes_with_linkdown"), "1"),
    ])
    .into_iter()
    .chain(accepts_router_advertisements.then(|| (accept_ra(name), "2".to_owned())))
    .collect()
}

/// The setting that says whether an interface takes router advertisements: 0 never, 1 unless the node forwards, 2 always.
#[must_use]
pub fn accept_ra(name: &str) -> String {
    format!("net/ipv6/conf/{name}/accept_ra")
}

/// What the host end of a pod's link needs.
///
/// - `rp_filter` 0: that a pod sends only from its own addresses is enforced by policy, for both families and
///   visibly; the kernel's filter would do it for IPv4 only, and silently.
/// - Nothing that a pod says changes the node's routing: no router advertisements, no redirects.
/// - `addr_gen_mode` 1 (none): the gateway address is put there by hand; all host ends have the same MAC.
/// - No proxy ARP: the pod has permanent neighbour entries for its gateways.
#[must_use]
pub fn for_pod_interface(name: &str) -> Sysctls {
    let v4 = format!("net/ipv4/conf/{name}");
    let v6 = format!("net/ipv6/conf/{name}");
    settings(&[
        (&format!("{v4}/forwarding"), "1"),
        (&format!("{v4}/rp_filter"), "0"),
        (&format!("{v4}/proxy_arp"), "0"),
        (&format!("{v4}/accept_redirects"), "0"),
        (&format!("{v4}/send_redirects"), "0"),
        (&format!("{v6}/disable_ipv6"), "0"),
        (&format!("{v6}/forwarding"), "1"),
        (&format!("{v6}/accept_ra"), "0"),
        (&format!("{v6}/accept_redirects"), "0"),
        (&format!("{v6}/addr_gen_mode"), "1"),
    ])
}

/// What the pod's own end needs: addresses come from the agent alone.
#[must_use]
pub fn inside_pod(name: &str) -> Sysctls {
    let v6 = format!("net/ipv6/conf/{name}");
    settings(&[
        (&format!("{v6}/disable_ipv6"), "0"),
        (&format!("{v6}/accept_ra"), "0"),
        (&format!("{v6}/autoconf"), "0"),
    ])
}

fn settings(pairs: &[(&str, &str)]) -> Sysctls {
    pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
}

/// Reads the settings named; those that do not exist or cannot be read are left out.
#[must_use]
pub fn read<'a>(paths: impl IntoIterator<Item = &'a String>) -> Sysctls {
    let mut found = Sysctls::new();
    for path in paths {
        if let Ok(file) = locate(path)
            && let Ok(text) = fs::read_to_string(file)
        {
            found.insert(path.clone(), decode(&text));
        }
    }
    found
}

/// Applies `diff`, and tells what the settings are then. Removals only forget the setting.
#[must_use]
pub fn apply(actual: Sysctls, diff: Diff<String, String>) -> Outcome<String, String, SysctlError> {
    let mut outcome = Outcome::starting_from(actual);
    // Turning forwarding on drops the default routers of every interface whose accept_ra is not 2 by then
    // (rt6_purge_dflt_routers), so that goes last.
    let (last, first): (Vec<_>, Vec<_>) =
        diff.add.into_iter().chain(diff.change).partition(|(path, _)| path == ALL_FORWARDING_V6);
    for (path, value) in first.into_iter().chain(last) {
        let attempt = write(&path, &value);
        outcome.set(path, value, attempt);
    }
    for path in diff.remove {
        outcome.removed(path, Ok(()));
    }
    outcome
}

fn write(path: &str, value: &str) -> Result<(), SysctlError> {
    let file = locate(path)?;
    fs::write(file, value).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            SysctlError::Missing { path: path.to_owned() }
        } else {
            SysctlError::Refused { path: path.to_owned(), value: value.to_owned(), source }
        }
    })
}

fn locate(path: &str) -> Result<PathBuf, SysctlError> {
    let relative = !path.is_empty() && !path.starts_with('/');
    if relative && path.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        Ok(Path::new(ROOT).join(path))
    } else {
        Err(SysctlError::Malformed { path: path.to_owned() })
    }
}

/// The kernel ends a value with a newline and separates several with tabs.
fn decode(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
