//! BFD: the path to a peer, watched while it is configured so.
//!
//! The watch begins when a session is first Established, since both ends' addresses are known then, and goes on while
//! the peer is away. A path that was up and is down ends the session (RFC 5882 §4.2). What becomes of the routes is
//! RFC 5882 §4.3:
//!
//! - The other end's BFD does not share fate with its control plane (the C bit): the forwarding path is dead, so
//!   routes go at once, graceful restart or not, and also those that are kept for a restart under way.
//! - Otherwise the path may live on while the control plane restarts: graceful restart keeps the routes, if both ends
//!   speak it. Where RFC 8538 is not spoken, the connection is closed without a word, for any NOTIFICATION would make
//!   both ends drop them. During a restart under way the path going down says nothing new.
//!
//! The other end's operator taking BFD down is no failure (RFC 5882 §4.2), nor is a path that never was up: the peer
//! may not speak BFD at all.

use std::time::Instant;

use super::peer::{Peer, PeerId};
use super::{NoticeKind, Output, Speaker};
use crate::bfd::{Report, State, Watch};
use crate::session::machine::{Cease, Event, Stop};

impl Speaker {
    /// Begins, changes or ends the watch, as settings and addresses have it.
    pub(super) fn watch_path(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        let wanted = self.wanted_watch(peer);
        let Some(peer) = self.peers.get_mut(id) else { return };
        if wanted == peer.watch {
            return;
        }
        if wanted.is_none() {
            peer.bfd = None;
        }
        peer.watch.clone_from(&wanted);
        self.outputs.push_back(Output::WatchPeer(peer.key.clone(), wanted));
    }

    fn wanted_watch(&self, peer: &Peer) -> Option<Watch> {
        let settings = peer.config.bfd.filter(|_| peer.config.shutdown.is_none())?;
        let endpoint = peer.endpoint.as_ref()?;
        let connection = peer.established_conn().and_then(|conn| self.connections.get(&conn));
        let local = match (connection, &peer.watch) {
            (Some(connection), _) => connection.local.local.map(|local| local.ip()),
            (None, Some(before)) => before.local,
            (None, None) => return None,
        };
        Some(Watch { remote: endpoint.address, local, interface: endpoint.interface.clone(), settings })
    }

    pub(super) fn path_changed(&mut self, id: PeerId, report: Report, now: Instant) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.watch.is_some()) else { return };
        let before = peer.bfd.replace(report.state);
        if before != Some(report.state) {
            self.notice(id, NoticeKind::Bfd(report.state));
        }
        let failed = before == Some(State::Up) && report.state == State::Down && !report.remote_admin_down;
        if !failed {
            return;
        }
        if report.remote_independent {
            self.each_session(id, now, || bfd_down(true));
            self.forget_stale(id);
            self.retire(id, now);
        } else {
            let silent = self.keeps_only_over_silence(id);
            self.each_session(id, now, || {
                if silent { Event::Closed("BFD session down".to_owned()) } else { bfd_down(false) }
            });
        }
    }

    /// Routes outlast a lost connection (RFC 4724), but no NOTIFICATION (RFC 8538).
    fn keeps_only_over_silence(&self, id: PeerId) -> bool {
        let established = self.peers.get(id).and_then(|peer| peer.established.as_ref());
        established.is_some_and(|established| {
            established.negotiated.graceful_restart.is_some() && !established.negotiated.notification
        })
    }
}

/// RFC 9384.
fn bfd_down(hard: bool) -> Event {
    Event::Stop(Stop { cease: Cease::BfdDown, communication: None, hard, why: "BFD session down".to_owned() })
}
