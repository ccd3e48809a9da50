//! Which endpoints (and sets of networks, and nodes: *members*) a selector selects, kept up to date for the work of
//! each change.
//!
//! Both sides are filed by labels. A selector is filed under a label that its members must have (its *anchor*), within
//! its namespace scope, so a member that changes is held only against selectors that ask for one of its labels.
//! A member is filed under its labels within its place (a namespace, none, or among the nodes), so a new selector is
//! held only against members that have the label it asks for. Selectors without an anchor and namespace selectors are
//! tried one by one; of namespace selectors, once for each namespace and not for each member.
//!
//! Every operation returns who joined and who left which selector. What hangs on a selector (sets, isolation) is the
//! engine's affair.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::member::{Member, MemberId};
use crate::model::{EndpointSelector, Facts, MemberKind, NamespaceScope, Place, ServiceAccountId};
use crate::selector::{Anchor, Labels};

mod filing;

#[cfg(test)]
mod tests;

use filing::{MemberFile, SelectorFile};

/// A member that joined or left a selector's members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) selector: SelectorHandle,
    pub(crate) member: MemberId,
    pub(crate) joined: bool,
}

/// A selector of the index; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SelectorHandle(u64);

/// A member of the index; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MemberHandle(u64);

#[derive(Debug, Default)]
pub(crate) struct Index {
    members: BTreeMap<MemberHandle, MemberEntry>,
    member_handles: BTreeMap<MemberId, MemberHandle>,
    selectors: BTreeMap<SelectorHandle, SelectorEntry>,
    selector_handles: BTreeMap<EndpointSelector, SelectorHandle>,
    /// Namespaces that are known or have members, and the other places that have some.
    places: BTreeMap<Place, PlaceEntry>,
    /// Selectors of one namespace.
    local: BTreeMap<String, SelectorFile>,
    /// Selectors of all other scopes.
    scoped: BTreeMap<NamespaceScope, SelectorFile>,
    /// Labels of the service accounts that are known.
    accounts: BTreeMap<ServiceAccountId, Labels>,
    issued: u64,
}

#[derive(Debug)]
struct MemberEntry {
    id: MemberId,
    kind: MemberKind,
    place: Place,
    labels: Labels,
    account: Option<ServiceAccountId>,
    selected_by: BTreeSet<SelectorHandle>,
}

impl MemberEntry {
    fn facts<'a>(&'a self, accounts: &'a BTreeMap<ServiceAccountId, Labels>) -> Facts<'a> {
        Facts {
            kind: self.kind,
            namespace: match &self.place {
                Place::Namespace(name) => Some(name),
                Place::Global | Place::Nodes => None,
            },
            labels: &self.labels,
            service_account: self.account.as_ref().map(|account| account.name.as_str()),
            account_labels: self.account.as_ref().and_then(|account| accounts.get(account)),
        }
    }
}

#[derive(Debug)]
struct SelectorEntry {
    selector: EndpointSelector,
    members: BTreeSet<MemberHandle>,
    /// How many of the members are endpoints.
    endpoints: usize,
    uses: usize,
}

#[derive(Debug, Default)]
struct PlaceEntry {
    /// Of a namespace. `None`: not known, but members of it are.
    labels: Option<Labels>,
    members: MemberFile,
    /// Which of the `scoped` cover it.
    covered_by: BTreeSet<NamespaceScope>,
}

impl Index {
    /// Adds a user of a selector; the first one gets its members looked up. Pair with [`Index::release`].
    pub(crate) fn acquire(&mut self, selector: &EndpointSelector) -> SelectorHandle {
        if let Some(handle) = self.selector_handles.get(selector) {
            if let Some(entry) = self.selectors.get_mut(handle) {
                entry.uses += 1;
            }
            return *handle;
        }
        let handle = SelectorHandle(self.issue());
        self.file(&selector.namespaces).insert(selector, handle);
        let members = self.find_members(selector);
        let mut endpoints = 0;
        for member in &members {
            if let Some(member) = self.members.get_mut(member) {
                member.selected_by.insert(handle);
                endpoints += usize::from(member.kind == MemberKind::Endpoint);
            }
        }
        self.selector_handles.insert(selector.clone(), handle);
        let entry = SelectorEntry { selector: selector.clone(), members, endpoints, uses: 1 };
        self.selectors.insert(handle, entry);
        handle
    }

    /// Takes a user away; without users the selector is forgotten.
    pub(crate) fn release(&mut self, handle: SelectorHandle) {
        let Some(entry) = self.selectors.get_mut(&handle) else { return };
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        let Some(entry) = self.selectors.remove(&handle) else { return };
        self.selector_handles.remove(&entry.selector);
        for member in &entry.members {
            if let Some(member) = self.members.get_mut(member) {
                member.selected_by.remove(&handle);
            }
        }
        let scope = &entry.selector.namespaces;
        let file = self.file(scope);
        file.remove(&entry.selector, handle);
        if file.is_empty() {
            self.drop_file(scope);
        }
    }

    /// How many endpoints a selector selects.
    pub(crate) fn count(&self, handle: SelectorHandle) -> usize {
        self.selectors.get(&handle).map_or(0, |entry| entry.endpoints)
    }

    /// The members that a selector selects.
    pub(crate) fn members(&self, handle: SelectorHandle) -> impl Iterator<Item = &MemberId> {
        let members = self.selectors.get(&handle).into_iter().flat_map(|entry| &entry.members);
        members.filter_map(|member| self.members.get(member).map(|member| &member.id))
    }

    /// The selectors that select a member.
    pub(crate) fn selectors_of(&self, id: &MemberId) -> impl Iterator<Item = SelectorHandle> + '_ {
        let member = self.member_handles.get(id).and_then(|handle| self.members.get(handle));
        member.into_iter().flat_map(|member| member.selected_by.iter().copied())
    }

    /// Adds a member, or gives it other labels or another service account.
    pub(crate) fn set_member(&mut self, id: &MemberId, member: Member<'_>) -> Vec<Change> {
        let facts = member.facts(None);
        let account = match (facts.namespace, facts.service_account) {
            (Some(namespace), Some(name)) => {
                Some(ServiceAccountId { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            (None, _) | (_, None) => None,
        };
        let (kind, place) = (facts.kind, id.place());
        self.ensure_place(&place);
        let handle = match self.member_handles.get(id) {
            Some(handle) => *handle,
            None => MemberHandle(self.issue()),
        };
        let old = self.members.remove(&handle);
        self.member_handles.insert(id.clone(), handle);
        let selected_by = old.as_ref().map(|old| old.selected_by.clone()).unwrap_or_default();
        let entry =
            MemberEntry { id: id.clone(), kind, place, labels: facts.labels.clone(), account, selected_by };
        if let Some(place) = self.places.get_mut(&entry.place) {
            if let Some(old) = &old {
                place.members.remove(old.facts(&self.accounts).cards(), handle);
            }
            place.members.insert(entry.facts(&self.accounts).cards(), handle);
        }
        self.members.insert(handle, entry);
        self.refresh(handle)
    }

    /// Forgets a member.
    pub(crate) fn remove_member(&mut self, id: &MemberId) -> Vec<Change> {
        let Some(handle) = self.member_handles.remove(id) else { return Vec::new() };
        let mut changes = Vec::new();
        let selected_by = self.members.get(&handle).map(|member| member.selected_by.clone());
        for selector in selected_by.unwrap_or_default() {
            self.change_member(selector, handle, false, &mut changes);
        }
        if let Some(member) = self.members.remove(&handle) {
            if let Some(place) = self.places.get_mut(&member.place) {
                place.members.remove(member.facts(&self.accounts).cards(), handle);
            }
            self.drop_place_if_unused(&member.place);
        }
        changes
    }

    /// Learns the labels of a namespace, or (`None`) that there is no such namespace any more.
    pub(crate) fn set_namespace(&mut self, name: &str, labels: Option<&Labels>) -> Vec<Change> {
        let place = Place::Namespace(name.to_owned());
        self.ensure_place(&place);
        let covered_by = self.find_scopes(&place, labels);
        let Some(entry) = self.places.get_mut(&place) else { return Vec::new() };
        entry.labels = labels.cloned();
        let old = std::mem::replace(&mut entry.covered_by, covered_by.clone());
        let mut changes = Vec::new();
        for scope in old.symmetric_difference(&covered_by) {
            let joined = covered_by.contains(scope);
            for (selector, member) in self.selections(scope, &place) {
                self.change_member(selector, member, joined, &mut changes);
            }
        }
        self.drop_place_if_unused(&place);
        changes
    }

    /// Learns the labels of a service account, or (`None`) that there is no such account any more.
    pub(crate) fn set_service_account(
        &mut self,
        id: &ServiceAccountId,
        labels: Option<&Labels>,
    ) -> Vec<Change> {
        match labels {
            Some(labels) => drop(self.accounts.insert(id.clone(), labels.clone())),
            None => drop(self.accounts.remove(id)),
        }
        let place = self.places.get(&Place::Namespace(id.namespace.clone()));
        let holders: Vec<MemberHandle> =
            place.into_iter().flat_map(|place| place.members.of_account(&id.name)).collect();
        holders.into_iter().flat_map(|handle| self.refresh(handle)).collect()
    }

    fn issue(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }

    /// Looks up again which selectors select a member.
    fn refresh(&mut self, handle: MemberHandle) -> Vec<Change> {
        let Some(member) = self.members.get(&handle) else { return Vec::new() };
        let selected_by = self.find_selectors(&member.place, member.facts(&self.accounts));
        let old = member.selected_by.clone();
        let mut changes = Vec::new();
        for selector in old.difference(&selected_by) {
            self.change_member(*selector, handle, false, &mut changes);
        }
        for selector in selected_by.difference(&old) {
            self.change_member(*selector, handle, true, &mut changes);
        }
        changes
    }

    fn change_member(
        &mut self,
        selector: SelectorHandle,
        handle: MemberHandle,
        joined: bool,
        changes: &mut Vec<Change>,
    ) {
        let Some(entry) = self.selectors.get_mut(&selector) else { return };
        let Some(member) = self.members.get_mut(&handle) else { return };
        let one = usize::from(member.kind == MemberKind::Endpoint);
        if joined {
            entry.members.insert(handle);
            entry.endpoints += one;
            member.selected_by.insert(selector);
        } else {
            entry.members.remove(&handle);
            entry.endpoints -= one;
            member.selected_by.remove(&selector);
        }
        changes.push(Change { selector, member: member.id.clone(), joined });
    }

    /// Where selectors with this scope are filed; a new scope is held against all places.
    fn file(&mut self, scope: &NamespaceScope) -> &mut SelectorFile {
        if let NamespaceScope::Named(name) = scope {
            return self.local.entry(name.clone()).or_default();
        }
        if !self.scoped.contains_key(scope) {
            for (place, entry) in &mut self.places {
                if scope.covers(place, entry.labels.as_ref()) {
                    entry.covered_by.insert(scope.clone());
                }
            }
        }
        self.scoped.entry(scope.clone()).or_default()
    }

    fn drop_file(&mut self, scope: &NamespaceScope) {
        if let NamespaceScope::Named(name) = scope {
            self.local.remove(name);
            return;
        }
        self.scoped.remove(scope);
        for place in self.places.values_mut() {
            place.covered_by.remove(scope);
        }
    }

    fn ensure_place(&mut self, place: &Place) {
        if !self.places.contains_key(place) {
            let covered_by = self.find_scopes(place, None);
            self.places.insert(place.clone(), PlaceEntry { covered_by, ..PlaceEntry::default() });
        }
    }

    fn drop_place_if_unused(&mut self, place: &Place) {
        let unused = |entry: &PlaceEntry| entry.labels.is_none() && entry.members.is_empty();
        if self.places.get(place).is_some_and(unused) {
            self.places.remove(place);
        }
    }

    fn find_scopes(&self, place: &Place, labels: Option<&Labels>) -> BTreeSet<NamespaceScope> {
        self.scoped.keys().filter(|scope| scope.covers(place, labels)).cloned().collect()
    }

    /// The selectors that select a member of a place.
    fn find_selectors(&self, place: &Place, facts: Facts<'_>) -> BTreeSet<SelectorHandle> {
        let covered_by = self.places.get(place).into_iter().flat_map(|entry| &entry.covered_by);
        let scoped = covered_by.filter_map(|scope| self.scoped.get(scope));
        let local = facts.namespace.and_then(|name| self.local.get(name));
        let files = local.into_iter().chain(scoped);
        files.flat_map(|file| file.candidates(facts)).filter(|handle| self.accepts(*handle, facts)).collect()
    }

    fn accepts(&self, handle: SelectorHandle, facts: Facts<'_>) -> bool {
        self.selectors.get(&handle).is_some_and(|entry| entry.selector.accepts(facts))
    }

    /// The members that a selector selects, looked up; nobody need use it.
    pub(crate) fn select(&self, selector: &EndpointSelector) -> impl Iterator<Item = &MemberId> {
        self.find_members(selector).into_iter().filter_map(|handle| Some(&self.members.get(&handle)?.id))
    }

    fn find_members(&self, selector: &EndpointSelector) -> BTreeSet<MemberHandle> {
        let anchor = selector.anchor();
        let mut members = BTreeSet::new();
        let mut collect = |place: &PlaceEntry| {
            let candidates = place.members.candidates(&anchor);
            members.extend(candidates.filter(|candidate| {
                let member = self.members.get(candidate);
                member.is_some_and(|member| selector.accepts(member.facts(&self.accounts)))
            }));
        };
        let scope = &selector.namespaces;
        if let NamespaceScope::Named(name) = scope {
            self.places.get(&Place::Namespace(name.clone())).into_iter().for_each(collect);
        } else {
            let covered =
                self.places.iter().filter(|(place, entry)| scope.covers(place, entry.labels.as_ref()));
            covered.for_each(|(_, entry)| collect(entry));
        }
        members
    }

    /// Which selectors of a scope select which members of a place, supposing that it is covered.
    fn selections(&self, scope: &NamespaceScope, place: &Place) -> Vec<(SelectorHandle, MemberHandle)> {
        let Some(place) = self.places.get(place) else { return Vec::new() };
        let Some(file) = self.scoped.get(scope) else { return Vec::new() };
        let mut selections = BTreeSet::new();
        for handle in place.members.candidates(&Anchor::Nowhere) {
            let Some(member) = self.members.get(&handle) else { continue };
            let facts = member.facts(&self.accounts);
            let selectors = file.candidates(facts).filter(|selector| self.accepts(*selector, facts));
            selections.extend(selectors.map(|selector| (selector, handle)));
        }
        selections.into_iter().collect()
    }
}
