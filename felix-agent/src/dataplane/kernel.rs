//! The whole kernel side of the node as one thing: what it holds, and the order in which a plan is made true.
//!
//! ```text
//! settings → policy → links open → neighbours → routes (add, change, remove)
//! ```
//!
//! Policy comes before links and routes, so that a pod's first packet is judged. If policy cannot be programmed, what
//! is open stays as it was and nothing new is opened. Unknown host ends are left alone: they are closed by
//! policy, and may belong to an attachment under way.
//!
//! What the kernel held after the last pass is remembered, so that an ordinary pass reads nothing; a notification
//! that something changed forgets what it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ::bgp::config::PeerKey;
use ipnetwork::IpNetwork;
use policy::delta::Delta;
use policy::program::Program;

use super::enforce::{Enforced, Enforcer, World};
use super::netlink::{Interface, Interfaces, Netlink, NetlinkError, NetlinkEvent, Watcher};
use super::nftables::{Lowered, Scope};
use super::{links, neighbours, nftables, routes, sysctl};
use crate::diff::Diff;
use crate::inputs::Uplink;
use crate::plan::desired::{Desired, InterfaceName, Links, Neighbours, Route, Routes};

mod outcome;
#[cfg(test)]
mod tests;

pub use outcome::Outcome;

/// The kernel objects of this node.
pub struct Dataplane {
    netlink: Netlink,
    enforcer: Enforcer,
    routes: Option<Routes>,
    links: Option<Links>,
    neighbours: Option<Neighbours>,
    interfaces: Option<Interfaces>,
    /// Whether routes of ours were there when this process first looked: an earlier life left them.
    restarted: Option<bool>,
    /// The interface that last reached each peer. Kept when the link goes, for that is when it is asked.
    reached_by: BTreeMap<PeerKey, InterfaceName>,
}

/// Whether a learned route may be removed: it is known to be gone, rather than not heard of yet.
pub type MaySweep<'a> = &'a (dyn Fn(&IpNetwork) -> bool + Sync);

/// What must be known besides the plan.
pub struct Facts<'a> {
    /// Which learned routes may be removed.
    pub may_sweep: MaySweep<'a>,
    /// What is enforced.
    pub policy: Policy<'a>,
}

/// The node's policy as it should be, and where it may differ from what it was when it was last applied.
pub struct Policy<'a> {
    /// The table, but for what only the kernel knows.
    pub lowered: &'a Lowered,
    /// Where the table may differ.
    pub scope: Scope,
    /// What it was lowered from.
    pub program: &'a Program,
    /// What became different in that; `None`: anything.
    pub delta: Option<&'a Delta>,
    /// Whether somebody in the fabric has an address.
    pub lives: &'a (dyn Fn(&IpAddr) -> bool + Sync),
}

impl Policy<'_> {
    /// The same, which was just applied.
    #[must_use]
    pub fn unchanged(&self) -> Self {
        static NOTHING: Delta =
            Delta { sets: BTreeMap::new(), profiles: BTreeSet::new(), endpoints: BTreeSet::new() };
        let Self { lowered, program, lives, .. } = *self;
        Self { lowered, scope: Scope::default(), program, delta: Some(&NOTHING), lives }
    }
}

/// How long connections that are older than the rules may be picked up in the middle.
const SETTLING: Duration = Duration::from_secs(10);

fn uplink(interface: &Interface) -> Uplink {
    let path = sysctl::accept_ra(&interface.name);
    let accepts = sysctl::read([&path]).get(&path).is_some_and(|value| value != "0");
    Uplink {
        subnets: interface.addresses.iter().map(|address| address.subnet).collect(),
        mtu: interface.mtu,
        accepts_router_advertisements: accepts,
    }
}

impl Dataplane {
    /// Opens the sockets, in the network namespace of the calling thread and on the current tokio runtime.
    ///
    /// # Errors
    /// Without the right to (`CAP_NET_ADMIN`), or on a kernel without nf_tables.
    pub fn connect() -> anyhow::Result<Self> {
        Ok(Self {
            netlink: Netlink::connect()?,
            enforcer: Enforcer::open(SETTLING)?,
            routes: None,
            links: None,
            neighbours: None,
            interfaces: None,
            restarted: None,
            reached_by: BTreeMap::new(),
        })
    }

    /// Listeners for changes that others make to what is ours.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn watch(&self) -> anyhow::Result<(Watcher, nftables::Events)> {
        Ok((Watcher::open(Some(self.netlink.port()))?, self.enforcer.watch()?))
    }

    /// Forgets what the kernel held: the next pass reads it.
    pub fn forget(&mut self) {
        self.enforcer.forget();
        self.routes = None;
        self.links = None;
        self.neighbours = None;
        self.interfaces = None;
    }

    /// Forgets how the pods' links stand, and what hangs on them: one was made, perhaps anew, or is about to go.
    pub fn forget_links(&mut self) {
        self.links = None;
        self.neighbours = None;
        self.routes = None;
    }

    /// Takes a notification in; true if a pass is due.
    pub fn notice(&mut self, event: &NetlinkEvent) -> bool {
        match event {
            NetlinkEvent::LinkChanged { up, carrier, gone, .. } => {
                self.interfaces = None;
                self.links = None;
                self.neighbours = None;
                // The kernel drops IPv4 routes of a link that went down without telling.
                if *gone || !*up || !*carrier {
                    self.routes = None;
                }
                true
            }
            NetlinkEvent::AddressChanged { .. } => {
                self.interfaces = None;
                self.links = None;
                self.routes = None;
                true
            }
            NetlinkEvent::RouteChanged { destination, ours, deleted } => {
                // Another's route that goes may have stood in our way; one that comes may have taken our place.
                let is_ours = |routes: &Routes| routes.contains_key(destination);
                let concerns_us = *ours || *deleted || self.routes.as_ref().is_some_and(is_ours);
                if concerns_us {
                    self.routes = None;
                }
                concerns_us
            }
            NetlinkEvent::Overrun => {
                self.forget();
                true
            }
        }
    }

    /// The peers whose link this notification says is dead.
    pub fn peers_behind(&self, event: &NetlinkEvent) -> Vec<PeerKey> {
        match event {
            NetlinkEvent::LinkChanged { name, up, carrier, gone, .. } if *gone || !*up || !*carrier => {
                self.reached_by.iter().filter(|(_, by)| *by == name).map(|(peer, _)| peer.clone()).collect()
            }
            NetlinkEvent::LinkChanged { .. }
            | NetlinkEvent::AddressChanged { .. }
            | NetlinkEvent::RouteChanged { .. }
            | NetlinkEvent::Overrun => Vec::new(),
        }
    }

    /// The links that lead out of the node, and note of which of them reaches which peer.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub async fn uplinks(
        &mut self,
        peers: &BTreeSet<PeerKey>,
    ) -> Result<BTreeMap<InterfaceName, Uplink>, NetlinkError> {
        let interfaces = match self.interfaces.take() {
            Some(interfaces) => interfaces,
            None => Interfaces::read(&self.netlink).await?,
        };
        self.reached_by.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            let interface = match peer {
                PeerKey::Address(address) => interfaces.reaching(*address),
                PeerKey::Interface(name) => interfaces.get(name),
            };
            if let Some(interface) = interface.filter(|interface| interface.up) {
                self.reached_by.insert(peer.clone(), interface.name.clone());
            }
        }
        // A link to an unnumbered peer has link-local addresses alone.
        let is_unnumbered = |interface: &&Interface| {
            interface.up && peers.contains(&PeerKey::Interface(interface.name.as_str().into()))
        };
        // A host may have other ways out (a VPN, a container bridge); those that lead to routers are ours to care for.
        let leads_to_peer =
            |interface: &&Interface| self.reached_by.values().any(|name| *name == interface.name);
        let numbered = interfaces.uplinks().filter(leads_to_peer);
        let mut uplinks: Vec<&Interface> = numbered.chain(interfaces.iter().filter(is_unnumbered)).collect();
        if uplinks.is_empty() {
            uplinks = interfaces.uplinks().collect();
        }
        let uplinks =
            uplinks.into_iter().map(|interface| (interface.name.clone(), uplink(interface))).collect();
        self.interfaces = Some(interfaces);
        Ok(uplinks)
    }

    /// Makes the plan true as far as the kernel lets it. Learned routes that the plan lacks are only removed where
    /// `may_sweep` says so.
    pub async fn apply(&mut self, desired: &Desired, facts: Facts<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let Facts { may_sweep, policy } = facts;
        let again = policy.unchanged();
        let paths = desired.sysctls.keys();
        // Both wait for the kernel on this thread.
        tokio::task::block_in_place(|| {
            let settings = sysctl::read(paths);
            let diff = Diff::between(&settings, &desired.sysctls);
            let settings = sysctl::apply(settings, diff);
            outcome.problems.extend(settings.failed.values().map(ToString::to_string));
            self.enforce(policy, &mut outcome);
        });
        match self.apply_rest(desired, may_sweep, again, &mut outcome).await {
            Ok(()) => outcome.kernel_answers = true,
            Err(error) => {
                outcome.problems.push(format!("netlink: {error}"));
                self.forget();
            }
        }
        outcome
    }

    /// Puts the policy back that somebody else has touched, and nothing else. What went wrong, a sentence each.
    pub fn repair_policy(&mut self, policy: Policy<'_>) -> Vec<String> {
        let mut outcome = Outcome::default();
        tokio::task::block_in_place(|| self.enforce(policy, &mut outcome));
        outcome.problems
    }

    fn enforce(&mut self, policy: Policy<'_>, outcome: &mut Outcome) {
        let interfaces = self.interfaces.iter().flat_map(Interfaces::iter);
        let own =
            interfaces.flat_map(|interface| &interface.addresses).map(|address| address.local).collect();
        let Policy { lowered, scope, program, delta, lives } = policy;
        match self.enforcer.apply(lowered, scope, &World { program, delta, lives, own: &own }) {
            Ok(Enforced { applied, unfulfilled, problems, settles_in }) => {
                if applied != nftables::Applied::default() {
                    tracing::debug!(?applied, "nftables");
                }
                let reasons = unfulfilled.iter();
                outcome.problems.extend(reasons.map(|(id, reason)| format!("policy of {id}: {reason}")));
                outcome.problems.extend(problems);
                outcome.unfulfilled = unfulfilled;
                outcome.settles_in = settles_in;
                outcome.policy_stands = true;
            }
            Err(error) => outcome.problems.push(format!("policy is not in the kernel: {error}")),
        }
    }

    async fn apply_rest(
        &mut self,
        desired: &Desired,
        may_sweep: MaySweep<'_>,
        policy: Policy<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), NetlinkError> {
        let actual = match self.routes.take() {
            Some(routes) => routes,
            None => routes::read(&self.netlink).await?,
        };
        outcome.restarted = *self.restarted.get_or_insert(!actual.is_empty());
        if outcome.policy_stands {
            self.apply_links(desired, policy, outcome).await?;
        }
        let diff = route_diff(&actual, &desired.routes, may_sweep, outcome.policy_stands);
        if diff.is_empty() {
            outcome.routes.clone_from(&actual);
            self.routes = Some(actual);
            return Ok(());
        }
        let applied = routes::apply(&self.netlink, actual, diff).await?;
        for (destination, error) in &applied.failed {
            outcome.problems.push(format!("route {destination}: {error}"));
        }
        // A replace that was refused may have left either; look again.
        self.routes = applied.is_complete().then(|| applied.holds.clone());
        outcome.routes = applied.holds;
        Ok(())
    }

    async fn apply_links(
        &mut self,
        desired: &Desired,
        policy: Policy<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), NetlinkError> {
        let actual = match self.links.take() {
            Some(links) => links,
            None => links::read(&self.netlink).await?,
        };
        let diff = Diff::between(&actual, &desired.links).without_removals();
        if !diff.is_empty() {
            // Somebody may have removed the table a moment ago.
            outcome.policy_stands = false;
            tokio::task::block_in_place(|| self.enforce(policy, outcome));
        }
        let applied = if diff.is_empty() || !outcome.policy_stands {
            crate::diff::Outcome::starting_from(actual)
        } else {
            links::apply(&self.netlink, actual, diff).await?
        };
        outcome.problems.extend(applied.failed.iter().map(|(name, error)| format!("link {name}: {error}")));
        outcome.open =
            applied.holds.iter().filter(|(_, link)| link.up).map(|(name, _)| name.clone()).collect();
        self.links = Some(applied.holds);

        let actual = match self.neighbours.take() {
            Some(neighbours) => neighbours,
            None => neighbours::read(&self.netlink).await?,
        };
        let diff = Diff::between(&actual, &desired.neighbours);
        if diff.is_empty() {
            self.neighbours = Some(actual);
            return Ok(());
        }
        let applied = neighbours::apply(&self.netlink, actual, diff).await?;
        let failed = applied.failed.iter();
        outcome
            .problems
            .extend(failed.map(|((name, address), error)| format!("neighbour {address} on {name}: {error}")));
        self.neighbours = Some(applied.holds);
        Ok(())
    }
}

/// What is to be done to the routes: all of it, but for what it is too early for.
fn route_diff(
    actual: &Routes,
    desired: &Routes,
    may_sweep: MaySweep<'_>,
    policy_stands: bool,
) -> Diff<IpNetwork, Route> {
    let mut diff = Diff::between(actual, desired);
    diff.remove.retain(|destination| match actual.get(destination) {
        Some(Route::Via { .. }) => may_sweep(destination),
        Some(Route::Device { .. } | Route::Blackhole) | None => true,
    });
    if !policy_stands {
        let is_pod = |route: &Route| matches!(route, Route::Device { .. });
        diff.add.retain(|_, route| !is_pod(route));
        diff.change.retain(|_, route| !is_pod(route));
    }
    diff
}
