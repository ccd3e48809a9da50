//! `Export` and `Import`: everything, out and in again ([`datastore::archive`]).
//!
//! **Into a running agent.** Leases are in no archive. The Node object of the agent that is asked is left out: the agent
//! writes it by its configuration. All else is created where it is missing, also what agents write, and every write
//! compares: an agent that writes the same at the same time makes the import stop, and it can be repeated. What is there
//! and differs is replaced only if that is asked for. Of what agents write (blocks, claims, handles, endpoints) that is
//! a step back in time, and pods that were attached since lose their records: stop the agents first, all but the one that
//! is asked, and let `Check` say what is amiss afterwards.
//!
//! Pools are held to the same as in `Apply`: they neither overlap others nor change their prefix or block size.

use std::collections::BTreeMap;

use datastore::archive::{self, Archive, Difference, ImportError, KINDS};
use datastore::{Key, Kind, Resource};
use futures_util::stream::{BoxStream, StreamExt as _};
use ipam::Pool;
use proto::v1;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Service;
use crate::api::failure;

/// Octets of lines in a message, or one line: below what a client takes without being told to.
const MESSAGE: usize = 512 * 1024;

/// Messages that may wait for the reader.
const WAITING: usize = 4;

/// The most octets of an import: some ten times what a fabric of 100,000 pods has.
const LARGEST: usize = 1 << 30;

pub(super) type Exported = BoxStream<'static, Result<v1::ExportResponse, Status>>;

impl Service {
    pub(super) async fn export_all(&self) -> Result<Exported, Status> {
        let exported = archive::export(self.store.as_ref(), &KINDS).await;
        let archive = exported.map_err(|error| failure::datastore(&error))?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            // Made as the reader takes them. Whoever asked may have gone.
            let mut lines = archive.lines().peekable();
            while lines.peek().is_some() {
                if sender.send(message(&mut lines)).await.is_err() {
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(receiver).boxed())
    }

    pub(super) async fn import_all(
        &self,
        requests: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send,
    ) -> Result<v1::ImportResponse, Status> {
        let Received { overwrite, dry_run, lines } = receive(requests).await?;
        let archive = Archive::parse(lines.iter().map(String::as_str)).map_err(|problems| {
            failure::fields("lines", problems.iter().map(ToString::to_string).collect())
        })?;
        drop(lines);
        let own = Key::global(Kind::Node, &self.node);
        let all = archive.resources().len();
        let others = archive.resources().iter().filter(|resource| resource.key() != own);
        let archive = Archive::new(archive.revision(), others.cloned());
        let left_out = all - archive.resources().len();
        let _applying = self.applying.lock().await;
        self.check_imported_pools(&archive).await?;
        let store = self.store.as_ref();
        let difference = if dry_run {
            let compared = archive::compare(store, &archive, &KINDS).await;
            let difference = compared.map_err(|error| failure::datastore(&error))?;
            refuse_to_replace(&difference, overwrite)?;
            difference
        } else {
            let mut told = |progress: archive::Progress| {
                tracing::debug!(written = progress.written, total = progress.total, "importing");
            };
            let imported = archive::import(store, &archive, &KINDS, overwrite, &mut told).await;
            imported.map_err(|error| failed(&error))?
        };
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let response = v1::ImportResponse {
            created: count(difference.created.len()),
            replaced: count(difference.replaced.len()),
            unchanged: count(difference.unchanged + left_out),
        };
        if !dry_run {
            let v1::ImportResponse { created, replaced, unchanged } = response;
            tracing::info!(created, replaced, unchanged, "imported");
        }
        Ok(response)
    }

    /// Refuses pools that cannot be among those that there are then.
    async fn check_imported_pools(&self, archive: &Archive) -> Result<(), Status> {
        let imported = archive.resources().iter().filter_map(to_pool);
        let imported: BTreeMap<&str, &Pool> = imported.map(|pool| (pool.name.as_str(), pool)).collect();
        let stored = self.pools().await?;
        let others = || {
            let stay = stored.iter().filter(|pool| !imported.contains_key(pool.name.as_str()));
            stay.chain(imported.values().copied())
        };
        let former = |name: &str| stored.iter().find(|pool| pool.name == name);
        let mut problems = Vec::new();
        for pool in imported.values() {
            let conflicts = ipam::pool::conflicts(pool, others().chain(former(&pool.name)));
            problems.extend(conflicts.iter().map(|problem| format!("IPPool {}: {problem}", pool.name)));
        }
        if problems.is_empty() { Ok(()) } else { Err(failure::fields("lines", problems)) }
    }
}

/// The next lines that fit into a message.
fn message(
    lines: &mut std::iter::Peekable<impl Iterator<Item = Result<String, datastore::Error>>>,
) -> Result<v1::ExportResponse, Status> {
    let (mut taken, mut octets) = (Vec::new(), 0);
    while octets < MESSAGE {
        let Some(line) = lines.next() else { break };
        let line = line.map_err(|error| failure::datastore(&error))?;
        octets += line.len();
        taken.push(line);
    }
    Ok(v1::ExportResponse { lines: taken })
}

/// What came.
struct Received {
    overwrite: bool,
    dry_run: bool,
    lines: Vec<String>,
}

async fn receive(
    requests: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send,
) -> Result<Received, Status> {
    let mut requests = std::pin::pin!(requests);
    let mut received: Option<Received> = None;
    let mut octets = 0usize;
    while let Some(request) = requests.next().await {
        let v1::ImportRequest { overwrite, lines, dry_run } = request?;
        octets = lines.iter().fold(octets, |octets, line| octets.saturating_add(line.len()));
        if octets > LARGEST {
            return Err(failure::field("lines", format!("more than {LARGEST} octets; import it in parts")));
        }
        match &mut received {
            Some(received) => received.lines.extend(lines),
            None => received = Some(Received { overwrite, dry_run, lines }),
        }
    }
    received.ok_or_else(|| failure::field("lines", "nothing to import; send the lines of an export"))
}

fn refuse_to_replace(difference: &Difference, overwrite: bool) -> Result<(), Status> {
    if overwrite || difference.replaced.is_empty() {
        return Ok(());
    }
    let keys = difference.replaced.iter().map(|(key, _)| key.clone()).collect();
    Err(failed(&ImportError::Different(keys)))
}

fn failed(error: &ImportError) -> Status {
    match error {
        ImportError::Different(keys) => failure::preconditions(
            "DIFFERS",
            keys.iter().map(|key| (key.to_string(), "is there already, and differs".to_owned())),
            error.to_string(),
        ),
        ImportError::Interrupted { error: cause, .. } => {
            failure::with_message(&failure::datastore(cause), error.to_string())
        }
    }
}

fn to_pool(resource: &Resource) -> Option<&Pool> {
    if let Resource::IpPool(pool) = resource { Some(pool) } else { None }
}
