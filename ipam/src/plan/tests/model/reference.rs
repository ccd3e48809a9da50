//! What must hold, told from the writes alone: a ledger of who holds what, which knows nothing of how plans are made.

use super::planner::Goal;
use super::wishes::{name, wish};
use super::*;

/// Who wrote, and by what knowledge.
pub(super) struct Writer<'a> {
    pub(super) node: &'static str,
    /// Its clock when it planned.
    pub(super) at: Timestamp,
    /// What it had read.
    pub(super) snapshot: &'a Snapshot,
    pub(super) goals: &'a [Goal],
}

/// How often the model came to what it is to test.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) conflicts: u64,
    pub(super) read_alls: u64,
    assigned: u64,
    merged: u64,
    claimed: u64,
    given_back: u64,
    reclaimed: u64,
    borrowed: u64,
    completed: u64,
    released_singly: u64,
    reused: u64,
    services: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        let Self { conflicts, read_alls, assigned, merged, claimed, given_back, .. } = other;
        self.conflicts += conflicts;
        self.read_alls += read_alls;
        self.assigned += assigned;
        self.merged += merged;
        self.claimed += claimed;
        self.given_back += given_back;
        let Self { reclaimed, borrowed, completed, released_singly, reused, services, .. } = other;
        self.reclaimed += reclaimed;
        self.borrowed += borrowed;
        self.completed += completed;
        self.released_singly += released_singly;
        self.reused += reused;
        self.services += services;
    }

    pub(super) fn check(&self) {
        let Self { conflicts, read_alls, assigned, merged, claimed, given_back, .. } = self;
        let Self { reclaimed, borrowed, completed, released_singly, reused, services, .. } = self;
        for count in [
            conflicts,
            read_alls,
            assigned,
            merged,
            claimed,
            given_back,
            reclaimed,
            borrowed,
            completed,
            released_singly,
            reused,
            services,
        ] {
            assert!(*count > 5, "{self:?}");
        }
    }
}

/// Who holds what.
#[derive(Default)]
pub(super) struct Reference {
    holders: BTreeMap<IpAddr, (String, u64)>,
    /// When, by the clock of whoever did it, an address was given back last.
    released: BTreeMap<IpAddr, Timestamp>,
    /// Every taking that there ever was.
    takings: BTreeSet<(IpAddr, String, u64)>,
    /// What was answered for a handle and not released since.
    promised: BTreeMap<usize, Vec<IpAddr>>,
    /// How many addresses of a handle were given back so far.
    pub(super) disturbances: BTreeMap<String, u64>,
    /// Handles that may hold less than they want, as somebody gave back single addresses of theirs.
    pub(super) lessened: BTreeSet<String>,
    pub(super) log: Vec<(&'static str, Timestamp, Write)>,
    pub(super) seen: Seen,
}

impl Reference {
    pub(super) fn see_plan(&mut self, writes: &[Write]) {
        let handles = writes.iter().filter(|write| matches!(write.key, Key::Handle(_)));
        self.seen.merged += u64::from(handles.count() > 1);
    }

    /// Some addresses in use, as somebody may have noted them; now and then not quite right.
    pub(super) fn items(&self, dice: &mut Dice) -> Vec<ReleaseItem> {
        let count = self.holders.len();
        let item = |dice: &mut Dice| {
            let (address, (handle, sequence)) = self.holders.iter().nth(dice.below(count)).unwrap();
            let handle = if dice.percent(5) { "h0".to_owned() } else { handle.clone() };
            let sequence = (!dice.percent(30)).then(|| sequence + u64::from(dice.percent(5)));
            ReleaseItem { address: *address, handle, sequence }
        };
        (0..(1 + dice.below(2)).min(count)).map(|_| item(dice)).collect()
    }

    /// Looks at a write that has just been committed.
    pub(super) fn see(&mut self, store: &Store, writer: &Writer<'_>, before: Option<&Record>, write: &Write) {
        self.log.push((writer.node, writer.at, write.clone()));
        match (before, &write.value) {
            (None, Some(Record::Block(block))) => self.created(store, writer, block),
            (Some(Record::Block(old)), Some(Record::Block(new))) => self.rewritten(store, writer, old, new),
            (Some(Record::Block(old)), None) => self.gone(store, writer, old),
            (_, Some(Record::Handle(handle))) => {
                let is_of = |item: &ReleaseItem| item.handle == handle.id;
                if writer
                    .goals
                    .iter()
                    .any(|goal| matches!(goal, Goal::Items(items) if items.iter().any(is_of)))
                {
                    self.lessened.insert(handle.id.clone());
                }
                for (address, _) in self.holders.iter().filter(|(_, (holder, _))| *holder == handle.id) {
                    let named = handle.blocks.keys().any(|cidr| cidr.contains(*address));
                    assert!(named, "{address} cannot be found by {} any more", handle.id);
                }
            }
            (Some(Record::Handle(handle)), None) => {
                let held = self.holders.iter().find(|(_, (holder, _))| *holder == handle.id);
                assert_eq!(held, None, "{} is gone, but holds", handle.id);
            }
            (_, Some(Record::Affinity(affinity))) if affinity.state == AffinityState::Confirmed => {
                let owner = block(store, &affinity.cidr).map(Block::node);
                assert_eq!(owner, Some(affinity.node.as_str()), "{} announced wrongly", affinity.cidr);
            }
            _ => {}
        }
    }

    fn created(&mut self, store: &Store, writer: &Writer<'_>, new: &Block) {
        self.seen.claimed += 1;
        let cidr = new.cidr();
        let others = store.blocks().filter(|other| crate::family::overlap(&other.cidr(), &cidr));
        assert_eq!(others.count(), 1, "{cidr} overlaps another block");
        let state = affinity(store, new.node(), &cidr);
        // Another planner of the node may have dropped the claim meanwhile; the block is adopted then.
        assert_ne!(state, Some(AffinityState::Confirmed), "{cidr} was announced before");
        assert_eq!((new.used(), new.claimed_at()), (0, writer.at));
        let reserved = |address: &IpAddr| is_reserved(writer.snapshot, *address);
        assert!(!addresses(new).iter().all(reserved), "{cidr} is all reserved");
        let serves = |pool: &&Pool| {
            let usage = if new.node() == writer.node { Use::Workload } else { Use::LoadBalancer };
            pool.cidr.contains(cidr.network())
                && pool.block_size == cidr.prefix()
                && serves_node(pool, usage, rack(new.node()))
        };
        assert!(writer.snapshot.pools().any(|pool| serves(&pool)), "{cidr} is of no pool for {}", new.node());
        if new.node() == crate::LOAD_BALANCER_NODE {
            self.seen.services += 1;
            return;
        }
        assert_eq!(new.node(), writer.node);
        let configuration = writer.snapshot.configuration();
        assert!(configuration.auto_allocate_blocks, "{cidr} claimed by itself");
        let of_family =
            |affinity: &&Affinity| affinity.node == new.node() && affinity.cidr.is_ipv4() == cidr.is_ipv4();
        let count = u32::try_from(store.affinities().filter(of_family).count()).unwrap();
        // Two plan for the node, and what it had it keeps when the budget shrinks.
        let known = writer.snapshot.affinities_of(new.node());
        let known = known.filter(|known| known.value.cidr.is_ipv4() == cidr.is_ipv4()).count();
        assert!(u32::try_from(known).unwrap() <= configuration.block_budget(), "{known}");
        assert!(count <= configuration.block_budget().max(1) + 2, "{count} blocks of {}", new.node());
    }

    fn gone(&mut self, store: &Store, writer: &Writer<'_>, old: &Block) {
        self.seen.given_back += 1;
        assert_eq!(old.used(), 0);
        let state = affinity(store, old.node(), &old.cidr());
        assert_eq!(state, Some(AffinityState::PendingDeletion), "{} may still be announced", old.cidr());
        for address in addresses(old) {
            self.has_rested(writer, address);
        }
        if old.node() != writer.node {
            self.seen.reclaimed += 1;
            let age = writer.at.since(old.claimed_at());
            assert!(age >= Duration::from_secs(60), "{} was claimed {age:?} ago", old.cidr());
        }
    }

    fn has_rested(&self, writer: &Writer<'_>, address: IpAddr) {
        let Some(released) = self.released.get(&address) else { return };
        let cooldown = writer.snapshot.configuration().cooldown();
        assert!(released.after(cooldown) <= writer.at.after(SKEW), "{address} has not rested");
    }

    fn rewritten(&mut self, store: &Store, writer: &Writer<'_>, old: &Block, new: &Block) {
        assert_eq!(
            (old.node(), old.claimed_at()),
            (new.node(), new.claimed_at()),
            "{} changed hands",
            old.cidr()
        );
        assert!(old.sequence() < new.sequence());
        for (address, allocation) in old.allocations() {
            let kept = new.allocation(address);
            if kept == Some(allocation) {
                continue;
            }
            let (handle, sequence) = self.holders.remove(&address).unwrap();
            assert_eq!((&handle, sequence), (&allocation.handle, allocation.sequence));
            let singly = |item: &ReleaseItem| {
                item.address == address
                    && item.handle == handle
                    && item.sequence.is_none_or(|expected| expected == sequence)
            };
            let asked = writer.goals.iter().any(|goal| match goal {
                Goal::Release(which) => name(*which) == handle,
                Goal::Items(items) => items.iter().any(singly),
                Goal::Assign(_) => false,
            });
            assert!(asked, "{address} of {handle} was lost");
            let is_single = |goal: &Goal| matches!(goal, Goal::Items(items) if items.iter().any(singly));
            self.seen.released_singly += u64::from(writer.goals.iter().any(is_single));
            if !self.holders.values().any(|(holder, _)| *holder == handle) {
                self.lessened.remove(&handle);
            }
            *self.disturbances.entry(handle.clone()).or_default() += 1;
            self.promised.retain(|which, _| name(*which) != handle);
            self.released.insert(address, writer.at);
        }
        for (address, allocation) in new.allocations() {
            if old.allocation(address) != Some(allocation) {
                self.taken(store, writer, new, address);
            }
        }
    }

    fn taken(&mut self, store: &Store, writer: &Writer<'_>, block: &Block, address: IpAddr) {
        self.seen.assigned += 1;
        let allocation = block.allocation(address).unwrap();
        let holder = (allocation.handle.clone(), allocation.sequence);
        let before = self.holders.insert(address, holder);
        assert_eq!(before, None, "{address} given twice");
        let taking = (address, allocation.handle.clone(), allocation.sequence);
        assert!(self.takings.insert(taking), "{address}: the number {} again", allocation.sequence);
        let which = writer.goals.iter().find_map(|goal| match goal {
            Goal::Assign(which) if name(*which) == allocation.handle => Some(*which),
            Goal::Assign(_) | Goal::Release(_) | Goal::Items(_) => None,
        });
        let wish = wish(which.unwrap_or_else(|| panic!("{allocation:?} was not asked for")), writer.at);
        assert_eq!(allocation.attributes, wish.attributes);
        assert!(!is_reserved(writer.snapshot, address), "{address} is reserved");
        self.seen.reused += u64::from(self.released.contains_key(&address));
        self.has_rested(writer, address);
        let pool = writer.snapshot.pools().find(|pool| pool.cidr.contains(address)).unwrap();
        assert!(serves(pool, &wish), "{address} of pool {} is not for {wish:?}", pool.name);
        if block.node() != wish.owner() {
            self.seen.borrowed += 1;
            assert!(!writer.snapshot.configuration().strict_affinity, "{address} borrowed");
        }
        let named = store.handles().find(|handle| handle.id == wish.handle);
        assert!(
            named.is_some_and(|handle| handle.blocks.contains_key(&block.cidr())),
            "{address} cannot be found"
        );
        let is_of = |wanted: &&Wanted| wanted.family() == Family::of(address);
        let held = self
            .holders
            .iter()
            .filter(|(other, (holder, _))| *holder == wish.handle && other.is_ipv4() == address.is_ipv4());
        assert!(held.count() <= wish.wanted.iter().filter(is_of).count(), "{} got too many", wish.handle);
        // Somebody had begun it, and did not come to its end.
        let known = writer.snapshot.handle(&wish.handle);
        let others = self.holders.values().filter(|(holder, _)| *holder == wish.handle).count();
        self.seen.completed += u64::from(known.is_some() && others > 1 && others == wish.wanted.len());
    }

    /// Someone was told that the handle holds these.
    pub(super) fn answered(&mut self, handle: usize, addresses: &[IpAddr], undisturbed: bool) {
        if !undisturbed {
            return;
        }
        let wish = wish(handle, Timestamp(0));
        for (address, wanted) in addresses.iter().zip(&wish.wanted) {
            let holder = self.holders.get(address).map(|(holder, _)| holder.as_str());
            assert_eq!(holder, Some(wish.handle.as_str()), "{address} was promised");
            assert!(
                wanted.family() == Family::of(*address) && wanted.address().is_none_or(|a| a == *address)
            );
        }
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), wish.wanted.len());
        let before = self.promised.entry(handle).or_insert_with(|| addresses.to_vec());
        assert_eq!(before, addresses, "{} was told otherwise before", wish.handle);
    }
}

fn block<'a>(store: &'a Store, cidr: &IpNetwork) -> Option<&'a Block> {
    store.blocks().find(|block| block.cidr() == *cidr)
}

fn affinity(store: &Store, node: &str, cidr: &IpNetwork) -> Option<AffinityState> {
    store.affinities().find(|a| a.node == node && a.cidr == *cidr).map(|affinity| affinity.state)
}

fn addresses(block: &Block) -> Vec<IpAddr> {
    block.cidr().iter().collect()
}

fn is_reserved(snapshot: &Snapshot, address: IpAddr) -> bool {
    snapshot.reserved().by(address).is_some()
}

fn rack(node: &str) -> &'static str {
    NODES.iter().find(|known| known.0 == node).map_or("", |known| known.1)
}

/// What the pools of the model are for, said once more in another way.
fn serves_node(pool: &Pool, usage: Use, rack: &str) -> bool {
    let is_for = match pool.name.as_str() {
        "b" => usage != Use::LoadBalancer && rack == "a",
        "services" => usage == Use::LoadBalancer,
        "zz-overlapping" => false,
        _ => usage != Use::LoadBalancer,
    };
    is_for && !pool.disabled && !pool.deleting
}

fn serves(pool: &Pool, wish: &Request) -> bool {
    let is_certain = wish.wanted.iter().any(|wanted| wanted.address().is_some());
    serves_node(pool, wish.usage, rack(&wish.node))
        && (pool.name != "c" || !wish.namespace_labels.is_empty())
        && (wish.pools.is_empty() || wish.pools.contains(&pool.name))
        && (pool.name != "manual" || wish.pools.contains(&pool.name) || is_certain)
}

/// Whether nobody alone in the store could have been refused for this reason, unless it is so.
pub(super) fn check_refusal(store: &Store, lessened: &BTreeSet<String>, wish: &Request, error: &AssignError) {
    let snapshot = store.snapshot();
    let holds = |address: IpAddr| store.blocks().find_map(|block| block.allocation(address));
    let cooldown = store.configuration.cooldown();
    let rests = |address: IpAddr| {
        store.blocks().any(|block| block.rests_until(address, store.now, cooldown).is_some())
    };
    let serving =
        |family: Family| store.pools.iter().filter(move |pool| pool.family() == family && serves(pool, wish));
    let free = |family| {
        let any = serving(family).filter(|pool| pool.name != "manual" || !wish.pools.is_empty());
        let addresses = any.flat_map(|pool| pool.cidr.iter());
        addresses.filter(|a| holds(*a).is_none() && !rests(*a) && !is_reserved(&snapshot, *a)).count()
    };
    match error {
        AssignError::NoPool { family, .. } => assert_eq!(free(*family), 0, "{error}"),
        AssignError::Full { family, .. } => {
            let wanted = wish.wanted.iter().filter(|wanted| wanted.family() == *family).count();
            let held = store.blocks().filter(|block| Family::of_network(&block.cidr()) == *family);
            let held = held.flat_map(|block| block.held_by(&wish.handle)).count();
            assert!(free(*family) < wanted - held, "{error}");
        }
        AssignError::NoBlock { .. } => {
            let configuration = &store.configuration;
            assert!(!configuration.auto_allocate_blocks || configuration.max_blocks_per_host > 0, "{error}");
        }
        AssignError::NotToBorrow { family, .. } => {
            assert!(store.configuration.strict_affinity && free(*family) > 0, "{error}");
        }
        AssignError::PoolRefuses { address, .. } => {
            let pool = store.pools.iter().find(|pool| pool.cidr.contains(*address));
            assert!(pool.is_some_and(|pool| !serves(pool, wish)), "{error}");
        }
        AssignError::Reserved { address, .. } => assert!(is_reserved(&snapshot, *address), "{error}"),
        AssignError::InUse { address, .. } => {
            assert!(holds(*address).is_some_and(|held| held.handle != wish.handle), "{error}");
        }
        AssignError::Resting { address, .. } => assert!(rests(*address), "{error}"),
        AssignError::OthersBlock { address, .. } => {
            let block = store.blocks().find(|block| block.cidr().contains(*address));
            assert!(store.configuration.strict_affinity && block.unwrap().node() != wish.node, "{error}");
        }
        AssignError::BlockRefused { address, .. } => {
            assert!(!store.blocks().any(|block| block.cidr().contains(*address)), "{error}");
        }
        AssignError::HoldsFewer { handle, .. } | AssignError::HoldsOther { handle, .. } => {
            assert!(lessened.contains(handle), "{error}");
        }
        AssignError::Repeated { .. }
        | AssignError::UnknownPool { .. }
        | AssignError::OutsidePools { .. }
        | AssignError::Misfit { .. }
        | AssignError::Unreadable { .. } => panic!("{}: {error}", wish.handle),
    }
}

/// What holds between any two writes, all of it.
pub(super) fn check_all(store: &Store) {
    let mut last: Option<IpNetwork> = None;
    for block in store.blocks() {
        assert!(!last.is_some_and(|last| crate::family::overlap(&last, &block.cidr())));
        last = Some(block.cidr());
        for (address, allocation) in block.allocations() {
            let named = store.handles().find(|handle| handle.id == allocation.handle);
            let named = named.is_some_and(|handle| handle.blocks.contains_key(&block.cidr()));
            assert!(named, "{address} cannot be found by handle {}", allocation.handle);
        }
    }
    for affinity in store.affinities().filter(|affinity| affinity.state == AffinityState::Confirmed) {
        let owner = block(store, &affinity.cidr).map(Block::node);
        assert_eq!(owner, Some(affinity.node.as_str()), "{} announced wrongly", affinity.cidr);
    }
}
