//! Many routes, and more than are welcome.

use anyhow::ensure;
use bgp::config::{Beyond, MaxPrefixes};
use bgp::session::State;
use integration::router::{Kind, Network};
use ipnetwork::{IpNetwork, Ipv4Network};

use crate::pair::{EXTERNAL, Pair, Setting};
use crate::wait_until;

/// So many /32s.
fn prefixes(count: u32) -> impl Iterator<Item = IpNetwork> {
    (0..count).map(|n| Ipv4Network::new((0x0a80_0000 + n).into(), 32).unwrap().into())
}

/// FRR's count with what it says again of ours; there is room for that.
const ENOUGH: u32 = 40;

/// A session with too many prefixes ends, as the peer is told, and stays down until somebody resets it.
fn too_many(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.networks = prefixes(20).map(Network::new).collect();
    for family in setting.peer.families.values_mut() {
        let beyond = Beyond::Idle;
        family.max_prefixes = Some(MaxPrefixes { limit: 10, warn_percent: 80, beyond });
    }
    let mut pair = Pair::start(setting);
    wait_until("the session is down for that", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(peer.state != State::Established && peer.counters.flaps > 0, "{peer:?}");
        ensure!(peer.last_down_reason.contains("prefixes"), "{peer:?}");
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "the router thinks it stands");
        ensure!(pair.ours().best_paths().is_empty(), "its routes are used");
        Ok(())
    });
    for family in pair.peer_config().families.values_mut() {
        family.max_prefixes = Some(MaxPrefixes { limit: ENOUGH, warn_percent: 80, beyond: Beyond::Idle });
    }
    pair.configure();
    pair.ours().reset(pair.key(), bgp::speaker::Reset::Hard(None)).unwrap();
    wait_until("all are welcome", || {
        let count = pair.ours().best_paths().len();
        ensure!(count == 20, "{count}: {:?}", pair.ours().peer(&pair.key())?);
        Ok(())
    });
}

with_each!(too_many: bird Bird, frr Frr, openbgpd OpenBgpd, exabgp ExaBgp);

const MANY: u32 = 100_000;

/// There, and away with the session.
#[test]
fn a_hundred_thousand_routes_from_bird() {
    let mut setting = Setting::new(Kind::Bird, EXTERNAL, false);
    setting.networks = prefixes(MANY).map(Network::new).collect();
    let pair = Pair::start(setting);
    wait_until("all are there", || {
        let count = pair.ours().best_paths().len();
        ensure!(count == usize::try_from(MANY)?, "{count}");
        Ok(())
    });
    let peer = pair.ours().ensure_established(&pair.key()).unwrap();
    let received: u64 = peer.families.iter().map(|family| family.received).sum();
    assert_eq!(received, u64::from(MANY), "{peer:?}");
    pair.router.shut(pair.here(), "enough").unwrap();
    wait_until("all are gone", || {
        let count = pair.ours().best_paths().len();
        ensure!(count == 0, "{count}");
        Ok(())
    });
}

/// From us to whoever it is.
fn passed_on(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    setting.originated = crate::pair::originated(prefixes(10_000));
    let last = prefixes(10_000).last().unwrap();
    setting.networks = Vec::new();
    let pair = Pair::start(setting);
    for prefix in prefixes(10_000).step_by(2_500).chain([last]) {
        wait_until("the router has it", || pair.theirs(prefix));
    }
    wait_until("all were told", || {
        let peer = pair.ours().ensure_established(&pair.key())?;
        let told: u64 = peer.families.iter().map(|family| family.advertised).sum();
        ensure!(told == 10_000, "{told}");
        Ok(())
    });
    assert_eq!(pair.ours().peer(&pair.key()).unwrap().counters.flaps, 0);
}

with_each!(passed_on: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);
