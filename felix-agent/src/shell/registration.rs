//! Keeps this node's Node object as the configuration says.

use std::sync::Arc;
use std::time::Duration;

use datastore::{Error, Key, Kind, Precondition, Resource, Store};
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::registration;

/// The pause before a write that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the object is looked at, in case somebody deleted or changed it.
const PERIOD: Duration = Duration::from_secs(30);

/// Runs until the loop, which publishes `config`, has ended.
pub async fn keep(store: Arc<dyn Store>, mut config: watch::Receiver<Arc<Config>>) {
    loop {
        let node = config.borrow_and_update().node.clone();
        let pause = match register(store.as_ref(), &node).await {
            Ok(()) => PERIOD,
            // Somebody else wrote it at the same time.
            Err(Error::Conflict { .. }) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "cannot write this node's Node object");
                PAUSE
            }
        };
        if let Ok(Err(_)) = tokio::time::timeout(pause, config.changed()).await {
            return;
        }
    }
}

/// Writes the object if it is not as it should be.
///
/// # Errors
/// As the store's; [`Error::Conflict`] if it changed meanwhile.
pub async fn register(store: &dyn Store, node: &config::Node) -> Result<(), Error> {
    let found = store.get(&Key::global(Kind::Node, &node.name)).await?;
    let object = found.as_ref().and_then(|found| {
        if let Resource::Node(object) = &found.resource { Some(object.as_ref()) } else { None }
    });
    let Some(wanted) = registration::wanted(object, node) else { return Ok(()) };
    let precondition =
        found.as_ref().map_or(Precondition::Absent, |found| Precondition::Unchanged(found.revision));
    store.put(Resource::Node(Box::new(wanted)), precondition).await.map(|_| ())
}
