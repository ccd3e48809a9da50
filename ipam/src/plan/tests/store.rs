//! A store in memory that can compare and swap, and what people have written there.

use super::*;

/// A moment that is no round number of anything.
pub(super) const NOW: Timestamp = Timestamp(1_722_950_000_123);

/// A store that can compare and swap.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) pools: Vec<Pool>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) configuration: Configuration,
    pub(super) records: BTreeMap<Key, (Revision, Record)>,
    pub(super) writes: u64,
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) struct Conflict;

impl Store {
    /// With these pools, named `pool0` and so on, and without cooldown.
    pub(super) fn new(pools: &[(&str, u8)]) -> Self {
        let pool = |(index, (cidr, block_size)): (usize, &(&str, u8))| Pool {
            block_size: *block_size,
            ..Pool::new(format!("pool{index}"), cidr.parse().unwrap())
        };
        Self {
            pools: pools.iter().enumerate().map(pool).collect(),
            reservations: Vec::new(),
            configuration: Configuration { ip_cooldown_seconds: 0, ..Configuration::default() },
            records: BTreeMap::new(),
            writes: 0,
            now: NOW,
        }
    }

    pub(super) fn reserve(&mut self, name: &str, cidrs: &[&str]) {
        let reserved_cidrs = cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
        self.reservations.push(Reservation { name: name.into(), reserved_cidrs });
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    pub(super) fn commit(&mut self, write: &Write) -> Result<Revision, Conflict> {
        if self.records.get(&write.key).map(|(revision, _)| *revision) != write.expected {
            return Err(Conflict);
        }
        self.writes += 1;
        let revision = Revision(self.writes);
        match &write.value {
            Some(record) => {
                assert_eq!(record.key(), write.key);
                self.records.insert(write.key.clone(), (revision, record.clone()));
            }
            None => drop(self.records.remove(&write.key)),
        }
        Ok(revision)
    }

    /// Takes over what people wrote.
    pub(super) fn tell_people(&self, snapshot: &mut Snapshot) {
        snapshot.set_pools(self.pools.iter().cloned());
        snapshot.set_reservations(self.reservations.iter().cloned());
        snapshot.set_configuration(self.configuration.clone());
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::all();
        self.tell_people(&mut snapshot);
        for (revision, record) in self.records.values() {
            snapshot.put(record.clone(), *revision);
        }
        snapshot
    }

    /// Alone, from start to end.
    pub(super) fn assign(&mut self, request: &Request) -> Result<Vec<IpAddr>, AssignError> {
        let request = Request { now: self.now, ..request.clone() };
        for _ in 0..30 {
            match assign(&self.snapshot(), &request)? {
                Assignment::Done(addresses) => return Ok(addresses),
                Assignment::Commit { writes, addresses } => {
                    self.commit_all(&writes);
                    return Ok(addresses);
                }
                Assignment::Prepare(writes) => self.commit_all(&writes),
                Assignment::ReadAll => panic!("everything was read"),
            }
        }
        panic!("{request:?} makes no progress");
    }

    pub(super) fn release(&mut self, handle: &str) -> Vec<IpAddr> {
        match release(&self.snapshot(), handle, self.now) {
            Release::Nothing => Vec::new(),
            Release::Commit { writes, addresses } => {
                self.commit_all(&writes);
                addresses
            }
            Release::ReadAll => panic!("everything was read"),
        }
    }

    /// Plans and commits until all tasks have an answer, and says what that is.
    pub(super) fn batch(&mut self, tasks: &[Task]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Again; tasks.len()];
        for _ in 0..30 {
            let open: Vec<usize> =
                (0..tasks.len()).filter(|index| outcomes[*index] == Outcome::Again).collect();
            if open.is_empty() {
                return outcomes;
            }
            let Batch { writes, answers } =
                Batch::plan(&self.snapshot(), open.iter().map(|index| &tasks[*index]));
            self.commit_all(&writes);
            for (index, answer) in open.into_iter().zip(answers) {
                outcomes[index] = answer.outcome;
            }
        }
        panic!("{tasks:?} make no progress");
    }

    /// Alone, until there is nothing more to do.
    pub(super) fn settle(&mut self, node: &str) {
        loop {
            let writes = settle(&self.snapshot(), node, self.now);
            if writes.is_empty() {
                return;
            }
            self.commit_all(&writes);
        }
    }

    /// Alone, from start to end.
    pub(super) fn unclaim(&mut self, node: &str, cidr: IpNetwork) -> Result<(), UnclaimError> {
        loop {
            let writes = unclaim(&self.snapshot(), node, cidr, self.now)?;
            if writes.is_empty() {
                return Ok(());
            }
            self.commit_all(&writes);
        }
    }

    pub(super) fn commit_all(&mut self, writes: &[Write]) {
        assert!(!writes.is_empty(), "no progress");
        for write in writes {
            self.commit(write).unwrap();
        }
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Block(block) => Some(block),
            Record::Affinity(_) | Record::Handle(_) => None,
        })
    }

    pub(super) fn blocks_of(&self, node: &str) -> Vec<String> {
        self.blocks().filter(|block| block.node() == node).map(|block| block.cidr().to_string()).collect()
    }

    pub(super) fn affinities(&self) -> impl Iterator<Item = &Affinity> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Affinity(affinity) => Some(affinity),
            Record::Block(_) | Record::Handle(_) => None,
        })
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.records.values().filter_map(|(_, record)| match record {
            Record::Handle(handle) => Some(handle),
            Record::Block(_) | Record::Affinity(_) => None,
        })
    }

    pub(super) fn used(&self) -> u32 {
        self.blocks().map(Block::used).sum()
    }
}

/// A pod's request.
pub(super) fn request(node: &str, handle: &str, wanted: &[Wanted]) -> Request {
    let attributes =
        Attributes { node: node.into(), pod: handle.into(), namespace: "shop".into(), ..Default::default() };
    Request {
        node: node.into(),
        handle: handle.into(),
        attributes,
        wanted: wanted.to_vec(),
        now: NOW,
        ..Request::default()
    }
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(super) const V4: Wanted = Wanted::Any(Family::V4);
pub(super) const V6: Wanted = Wanted::Any(Family::V6);

pub(super) fn this(address: &str) -> Wanted {
    Wanted::Address(ip(address))
}

pub(super) fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

pub(super) fn texts(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
