//! Graceful restart (RFC 4724, RFC 8538) and its long-lived kind (RFC 9494), of either side.

use std::time::Duration;

use anyhow::ensure;
use bgp::net::Shutdown;
use bgp::wire::Community;
use integration::router::{Feature, GracefulRestart, Kind};
use ipnetwork::IpNetwork;

use crate::pair::{EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::wait_until;

fn start(kind: Kind, over_v6: bool, restart_secs: u16, long_lived_secs: Option<u32>) -> Pair {
    assert!(kind.supports(Feature::KeepsRoutes));
    let mut setting = Setting::new(kind, EXTERNAL, over_v6);
    setting.neighbour.graceful_restart = Some(GracefulRestart { restart_secs, long_lived_secs });
    if let Some(seconds) = long_lived_secs {
        for family in setting.peer.families.values_mut() {
            family.long_lived_stale_time = Duration::from_secs(seconds.into());
        }
    }
    setting.graceful_restart.restart_time = Duration::from_secs(restart_secs.into());
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    pair
}

/// Waits until the router has our route as one that it keeps: it may see the session end before it looks at the routes.
fn wait_kept(pair: &Pair, prefix: IpNetwork) {
    wait_until("the router keeps our route", || {
        let kept = pair.theirs(prefix)?;
        // BIRD says of the session, not of the routes, that they are stale.
        ensure!(kept.best && (kept.stale || pair.router.kind() == Kind::Bird), "{kept:?}");
        Ok(())
    });
}

/// The router keeps our routes while we are away, and has them fresh when we are back.
fn ours(kind: Kind) {
    let mut pair = start(kind, false, 60, None);
    let [prefix, _] = OURS.networks();
    pair.speaker.take().unwrap().kill();
    wait_until("the router has noticed", || {
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "it has not");
        Ok(())
    });
    wait_kept(&pair, prefix);
    pair.config.graceful_restart.restarting = true;
    pair.start_ours();
    pair.wait_exchanged();
    wait_until("our route is fresh", || {
        let path = pair.theirs(prefix)?;
        ensure!(path.best && !path.stale, "{path:?}");
        Ok(())
    });
    wait_until("we know all there is", || {
        ensure!(pair.ours().is_synchronised(), "we do not");
        Ok(())
    });
    let [theirs, _] = THEIRS.networks();
    wait_until("we use the router's", || pair.ensure_used(theirs));
}

with_each!(ours: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// We go in good order, and say that routes are to be kept; or that they are not.
fn ours_in_good_order(kind: Kind) {
    let [_, prefix] = OURS.networks();
    let mut pair = start(kind, true, 60, None);
    pair.speaker.take().unwrap().shut_down(Shutdown::KeepRoutes).unwrap();
    wait_until("the router has noticed", || {
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "it has not");
        Ok(())
    });
    assert!(pair.theirs(prefix).unwrap().best);
    pair.config.graceful_restart.restarting = true;
    pair.start_ours();
    pair.wait_exchanged();
    pair.speaker.take().unwrap().shut_down(Shutdown::Cease("for good".to_owned())).unwrap();
    wait_until("our prefix is gone", || pair.ensure_theirs_not(prefix));
}

with_each!(ours_in_good_order: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// We keep the routes of a router that was killed, and have them fresh when it is back.
fn theirs(kind: Kind) {
    assert!(kind.supports(Feature::RestartsGracefully));
    let mut pair = start(kind, false, 60, None);
    let [prefix, _] = THEIRS.networks();
    pair.router.kill().unwrap();
    wait_until("its route is stale", || {
        let path = pair.path(prefix)?;
        ensure!(path.stale && path.best, "{path:?}");
        Ok(())
    });
    wait_until("it is used", || pair.ensure_used(prefix));
    assert!(pair.ours().peer(&pair.key()).unwrap().stale);
    pair.router.restart().unwrap();
    pair.wait_exchanged();
    wait_until("its route is fresh", || {
        let path = pair.path(prefix)?;
        ensure!(!path.stale && path.best, "{path:?}");
        ensure!(!pair.ours().peer(&pair.key())?.stale, "the peer is shown as restarting");
        Ok(())
    });
}

with_each!(theirs: bird Bird, frr Frr, gobgp Gobgp);

/// Its restart time is over, and so are its routes.
fn never_back(kind: Kind) {
    let mut pair = start(kind, false, 3, None);
    let [prefix, _] = THEIRS.networks();
    pair.router.kill().unwrap();
    wait_until("its route is stale", || {
        let path = pair.path(prefix)?;
        ensure!(path.stale, "{path:?}");
        Ok(())
    });
    wait_until("its route is gone", || pair.ensure_unused(prefix));
    assert!(!pair.ours().peer(&pair.key()).unwrap().stale);
}

with_each!(never_back: bird Bird, frr Frr, gobgp Gobgp);

/// RFC 9494: beyond the restart time, least preferred and marked; theirs at ours, then ours at theirs.
fn long_lived(kind: Kind) {
    let mut pair = start(kind, false, 2, Some(600));
    let [theirs, _] = THEIRS.networks();
    pair.router.kill().unwrap();
    wait_until("its route is kept and marked", || {
        let path = pair.path(theirs)?;
        ensure!(path.stale && path.attributes.communities.contains(&Community::LLGR_STALE), "{path:?}");
        Ok(())
    });
    wait_until("it is used", || pair.ensure_used(theirs));
    pair.router.restart().unwrap();
    pair.wait_exchanged();
    wait_until("its route is fresh", || {
        let path = pair.path(theirs)?;
        ensure!(!path.stale && path.attributes.communities.is_empty(), "{path:?}");
        Ok(())
    });

    let [ours, _] = OURS.networks();
    pair.speaker.take().unwrap().kill();
    wait_until("the router keeps and marks ours", || {
        let path = pair.theirs(ours)?;
        ensure!(path.stale || path.communities.contains(&(0xffff, 6)), "{path:?}");
        Ok(())
    });
    pair.config.graceful_restart.restarting = true;
    pair.start_ours();
    pair.wait_exchanged();
    wait_until("ours is fresh there", || {
        let path = pair.theirs(ours)?;
        ensure!(!path.stale && !path.communities.contains(&(0xffff, 6)), "{path:?}");
        Ok(())
    });
}

with_each!(long_lived: bird Bird, frr Frr, gobgp Gobgp);

/// RFC 8538: silence is no reason to forget. Both ends give the session up with a NOTIFICATION that does not get through.
fn silence(kind: Kind) {
    let pair = start(kind, false, 60, None);
    let ([ours, _], [theirs, _]) = (OURS.networks(), THEIRS.networks());
    pair.segment.cut(THEIRS);
    wait_until("both ends gave up", || {
        ensure!(pair.ours().ensure_established(&pair.key()).is_err(), "we did not");
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "the router did not");
        Ok(())
    });
    let path = pair.path(theirs).unwrap();
    assert!(path.best && path.stale, "{path:?}");
    wait_kept(&pair, ours);
    pair.segment.mend(THEIRS);
    pair.wait_exchanged();
    wait_until("all is fresh", || {
        let (path, their_path) = (pair.path(theirs)?, pair.theirs(ours)?);
        ensure!(!path.stale && !their_path.stale, "{path:?} {their_path:?}");
        Ok(())
    });
}

with_each!(silence: frr Frr, gobgp Gobgp);
