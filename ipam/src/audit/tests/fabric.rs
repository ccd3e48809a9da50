//! A store in memory that is written by the real planner, the index that follows it, and who exists.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::audit::{Endpoint, Facts, Kind, Problem, check};
use crate::collector::Collect;
use crate::plan::{Assignment, Release, Request, Wanted, assign, release};
use crate::{Attributes, Family, Index, Key, Pool, Record, Revision, Scope, Snapshot, Timestamp, Write};

pub(crate) const V4: Wanted = Wanted::Any(Family::V4);
pub(crate) const V6: Wanted = Wanted::Any(Family::V6);

/// Everything that there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fabric {
    pub(crate) records: BTreeMap<Key, (Revision, Record)>,
    pub(crate) index: Index,
    pub(crate) facts: Facts,
    /// Seconds.
    pub(crate) clock: u64,
    writes: u64,
}

/// Somebody else was faster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

impl Fabric {
    /// Nodes n0, n1 and so on, and pools pool0, pool1 and so on.
    pub(crate) fn new(nodes: usize, pools: &[(&str, u8)]) -> Self {
        let mut fabric = Self::default();
        fabric.facts.nodes = (0..nodes).map(node).collect();
        for (number, (cidr, block_size)) in pools.iter().enumerate() {
            let pool = Pool::new(format!("pool{number}"), cidr.parse().unwrap());
            fabric.index.put_pool(Pool { block_size: *block_size, ..pool });
        }
        fabric
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock * 1000)
    }

    pub(crate) fn commit(&mut self, write: &Write) -> Result<(), Conflict> {
        if self.records.get(&write.key).map(|(revision, _)| *revision) != write.expected {
            return Err(Conflict);
        }
        match &write.value {
            Some(record) => self.put(record.clone()),
            None => self.erase(&write.key),
        }
        Ok(())
    }

    /// Writes a record, whatever is there.
    pub(crate) fn put(&mut self, record: Record) {
        self.writes += 1;
        let revision = Revision(self.writes);
        self.index.put(record.clone(), revision);
        self.records.insert(record.key(), (revision, record));
    }

    /// Deletes a record, whatever it is.
    pub(crate) fn erase(&mut self, key: &Key) {
        assert!(self.records.remove(key).is_some(), "no {key}");
        self.index.remove(key);
    }

    /// Everything, as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.index.snapshot(Scope::All, self.records.keys().filter_map(handle_of))
    }

    /// Assigns addresses, stopping dead after that many writes. None are given if there is no room, or it
    /// died.
    pub(crate) fn assign(
        &mut self,
        node: &str,
        handle: &str,
        wanted: &[Wanted],
        lifetime: usize,
    ) -> Vec<IpAddr> {
        let mut left = lifetime;
        for _ in 0..20 {
            let (writes, addresses) = match assign(&self.snapshot(), &self.request(node, handle, wanted)) {
                Ok(Assignment::Done(addresses)) => return addresses,
                Ok(Assignment::Commit { writes, addresses }) => (writes, Some(addresses)),
                Ok(Assignment::Prepare(writes)) => (writes, None),
                Ok(Assignment::ReadAll) | Err(_) => return Vec::new(),
            };
            if !self.commit_some(&writes, &mut left) {
                return Vec::new();
            }
            if let Some(addresses) = addresses {
                return addresses;
            }
        }
        panic!("no progress");
    }

    fn request(&self, node: &str, handle: &str, wanted: &[Wanted]) -> Request {
        let attributes = Attributes {
            node: node.to_owned(),
            namespace: "shop".to_owned(),
            pod: handle.to_owned(),
            interface: "eth0".to_owned(),
        };
        Request {
            node: node.to_owned(),
            handle: handle.to_owned(),
            attributes,
            wanted: wanted.to_vec(),
            now: self.now(),
            ..Request::default()
        }
    }

    /// Releases a handle, stopping dead after that many writes.
    pub(crate) fn release(&mut self, handle: &str, lifetime: usize) {
        let mut left = lifetime;
        if let Release::Commit { writes, .. } = release(&self.snapshot(), handle, self.now()) {
            self.commit_some(&writes, &mut left);
        }
    }

    /// Whether all were written.
    fn commit_some(&mut self, writes: &[Write], left: &mut usize) -> bool {
        for write in writes {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            self.commit(write).unwrap();
        }
        true
    }

    /// What runs on a node.
    pub(crate) fn attach(&mut self, node: &str, handle: &str, addresses: Vec<IpAddr>) {
        let endpoint = Endpoint { name: format!("shop/{handle}"), node: node.to_owned(), addresses };
        self.facts.endpoints.insert(handle.to_owned(), endpoint);
    }

    /// A pod that runs, with its addresses.
    pub(crate) fn start(&mut self, node: &str, handle: &str, wanted: &[Wanted]) -> Vec<IpAddr> {
        let addresses = self.assign(node, handle, wanted, usize::MAX);
        if !addresses.is_empty() {
            self.attach(node, handle, addresses.clone());
        }
        addresses
    }

    /// Does what a collector says, as an agent does it: on what there is now, to the end, or not at all.
    pub(crate) fn collect(&mut self, collect: &Collect) -> bool {
        let Ok(mut writes) = collect.plan(&self.snapshot(), self.now()) else { return false };
        while !writes.is_empty() {
            writes.iter().for_each(|write| self.commit(write).unwrap());
            writes = collect.next(&self.snapshot(), self.now()).unwrap();
        }
        true
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        check(&self.index, &self.facts, |_| ()).problems
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.problems().into_iter().map(|problem| problem.kind).collect()
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = &str> {
        self.records.keys().filter_map(handle_of)
    }
}

pub(crate) fn node(number: usize) -> String {
    format!("n{number}")
}

fn handle_of(key: &Key) -> Option<&str> {
    match key {
        Key::Handle(id) => Some(id.as_str()),
        Key::Block(_) | Key::Affinity(..) => None,
    }
}
