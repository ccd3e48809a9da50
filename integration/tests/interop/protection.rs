//! What keeps strangers out: TCP MD5, GTSM; and peers that are further away.

use std::time::Duration;

use anyhow::{Result, ensure};
use bgp::config::{Bfd, Hops, Secret};
use integration::link;
use integration::router::{self, Feature, Kind, Router};

use crate::pair::{EXTERNAL, Pair, Setting};
use crate::wait_until;

fn secret(words: &str) -> Option<Secret> {
    Some(Secret(words.into()))
}

fn signed(kind: Kind, over_v6: bool) -> Setting {
    let mut setting = Setting::new(kind, EXTERNAL, over_v6);
    setting.neighbour.password = Some("correct horse".replace(' ', "-"));
    setting.peer.password = secret("correct-horse");
    setting
}

/// Right, whoever dials.
fn password(kind: Kind) {
    // OpenBGPD 7.7 does not take signed connections on Linux: it has to dial.
    let possible: &[bool] = if kind == Kind::OpenBgpd { &[false] } else { &[true, false] };
    for &we_dial in possible {
        let mut setting = signed(kind, !we_dial);
        setting.neighbour.passive = we_dial;
        setting.peer.passive = !we_dial;
        Pair::start(setting).wait_exchanged();
    }
}

with_each!(password: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// Wrong, then made right at our end while all runs; then changed at both.
fn password_changes(kind: Kind) {
    let mut setting = signed(kind, false);
    setting.peer.password = secret("battery-staple");
    let mut pair = Pair::start(setting);
    wait_until("an attempt fails", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(!peer.last_down_reason.is_empty() || peer.retry_in.is_some(), "{peer:?}");
        Ok(())
    });
    // Neither end has been let in for a few attempts of both.
    std::thread::sleep(Duration::from_secs(3));
    assert!(pair.ours().ensure_established(&pair.key()).is_err());
    assert!(pair.router.ensure_established(pair.here()).is_err());

    pair.peer_config().password = secret("correct-horse");
    pair.configure();
    pair.wait_exchanged();

    pair.router.change(|spec| spec.neighbours[0].password = Some("battery-staple".to_owned())).unwrap();
    pair.peer_config().password = secret("battery-staple");
    pair.configure();
    wait_until("the session is a new one", || {
        pair.router.ensure_established(pair.here())?;
        let peer = pair.ours().ensure_established(&pair.key())?;
        ensure!(peer.counters.flaps > 0, "{peer:?}");
        Ok(())
    });
    pair.wait_exchanged();
}

with_each!(password_changes: bird Bird, frr Frr);

/// RFC 5082 at both ends; and there is no session while only the router insists on it.
fn ttl_security(kind: Kind) {
    assert!(kind.supports(Feature::Security));
    let mut setting = Setting::new(kind, EXTERNAL, true);
    setting.neighbour.hops = router::Hops::Security;
    setting.peer.hops = Hops::Security(1);
    let mut pair = Pair::start(setting);
    pair.wait_exchanged();
    if kind == Kind::OpenBgpd {
        // It takes a connection that fell silent for one that is being made, and refuses others for its sake.
        return;
    }
    pair.peer_config().hops = Hops::Usual;
    pair.configure();
    wait_until("the session is down", || {
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "it stands");
        Ok(())
    });
    pair.peer_config().hops = Hops::Security(1);
    pair.configure();
    pair.wait_exchanged();
}

with_each!(ttl_security: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// Between addresses of loopbacks.
fn multihop(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    let (here, there) = ("10.255.1.1", "10.255.1.2");
    setting.neighbour.local = there.parse().unwrap();
    setting.neighbour.remote = here.parse().unwrap();
    setting.neighbour.hops = router::Hops::Multihop(4);
    setting.peer.hops = Hops::Multihop(4);
    setting.peer.local_address = Some(here.parse().unwrap());
    let pair = Pair::start(setting);
    for (namespace, own, other, via) in
        [(&pair.namespace, here, there, pair.there()), (pair.router.namespace(), there, here, pair.here())]
    {
        link::add_address(namespace, "lo", format!("{own}/32").parse().unwrap()).unwrap();
        namespace.output("ip", &["route", "add", other, "via", &via.to_string(), "src", own]).unwrap();
    }
    let key = bgp::config::PeerKey::Address(there.parse().unwrap());
    wait_until("the session stands", || {
        pair.router.ensure_established(here.parse().unwrap())?;
        pair.ours().ensure_established(&key)
    });
    wait_until("the router has our prefix", || pair.theirs(crate::pair::OURS.networks()[0]));
}

with_each!(multihop: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd);

/// Fails unless the router's one BFD session is up.
fn ensure_sees_path(router: &Router) -> Result<()> {
    let (question, up) = match router.kind() {
        // Of its BFD, `bgpd` shows what it goes by.
        Kind::Frr => (&["show bgp neighbors json"][..], r#""status":"Up""#),
        Kind::Bird | Kind::Gobgp | Kind::OpenBgpd | Kind::ExaBgp => {
            (&["show", "bfd", "sessions"][..], " Up ")
        }
    };
    let answer = router.ask(question)?;
    ensure!(answer.contains(up), "{answer}");
    Ok(())
}

/// RFC 5880: a path that is cut without a sign ends the session long before the hold time does.
fn bfd(kind: Kind) {
    let mut setting = Setting::new(kind, EXTERNAL, false);
    let interval = Duration::from_millis(100);
    setting.neighbour.bfd_millis = Some(100);
    setting.neighbour.hold_secs = 90;
    setting.peer.timers.hold = Duration::from_secs(90);
    setting.peer.bfd =
        Some(Bfd { transmit_interval: interval, receive_interval: interval, multiplier: 3, multihop: false });
    let pair = Pair::start(setting);
    pair.wait_exchanged();
    wait_until("BFD is up", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(peer.bfd == Some(bgp::bfd::State::Up), "{peer:?}");
        // One that is not quite up there yet is not missed there.
        ensure_sees_path(&pair.router)
    });
    pair.segment.cut(crate::pair::THEIRS);
    wait_until("both ends have noticed", || {
        ensure!(pair.ours().ensure_established(&pair.key()).is_err(), "we have not");
        ensure!(pair.router.ensure_established(pair.here()).is_err(), "the router has not");
        Ok(())
    });
    let peer = pair.ours().peer(&pair.key()).unwrap();
    assert!(peer.last_down_reason.contains("BFD"), "{peer:?}");
    pair.segment.mend(crate::pair::THEIRS);
    pair.wait_exchanged();
}

with_each!(bfd: bird Bird, frr Frr);
