//! What is known, as a value: fed change by change, it depends only on what is, not on what happened.
//!
//! Invariant: of each record it holds the newest state that this agent was told of or wrote. The watch may be late: what it
//! tells of a record from before this agent's own write of it is passed over (the record's *floor*), until the watch
//! has come past that write.

use std::collections::{BTreeMap, BTreeSet};

use datastore::{Change, Key, Kind, Resource, Revision, Unreadable, Versioned};
use ipam::{Block, Configuration, Index, Record};
use ipnetwork::IpNetwork;

use super::floors::Floors;
use super::name::record_key;

/// Names and values.
pub type Labels = BTreeMap<String, String>;

/// What was read apart from the watch.
#[derive(Debug)]
pub(crate) enum Found {
    /// All of a kind, and those that cannot be understood.
    All(Kind, BTreeMap<Key, Versioned>, Unreadable),
    /// One, or that there is none.
    One(Key, Option<Versioned>),
}

/// What is known.
#[derive(Debug, Clone)]
pub struct State {
    /// Pools, reservations, the configuration, blocks, claims, handles.
    pub index: Index,
    /// The datastore's revision up to which changes have been told.
    pub revision: Revision,
    /// Labels of the nodes that have a Node object.
    pub nodes: BTreeMap<String, Labels>,
    /// Labels of the namespaces.
    pub namespaces: BTreeMap<String, Labels>,
    /// Endpoints of this node, and the host end of each: which key an attachment is written under.
    pub endpoints: BTreeMap<Key, String>,
    /// Counts changes of what people write: of pools, reservations, the configuration and labels.
    pub generation: u64,
    /// What is in the datastore and cannot be understood, and why. Of it, what was known before is known still.
    pub unreadable: Unreadable,
    node: String,
    /// Blocks and claims of this node that others may have changed since somebody last asked.
    touched: BTreeSet<ipam::Key>,
    floors: Floors,
}

impl State {
    pub(super) fn new(node: String) -> Self {
        Self {
            index: Index::default(),
            revision: Revision(0),
            nodes: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            generation: 0,
            unreadable: Unreadable::new(),
            node,
            touched: BTreeSet::new(),
            floors: Floors::default(),
        }
    }

    /// The name of this node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The labels of a node; none if it has no Node object.
    #[must_use]
    pub fn labels_of_node(&self, name: &str) -> Labels {
        self.nodes.get(name).cloned().unwrap_or_default()
    }

    /// The labels of a namespace; as in Kubernetes, at least its name.
    #[must_use]
    pub fn labels_of_namespace(&self, name: &str) -> Labels {
        let mut labels = self.namespaces.get(name).cloned().unwrap_or_default();
        labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.to_owned());
        labels
    }

    /// The endpoints of this node that have this host end.
    #[must_use]
    pub fn endpoints_behind(&self, host_interface: &str) -> Vec<Key> {
        let behind = self.endpoints.iter().filter(|(_, interface)| *interface == host_interface);
        behind.map(|(key, _)| key.clone()).collect()
    }

    /// What is known after the datastore was listed.
    pub(super) fn listed(
        &self,
        revision: Revision,
        items: &BTreeMap<Key, Versioned>,
        unreadable: &Unreadable,
    ) -> Self {
        let mut next = Self::new(self.node.clone());
        next.revision = revision;
        next.generation = self.generation;
        next.floors.clone_from(&self.floors);
        for kind in Kind::ALL {
            next.floors.advance(kind, revision);
        }
        for (key, item) in items {
            if !next.floors.is_above(key, item.revision) {
                next.set(key, Some(item));
            }
        }
        for (key, why) in unreadable {
            self.carry_over(key, &mut next);
            next.unreadable.insert(key.clone(), why.clone());
        }
        // What this agent wrote after the listing.
        for key in next.floors.keys().cloned().collect::<Vec<_>>() {
            self.carry_over(&key, &mut next);
        }
        next.generation += 1;
        next.touched.clone_from(&self.touched);
        for index in [&self.index, &next.index] {
            next.touched.extend(own_records(index, &self.node));
        }
        next
    }

    /// Gives another state what is known here of a record or setting.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of all other kinds nothing is known before the watch tells it"
    )]
    fn carry_over(&self, key: &Key, next: &mut Self) {
        if let Some(key) = record_key(key) {
            match self.record(&key) {
                Some((record, revision)) => drop(next.index.put(record, revision)),
                None => drop(next.index.remove(&key)),
            }
            return;
        }
        match key.kind {
            Kind::IpPool => {
                self.index.pool(&key.name).cloned().into_iter().for_each(|pool| next.index.put_pool(pool))
            }
            Kind::IpReservation => {
                let known = self.index.reservations().find(|reservation| reservation.name == key.name);
                known.cloned().into_iter().for_each(|reservation| next.index.put_reservation(reservation));
            }
            Kind::IpamConfiguration => next.index.set_configuration(self.index.configuration().clone()),
            Kind::Node => next.nodes.extend(self.nodes.get_key_value(&key.name).map(owned)),
            Kind::Namespace => next.namespaces.extend(self.namespaces.get_key_value(&key.name).map(owned)),
            _ => {}
        }
    }

    /// Notes that a record or setting cannot be understood.
    pub(super) fn misunderstood(&mut self, key: &Key, why: &str) {
        if self.unreadable.insert(key.clone(), why.to_owned()).is_none() {
            self.generation += 1;
        }
    }

    /// The blocks of which nobody knows what is in use, or who claims them.
    pub fn unreadable_blocks(&self) -> impl Iterator<Item = IpNetwork> {
        self.unreadable.keys().filter_map(|key| match record_key(key)? {
            ipam::Key::Block(cidr) | ipam::Key::Affinity(_, cidr) => Some(cidr),
            ipam::Key::Handle(_) => None,
        })
    }

    /// Takes in a setting that was written by this agent.
    pub(super) fn applied(&mut self, key: &Key, value: &Versioned) {
        let is_setting = matches!(
            key.kind,
            Kind::IpPool | Kind::IpReservation | Kind::IpamConfiguration | Kind::Node | Kind::Namespace
        );
        // The watch may have been faster, and then knows better.
        if is_setting && value.revision > self.revision && self.floors.raise(key.clone(), value.revision) {
            self.set(key, Some(value));
        }
    }

    /// Takes in what the watch tells. Of a block, gives its former state back.
    pub(super) fn told(&mut self, change: &Change) -> Option<(IpNetwork, Option<Block>)> {
        let floors = &self.floors;
        let is_news =
            !floors.is_above(&change.key, change.revision) && !floors.is_at(&change.key, change.revision);
        let before = if is_news { self.set(&change.key, change.value.as_ref()) } else { None };
        self.revision = self.revision.max(change.resume);
        self.floors.advance(change.key.kind, change.revision);
        let Some(ipam::Key::Block(cidr)) = record_key(&change.key).filter(|_| is_news) else { return None };
        Some((cidr, before))
    }

    /// Takes in all settings of a kind, or one of them, as they were read apart from the watch: which may be behind that, and
    /// tells some of it again.
    pub(super) fn read(&mut self, found: &Found) {
        match found {
            Found::All(kind, items, unreadable) => {
                let is_gone = |key: &Key| !items.contains_key(key) && !unreadable.contains_key(key);
                let gone: Vec<Key> = self.settings_of(*kind).filter(is_gone).collect();
                for key in gone {
                    self.set(&key, None);
                }
                for (key, item) in items {
                    self.set(key, Some(item));
                }
            }
            Found::One(key, item) => drop(self.set(key, item.as_ref())),
        }
    }

    /// The keys of the pools or reservations that are known.
    fn settings_of(&self, kind: Kind) -> impl Iterator<Item = Key> {
        let pools = self.index.pools().filter(move |_| kind == Kind::IpPool).map(|pool| &pool.name);
        let reservations = self.index.reservations().filter(move |_| kind == Kind::IpReservation);
        let names: Vec<String> =
            pools.chain(reservations.map(|reservation| &reservation.name)).cloned().collect();
        names.into_iter().map(move |name| Key::global(kind, &name))
    }

    /// Takes in what this agent wrote: the record, or that it is gone. Of a block, gives its former state back.
    pub(super) fn wrote(
        &mut self,
        key: &ipam::Key,
        value: Option<&Record>,
        revision: Revision,
    ) -> Option<Block> {
        // The watch may have been faster, and then knows better.
        if !self.floors.raise(Key::from(key), revision) {
            return None;
        }
        match value {
            Some(record) => self.index.put(record.clone(), revision.into()),
            None => self.index.remove(key),
        }
    }

    pub(super) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(super) fn take_touched(&mut self) -> BTreeSet<ipam::Key> {
        std::mem::take(&mut self.touched)
    }

    /// The blocks that are not as they were.
    pub(super) fn blocks_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Block>, Option<&'a Block>)> {
        let cidrs: BTreeSet<IpNetwork> = [before, self]
            .into_iter()
            .flat_map(|state| state.index.blocks(None, None, None))
            .map(|block| block.value.cidr())
            .collect();
        let state = |state: &'a Self, cidr: IpNetwork| state.index.block(&cidr).map(|block| &block.value);
        cidrs
            .into_iter()
            .map(move |cidr| (state(before, cidr), state(self, cidr)))
            .filter(|(before, after)| before != after)
    }

    /// Sets what a key stands for. Of a block, gives its former state back.
    fn set(&mut self, key: &Key, value: Option<&Versioned>) -> Option<Block> {
        if self.unreadable.remove(key).is_some() {
            self.generation += 1;
        }
        if let Some(key) = record_key(key) {
            self.touch(&key);
            let record = value.and_then(|value| {
                value.resource.clone().into_record().map(|record| (record, value.revision.into()))
            });
            let before = match record {
                Some((record, revision)) => self.index.put(record, revision),
                None => self.index.remove(&key),
            };
            self.touch(&key);
            return before;
        }
        self.generation += u64::from(self.set_setting(key, value.map(|value| &value.resource)));
        None
    }

    /// Sets what people write; false if it does not matter here.
    fn set_setting(&mut self, key: &Key, value: Option<&Resource>) -> bool {
        let labels = |labels: &Option<Labels>| labels.clone().unwrap_or_default();
        match (key.kind, value) {
            (Kind::IpPool, Some(Resource::IpPool(pool))) => self.index.put_pool((**pool).clone()),
            (Kind::IpPool, _) => self.index.remove_pool(&key.name),
            (Kind::IpReservation, Some(Resource::IpReservation(reservation))) => {
                self.index.put_reservation((**reservation).clone());
            }
            (Kind::IpReservation, _) => self.index.remove_reservation(&key.name),
            (Kind::IpamConfiguration, Some(Resource::IpamConfiguration(configuration))) => {
                self.index.set_configuration((**configuration).clone());
            }
            (Kind::IpamConfiguration, _) => self.index.set_configuration(Configuration::default()),
            (Kind::Node, Some(Resource::Node(node))) => {
                let labels = labels(&node.metadata.labels);
                // A kubelet rewrites its Node all the time.
                return self.nodes.insert(key.name.clone(), labels.clone()) != Some(labels);
            }
            (Kind::Node, _) => drop(self.nodes.remove(&key.name)),
            (Kind::Namespace, Some(Resource::Namespace(namespace))) => {
                self.namespaces.insert(key.name.clone(), labels(&namespace.metadata.labels));
            }
            (Kind::Namespace, _) => drop(self.namespaces.remove(&key.name)),
            (Kind::WorkloadEndpoint, Some(Resource::WorkloadEndpoint(endpoint)))
                if endpoint.node == self.node =>
            {
                self.endpoints.insert(key.clone(), endpoint.host_interface.clone());
                return false;
            }
            (Kind::WorkloadEndpoint, _) => {
                self.endpoints.remove(key);
                return false;
            }
            (_, _) => return false,
        }
        true
    }

    /// A record, and when it was last written.
    #[must_use]
    pub fn record(&self, key: &ipam::Key) -> Option<(Record, ipam::Revision)> {
        let index = &self.index;
        match key {
            ipam::Key::Block(cidr) => {
                index.block(cidr).map(|block| (Record::Block(block.value.clone()), block.revision))
            }
            ipam::Key::Affinity(node, cidr) => index
                .affinity(node, cidr)
                .map(|affinity| (Record::Affinity(affinity.value.clone()), affinity.revision)),
            ipam::Key::Handle(id) => {
                index.handle(id).map(|handle| (Record::Handle(handle.value), handle.revision))
            }
        }
    }

    /// Notes that somebody may have changed the record, if it is this node's.
    fn touch(&mut self, key: &ipam::Key) {
        let is_own = match key {
            ipam::Key::Block(cidr) => {
                self.index.block(cidr).is_some_and(|block| block.value.node() == self.node)
            }
            ipam::Key::Affinity(node, _) => *node == self.node,
            ipam::Key::Handle(_) => false,
        };
        if is_own {
            self.touched.insert(key.clone());
        }
    }
}

fn owned((name, labels): (&String, &Labels)) -> (String, Labels) {
    (name.clone(), labels.clone())
}

/// The blocks and claims of a node.
fn own_records(index: &Index, node: &str) -> BTreeSet<ipam::Key> {
    let blocks = index.blocks(Some(node), None, None).map(|block| ipam::Key::Block(block.value.cidr()));
    let claims = index.affinities().map(|claim| &claim.value).filter(|claim| claim.node == node);
    blocks.chain(claims.map(|claim| ipam::Key::Affinity(claim.node.clone(), claim.cidr))).collect()
}
