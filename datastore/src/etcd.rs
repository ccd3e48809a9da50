//! The backend that is etcd, version 3.4 or newer: several machines without Kubernetes.
//!
//! - **Keys** are `/<prefix>/<kind>/<namespace>/<name>` (`keys`), values the manifests as JSON. A revision is etcd's
//!   own: `mod_revision` of a key, the header's of a listing. Beside them is one key, `/<prefix>/format`, which says
//!   that the prefix is Fabric's and in which version; a prefix where others keep their keys is refused.
//! - **Commits** are transactions of at most [`ATOMIC_WRITES`] writes and a mebibyte, which is what etcd accepts
//!   unless it is told otherwise. A larger commit becomes several, in order. All writes of a transaction have the
//!   same revision.
//! - **Listings** are read in pieces at one revision. If that is compacted meanwhile, they are read anew; so only
//!   watching ever says [`Error::Compacted`]. Pages of a listing with a limit are read each at its own moment.
//! - **Calls** take a bounded time, whatever the members do (`client`); when they are back, so is the store. What
//!   went wrong is told apart by what the caller must do (`failure`).
//! - **Clocks** of members or clients play no part.
//!
//! Deliberately absent: compaction, which is the matter of whoever runs etcd (`--auto-compaction-retention`), its
//! leases, and everything else that administers it. The crate `etcd-client` is not used: it needs `protoc` to be
//! built, hides whether a call was sent, and cannot put watch answers together again that come in pieces.

/// What `proto/etcd.proto` says.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
mod api {
    tonic::include_proto!("etcdserverpb");
}

mod client;
mod failure;
mod keys;
mod options;
mod read;
#[cfg(any(test, feature = "contract"))]
pub mod server;
mod watch;
mod write;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::store::{Change, CommitError, Listing, Page, Query, Revision, Store, Versioned, Write};
use api::kv_client::KvClient;
use client::Client;
use keys::Root;

pub use crate::store::ATOMIC_WRITES;
pub use options::{Credentials, Options, Tls};

/// A store in etcd.
#[derive(Debug, Clone)]
pub struct EtcdStore(Arc<Etcd>);

/// What reading, writing and watching share.
#[derive(Debug)]
struct Etcd {
    client: Client,
    root: Root,
}

/// The version of what is here.
const FORMAT: u32 = 1;

/// Value of the key that says so.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    fabric_datastore: u32,
}

impl EtcdStore {
    /// Opens the store, and begins it if the prefix is empty. Needs a tokio runtime with time and IO.
    ///
    /// # Errors
    /// [`Error::Refused`] if the options are wrong, if etcd does not want us or we do not trust it, and if under the
    /// prefix is something else, or Fabric's of a newer version; [`Error::Unavailable`] if nobody answers.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let root = Root(options.root()?);
        let etcd = Etcd { client: Client::new(options)?, root };
        let found = match write::marker(&etcd, None).await? {
            Some(found) => found,
            None => {
                let marker = serde_json::to_vec(&Marker { fabric_datastore: FORMAT }).unwrap_or_default();
                // If someone else is faster, theirs counts.
                write::marker(&etcd, Some(marker)).await?.unwrap_or_default()
            }
        };
        let shown = String::from_utf8_lossy(&found);
        match serde_json::from_slice::<Marker>(&found) {
            Ok(marker) if marker.fabric_datastore == FORMAT => Ok(Self(Arc::new(etcd))),
            Ok(marker) => Err(Error::Refused(format!(
                "etcd has format {} under {}, and this program knows {FORMAT}; run the version that wrote it",
                marker.fabric_datastore, etcd.root.0
            ))),
            Err(_) => Err(Error::Refused(format!(
                "etcd has {}format, but not Fabric's ({shown}); use another prefix",
                etcd.root.0
            ))),
        }
    }
}

impl Store for EtcdStore {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>> {
        let key = key.clone();
        async move { read::get(&self.0, &key).await }.boxed()
    }

    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>> {
        let query = query.clone();
        async move { read::page(&self.0, kind, &query).await }.boxed()
    }

    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>> {
        write::commit(&self.0, writes).boxed()
    }

    fn is_atomic(&self) -> bool {
        true
    }

    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        let etcd = Arc::clone(&self.0);
        async move { watch::watch(etcd, from).await.map(|changes| changes.boxed()) }.boxed()
    }

    fn snapshot(&self, kinds: &[Kind]) -> BoxFuture<'_, Result<Listing, Error>> {
        let kinds = kinds.to_owned();
        async move { read::snapshot(&self.0, &kinds).await }.boxed()
    }
}

fn kv(channel: Channel) -> KvClient<Channel> {
    KvClient::new(channel).max_decoding_message_size(client::LARGEST_ANSWER)
}

/// Etcd counts from 1, and never so far.
fn revision_of(header: Option<&api::ResponseHeader>) -> Revision {
    revision(header.map_or(0, |header| header.revision))
}

fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
