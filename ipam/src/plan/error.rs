//! Why no address can be given.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::eligible::{PassedOver, WhyNot};
use crate::family::Family;

/// Why no address can be given. Nothing of the request has been or will be written, other than claims to blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// A pool asked for by name does not exist.
    #[error("there is no pool {pool}; {}", names(.known))]
    UnknownPool {
        /// As asked.
        pool: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// An address was asked for twice in one request.
    #[error("{address} was asked for twice; ask for it once")]
    Repeated {
        /// The address.
        address: IpAddr,
    },
    /// No pool gives out addresses of this family to this request.
    #[error("no pool gives out {family} addresses here ({}); apply an enabled IPPool with an {family} cidr that \
             serves this node and namespace", passed(.passed_over))]
    NoPool {
        /// The family.
        family: Family,
        /// Pools of the family, and why they do not.
        passed_over: Vec<PassedOver>,
    },
    /// Every address of every pool that serves the request is in use, resting or reserved.
    #[error("no free {family} address: {}{}; {}", fills(.pools), beside(.passed_over), what_frees(.pools))]
    Full {
        /// The family.
        family: Family,
        /// The pools asked.
        pools: Vec<PoolFill>,
        /// The others, and why not.
        passed_over: Vec<PassedOver>,
    },
    /// The pools have blocks left, but the node may claim none.
    #[error("no free {family} address in the blocks of {node}, and {refused}{}", or_borrow(*.strict))]
    NoBlock {
        /// The family.
        family: Family,
        /// The node.
        node: String,
        /// Why it may claim none.
        refused: ClaimRefused,
        /// Whether it may not borrow either.
        strict: bool,
    },
    /// Addresses are free, but only in blocks of other nodes.
    #[error(
        "no free {family} address in the blocks of {node}, and {free} are free in those of other nodes, which is \
             not to borrow (strictAffinity: true): set that to false, or apply another IPPool"
    )]
    NotToBorrow {
        /// The family.
        family: Family,
        /// The node.
        node: String,
        /// Addresses that it could borrow otherwise.
        free: u64,
    },
    /// A requested address is not in any pool.
    #[error("{address} lies in no pool; {}", within(.pools))]
    OutsidePools {
        /// The address.
        address: IpAddr,
        /// The pools of its family.
        pools: Vec<PoolFill>,
    },
    /// A requested address is in a pool that does not serve the request.
    #[error(
        "{address} lies in pool {pool}, which {why}; ask for an address of another pool, or change this one"
    )]
    PoolRefuses {
        /// The address.
        address: IpAddr,
        /// The pool.
        pool: String,
        /// Why.
        why: Box<WhyNot>,
    },
    /// A requested address is reserved.
    #[error("{address} is reserved by IPReservation {reservation}; ask for another, or take it out of that")]
    Reserved {
        /// The address.
        address: IpAddr,
        /// The reservation.
        reservation: String,
    },
    /// A requested address belongs to someone else.
    #[error("{address} is in use by {holder}; ask for another, or delete that first")]
    InUse {
        /// The address.
        address: IpAddr,
        /// `namespace/pod` or the handle.
        holder: String,
    },
    /// A requested address was given back lately.
    #[error(
        "{address} was given back lately, and rests for another {seconds} s (ipCooldownSeconds); ask again then"
    )]
    Resting {
        /// The address.
        address: IpAddr,
        /// How long.
        seconds: u64,
    },
    /// A requested address lies in another node's block, and nothing may be borrowed.
    #[error(
        "{address} lies in block {block} of {owner}, from which {node} is not to borrow (strictAffinity: true); ask for \
             one of its own, or set that to false"
    )]
    OthersBlock {
        /// The address.
        address: IpAddr,
        /// Its block.
        block: IpNetwork,
        /// Whose block that is.
        owner: String,
        /// The node that asked.
        node: String,
    },
    /// A requested address lies in a block that nobody has, and the node may not claim it.
    #[error("{address} lies in block {block}, which nobody has, and {refused}")]
    BlockRefused {
        /// The address.
        address: IpAddr,
        /// Its block.
        block: IpNetwork,
        /// Why not.
        refused: ClaimRefused,
    },
    /// A requested address lies beside a block that was cut when the pool had another block size.
    #[error(
        "{address} cannot be given while there is block {block} beside it, which is from another block size; release \
             what that holds, or ask for an address in it"
    )]
    Misfit {
        /// The address.
        address: IpAddr,
        /// The block.
        block: IpNetwork,
    },
    /// A requested address lies in a block of which nobody knows what is in use.
    #[error(
        "{address} lies in block {block}, whose record cannot be understood; repair that (`fabricctl ipam check` says what is \
             wrong with it), or ask for another"
    )]
    Unreadable {
        /// The address.
        address: IpAddr,
        /// The block.
        block: IpNetwork,
    },
    /// The handle holds other addresses than were asked for.
    #[error("{asked} was asked for, but {handle} holds {held} already; release that first")]
    HoldsOther {
        /// The handle.
        handle: String,
        /// What it holds.
        held: IpAddr,
        /// What was asked for.
        asked: IpAddr,
    },
    /// The handle holds fewer addresses than were asked for, and was not meant to hold more.
    #[error(
        "{asked} {family} addresses were asked for, but {handle} holds its addresses already, {held} of that family; \
             release those first, or ask for more by another handle"
    )]
    HoldsFewer {
        /// The handle.
        handle: String,
        /// The family.
        family: Family,
        /// How many it holds.
        held: usize,
        /// How many were asked for.
        asked: usize,
    },
}

/// Why a node may not claim a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRefused {
    /// It has as many as it may have.
    Budget {
        /// How many it has.
        blocks: u32,
        /// How many it may have.
        budget: u32,
    },
    /// Nodes claim none.
    Off,
}

impl fmt::Display for ClaimRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { blocks, budget } => write!(
                formatter,
                "it has {blocks} blocks of the {budget} that a node may have of a family; raise maxBlocksPerHost"
            ),
            Self::Off => {
                formatter.write_str("nodes do not claim blocks (autoAllocateBlocks: false); set that to true")
            }
        }
    }
}

/// A pool and how full it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFill {
    /// Its name.
    pub name: String,
    /// Its prefix.
    pub cidr: IpNetwork,
    /// Addresses in use.
    pub used: u64,
    /// Addresses that rest after they were given back.
    pub cooling: u64,
    /// Addresses that are reserved, those in use among them.
    pub reserved: u128,
    /// Addresses it has.
    pub total: u128,
}

impl fmt::Display for PoolFill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cidr, used, cooling, reserved, total } = self;
        write!(formatter, "pool {name} ({cidr}) has {used} of {total} addresses in use")?;
        if *cooling > 0 {
            write!(formatter, ", {cooling} resting")?;
        }
        if *reserved > 0 {
            write!(formatter, ", {reserved} reserved")?;
        }
        Ok(())
    }
}

fn joined<T: fmt::Display>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn fills(pools: &[PoolFill]) -> String {
    joined(pools)
}

fn within(pools: &[PoolFill]) -> String {
    if pools.is_empty() {
        return "apply an IPPool that has it (there is no pool of this family)".to_owned();
    }
    format!("ask for one within {}", joined(pools))
}

fn names(pools: &[String]) -> String {
    if pools.is_empty() {
        return "apply it first (there is no pool at all)".to_owned();
    }
    format!("ask for one of {}, or apply it first", pools.join(", "))
}

fn passed(pools: &[PassedOver]) -> String {
    if pools.is_empty() {
        return "there is none of that family".to_owned();
    }
    joined(pools)
}

fn beside(pools: &[PassedOver]) -> String {
    if pools.is_empty() {
        return String::new();
    }
    format!(" ({})", joined(pools))
}

fn what_frees(pools: &[PoolFill]) -> &'static str {
    if pools.iter().any(|pool| pool.cooling > 0) {
        "wait for what rests (ipCooldownSeconds), delete pods that are no longer needed, or apply another IPPool"
    } else {
        "delete pods that are no longer needed, or apply another IPPool"
    }
}

const fn or_borrow(strict: bool) -> &'static str {
    if strict { ", or let nodes borrow (strictAffinity: false)" } else { ", or delete pods" }
}
