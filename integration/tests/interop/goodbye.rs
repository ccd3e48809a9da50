//! Sessions that end on purpose: administrative shutdown with words (RFC 9003), and the notice before it (RFC 8326).

use anyhow::{Context as _, ensure};
use bgp::net::Happening;
use bgp::session::State;
use bgp::speaker::{NoticeKind, Reset};
use integration::router::{Feature, Kind};

use crate::pair::{EXTERNAL, INTERNAL, OURS, Pair, THEIRS};
use crate::wait_until;

const WORDS: &str = "maintenance tonight";

/// We shut the session down, and say why.
fn our_words(kind: Kind) {
    let mut pair = Pair::met(kind, EXTERNAL, false);
    pair.peer_config().shutdown = Some(WORDS.to_owned());
    pair.configure();
    wait_until("the router knows why", || {
        let session = pair.router.session(pair.here())?;
        ensure!(session.state != "Established", "{session:?}");
        if kind.supports(Feature::ShowsShutdownWords) {
            let log = pair.router.log()?;
            ensure!(session.reason.contains(WORDS) || log.contains(WORDS), "{session:?}");
        }
        pair.ensure_theirs_not(OURS.networks()[0])
    });
    pair.peer_config().shutdown = None;
    pair.configure();
    pair.wait_exchanged();
}

with_each!(our_words: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// The router does.
fn their_words(kind: Kind) {
    let pair = Pair::met(kind, EXTERNAL, true);
    let mut happenings = pair.ours().subscribe();
    pair.router.shut(pair.here(), WORDS).unwrap();
    let reason = wait_until("we know why", || {
        let notices = pair.ours().notices();
        let mut reasons = notices.iter().filter_map(|notice| match &notice.kind {
            NoticeKind::State { reason, .. } => Some(reason),
            NoticeKind::Malformed(_)
            | NoticeKind::Prefixes { .. }
            | NoticeKind::Stale { .. }
            | NoticeKind::Bfd(_) => None,
        });
        let said = reasons.find(|reason| reason.contains("Administrative Shutdown"));
        said.cloned().with_context(|| format!("{notices:?}"))
    });
    assert_eq!(reason.contains(WORDS), kind.supports(Feature::SaysShutdownWords), "{reason}");
    let gone = Happening::Route(THEIRS.networks()[1], None);
    wait_until("its route goes", || {
        while happenings.try_recv()?.what != gone {}
        Ok(())
    });
    // ExaBGP ends the session, and takes the next one.
    if kind != Kind::ExaBgp {
        wait_until("its prefix is not used", || pair.ensure_unused(THEIRS.networks()[1]));
        let peer = pair.ours().peer(&pair.key()).unwrap();
        assert_ne!(peer.state, State::Established, "{peer:?}");
        assert!(peer.last_down_reason.contains("Cease"), "{peer:?}");
    }
}

with_each!(their_words: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// A hard reset, with words: both come back.
fn reset(kind: Kind) {
    let pair = Pair::met(kind, EXTERNAL, false);
    pair.ours().reset(pair.key(), Reset::Hard(Some(WORDS.to_owned()))).unwrap();
    wait_until("it was reset", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(peer.counters.flaps == 1, "{peer:?}");
        Ok(())
    });
    pair.wait_exchanged();
}

with_each!(reset: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);

/// RFC 8326: the community goes to all, and inside the AS the preference is the lowest.
fn graceful_shutdown(kind: Kind) {
    for asns in [EXTERNAL, INTERNAL] {
        let mut pair = Pair::met(kind, asns, false);
        pair.config.graceful_shutdown = true;
        pair.configure();
        let path = wait_until("the router sees it", || {
            let path = pair.theirs(OURS.networks()[0])?;
            ensure!(path.communities.contains(&(0xffff, 0)), "{path:?}");
            Ok(path)
        });
        if asns == INTERNAL {
            assert_eq!(path.local_pref, Some(0), "{path:?}");
        }
        assert_eq!(pair.ours().peer(&pair.key()).unwrap().counters.flaps, 0);
    }
}

with_each!(graceful_shutdown: bird Bird, frr Frr, gobgp Gobgp, openbgpd OpenBgpd, exabgp ExaBgp);
