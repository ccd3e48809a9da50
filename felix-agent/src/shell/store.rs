//! Opens the datastore and follows it: lists once, then watches from there; lists again when the watch cannot go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datastore::{
    Change, Error, EtcdStore, Key, Kind, KubernetesStore, Listing, Revision, SqliteStore, Store, Unreadable,
    etcd,
};
use futures_util::StreamExt;

use crate::agent::{Event, Handle};
use crate::config::datastore::{Datastore, Etcd};
use crate::ipam::Known;

/// The pause before the datastore is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Who is told what the datastore says.
pub struct Audience {
    /// Who assigns addresses, and everyone who asks about them.
    pub known: Known,
    /// The loop, where there is one.
    pub agent: Option<Handle>,
}

/// Nobody listens any more.
struct Gone;

impl Audience {
    async fn listed(&self, listing: Listing) -> Result<(), Gone> {
        let Listing { revision, items, unreadable } = listing;
        self.known.reset(revision, &items, &unreadable);
        for (key, why) in &unreadable {
            tracing::error!("{key} in the datastore cannot be understood: {why}; delete or repair it");
        }
        self.send(|| Event::Listed(revision, items, unreadable)).await
    }

    fn misunderstood(&self, key: &Key, why: &str) {
        tracing::error!("{key} in the datastore cannot be understood: {why}; delete or repair it");
        self.known.misunderstood(key, why);
    }

    async fn changed(&self, change: Change) -> Result<(), Gone> {
        self.known.change(&change);
        self.send(|| Event::Changed(change)).await
    }

    async fn lost(&self, error: &Error) -> Result<(), Gone> {
        self.known.lost(&error.to_string());
        self.send(|| Event::DatastoreLost(error.to_string())).await
    }

    async fn send(&self, event: impl FnOnce() -> Event) -> Result<(), Gone> {
        match &self.agent {
            Some(agent) => agent.send(event()).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }
}

/// Opens the configured backend.
///
/// # Errors
/// As the backend's.
pub async fn open(datastore: &Datastore) -> Result<Arc<dyn Store>, Error> {
    Ok(match datastore {
        Datastore::Sqlite(sqlite) => Arc::new(SqliteStore::open(&sqlite.path).await?),
        Datastore::Etcd(etcd) => Arc::new(EtcdStore::open(&options(etcd)).await?),
        Datastore::Kubernetes(kubernetes) => {
            Arc::new(KubernetesStore::new(kubernetes.kubeconfig.as_deref()).await?)
        }
    })
}

fn options(etcd: &Etcd) -> etcd::Options {
    let octets = |text: &str| text.as_bytes().to_owned();
    etcd::Options {
        endpoints: etcd.endpoints.clone(),
        prefix: etcd.prefix.clone(),
        tls: etcd.tls.as_ref().map(|tls| etcd::Tls {
            ca: octets(&tls.pem.ca),
            identity: tls
                .pem
                .identity
                .as_ref()
                .map(|(certificate, key)| (octets(certificate), octets(&key.0))),
        }),
        credentials: etcd
            .username
            .clone()
            .zip(etcd.password.as_ref())
            .map(|(username, password)| etcd::Credentials { username, password: password.0.to_string() }),
    }
}

/// Runs until the loop has ended; without one, for ever.
pub async fn follow(store: Arc<dyn Store>, audience: Audience) {
    while follow_once(store.as_ref(), &audience).await.is_ok() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lists and watches until the datastore cannot go on.
async fn follow_once(store: &dyn Store, audience: &Audience) -> Result<(), Gone> {
    match list(store).await {
        Ok(listing) => {
            let revision = listing.revision;
            audience.listed(listing).await?;
            let error = watch(store, revision, audience).await?;
            tracing::warn!(%error, "the datastore's watch ended; listing again");
            Ok(())
        }
        Err(error) => audience.lost(&error).await,
    }
}

/// Everything, and the oldest revision of the listings: what changed between them is told again by the watch, which
/// does no harm.
async fn list(store: &dyn Store) -> Result<Listing, Error> {
    let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
    let mut oldest = None;
    for kind in Kind::ALL {
        let listing = store.list(kind).await?;
        oldest = Some(oldest.map_or(listing.revision, |revision: Revision| revision.min(listing.revision)));
        items.extend(listing.items);
        unreadable.extend(listing.unreadable);
    }
    Ok(Listing { revision: oldest.unwrap_or_default(), items, unreadable })
}

/// Passes changes on; ends well with what ended the watch.
async fn watch(store: &dyn Store, from: Revision, audience: &Audience) -> Result<Error, Gone> {
    let mut changes = match store.watch(from).await {
        Ok(changes) => changes,
        Err(error) => return Ok(error),
    };
    while let Some(change) = changes.next().await {
        match change {
            Ok(change) => audience.changed(change).await?,
            // What was known of it is known still.
            Err(Error::Unreadable { key, why, .. }) => audience.misunderstood(&key, &why),
            Err(error) => return Ok(error),
        }
    }
    Ok(Error::Unavailable("the watch ended".to_owned()))
}
