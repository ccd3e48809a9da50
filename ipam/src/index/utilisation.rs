//! How full pools are, and on which nodes. The work grows with the pool's blocks and nodes, not with its
//! addresses; only blocks with reserved addresses are looked into.

use std::ops::Bound;
use std::time::Duration;

use super::{Index, is_within};
use crate::block::Block;
use crate::pool::Pool;
use crate::timestamp::Timestamp;
use crate::usage::{self, Usage};

/// How full a pool is, and on which nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUtilisation<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// How full it is.
    pub usage: Usage,
    /// Addresses that reservations keep free: reserved and not in use.
    pub reserved: u128,
    /// Addresses that rest after they were given back.
    pub cooling: u64,
    /// Of those in use, addresses that nodes keep ready only ([`crate::standby`]).
    pub standby: u64,
    /// The nodes with blocks or addresses of it, by name.
    pub nodes: Vec<NodeUtilisation<'a>>,
}

/// What a node has of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeUtilisation<'a> {
    /// The node.
    pub node: &'a str,
    /// Its blocks.
    pub blocks: u64,
    /// Addresses in its blocks.
    pub addresses_total: u64,
    /// Addresses in use there, wherever they come from.
    pub addresses_used: u64,
    /// Of those, from blocks of other nodes.
    pub addresses_borrowed: u64,
    /// And those that are kept ready only.
    pub addresses_standby: u64,
}

impl Index {
    /// How full this pool is, and on which nodes; `None` if there is no such pool.
    #[must_use]
    pub fn utilisation(&self, pool: &str, now: Timestamp) -> Option<PoolUtilisation<'_>> {
        let pool = self.pool(pool)?;
        let blocks = || self.blocks(None, Some(&pool.name), None).map(|block| &block.value);
        let cooldown = self.configuration().cooldown();
        let nodes: Vec<NodeUtilisation<'_>> =
            self.nodes.keys().filter_map(|node| self.node_utilisation(pool, node)).collect();
        Some(PoolUtilisation {
            pool,
            usage: usage::pool_usage(pool, blocks()),
            reserved: self.kept_free(pool, blocks()),
            cooling: blocks().map(|block| cooling(block, now, cooldown)).sum(),
            standby: nodes.iter().map(|node| node.addresses_standby).sum(),
            nodes,
        })
    }

    fn kept_free<'a>(&self, pool: &Pool, blocks: impl Iterator<Item = &'a Block>) -> u128 {
        let used = blocks.filter(|block| self.reserved.count_in(&block.cidr()) > 0);
        let used = used.flat_map(Block::allocations).filter(|(address, _)| self.reserved.covers(*address));
        let used = u128::try_from(used.count()).unwrap_or(u128::MAX);
        self.reserved.count_in(&pool.cidr).saturating_sub(used)
    }

    fn node_utilisation<'a>(&self, pool: &Pool, node: &'a str) -> Option<NodeUtilisation<'a>> {
        let shares = &self.nodes.get(node)?.shares;
        let shares = shares.range((Bound::Included(pool.cidr), Bound::Unbounded));
        let shares = shares.take_while(|(cidr, _)| is_within(Some(pool.cidr), cidr));
        let mut sum = NodeUtilisation {
            node,
            blocks: 0,
            addresses_total: 0,
            addresses_used: 0,
            addresses_borrowed: 0,
            addresses_standby: 0,
        };
        let mut any = false;
        for (cidr, share) in shares {
            any = true;
            let used = u64::from(share.used);
            sum.addresses_used += used;
            sum.addresses_standby += u64::from(share.standby);
            if share.is_owner {
                sum.blocks += 1;
                sum.addresses_total += self.block(cidr).map_or(0, |block| u64::from(block.value.size()));
            } else {
                sum.addresses_borrowed += used;
            }
        }
        any.then_some(sum)
    }
}

fn cooling(block: &Block, now: Timestamp, cooldown: Duration) -> u64 {
    u64::from(block.cooling(now, cooldown))
}
