//! Follows the datastore: lists once, then watches from there; lists again when the watch cannot go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datastore::{Error, Key, Kind, Revision, Store, Versioned};
use futures_util::StreamExt;

use crate::agent::{Event, Handle};

/// The pause before the datastore is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until the loop has ended.
pub async fn follow(store: Arc<dyn Store>, agent: Handle) {
    loop {
        match list(store.as_ref()).await {
            Ok((revision, items)) => {
                if agent.send(Event::Listed(revision, items)).await.is_err() {
                    return;
                }
                match watch(store.as_ref(), revision, &agent).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "the datastore's watch ended; listing again"),
                }
            }
            Err(error) => {
                if agent.send(Event::DatastoreLost(error.to_string())).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Everything, and the oldest revision of the listings: what changed between them is told again by the watch, which
/// does no harm.
async fn list(store: &dyn Store) -> Result<(Revision, BTreeMap<Key, Versioned>), Error> {
    let mut items = BTreeMap::new();
    let mut oldest = None;
    for kind in Kind::ALL {
        let listing = store.list(kind).await?;
        oldest = Some(oldest.map_or(listing.revision, |revision: Revision| revision.min(listing.revision)));
        items.extend(listing.items);
    }
    Ok((oldest.unwrap_or_default(), items))
}

/// Passes changes on; ends well only when the loop has ended.
async fn watch(store: &dyn Store, from: Revision, agent: &Handle) -> Result<(), Error> {
    let mut changes = store.watch(from).await?;
    while let Some(change) = changes.next().await {
        if agent.send(Event::Changed(change?)).await.is_err() {
            return Ok(());
        }
    }
    Err(Error::Unavailable("the watch ended".to_owned()))
}
