//! Which endpoints a selector selects, kept up to date for the work of each change.
//!
//! Both sides are filed by labels. A selector is filed under a label that its endpoints must have (its *anchor*), within
//! its namespace scope, so an endpoint that changes is held only against selectors that ask for one of its labels.
//! An endpoint is filed under its labels within its namespace, so a new selector is held only against endpoints
//! that have the label it asks for. Selectors without an anchor and namespace selectors are tried one by one; of
//! namespace selectors, once for each namespace and not for each endpoint.
//!
//! Every operation returns who joined and who left which selector. What hangs on a selector (sets, isolation) is the
//! engine's affair.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{EndpointSelector, NamespaceScope};
use crate::program::EndpointId;
use crate::selector::{Anchor, Labels, Selector};

mod filing;

#[cfg(test)]
mod tests;

use filing::{EndpointFile, SelectorFile};

/// An endpoint that joined or left a selector's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) selector: SelectorHandle,
    pub(crate) endpoint: EndpointId,
    pub(crate) joined: bool,
}

/// A selector of the index; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SelectorHandle(u64);

/// An endpoint of the index; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EndpointHandle(u64);

#[derive(Debug, Default)]
pub(crate) struct Index {
    endpoints: BTreeMap<EndpointHandle, EndpointEntry>,
    endpoint_handles: BTreeMap<EndpointId, EndpointHandle>,
    selectors: BTreeMap<SelectorHandle, SelectorEntry>,
    selector_handles: BTreeMap<EndpointSelector, SelectorHandle>,
    /// Namespaces that are known or have endpoints.
    namespaces: BTreeMap<String, NamespaceEntry>,
    /// Selectors of one namespace.
    local: BTreeMap<String, SelectorFile>,
    /// Selectors of namespaces by labels.
    matching: BTreeMap<Selector, SelectorFile>,
    issued: u64,
}

#[derive(Debug)]
struct EndpointEntry {
    id: EndpointId,
    labels: Labels,
    selected_by: BTreeSet<SelectorHandle>,
}

#[derive(Debug)]
struct SelectorEntry {
    selector: EndpointSelector,
    members: BTreeSet<EndpointHandle>,
    uses: usize,
}

#[derive(Debug, Default)]
struct NamespaceEntry {
    /// `None`: not known, but endpoints of it are.
    labels: Option<Labels>,
    endpoints: EndpointFile,
    /// Which of `matching` it belongs to.
    matched_by: BTreeSet<Selector>,
}

impl Index {
    /// Adds a user of a selector; the first one gets its endpoints looked up. Pair with [`Index::release`].
    pub(crate) fn acquire(&mut self, selector: &EndpointSelector) -> SelectorHandle {
        if let Some(handle) = self.selector_handles.get(selector) {
            if let Some(entry) = self.selectors.get_mut(handle) {
                entry.uses += 1;
            }
            return *handle;
        }
        let handle = SelectorHandle(self.issue());
        self.file(selector).insert(&selector.endpoints, handle);
        let members = self.find_members(selector);
        for member in &members {
            if let Some(endpoint) = self.endpoints.get_mut(member) {
                endpoint.selected_by.insert(handle);
            }
        }
        self.selector_handles.insert(selector.clone(), handle);
        self.selectors.insert(handle, SelectorEntry { selector: selector.clone(), members, uses: 1 });
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
            if let Some(endpoint) = self.endpoints.get_mut(member) {
                endpoint.selected_by.remove(&handle);
            }
        }
        let file = self.file(&entry.selector);
        file.remove(&entry.selector.endpoints, handle);
        if file.is_empty() {
            self.drop_file(&entry.selector.namespaces);
        }
    }

    /// How many endpoints a selector selects.
    pub(crate) fn count(&self, handle: SelectorHandle) -> usize {
        self.selectors.get(&handle).map_or(0, |entry| entry.members.len())
    }

    /// The endpoints that a selector selects.
    pub(crate) fn members(&self, handle: SelectorHandle) -> impl Iterator<Item = &EndpointId> {
        let members = self.selectors.get(&handle).into_iter().flat_map(|entry| &entry.members);
        members.filter_map(|member| self.endpoints.get(member).map(|endpoint| &endpoint.id))
    }

    /// The selectors that select an endpoint.
    pub(crate) fn selectors_of(&self, id: &EndpointId) -> impl Iterator<Item = SelectorHandle> + '_ {
        let handle = self.endpoint_handles.get(id);
        let endpoint = handle.and_then(|handle| self.endpoints.get(handle));
        endpoint.into_iter().flat_map(|endpoint| endpoint.selected_by.iter().copied())
    }

    /// Adds an endpoint, or gives it other labels.
    pub(crate) fn set_endpoint(&mut self, id: &EndpointId, labels: &Labels) -> Vec<Change> {
        self.ensure_namespace(&id.namespace);
        let handle = match self.endpoint_handles.get(id) {
            Some(handle) => *handle,
            None => {
                let handle = EndpointHandle(self.issue());
                self.endpoint_handles.insert(id.clone(), handle);
                let entry =
                    EndpointEntry { id: id.clone(), labels: Labels::new(), selected_by: BTreeSet::new() };
                self.endpoints.insert(handle, entry);
                handle
            }
        };
        let selected_by = self.find_selectors(&id.namespace, labels);
        let Some(endpoint) = self.endpoints.get_mut(&handle) else { return Vec::new() };
        let old_labels = std::mem::replace(&mut endpoint.labels, labels.clone());
        let old = std::mem::replace(&mut endpoint.selected_by, selected_by.clone());
        if let Some(namespace) = self.namespaces.get_mut(&id.namespace) {
            namespace.endpoints.remove(&old_labels, handle);
            namespace.endpoints.insert(labels, handle);
        }
        let mut changes = Vec::new();
        for selector in old.difference(&selected_by) {
            self.change_member(*selector, handle, false, &mut changes);
        }
        for selector in selected_by.difference(&old) {
            self.change_member(*selector, handle, true, &mut changes);
        }
        changes
    }

    /// Forgets an endpoint.
    pub(crate) fn remove_endpoint(&mut self, id: &EndpointId) -> Vec<Change> {
        let Some(handle) = self.endpoint_handles.remove(id) else { return Vec::new() };
        let mut changes = Vec::new();
        let selected_by =
            self.endpoints.get(&handle).map(|endpoint| endpoint.selected_by.clone()).unwrap_or_default();
        for selector in selected_by {
            self.change_member(selector, handle, false, &mut changes);
        }
        if let Some(endpoint) = self.endpoints.remove(&handle)
            && let Some(namespace) = self.namespaces.get_mut(&id.namespace)
        {
            namespace.endpoints.remove(&endpoint.labels, handle);
        }
        self.drop_namespace_if_unused(&id.namespace);
        changes
    }

    /// Learns the labels of a namespace, or (`None`) that there is no such namespace any more.
    pub(crate) fn set_namespace(&mut self, name: &str, labels: Option<&Labels>) -> Vec<Change> {
        self.ensure_namespace(name);
        let matched_by = self.find_namespace_selectors(name, labels);
        let Some(namespace) = self.namespaces.get_mut(name) else { return Vec::new() };
        namespace.labels = labels.cloned();
        let old = std::mem::replace(&mut namespace.matched_by, matched_by.clone());
        let mut changes = Vec::new();
        for scope in old.symmetric_difference(&matched_by) {
            let joined = matched_by.contains(scope);
            for (selector, endpoint) in self.selections(scope, name) {
                self.change_member(selector, endpoint, joined, &mut changes);
            }
        }
        self.drop_namespace_if_unused(name);
        changes
    }

    fn issue(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }

    fn change_member(
        &mut self,
        selector: SelectorHandle,
        endpoint: EndpointHandle,
        joined: bool,
        changes: &mut Vec<Change>,
    ) {
        let Some(entry) = self.selectors.get_mut(&selector) else { return };
        let Some(member) = self.endpoints.get_mut(&endpoint) else { return };
        if joined {
            entry.members.insert(endpoint);
            member.selected_by.insert(selector);
        } else {
            entry.members.remove(&endpoint);
            member.selected_by.remove(&selector);
        }
        changes.push(Change { selector, endpoint: member.id.clone(), joined });
    }

    /// Where selectors with this namespace scope are filed; a new scope is held against all namespaces.
    fn file(&mut self, selector: &EndpointSelector) -> &mut SelectorFile {
        match &selector.namespaces {
            NamespaceScope::Named(name) => self.local.entry(name.clone()).or_default(),
            NamespaceScope::Matching(labels) => {
                if !self.matching.contains_key(labels) {
                    for (name, namespace) in &mut self.namespaces {
                        if selector.namespaces.contains(name, namespace.labels.as_ref()) {
                            namespace.matched_by.insert(labels.clone());
                        }
                    }
                }
                self.matching.entry(labels.clone()).or_default()
            }
        }
    }

    fn drop_file(&mut self, scope: &NamespaceScope) {
        match scope {
            NamespaceScope::Named(name) => drop(self.local.remove(name)),
            NamespaceScope::Matching(labels) => {
                self.matching.remove(labels);
                for namespace in self.namespaces.values_mut() {
                    namespace.matched_by.remove(labels);
                }
            }
        }
    }

    fn ensure_namespace(&mut self, name: &str) {
        if !self.namespaces.contains_key(name) {
            let matched_by = self.find_namespace_selectors(name, None);
            let entry = NamespaceEntry { matched_by, ..NamespaceEntry::default() };
            self.namespaces.insert(name.to_owned(), entry);
        }
    }

    fn drop_namespace_if_unused(&mut self, name: &str) {
        let unused = |entry: &NamespaceEntry| entry.labels.is_none() && entry.endpoints.is_empty();
        if self.namespaces.get(name).is_some_and(unused) {
            self.namespaces.remove(name);
        }
    }

    fn find_namespace_selectors(&self, name: &str, labels: Option<&Labels>) -> BTreeSet<Selector> {
        let scopes = self.matching.keys();
        scopes
            .filter(|scope| NamespaceScope::Matching((*scope).clone()).contains(name, labels))
            .cloned()
            .collect()
    }

    /// The selectors that select an endpoint of a namespace with these labels.
    fn find_selectors(&self, namespace: &str, labels: &Labels) -> BTreeSet<SelectorHandle> {
        let matched_by = self.namespaces.get(namespace).into_iter().flat_map(|entry| &entry.matched_by);
        let matching = matched_by.filter_map(|scope| self.matching.get(scope));
        let files = self.local.get(namespace).into_iter().chain(matching);
        files
            .flat_map(|file| file.candidates(labels))
            .filter(|handle| self.accepts(*handle, labels))
            .collect()
    }

    fn accepts(&self, handle: SelectorHandle, labels: &Labels) -> bool {
        self.selectors.get(&handle).is_some_and(|entry| entry.selector.endpoints.matches(labels))
    }

    /// The endpoints that a selector selects, looked up.
    fn find_members(&self, selector: &EndpointSelector) -> BTreeSet<EndpointHandle> {
        let mut members = BTreeSet::new();
        let mut collect = |namespace: &NamespaceEntry| {
            let candidates = namespace.endpoints.candidates(selector.endpoints.anchor());
            members.extend(candidates.filter(|candidate| {
                let endpoint = self.endpoints.get(candidate);
                endpoint.is_some_and(|endpoint| selector.endpoints.matches(&endpoint.labels))
            }));
        };
        match &selector.namespaces {
            NamespaceScope::Named(name) => self.namespaces.get(name).into_iter().for_each(collect),
            NamespaceScope::Matching(labels) => {
                let matched = self.namespaces.values().filter(|entry| entry.matched_by.contains(labels));
                matched.for_each(&mut collect);
            }
        }
        members
    }

    /// Which selectors of a scope select which endpoints of a namespace, supposing that it belongs.
    fn selections(&self, scope: &Selector, namespace: &str) -> Vec<(SelectorHandle, EndpointHandle)> {
        let Some(namespace) = self.namespaces.get(namespace) else { return Vec::new() };
        let Some(file) = self.matching.get(scope) else { return Vec::new() };
        let mut selections = Vec::new();
        for handle in namespace.endpoints.candidates(Anchor::Nowhere) {
            let Some(endpoint) = self.endpoints.get(&handle) else { continue };
            let candidates = file.candidates(&endpoint.labels);
            let selectors = candidates.filter(|selector| self.accepts(*selector, &endpoint.labels));
            selections.extend(selectors.map(|selector| (selector, handle)));
        }
        selections
    }
}
