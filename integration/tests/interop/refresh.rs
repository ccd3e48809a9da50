//! Route refresh (RFC 2918, RFC 7313), asked by either side, and policy that changes while the session stands.

use anyhow::ensure;
use bgp::config::Policy;
use bgp::filter::{Action, Decision, Filter, Rule, Then};
use bgp::speaker::Reset;
use bgp::wire::Family;
use integration::router::{Feature, GracefulRestart, Kind};

use crate::pair::{EXTERNAL, OURS, Pair, Setting, THEIRS};
use crate::wait_until;

fn assert_undisturbed(pair: &Pair) {
    pair.wait_exchanged();
    let peer = pair.ours().peer(&pair.key()).unwrap();
    assert_eq!((peer.counters.flaps, peer.counters.update_errors), (0, 0), "{peer:?}");
    let enhanced = peer.capabilities.iter().any(|name| name == "enhanced-route-refresh");
    assert_eq!(enhanced, pair.router.kind().supports(Feature::EnhancedRefresh), "{peer:?}");
}

fn they_ask(kind: Kind) {
    let pair = Pair::met(kind, EXTERNAL, false);
    let counters = || pair.ours().peer(&pair.key()).map(|peer| peer.counters);
    let before = counters().unwrap();
    pair.router.refresh(pair.here()).unwrap();
    wait_until("we were asked, and sent again", || {
        let now = counters()?;
        ensure!(now.refreshes_received > before.refreshes_received, "{now:?}");
        ensure!(now.updates_sent > before.updates_sent, "{now:?}");
        Ok(())
    });
    assert_undisturbed(&pair);
}

// GoBGP keeps what it heard, and asks nobody.
with_each!(they_ask: bird Bird, frr Frr, openbgpd OpenBgpd, exabgp ExaBgp);

fn we_ask(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, true);
    // GoBGP says End-of-RIB to nobody else.
    setting.neighbour.graceful_restart = Some(GracefulRestart { restart_secs: 60, long_lived_secs: None });
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    // What comes after that it would not have sent by itself.
    wait_until("the router has said all", || {
        let peer = pair.ours().peer(&pair.key())?;
        let mut negotiated = peer.families.iter().filter(|family| family.negotiated);
        ensure!(negotiated.all(|family| family.end_of_rib_received), "{peer:?}");
        Ok(())
    });
    let counters = || pair.ours().peer(&pair.key()).map(|peer| peer.counters);
    let before = counters().unwrap();
    pair.ours().reset(pair.key(), Reset::SoftIn(Some(Family::Ipv6Unicast))).unwrap();
    // RFC 7313 §4: where that is spoken, the answer stands between two ROUTE-REFRESHes.
    let marks = if kind.supports(Feature::EnhancedRefresh) { 2 } else { 0 };
    wait_until("they sent again", || {
        let now = counters()?;
        ensure!(now.updates_received > before.updates_received, "{now:?}");
        ensure!(now.refreshes_received == before.refreshes_received + marks, "{now:?}");
        Ok(())
    });
    assert_undisturbed(&pair);
}

// OpenBGPD 7.7 takes every family for one that was not negotiated; ExaBGP 4.2.21 falls over its own answer.
with_each!(we_ask: bird Bird, frr Frr, gobgp Gobgp);

/// Policies that come and go do so without resetting anything.
fn policy_changes(kind: Kind) {
    let mut pair = Pair::met(kind, EXTERNAL, false);
    let prefer = Rule {
        name: String::new(),
        conditions: Vec::new(),
        actions: vec![Action::SetLocalPref(321), Action::SetMed(Some(5))],
        then: Then::Accept,
    };
    let filter = Filter { name: "prefer".to_owned(), rules: vec![prefer], otherwise: Decision::Reject };
    let policy = Policy::Filter(filter.into());
    let [ours, _] = OURS.networks();
    let [theirs, _] = THEIRS.networks();
    for family in pair.peer_config().families.values_mut() {
        family.import = policy.clone();
        family.export = policy.clone();
    }
    pair.configure();
    wait_until("both ends have the new attributes", || {
        let path = pair.path(theirs)?;
        ensure!(path.attributes.local_pref == Some(321), "{path:?}");
        let path = pair.theirs(ours)?;
        ensure!(path.med == Some(5), "{path:?}");
        Ok(())
    });
    for family in pair.peer_config().families.values_mut() {
        family.import = Policy::Unset;
        family.export = Policy::Unset;
    }
    pair.configure();
    wait_until("without policy nothing passes (RFC 8212)", || {
        pair.ensure_theirs_not(ours)?;
        pair.ensure_unused(theirs)
    });
    let peer = pair.ours().ensure_established(&pair.key()).unwrap();
    assert!(
        peer.families.iter().any(|family| family.no_import_policy && family.no_export_policy),
        "{peer:?}"
    );
    assert_eq!(peer.counters.flaps, 0, "{peer:?}");
}

with_each!(policy_changes: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
