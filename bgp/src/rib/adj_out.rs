//! Adj-RIB-Out: sessions join update groups, and are given messages when their sockets can take them.

use std::collections::BTreeMap;

use bytes::BytesMut;
use ipnetwork::IpNetwork;

use super::group::member::{Marker, Member};
use super::group::{Group, Tables};
use super::path::Paths;
use super::table::Table;
use super::{Export, MemberId, Neighbour, Piece, Rib, SourceId, position};
use crate::config::{Origination, Policy, SendPaths};
use crate::wire::{Family, FamilySet, RefreshKind, update};

impl Rib {
    /// A session that is told routes by these rules from now on, the whole table first. `source` is the same peer as
    /// sender: it is not told its own routes. With `end_of_rib`, the marker follows the table.
    pub fn join(&mut self, source: SourceId, export: Export, end_of_rib: bool) -> MemberId {
        let family = export.family;
        // Two families: the last bit tells which.
        let id = MemberId(self.next_member << 1 | u32::from(family == Family::Ipv6Unicast));
        self.next_member = self.next_member.wrapping_add(1) & (u32::MAX >> 1);
        let group = self.enter_group(export);
        let rib = self.family_mut(family);
        let mut member = Member::new(source, group);
        if end_of_rib {
            member.markers.push(Marker::EndOfRib);
        }
        rib.members.insert(id, member);
        rib.changed = true;
        id
    }

    fn enter_group(&mut self, export: Export) -> usize {
        let rib = self.family_mut(export.family);
        let known =
            rib.groups.iter().position(|group| group.as_ref().is_some_and(|group| *group.export == export));
        let index = known.unwrap_or_else(|| {
            rib.add_path_groups += usize::from(export.add_path != SendPaths::Best);
            let free = rib.groups.iter().position(Option::is_none);
            let index = free.unwrap_or(rib.groups.len());
            if free.is_none() {
                rib.groups.push(None);
            }
            rib.groups[index] = Some(Group::new(export));
            index
        });
        if let Some(group) = &mut rib.groups[index] {
            group.members += 1;
        }
        index
    }

    fn leave_group(&mut self, family: Family, index: usize) {
        let rib = self.family_mut(family);
        let Some(Some(group)) = rib.groups.get_mut(index) else { return };
        group.members -= 1;
        if group.members == 0 {
            rib.add_path_groups -= usize::from(group.export.add_path != SendPaths::Best);
            rib.groups[index] = None;
        }
    }

    /// The session is over.
    pub fn leave(&mut self, member: MemberId) {
        let family = family_of(member);
        if let Some(left) = self.family_mut(family).members.remove(&member) {
            self.leave_group(family, left.group);
            self.family_mut(family).purge();
        }
        self.tidy();
    }

    /// Other rules for the same session: it is told everything by them, and what it had and is not to have any more is
    /// withdrawn. The session stays.
    pub fn regroup(&mut self, member: MemberId, export: Export) {
        let family = family_of(member);
        let Some(before) = self.family(family).members.get(&member).map(|member| member.group) else {
            return;
        };
        let unchanged = self.group(family, before).is_none_or(|group| *group.export == export);
        if unchanged || export.family != family {
            return;
        }
        let group = self.enter_group(export);
        let rib = self.family_mut(family);
        let told = rib.groups.get(before).and_then(Option::as_ref).map(Group::ever_told).unwrap_or_default();
        if let Some(Some(group)) = rib.groups.get_mut(group) {
            group.take_over(told);
        }
        if let Some(member) = rib.members.get_mut(&member) {
            member.group = group;
            // What has been made for it is said all the same: it may be the last that is known of what is gone.
            member.rewind();
        }
        rib.changed = true;
        self.leave_group(family, before);
    }

    /// Tells everything again (RFC 2918); with `enhanced` between BoRR and EoRR (RFC 7313).
    pub fn tell_again(&mut self, member: MemberId, enhanced: bool) {
        let rib = self.family_mut(family_of(member));
        let Some(member) = rib.members.get_mut(&member) else { return };
        member.rewind();
        // Before our End-of-RIB there is nothing to be told again (RFC 7313 §4), and an end of the refresh would make the
        // peer drop what it keeps over our restart.
        if enhanced && !member.markers.contains(&Marker::EndOfRib) {
            member.begin_refresh = true;
            member.markers.retain(|marker| *marker != Marker::EndOfRefresh);
            member.markers.push(Marker::EndOfRefresh);
        }
        rib.changed = true;
    }

    /// While held, nothing but own routes is told, and no End-of-RIB to members that are told others'
    /// (RFC 4724 §4.1).
    pub fn hold_transit(&mut self, held: bool) {
        if std::mem::replace(&mut self.held, held) == held {
            return;
        }
        // What a destination comes to outside is another now: each has to be looked at again by everybody.
        for family in Family::ALL {
            let rib = self.family_mut(family);
            for dest in rib.table.destinations().collect::<Vec<_>>() {
                if rib.table.is_bare(dest) {
                    continue;
                }
                let best = rib.table.best(dest).map(|route| rib.table.route(route).source);
                if best.is_some_and(|source| source != super::OWN) || rib.add_path_groups > 0 {
                    rib.touch(dest);
                }
            }
            rib.changed = true;
        }
        self.tidy();
    }

    /// The next octets for a member; none when it has all.
    pub fn next_piece(&mut self, member: MemberId) -> Option<Piece> {
        loop {
            match self.step(member) {
                Step::Say(piece) => return Some(piece),
                Step::Again => {}
                Step::FreesBare => self.family_mut(family_of(member)).purge(),
                Step::HasAll => return None,
            }
        }
    }

    fn step(&mut self, id: MemberId) -> Step {
        let family = family_of(id);
        let Self { families, paths, neighbours, originated, held, .. } = self;
        let rib = &mut families[position(family)];
        let Some(member) = rib.members.get_mut(&id) else { return Step::HasAll };
        if let Some(piece) = member.pieces.pop_front() {
            return Step::Say(piece);
        }
        let Some(Some(group)) = rib.groups.get_mut(member.group) else { return Step::HasAll };
        let end = rib.log.end();
        if let Some(first) = before_the_log(member, group, end, *held) {
            return Step::Say(first);
        }
        if member.place >= end {
            member.advance(end, end);
            return Step::HasAll;
        }
        let tables = tables(&rib.table, paths, neighbours, originated, *held);
        let chunk = group.next_chunk(&tables, &rib.log, member.place, member.safe);
        member.pieces.extend(chunk.pieces_for(member.source, &group.export));
        let passed = member.place..chunk.end;
        member.advance(chunk.end, end);
        let frees = rib.bare.front().is_some_and(|(_, place)| passed.start < *place && *place <= passed.end);
        if frees { Step::FreesBare } else { Step::Again }
    }

    /// Whether [`next_piece`](Self::next_piece) may have something.
    #[must_use]
    pub fn is_pending(&self, member: MemberId) -> bool {
        let rib = self.family(family_of(member));
        let Some(member) = rib.members.get(&member) else { return false };
        let group = rib.groups.get(member.group).and_then(Option::as_ref);
        let waits = self.held && group.is_some_and(|group| is_told_transit(&group.export));
        member.is_pending(rib.log.end(), waits)
    }

    /// Prefixes that a member has been told.
    #[must_use]
    pub fn advertised(&self, member: MemberId) -> u32 {
        let family = family_of(member);
        let Some(member) = self.family(family).members.get(&member) else { return 0 };
        self.group(family, member.group).map_or(0, |group| group.announced_to(member.source))
    }

    /// Members so far behind that what they still have to be told of gone prefixes outgrows the table: to be dropped.
    pub fn take_overrun(&mut self) -> Vec<MemberId> {
        self.families.iter_mut().flat_map(super::family::FamilyRib::take_overrun).collect()
    }

    /// Families in which something may have changed for members since the last call; then each is to be asked
    /// [`is_pending`](Self::is_pending).
    pub fn take_changed(&mut self) -> FamilySet {
        let families = Family::ALL.into_iter();
        families.filter(|family| std::mem::take(&mut self.family_mut(*family).changed)).collect()
    }

    pub(super) fn group(&self, family: Family, index: usize) -> Option<&Group> {
        self.family(family).groups.get(index).and_then(Option::as_ref)
    }

    pub(super) fn tables(&self, family: Family) -> Tables<'_> {
        let Self { paths, neighbours, originated, held, .. } = self;
        tables(&self.family(family).table, paths, neighbours, originated, *held)
    }
}

/// What asking for a piece comes to.
enum Step {
    Say(Piece),
    Again,
    /// The member has passed destinations that only waited for it.
    FreesBare,
    HasAll,
}

/// What a member is told before it goes on in the log, or when it has come to its end.
fn before_the_log(member: &mut Member, group: &Group, end: u32, held: bool) -> Option<Piece> {
    if std::mem::take(&mut member.begin_refresh) {
        return Some(marker(&group.export, |writer, out| writer.refresh(RefreshKind::Begin, out)));
    }
    let due = member.due_marker(end, held && is_told_transit(&group.export))?;
    Some(marker(&group.export, |writer, out| match due {
        Marker::EndOfRib => writer.end_of_rib(out),
        Marker::EndOfRefresh => writer.refresh(RefreshKind::End, out),
    }))
}

fn tables<'a>(
    table: &'a Table,
    paths: &'a Paths,
    neighbours: &'a [Option<Neighbour>],
    originated: &'a BTreeMap<IpNetwork, Origination>,
    held: bool,
) -> Tables<'a> {
    Tables { table, paths, neighbours, originated, held }
}

/// The family that a member is told of.
pub(super) fn family_of(member: MemberId) -> Family {
    if member.0 & 1 == 0 { Family::Ipv4Unicast } else { Family::Ipv6Unicast }
}

/// A leaf's peers are told what it originates, and need not wait for anything else.
fn is_told_transit(export: &Export) -> bool {
    match export.policy {
        Policy::Originated | Policy::Reject => false,
        Policy::Unset | Policy::Accept | Policy::Filter(_) => true,
    }
}

fn marker(export: &Export, write: impl FnOnce(&update::Writer, &mut BytesMut)) -> Piece {
    let mut octets = BytesMut::new();
    write(&update::Writer::new(export.family, &export.codec), &mut octets);
    Piece { octets: octets.freeze(), messages: 1 }
}
