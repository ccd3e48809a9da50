//! A node's allocator and what it knows, as in an agent, for the tests of this crate.

use std::sync::Arc;

use datastore::Store;
use tokio::task::JoinHandle;

use super::{Allocator, Known};
use crate::shell::store::{Audience, follow};

/// A node without its loop.
pub(crate) struct Node {
    pub(crate) allocator: Arc<Allocator>,
    pub(crate) known: Known,
    following: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl std::ops::Deref for Node {
    type Target = Allocator;

    fn deref(&self) -> &Allocator {
        &self.allocator
    }
}

/// Starts a node.
pub(crate) fn node(store: &Arc<dyn Store>, name: &str) -> Node {
    let known = Known::new(name);
    let audience = Audience { known: known.clone(), agent: None };
    let following = tokio::spawn(follow(Arc::clone(store), audience));
    let allocator = Arc::new(Allocator::start(Arc::clone(store), known.clone()));
    Node { allocator, known, following }
}
