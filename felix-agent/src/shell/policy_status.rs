//! Tells the others which policies are in force on this node: one object, written when passes have made that another.

use std::sync::Arc;
use std::time::Duration;

use datastore::{Precondition, Resource, Store};

use crate::agent::Handle;

/// Between two questions to the loop: many passes may go by.
const LULL: Duration = Duration::from_millis(250);

/// Between two writes, at least. By then the datastore has told of the first; else it is written once more, which does no harm.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the loop has ended.
pub async fn keep(store: Arc<dyn Store>, agent: Handle) {
    let mut status = agent.watch_status();
    loop {
        let enforcement = status.borrow_and_update().enforcement.clone();
        let Ok(wanted) = agent.ask(move |inputs| inputs.report(&enforcement)).await else { return };
        let Some(wanted) = wanted else {
            tokio::time::sleep(LULL).await;
            if status.changed().await.is_err() {
                return;
            }
            continue;
        };
        let resource = Resource::PolicyStatus(Box::new(wanted));
        // Nobody else writes it.
        if let Err(error) = store.put(resource, Precondition::None).await {
            tracing::warn!(%error, "cannot write this node's PolicyStatus");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
