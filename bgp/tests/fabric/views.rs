//! What a test asks a speaker, in few words.

use bgp::session::State;
use bgp::speaker::view::{FamilyView, PathView};
use bgp::speaker::{PeerView, RouteQuery, Table};
use bgp::wire::Family;

use crate::network::{Network, key, prefix};

/// All of a table.
pub fn whole(table: Table) -> RouteQuery {
    RouteQuery { table, peer: None, family: None, prefix: None, rejected: false, limit: usize::MAX }
}

impl Network {
    /// How `node` sees `other`.
    pub fn peer(&self, node: usize, other: usize) -> PeerView {
        let view = self.speaker(node).view(self.now);
        view.peers.into_iter().find(|peer| peer.key == key(other)).unwrap()
    }

    pub fn family(&self, node: usize, other: usize, family: Family) -> FamilyView {
        self.peer(node, other).families.into_iter().find(|view| view.family == family).unwrap()
    }

    pub fn state(&self, node: usize, other: usize) -> State {
        self.peer(node, other).state
    }

    pub fn flaps(&self, node: usize, other: usize) -> u64 {
        self.peer(node, other).counters.flaps
    }

    pub fn paths(&self, node: usize, table: Table, text: &str) -> Vec<PathView> {
        use bgp::speaker::view::Match;
        let query = RouteQuery { prefix: Some((prefix(text), Match::Exact)), ..whole(table) };
        self.speaker(node).routes(&query, self.now).into_iter().flat_map(|route| route.paths).collect()
    }
}
