//! Tells the others which policies are in force on this node: one object, written when a pass has made that another.

use std::sync::Arc;
use std::time::Duration;

use datastore::{Precondition, Resource, Store};

use crate::agent::Handle;

/// Between two writes, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the loop has ended.
pub async fn keep(store: Arc<dyn Store>, agent: Handle) {
    let mut status = agent.watch_status();
    loop {
        let enforcement = status.borrow_and_update().enforcement.clone();
        let Ok(wanted) = agent.ask(move |inputs| inputs.report(&enforcement)).await else { return };
        if let Some(wanted) = wanted {
            let resource = Resource::PolicyStatus(Box::new(wanted));
            // Nobody else writes it.
            if let Err(error) = store.put(resource, Precondition::None).await {
                tracing::warn!(%error, "cannot write this node's PolicyStatus");
            }
            // By then the datastore has told of it; else it is written once more, which does no harm.
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}
