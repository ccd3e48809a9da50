//! Sessions that end on purpose: administrative shutdown with words (RFC 9003), and the notice before it (RFC 8326).

use anyhow::ensure;
use bgp::session::State;
use bgp::speaker::Reset;
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
    pair.router.shut(pair.here(), WORDS).unwrap();
    wait_until("we know why", || {
        let peer = pair.ours().peer(&pair.key())?;
        ensure!(peer.state != State::Established, "{peer:?}");
        ensure!(peer.last_down_reason.contains("Administrative Shutdown"), "{peer:?}");
        let says = kind.supports(Feature::SaysShutdownWords);
        ensure!(peer.last_down_reason.contains(WORDS) == says, "{peer:?}");
        pair.ensure_unused(THEIRS.networks()[1])
    });
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
