//! Addresses: how full pools are, what the allocator does, and what the leader finds and collects.
//!
//! Every agent knows how full the pools are and says so; that costs a look at every block for each scrape, some
//! milliseconds at 100,000 addresses. Problems are told by the agent that looked for them, the leader, alone.

use std::sync::Arc;

use ::ipam::{Index, Timestamp};

use super::exposition::{Exposition, Kind};
use crate::ipam::{Allocator, BOUNDS_US, Counts, Known, now, standby};
use crate::leader::Published;
use crate::leader::summary::Summary;

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What is known of addresses.
    pub known: Known,
    /// Who assigns them.
    pub allocator: Arc<Allocator>,
    /// What the leader's tasks publish.
    pub upkeep: Published,
}

/// What they say.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What is known of addresses.
    pub index: &'a Index,
    /// What the allocator counted.
    pub counts: &'a Counts,
    /// What is kept ready for when the datastore is away.
    pub standby: &'a standby::Status,
    /// Records that are in the datastore and cannot be understood.
    pub unreadable: usize,
    /// What the leader found and collected.
    pub upkeep: &'a Summary,
    /// This moment.
    pub now: Timestamp,
}

impl Sources {
    /// Shows what they say now.
    pub fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let upkeep = Arc::clone(&self.upkeep.borrow());
        let (counts, standby) = (self.allocator.counts(), self.allocator.standby());
        let state = self.known.read();
        look(&View {
            index: &state.index,
            counts: &counts,
            standby: &standby,
            unreadable: state.unreadable.len(),
            upkeep: &upkeep,
            now: now(),
        })
    }
}

/// All of it.
pub(super) fn render(out: &mut Exposition, view: &View<'_>) {
    pools(out, view);
    allocator(out, view.counts);
    latency(out, view.counts);
    kept_ready(out, view.standby);
    out.family(
        "fabric_datastore_unreadable",
        Kind::Gauge,
        "Records that are there and cannot be understood.",
    );
    out.sample("", &[], view.unreadable);
    upkeep(out, view.upkeep);
}

fn pools(out: &mut Exposition, view: &View<'_>) {
    let pools: Vec<_> =
        view.index.pools().filter_map(|pool| view.index.utilisation(&pool.name, view.now)).collect();
    type Value = fn(&::ipam::index::PoolUtilisation<'_>) -> String;
    let families: [(&str, &str, Value); 7] = [
        ("fabric_ipam_pool_addresses", "Addresses that the pool has.", |pool| {
            pool.usage.addresses_total.to_string()
        }),
        ("fabric_ipam_pool_addresses_used", "Addresses in use.", |pool| {
            pool.usage.addresses_used.to_string()
        }),
        ("fabric_ipam_pool_addresses_reserved", "Addresses that reservations keep free.", |pool| {
            pool.reserved.to_string()
        }),
        ("fabric_ipam_pool_addresses_cooling", "Addresses that rest after they were given back.", |pool| {
            pool.cooling.to_string()
        }),
        ("fabric_ipam_pool_blocks", "Blocks that the pool can be cut into.", |pool| {
            pool.usage.blocks_total.to_string()
        }),
        ("fabric_ipam_pool_blocks_used", "Blocks that nodes have.", |pool| {
            pool.usage.blocks_used.to_string()
        }),
        ("fabric_ipam_pool_deleting", "1 if it goes with its last address.", |pool| {
            u64::from(pool.pool.deleting).to_string()
        }),
    ];
    for (metric, help, value) in families {
        out.family(metric, Kind::Gauge, help);
        for pool in &pools {
            out.sample("", &[("pool", &pool.pool.name)], value(pool));
        }
    }
}

fn allocator(out: &mut Exposition, counts: &Counts) {
    for (metric, help, value) in [
        ("fabric_ipam_requests_total", "Requests taken up: by commits, how many share one.", counts.requests),
        ("fabric_ipam_assignments_total", "Requests for addresses that were fulfilled.", counts.assignments),
        (
            "fabric_ipam_releases_total",
            "Requests to give addresses back that were fulfilled.",
            counts.releases,
        ),
        ("fabric_ipam_failures_total", "Requests that were not fulfilled.", counts.failures),
        ("fabric_ipam_commits_total", "Commits tried.", counts.commits),
        (
            "fabric_ipam_conflicts_total",
            "Commits that had to be planned anew: others wrote the same, or the answer was lost.",
            counts.conflicts,
        ),
        ("fabric_ipam_listings_total", "Times that all blocks were listed.", counts.listings),
    ] {
        out.family(metric, Kind::Counter, help);
        out.sample("", &[], value);
    }
}

fn latency(out: &mut Exposition, counts: &Counts) {
    out.family(
        "fabric_ipam_assignment_seconds",
        Kind::Histogram,
        "From a request for addresses to its answer.",
    );
    let mut count = 0;
    let seconds = |bound: u64| std::time::Duration::from_micros(bound).as_secs_f64().to_string();
    let bounds = BOUNDS_US.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
    for (bound, within) in bounds.zip(counts.latency) {
        count += within;
        out.sample("_bucket", &[("le", &bound)], count);
    }
    out.sample("_sum", &[], counts.latency_total.as_secs_f64());
    out.sample("_count", &[], count);
}

fn kept_ready(out: &mut Exposition, standby: &standby::Status) {
    let away = standby.away.as_ref().map_or(0.0, |away| away.lasting().as_secs_f64());
    out.family(
        "fabric_datastore_away_seconds",
        Kind::Gauge,
        "For how long it has been away; 0 if it is not.",
    );
    out.sample("", &[], away);
    let families = |out: &mut Exposition, count: fn(&(::ipam::Family, usize, usize)) -> usize| {
        for family in &standby.families {
            out.sample("", &[("family", &family.0.to_string())], count(family));
        }
    };
    out.family(
        "fabric_ipam_standby_ready",
        Kind::Gauge,
        "Addresses for pods that come while the datastore is away.",
    );
    families(out, |(_, ready, _)| *ready);
    out.family("fabric_ipam_standby", Kind::Gauge, "The same, with those that were promised already.");
    families(out, |(_, _, all)| *all);
    out.family(
        "fabric_ipam_unsettled",
        Kind::Gauge,
        "Containers attached or detached without the datastore, which does not know of it yet.",
    );
    out.sample("", &[], standby.unsettled);
}

fn upkeep(out: &mut Exposition, summary: &Summary) {
    out.family("fabric_ipam_leader", Kind::Gauge, "1 on the agent that checks and collects for all.");
    out.sample("", &[], u64::from(summary.leading));
    out.family("fabric_ipam_checks_total", Kind::Counter, "Times that everything was checked by this agent.");
    out.sample("", &[], summary.rounds);
    out.family(
        "fabric_ipam_checks_failed_total",
        Kind::Counter,
        "Checks and collections that were not ended.",
    );
    out.sample("", &[], summary.failed);
    out.family("fabric_ipam_problems", Kind::Gauge, "What both of the last two checks found, by kind.");
    for (kind, count) in &summary.problems {
        out.sample("", &[("kind", kind.name())], count);
    }
    out.family("fabric_ipam_suspects", Kind::Gauge, "What is collected if nobody turns up.");
    out.sample("", &[], summary.suspects);
    out.family("fabric_ipam_collected_total", Kind::Counter, "What was collected by this agent, by kind.");
    let collected = summary.collected;
    for (what, count) in [
        ("handle", collected.handles),
        ("address", collected.addresses),
        ("block", collected.claims),
        ("half-made claim", collected.finished),
        ("endpoint", collected.endpoints),
        ("pool", collected.pools),
    ] {
        out.sample("", &[("what", what)], count);
    }
}
