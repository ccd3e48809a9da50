//! The routes that this speaker originates: its prefixes, and summaries of them.

use std::collections::BTreeMap;
use std::time::Instant;

use ipnetwork::IpNetwork;

use super::table::{NewRoute, State};
use super::{OWN, Rib};
use crate::config::{Aggregate, Multipath, Origination, Source};
use crate::wire::{Attributes, Family};

impl Rib {
    /// The complete set of our own prefixes and their summaries; what changed is applied. A summary stands while at
    /// least one of our own prefixes lies in it; of `summary_only` ones, what lies in them is not told.
    pub fn originate(
        &mut self,
        prefixes: &BTreeMap<IpNetwork, Origination>,
        aggregates: &BTreeMap<IpNetwork, Aggregate>,
        now: Instant,
    ) {
        let since = self.seconds(now);
        let (wanted, suppressed) = summarised(prefixes, aggregates);
        let before = std::mem::replace(&mut self.originated, wanted);
        for prefix in
            before.keys().filter(|prefix| !self.originated.contains_key(prefix)).copied().collect::<Vec<_>>()
        {
            self.withdraw_own(&prefix);
        }
        for (prefix, origination) in self.originated.clone() {
            let is_suppressed = suppressed.iter().any(|summary| inside(&prefix, summary));
            self.announce_own(&prefix, &origination, is_suppressed, since);
            if before.get(&prefix).is_some_and(|before| before.source != origination.source) {
                // Export filters may ask for it, though the route is the same.
                self.look_again(&prefix);
            }
        }
        self.tidy();
    }

    fn look_again(&mut self, prefix: &IpNetwork) {
        let rib = self.family_mut(Family::of(prefix));
        if let Some(dest) = rib.table.find(prefix) {
            rib.touch(dest);
            let place = rib.table.destination(dest).place;
            rib.groups.iter_mut().flatten().for_each(|group| group.doubt(dest, place));
        }
    }

    fn withdraw_own(&mut self, prefix: &IpNetwork) {
        let family = Family::of(prefix);
        let table = &self.family(family).table;
        let Some(dest) = table.find(prefix) else { return };
        if let Some(route) = table.route_of(dest, OWN, 0) {
            self.change(family, dest, |table| _ = table.take(route));
        }
    }

    fn announce_own(&mut self, prefix: &IpNetwork, origination: &Origination, suppressed: bool, since: u32) {
        let family = Family::of(prefix);
        let communities = origination.communities.iter().copied().collect();
        let attributes = Attributes { communities, ..Attributes::default() };
        let path = self.paths.intern(&attributes, None);
        let mut state = State::default();
        state.set_suppressed(suppressed);
        let dest = self.family_mut(family).table.find_or_insert(prefix);
        let known = self.family(family).table.route_of(dest, OWN, 0);
        match known.map(|known| (known, *self.family(family).table.route(known))) {
            Some((_, route)) if route.path == path && route.state.suppressed() == suppressed => {}
            Some((known, _)) => self.change(family, dest, |table| {
                table.route_mut(known).path = path;
                table.route_mut(known).received = path;
                let mut state = table.route(known).state;
                state.set_suppressed(suppressed);
                table.set_state(known, state);
            }),
            None => {
                let new = NewRoute { dest, received: path, path, path_id: 0, since, source: OWN, state };
                self.change(family, dest, |table| _ = table.insert(new));
            }
        }
    }

    /// How many equally good routes are used side by side.
    pub fn set_multipath(&mut self, multipath: Multipath) {
        if std::mem::replace(&mut self.multipath, multipath) == multipath {
            return;
        }
        for family in Family::ALL {
            let table = &self.family(family).table;
            let dests: Vec<_> = table.destinations().filter(|dest| !table.is_bare(*dest)).collect();
            for dest in dests {
                self.change(family, dest, |_| {});
            }
        }
        self.tidy();
    }
}

/// Own prefixes with the summaries that stand, and those of them that hide what lies in them.
fn summarised(
    prefixes: &BTreeMap<IpNetwork, Origination>,
    aggregates: &BTreeMap<IpNetwork, Aggregate>,
) -> (BTreeMap<IpNetwork, Origination>, Vec<IpNetwork>) {
    let mut wanted = prefixes.clone();
    let mut hiding = Vec::new();
    for (summary, settings) in aggregates {
        if !prefixes.keys().any(|prefix| inside(prefix, summary)) {
            continue;
        }
        let origination = Origination { source: Source::Aggregate, ..Origination::default() };
        wanted.entry(*summary).or_insert(origination);
        if settings.summary_only {
            hiding.push(*summary);
        }
    }
    (wanted, hiding)
}

/// Whether a prefix lies in a summary, and is not the summary itself.
fn inside(prefix: &IpNetwork, summary: &IpNetwork) -> bool {
    match (prefix, summary) {
        (IpNetwork::V4(prefix), IpNetwork::V4(summary)) => {
            prefix.prefix() > summary.prefix() && summary.contains(prefix.network())
        }
        (IpNetwork::V6(prefix), IpNetwork::V6(summary)) => {
            prefix.prefix() > summary.prefix() && summary.contains(prefix.network())
        }
        (IpNetwork::V4(_), IpNetwork::V6(_)) | (IpNetwork::V6(_), IpNetwork::V4(_)) => false,
    }
}
