//! One planner: it reads, plans and writes, a step at a time.

use super::reference::Reference;
use super::wishes::{HANDLES, name, wish};
use super::*;

/// What a planner is about.
#[derive(Debug, Clone)]
enum Job {
    /// These, until all have an answer. A handle, and what to do with it.
    Tasks(Vec<Goal>),
    Settle,
    Prefetch(Family),
    Unclaim(usize),
    Surplus,
}

#[derive(Debug, Clone)]
pub(super) enum Goal {
    Assign(usize),
    Release(usize),
    Items(Vec<ReleaseItem>),
}

enum Stage {
    /// This many kinds of records have been read.
    Read(u8),
    /// Only what the tasks need beside what is remembered.
    Remember,
    Plan,
    Commit,
}

pub(super) struct Planner {
    node: &'static str,
    rack: &'static str,
    job: Option<Job>,
    stage: Stage,
    snapshot: Snapshot,
    batch: Batch,
    committed: usize,
    /// Goals of the batch, in its order.
    planned: Vec<Goal>,
    /// The planner's clock when it planned.
    at: Timestamp,
    /// Removals that the reference had counted of each handle when the job began.
    disturbances: BTreeMap<String, u64>,
}

impl Planner {
    pub(super) fn new(node: &'static str, rack: &'static str) -> Self {
        Self {
            node,
            rack,
            job: None,
            stage: Stage::Read(0),
            snapshot: Snapshot::default(),
            batch: Batch::default(),
            committed: 0,
            planned: Vec::new(),
            at: Timestamp(0),
            disturbances: BTreeMap::new(),
        }
    }

    pub(super) fn crash(&mut self) {
        *self = Self::new(self.node, self.rack);
    }

    pub(super) fn step(
        &mut self,
        store: &mut Store,
        reference: &mut Reference,
        clock: Timestamp,
        dice: &mut Dice,
    ) {
        match (&self.job, &self.stage) {
            (None, _) => self.begin(reference, dice),
            (Some(_), Stage::Read(kinds)) => self.read(store, *kinds),
            (Some(_), Stage::Remember) => self.remember(store),
            (Some(_), Stage::Plan) => self.plan(clock, reference, dice),
            (Some(_), Stage::Commit) => self.commit(store, reference),
        }
    }

    fn begin(&mut self, reference: &Reference, dice: &mut Dice) {
        let mine = |dice: &mut Dice| {
            // Services are anyone's; a pod's requests come to its node.
            let mine: Vec<usize> = (0..HANDLES)
                .filter(|handle| NODES[handle % 3].0 == self.node || matches!(handle, 10 | 11))
                .collect();
            mine[dice.below(mine.len())]
        };
        let job = match dice.below(100) {
            0..4 => Job::Settle,
            4..9 => Job::Prefetch(if dice.percent(50) { Family::V4 } else { Family::V6 }),
            9..17 => Job::Unclaim(dice.below(2)),
            17..19 => Job::Surplus,
            _ => {
                let goal = |dice: &mut Dice| match dice.below(10) {
                    0..5 => Goal::Assign(mine(dice)),
                    5..9 => Goal::Release(mine(dice)),
                    _ => Goal::Items(reference.items(dice)),
                };
                let count = 1 + dice.below(4) * dice.below(2);
                Job::Tasks((0..count).map(|_| goal(dice)).collect())
            }
        };
        // Whoever remembers something may begin with that.
        let remembers = matches!(job, Job::Tasks(_)) && self.snapshot.blocks().next().is_some();
        if remembers && dice.percent(60) {
            self.snapshot.keep_own(self.node);
            self.stage = Stage::Remember;
        } else {
            self.stage = Stage::Read(0);
        }
        self.disturbances = reference.disturbances.clone();
        self.job = Some(job);
    }

    fn handles(&self) -> BTreeSet<String> {
        let Some(Job::Tasks(goals)) = &self.job else { return BTreeSet::new() };
        let of_goal = |goal: &Goal| match goal {
            Goal::Assign(handle) | Goal::Release(handle) => vec![name(*handle)],
            Goal::Items(items) => items.iter().map(|item| item.handle.clone()).collect(),
        };
        goals.iter().flat_map(of_goal).collect()
    }

    /// Reads one kind of record: what a planner knows is never of one moment. Blocks last, as `Snapshot` demands.
    fn read(&mut self, store: &Store, kinds: u8) {
        if kinds == 0 {
            self.snapshot = Snapshot::all();
            store.tell_people(&mut self.snapshot);
        }
        for (revision, record) in store.records.values() {
            let kind = match record {
                Record::Handle(_) => 0,
                Record::Affinity(_) => 1,
                Record::Block(_) => 2,
            };
            if kind == kinds {
                self.snapshot.put(record.clone(), *revision);
            }
        }
        self.stage = if kinds < 2 { Stage::Read(kinds + 1) } else { Stage::Plan };
    }

    /// Reads the handles of the tasks and the blocks that they name, and no more.
    fn remember(&mut self, store: &Store) {
        self.snapshot.scope = Scope::Part;
        store.tell_people(&mut self.snapshot);
        for handle in self.handles() {
            self.get(store, &Key::Handle(handle.clone()));
            let named: Vec<IpNetwork> =
                self.snapshot.handle(&handle).iter().flat_map(|h| h.value.blocks.keys().copied()).collect();
            for cidr in named {
                self.get(store, &Key::Block(cidr));
            }
        }
        self.stage = Stage::Plan;
    }

    fn get(&mut self, store: &Store, key: &Key) {
        match store.records.get(key) {
            Some((revision, record)) => self.snapshot.put(record.clone(), *revision),
            None => self.snapshot.remove(key),
        }
    }

    fn plan(&mut self, clock: Timestamp, reference: &mut Reference, dice: &mut Dice) {
        self.at = clock;
        self.committed = 0;
        self.planned.clear();
        let node_labels = labels(&[("rack", self.rack)]);
        let writes = match self.job.clone() {
            None => return,
            Some(Job::Tasks(goals)) => return self.plan_tasks(goals, reference, dice),
            Some(Job::Settle) => settle(&self.snapshot, self.node, clock),
            Some(Job::Prefetch(family)) => {
                match prefetch(&self.snapshot, self.node, &node_labels, family, clock) {
                    Prefetch::Enough => Vec::new(),
                    Prefetch::Commit(writes) => writes,
                    Prefetch::ReadAll => panic!("everything was read"),
                }
            }
            Some(Job::Unclaim(which)) => {
                let claims = self.snapshot.affinities_of(self.node).map(|own| own.value.cidr);
                let empty = |cidr: &IpNetwork| self.snapshot.block(cidr).is_none_or(|b| b.value.used() == 0);
                let own = claims.filter(empty).nth(which);
                own.and_then(|cidr| unclaim(&self.snapshot, self.node, cidr, clock).ok()).unwrap_or_default()
            }
            Some(Job::Surplus) => {
                let surplus = surplus(&self.snapshot, self.node, &node_labels, clock);
                let first =
                    surplus.first().map(|cidr| unclaim(&self.snapshot, self.node, *cidr, clock).unwrap());
                first.unwrap_or_default()
            }
        };
        if writes.is_empty() {
            self.job = None;
        } else {
            reference.see_plan(&writes);
            self.batch = Batch { writes, answers: Vec::new() };
            self.stage = Stage::Commit;
        }
    }

    fn plan_tasks(&mut self, goals: Vec<Goal>, reference: &mut Reference, dice: &mut Dice) {
        let tasks: Vec<Task> = goals.iter().map(|goal| task(goal, self.at)).collect();
        self.batch = match tasks.as_slice() {
            [only] if dice.percent(50) => alone(&self.snapshot, only),
            _ => Batch::plan(&self.snapshot, &tasks),
        };
        self.planned = goals;
        reference.see_plan(&self.batch.writes);
        // One record, one write.
        let keys: BTreeSet<&Key> = self.batch.writes.iter().map(|write| &write.key).collect();
        assert_eq!(keys.len(), self.batch.writes.len());
        // Whoever has to come again has something to wait for.
        let again = self.batch.answers.iter().any(|answer| answer.outcome == Outcome::Again);
        assert!(!again || !self.batch.writes.is_empty(), "{:?}", self.planned);
        if self.batch.writes.is_empty() {
            self.finish(reference);
        } else {
            self.stage = Stage::Commit;
        }
    }

    fn commit(&mut self, store: &mut Store, reference: &mut Reference) {
        let write = self.batch.writes[self.committed].clone();
        let before = store.records.get(&write.key).map(|(_, record)| record.clone());
        match store.commit(&write) {
            Ok(revision) => {
                let writer = reference::Writer {
                    node: self.node,
                    at: self.at,
                    snapshot: &self.snapshot,
                    goals: &self.planned,
                };
                reference.see(store, &writer, before.as_ref(), &write);
                self.snapshot.apply(&write, revision);
                self.committed += 1;
                if self.committed == self.batch.writes.len() {
                    self.finish(reference);
                }
            }
            Err(_) => {
                reference.seen.conflicts += 1;
                self.get(store, &write.key);
                self.finish(reference);
                // What it has read is outdated in one place at least; a partial view is mended there.
                let is_part = self.snapshot.scope == Scope::Part;
                self.stage = if is_part { Stage::Remember } else { Stage::Read(0) };
            }
        }
    }

    /// Answers what can be answered, and goes on with the rest.
    fn finish(&mut self, reference: &mut Reference) {
        self.stage = Stage::Plan;
        let Some(Job::Tasks(_)) = &self.job else { return };
        let mut open = Vec::new();
        let mut is_read_all = false;
        for (goal, answer) in self.planned.iter().zip(&self.batch.answers) {
            let is_done = answer.writes <= self.committed;
            match (&answer.outcome, goal) {
                (Outcome::Assigned(addresses), Goal::Assign(handle)) if is_done => {
                    let undisturbed =
                        self.disturbances.get(&name(*handle)) == reference.disturbances.get(&name(*handle));
                    reference.answered(*handle, addresses, undisturbed);
                }
                (Outcome::Released(_) | Outcome::Refused(_), _) if is_done => {}
                (Outcome::ReadAll, _) => {
                    is_read_all = true;
                    open.push(goal.clone());
                }
                // Another attempt would find a part of them released, and refuse.
                (Outcome::Released(_), Goal::Items(_)) => {}
                _ => open.push(goal.clone()),
            }
        }
        if is_read_all {
            reference.seen.read_alls += 1;
            self.stage = Stage::Read(0);
        }
        self.job = (!open.is_empty()).then_some(Job::Tasks(open));
        self.planned.clear();
    }
}

fn task(goal: &Goal, now: Timestamp) -> Task {
    match goal {
        Goal::Assign(handle) => Task::Assign(Box::new(wish(*handle, now))),
        Goal::Release(handle) => Task::Release { handle: name(*handle), now },
        Goal::Items(items) => Task::ReleaseAddresses { items: items.clone(), now },
    }
}

/// One task by the functions for one.
fn alone(snapshot: &Snapshot, task: &Task) -> Batch {
    let released = |release: Release| match release {
        Release::Nothing => (Vec::new(), Outcome::Released(Vec::new())),
        Release::Commit { writes, addresses } => (writes, Outcome::Released(addresses)),
        Release::ReadAll => (Vec::new(), Outcome::ReadAll),
    };
    let (writes, outcome) = match task {
        Task::Assign(request) => match assign(snapshot, request) {
            Ok(Assignment::Done(addresses)) => (Vec::new(), Outcome::Assigned(addresses)),
            Ok(Assignment::Commit { writes, addresses }) => (writes, Outcome::Assigned(addresses)),
            Ok(Assignment::Prepare(writes)) => (writes, Outcome::Again),
            Ok(Assignment::ReadAll) => (Vec::new(), Outcome::ReadAll),
            Err(error) => (Vec::new(), Outcome::Refused(error.into())),
        },
        Task::Release { handle, now } => released(release(snapshot, handle, *now)),
        Task::ReleaseAddresses { items, now } => match release_addresses(snapshot, items, *now) {
            Ok(release) => released(release),
            Err(error) => (Vec::new(), Outcome::Refused(error.into())),
        },
    };
    let answer = Answer { outcome, writes: writes.len() };
    Batch { writes, answers: vec![answer] }
}
