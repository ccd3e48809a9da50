//! `SplitPool`: equal parts in a pool's place.
//!
//! The parts are written first, and then the pool is deleted. Where the datastore does so many writes all or none, nobody
//! sees anything in between. Elsewhere, and of more parts than that, one may see the pool and parts of it: as long as the
//! pool is there it alone gives out addresses (of pools that overlap the first by name does, and parts are named
//! after the pool), and who cuts it again goes on where the first attempt stopped.

use ::ipam::{Index, Pool, Record, plan};
use datastore::{Error, Key, Kind, Precondition, Resource, Versioned, Write};
use proto::v1;
use tonic::Status;

use super::{Service, argument, describe, list};
use crate::api::failure;
use crate::ipam::now;

/// How often to plan anew when pools change meanwhile.
const ATTEMPTS: usize = 10;

impl Service {
    pub(super) async fn cut_pool(
        &self,
        request: v1::SplitPoolRequest,
    ) -> Result<v1::SplitPoolResponse, Status> {
        let v1::SplitPoolRequest { pool: name, parts, dry_run } = request;
        argument::name("pool", &name)?;
        let _applying = self.applying.lock().await;
        for _ in 0..ATTEMPTS {
            let listing = self.store.list(Kind::IpPool).await.map_err(|error| failure::datastore(&error))?;
            let pools: Vec<Pool> = listing.items.values().filter_map(to_pool).collect();
            let Some(stored) = listing.items.get(&Key::global(Kind::IpPool, &name)) else {
                list::demand_pool(&of_pools(pools), &name)?;
                continue;
            };
            let Some(pool) = to_pool(stored) else { continue };
            let cut =
                plan::split(&pool, parts, &pools).map_err(|problems| failure::not_split(&name, &problems))?;
            if dry_run {
                return Ok(self.describe_parts(&pool, cut));
            }
            let missing = cut.iter().filter(|part| pools.iter().all(|other| other.name != part.name));
            let create = missing
                .map(|part| Write::put(Resource::IpPool(Box::new(part.clone())), Precondition::Absent));
            let delete = Write::delete(pool_key(&pool), Precondition::Unchanged(stored.revision));
            match self.store.commit(create.chain([delete]).collect()).await {
                Ok(revisions) => {
                    self.caught_up(revisions.into_iter().max().unwrap_or_default()).await;
                    tracing::info!(pool = name, parts, "a pool was cut");
                    return Ok(self.describe_parts(&pool, cut));
                }
                Err(failed) if matches!(failed.error, Error::Conflict { .. }) => {}
                Err(failed) => return Err(failure::datastore(&failed.error)),
            }
        }
        Err(failure::aborted("pools are being changed by others all the time; retry later"))
    }

    /// The parts and how full they are, whether they are known here already or not.
    fn describe_parts(&self, pool: &Pool, parts: Vec<Pool>) -> v1::SplitPoolResponse {
        let state = self.state();
        let names: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
        let mut index = of_pools(parts);
        for reservation in state.index.reservations() {
            index.put_reservation(reservation.clone());
        }
        index.set_configuration(state.index.configuration().clone());
        for block in state.index.blocks(None, None, None) {
            if ::ipam::usage::holds(pool, &block.value) {
                index.put(Record::Block(block.value.clone()), block.revision);
            }
        }
        let now = now();
        let utilisation = names.iter().filter_map(|name| index.utilisation(name, now));
        v1::SplitPoolResponse { pools: utilisation.map(|part| describe::pool(&part)).collect() }
    }
}

fn pool_key(pool: &Pool) -> Key {
    Key::global(Kind::IpPool, &pool.name)
}

fn to_pool(stored: &Versioned) -> Option<Pool> {
    if let Resource::IpPool(pool) = &stored.resource { Some((**pool).clone()) } else { None }
}

fn of_pools(pools: Vec<Pool>) -> Index {
    let mut index = Index::default();
    pools.into_iter().for_each(|pool| index.put_pool(pool));
    index
}
