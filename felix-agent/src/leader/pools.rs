//! Letting a pool go: it gives out no more from the moment that it is marked, and is deleted with its last block.
//!
//! The blocks of the pool that are empty are given back in their nodes' names, by comparing and swapping: a node that
//! assigns from one at the same time makes it stay. A block also stays while addresses of it rest, since its record
//! alone remembers them. A block that lies in another pool as well, one that stays, is none of this pool's.
//!
//! Whoever applies the pool again before it is gone takes the mark away.

use std::collections::BTreeSet;
use std::fmt;

use datastore::{Error, Key, Kind, Precondition, Resource, Revision, Store};
use ipam::{Configuration, Family, Index, Pool, Snapshot, plan};
use ipnetwork::IpNetwork;

use super::facts;
use crate::ipam::commit::{self, Committed};
use crate::ipam::now;

/// How often to write anew after a conflict.
const ATTEMPTS: usize = 10;

/// What became of a pool that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// There is none of that name, or not any more.
    Gone,
    /// It waits for these, and gives out no more.
    Waiting {
        /// Addresses in use.
        used: u64,
        /// Addresses that rest.
        cooling: u64,
        /// Blocks that could not be given back yet.
        blocks: u64,
    },
    /// Somebody applied it again.
    Kept,
}

/// For people: what it waits for.
impl fmt::Display for Retired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("deleted"),
            Self::Kept => formatter.write_str("kept: it was applied again"),
            Self::Waiting { used: 0, cooling: 0, blocks } => {
                write!(formatter, "deleting: {blocks} empty blocks are being given back")
            }
            Self::Waiting { used: 0, cooling, .. } => {
                write!(formatter, "deleting: {cooling} addresses rest after they were given back")
            }
            Self::Waiting { used, .. } => write!(formatter, "deleting: {used} of its addresses in use"),
        }
    }
}

/// Marks the pool of this name, so that it gives out no more; false if there is none.
///
/// # Errors
/// As the store's; [`Error::Conflict`] if others change it all the time.
pub async fn mark(store: &dyn Store, name: &str) -> Result<bool, Error> {
    let key = Key::global(Kind::IpPool, name);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some((pool, revision)) = read(store, &key).await? else { return Ok(false) };
        if pool.deleting {
            return Ok(true);
        }
        let marked = Resource::IpPool(Box::new(Pool { deleting: true, ..pool }));
        match store.put(marked, Precondition::Unchanged(revision)).await {
            Ok(_) => return Ok(true),
            Err(conflict @ Error::Conflict { .. }) => last = Some(conflict),
            Err(other) => return Err(other),
        }
    }
    Err(last.unwrap_or(Error::Conflict { key, found: None }))
}

/// Gives back what is empty of a marked pool, and deletes it when nothing is left.
///
/// # Errors
/// As the store's.
pub async fn retire(store: &dyn Store, name: &str) -> Result<Retired, Error> {
    let key = Key::global(Kind::IpPool, name);
    let Some((pool, revision)) = read(store, &key).await? else { return Ok(Retired::Gone) };
    if !pool.deleting {
        return Ok(Retired::Kept);
    }
    let index = list(store).await?;
    for (node, cidr) in claims(&index, &pool) {
        give_back(store, index.configuration(), &node, cidr).await?;
    }
    // Claims that were made meanwhile, too.
    let left = list(store).await?;
    if !claims(&left, &pool).is_empty() {
        return Ok(waiting(&left, &pool));
    }
    match store.delete(&key, Precondition::Unchanged(revision)).await {
        Ok(()) => Ok(Retired::Gone),
        // By whoever applied it again, or who deleted it as well.
        Err(Error::Conflict { found, .. }) => Ok(if found.is_none() { Retired::Gone } else { Retired::Kept }),
        Err(other) => Err(other),
    }
}

async fn read(store: &dyn Store, key: &Key) -> Result<Option<(Pool, Revision)>, Error> {
    let found = store.get(key).await?;
    Ok(found.and_then(|found| to_pool(&found.resource).map(|pool| (pool.clone(), found.revision))))
}

fn to_pool(resource: &Resource) -> Option<&Pool> {
    if let Resource::IpPool(pool) = resource { Some(pool) } else { None }
}

/// Pools, the configuration, claims and blocks.
async fn list(store: &dyn Store) -> Result<Index, Error> {
    let kinds = [Kind::IpPool, Kind::IpamConfiguration, Kind::BlockAffinity, Kind::IpamBlock];
    let (items, unreadable) = super::list(store, &kinds).await?;
    // Whether it is of the pool that is to go is not asked: it does not go before a human has looked.
    if let Some((key, why)) = unreadable.iter().next() {
        let (key, why) = (key.clone(), why.clone());
        return Err(Error::Unreadable { key, revision: Revision::default(), why });
    }
    Ok(facts::gather(items, &unreadable).index)
}

/// Whether a block of this prefix goes with the pool.
fn is_of(index: &Index, pool: &Pool, cidr: IpNetwork) -> bool {
    let family = Family::of_network(&cidr);
    let lies_in = |pool: &Pool| pool.family() == family && pool.cidr.contains(cidr.network());
    let stays = |other: &Pool| other.name != pool.name && !other.deleting;
    lies_in(pool) && !index.pools().any(|other| stays(other) && lies_in(other))
}

/// Who claims which blocks of the pool.
fn claims(index: &Index, pool: &Pool) -> BTreeSet<(String, IpNetwork)> {
    let owned = index.blocks(None, None, None).map(|block| (block.value.node(), block.value.cidr()));
    let claimed = index.affinities().map(|claim| (claim.value.node.as_str(), claim.value.cidr));
    let all = owned.chain(claimed).filter(|(_, cidr)| is_of(index, pool, *cidr));
    all.map(|(node, cidr)| (node.to_owned(), cidr)).collect()
}

fn waiting(index: &Index, pool: &Pool) -> Retired {
    let now = now();
    let cooldown = index.configuration().cooldown();
    let blocks = index.blocks(None, None, None).map(|block| &block.value);
    let blocks = blocks.filter(|block| is_of(index, pool, block.cidr()));
    let (mut used, mut cooling, mut count) = (0, 0, 0);
    for block in blocks {
        used += u64::from(block.used());
        cooling += u64::from(block.cooling(now, cooldown));
        count += 1;
    }
    Retired::Waiting { used, cooling, blocks: count }
}

/// Gives an empty block back, in place of its node. One that is not empty stays.
async fn give_back(
    store: &dyn Store,
    configuration: &Configuration,
    node: &str,
    cidr: IpNetwork,
) -> Result<(), Error> {
    let keys = [ipam::Key::Affinity(node.to_owned(), cidr), ipam::Key::Block(cidr)];
    for _ in 0..ATTEMPTS {
        let mut snapshot = Snapshot::default();
        snapshot.set_configuration(configuration.clone());
        for key in &keys {
            if let Some((record, revision)) = commit::read(store, key).await? {
                snapshot.put(record, revision);
            }
        }
        match plan::unclaim(&snapshot, node, cidr, now()) {
            Ok(writes) if writes.is_empty() => return Ok(()),
            Ok(writes) => match commit::commit(store, &writes).await {
                Committed::All(_) | Committed::UpTo { error: Error::Conflict { .. }, .. } => {}
                Committed::UpTo { error, .. } | Committed::Unknown(error) => return Err(error),
            },
            Err(stays) => {
                tracing::debug!(%stays, "a block of a pool that is to go stays");
                return Ok(());
            }
        }
    }
    tracing::debug!(block = %cidr, "a block of a pool that is to go stays: it is being changed by others");
    Ok(())
}
