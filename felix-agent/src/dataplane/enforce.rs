//! Policy in the kernel as a whole: the table that judges connections, and the connections that it has judged.
//!
//! ```text
//! Lowered ─► assemble ─► nftables: one transaction ─► what got narrower or wider ─► conntrack: the walk
//!               ▲                                        wrapped: conntrack first
//!               └── what the kernel holds · what it refused
//! ```
//!
//! Invariants:
//! * What the rules would no longer let pass is cut: with its beginner's next packet by the rules, and if there is none by
//!   the walk, which is asked for right after the transaction.
//! * What one profile has wrong costs no other endpoint anything ([`nftables::assemble`]). What the kernel refused is
//!   tried again when [`Enforcer::forget`] says so, not with every pass.
//! * TCP that does not begin with a SYN is dropped only some time after the table is first there: connections older than the
//!   agent must be seen once, or they would be cut.
//!
//! Deliberately absent: any decision about packets. That is the program's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use policy::delta::{Delta, Update};
use policy::program::{Direction, EndpointId, ProfileId, Program};

use super::conntrack::{Concerned, Conntrack, Job, Walker};
use super::nftables::assemble::{Assembly, Refusals, assemble, users_of};
use super::nftables::diff::Change;
use super::nftables::lower::{is_dispatch_set, without_syn_rule};
use super::nftables::mark::{FIRST, UNJUDGED};
use super::nftables::scope::{Part, Scope, Window};
use super::nftables::transact::Former;
use super::nftables::{Applied, Error, Events, Lowered, Nftables, Table, Wanted};

/// The policy of this node in its kernel.
pub struct Enforcer {
    nftables: Nftables,
    conntrack: Conntrack,
    walker: Walker,
    refusals: Refusals,
    beginnings: Beginnings,
    settling: Duration,
    /// Where what is wanted may differ from what was when it last was made true.
    scope: Scope,
    /// Nothing was applied yet: an earlier life may have ended between a change and its walk.
    is_new: bool,
}

/// What must be known besides the policy itself.
pub struct World<'a> {
    /// What the policy was lowered from.
    pub program: &'a Program,
    /// What became different in it since the last [`Enforcer::apply`]; `None`: anything.
    pub delta: Option<&'a Delta>,
    /// Whether somebody in the fabric has this address.
    pub lives: &'a (dyn Fn(&IpAddr) -> bool + Sync),
    /// The node's own addresses.
    pub own: &'a BTreeSet<IpAddr>,
}

/// What holds after an [`Enforcer::apply`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enforced {
    /// What was done to the table.
    pub applied: Applied,
    /// Endpoints that do not have the policy that they should, and why; what they have instead lets nothing more pass.
    pub unfulfilled: BTreeMap<EndpointId, String>,
    /// What else is not as it should be, a sentence each.
    pub problems: Vec<String>,
    /// Connections may still begin in the middle; apply again after this time.
    pub settles_in: Option<Duration>,
}

/// Whether TCP may begin in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginnings {
    /// The kernel has not been asked yet.
    Unknown,
    /// The table is new.
    Any,
    /// The table has been there since.
    Settling(Instant),
    /// Only with a SYN.
    Whole,
}

impl Enforcer {
    /// Opens the sockets, in the calling thread's network namespace. `settling` is how long connections that are older than the
    /// table may be picked up.
    ///
    /// # Errors
    /// Without the right to (`CAP_NET_ADMIN`), or on a kernel without nf_tables.
    pub fn open(settling: Duration) -> Result<Self, Error> {
        Ok(Self {
            nftables: Nftables::open()?,
            conntrack: Conntrack::open().map_err(Error::Socket)?,
            walker: Walker::start().map_err(Error::Socket)?,
            refusals: Refusals::default(),
            beginnings: Beginnings::Unknown,
            settling,
            scope: Scope::Everywhere,
            is_new: true,
        })
    }

    /// Tells when others touch the table. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Socket`].
    pub fn watch(&self) -> Result<Events, Error> {
        self.nftables.watch()
    }

    /// Tries what the kernel refused once more, and compares everything, with the next [`Self::apply`].
    pub fn forget(&mut self) {
        self.refusals = Refusals::default();
        self.scope = Scope::Everywhere;
    }

    /// Makes the kernel enforce what is wanted, which may differ within the scope from what was with the last call, successful
    /// or not. Blocks as [`Nftables::apply`] does.
    ///
    /// # Errors
    /// The table is then as it was before.
    pub fn apply(&mut self, lowered: &Lowered, scope: Scope, world: &World<'_>) -> Result<Enforced, Error> {
        self.scope.absorb(scope);
        let mut untold = Vec::new();
        if world.delta.is_none_or(|delta| !delta.is_empty())
            && let Err(error) = self.walker.follow(Update::of(world.program, world.delta))
        {
            untold.push(unwalked(&error));
        }
        self.refusals.profiles.retain(|id, _| lowered.profiles.contains(id));
        self.refusals.sets.retain(|name| lowered.table.sets.contains_key(name));
        let mut policy = Policy {
            lowered,
            world,
            refusals: &mut self.refusals,
            conntrack: &mut self.conntrack,
            beginnings: &mut self.beginnings,
            settling: self.settling,
            scope: &self.scope,
            assembly: Assembly::default(),
            problems: untold,
        };
        let applied = self.nftables.apply(&mut policy)?;
        let Policy { assembly, mut problems, .. } = policy;
        self.scope = Scope::default();
        if let Some(job) = job(&assembly, lowered, world, applied, std::mem::take(&mut self.is_new))
            && let Err(error) = self.walker.walk(job)
        {
            problems.push(unwalked(&error));
        }
        let of_endpoint = |(end, reason): (&String, &String)| {
            Some((lowered.ends.get(end)?.endpoint.clone(), reason.clone()))
        };
        Ok(Enforced {
            applied,
            unfulfilled: assembly.unfulfilled.iter().filter_map(of_endpoint).collect(),
            problems,
            settles_in: self.settles_in(lowered),
        })
    }

    /// After a success: the table is there from now on.
    fn settles_in(&mut self, lowered: &Lowered) -> Option<Duration> {
        if self.beginnings == Beginnings::Any {
            self.beginnings = Beginnings::Settling(Instant::now());
        }
        match self.beginnings {
            Beginnings::Settling(since) if lowered.options.require_syn => {
                Some(self.settling.saturating_sub(since.elapsed()))
            }
            Beginnings::Unknown | Beginnings::Any | Beginnings::Settling(_) | Beginnings::Whole => None,
        }
    }
}

/// One policy on its way into the kernel.
struct Policy<'a> {
    lowered: &'a Lowered,
    world: &'a World<'a>,
    refusals: &'a mut Refusals,
    conntrack: &'a mut Conntrack,
    beginnings: &'a mut Beginnings,
    settling: Duration,
    scope: &'a Scope,
    assembly: Assembly,
    problems: Vec<String>,
}

impl Wanted for Policy<'_> {
    fn table(&mut self, former: Former<'_>) -> Table {
        if *self.beginnings == Beginnings::Unknown {
            let is_there = former.table().is_some();
            *self.beginnings = if is_there { Beginnings::Whole } else { Beginnings::Any };
        }
        if let Beginnings::Settling(since) = *self.beginnings
            && since.elapsed() >= self.settling
        {
            *self.beginnings = Beginnings::Whole;
        }
        self.assembly = assemble(self.lowered, former, self.refusals, self.world.lives);
        let mut table = std::mem::take(&mut self.assembly.table);
        if *self.beginnings != Beginnings::Whole {
            without_syn_rule(&mut table);
        }
        table
    }

    /// While everything is as it should be but for what changed.
    fn part(&mut self, held: &Table) -> Option<Part> {
        let is_settled = match *self.beginnings {
            Beginnings::Whole => true,
            Beginnings::Settling(since) => since.elapsed() < self.settling,
            Beginnings::Unknown | Beginnings::Any => false,
        };
        let is_whole = *self.refusals == Refusals::default() && self.lowered.refused.is_empty();
        let Scope::Within(places) = self.scope else { return None };
        if !is_settled || !is_whole {
            return None;
        }
        let window = Window::of(places, held, self.lowered);
        let before = window.part(held);
        let wanted = window.part_of(self.lowered, &places.ends);
        self.assembly = assemble(&wanted, Former::Held(&before), self.refusals, self.world.lives);
        let mut after = std::mem::take(&mut self.assembly.table);
        if *self.beginnings != Beginnings::Whole {
            without_syn_rule(&mut after);
        }
        Some(Part { window, before, after })
    }

    /// A generation that is about to begin must not be in any mark yet.
    fn before_commit(&mut self) {
        let cleared = match self.assembly.afresh {
            true => self.conntrack.clear(self.lowered.options.mark.both_unjudged().mask).map(drop),
            false if self.assembly.wrapped.is_empty() => Ok(()),
            false => self.clear_wrapped(),
        };
        // What is left of an old generation is then found by the walk.
        if let Err(error) = cleared {
            self.problems.push(format!("old connections are not known to be judged: {error}"));
        }
    }

    fn refused(&mut self, change: Option<&Change>, error: &Error) -> bool {
        let known = self.refusals.clone();
        let reason = error.to_string();
        match change.and_then(Change::of_set) {
            // Without these nobody would be reached.
            Some(set) if is_dispatch_set(set) => {}
            Some(set) => drop(self.refusals.sets.insert(set.to_owned())),
            None => {
                let culprits: BTreeSet<&ProfileId> = match change.and_then(Change::of_chain) {
                    Some(chain) => users_of(self.lowered, chain),
                    None => BTreeSet::new(),
                };
                let reasons = culprits.into_iter().map(|id| (id.clone(), reason.clone()));
                self.refusals.profiles.extend(reasons);
            }
        }
        *self.refusals != known
    }
}

impl Policy<'_> {
    fn clear_wrapped(&mut self) -> io::Result<()> {
        let clear = |endpoint: &EndpointId| Concerned {
            restarted: Some(UNJUDGED),
            ..Concerned::new(endpoint.clone())
        };
        let ends = ends(self.lowered, &self.assembly.wrapped).map(|(end, id)| (end, clear(id))).collect();
        let job = Job { mark: self.lowered.options.mark, ends, departed: BTreeSet::new(), unguarded: None };
        self.conntrack.perform(&job, self.world.program).map(drop)
    }
}

fn unwalked(error: &io::Error) -> String {
    format!("connections are not gone through: {error}")
}

/// The ends of these names, as packets show them, and whose they are.
fn ends<'a>(
    lowered: &'a Lowered,
    names: &'a BTreeSet<String>,
) -> impl Iterator<Item = ((IpAddr, Direction), &'a EndpointId)> {
    let named = names.iter().filter_map(|name| lowered.ends.get(name));
    named.flat_map(|end| end.addresses.iter().map(|address| ((*address, end.direction), &end.endpoint)))
}

/// What is to be gone through after the table was committed, if anything.
fn job(
    assembly: &Assembly,
    lowered: &Lowered,
    world: &World<'_>,
    applied: Applied,
    is_new: bool,
) -> Option<Job> {
    let unguarded = assembly.afresh || applied.disturbed;
    let everyone: BTreeSet<String> =
        if unguarded || is_new { lowered.ends.keys().cloned().collect() } else { BTreeSet::new() };
    let mut concerned: BTreeMap<(IpAddr, Direction), Concerned> = BTreeMap::new();
    let mut note = |names, what: fn(&mut Concerned)| {
        for (end, id) in ends(lowered, names) {
            what(concerned.entry(end).or_insert_with(|| Concerned::new(id.clone())));
        }
    };
    // What got narrower in one place may have got wider in another.
    note(&everyone, |end| (end.narrowed, end.widened) = (true, true));
    note(&assembly.narrowed, |end| (end.narrowed, end.widened) = (true, true));
    note(&assembly.widened, |end| end.widened = true);
    note(&assembly.wrapped, |end| end.restarted = Some(FIRST));
    if concerned.is_empty() && assembly.departed.is_empty() {
        return None;
    }
    Some(Job {
        mark: lowered.options.mark,
        ends: concerned,
        departed: assembly.departed.clone(),
        unguarded: unguarded.then(|| world.own.clone()),
    })
}
