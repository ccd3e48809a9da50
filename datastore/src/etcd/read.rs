//! Reading: always what a majority has agreed upon.

use std::collections::BTreeMap;

use futures_util::future::FutureExt as _;

use super::api::{KeyValue, RangeRequest, RangeResponse};
use super::client::{Repeat, request};
use super::failure::Failure;
use super::keys::end_of;
use super::{Etcd, kv, number, revision, revision_of};
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::{Continue, Listing, Page, Query, Revision, Unreadable, Versioned};

/// Keys read at once.
const PIECE: usize = 1000;

/// How often a listing is begun anew.
const ATTEMPTS: u32 = 4;

pub(super) async fn range(etcd: &Etcd, message: RangeRequest) -> Result<RangeResponse, Failure> {
    etcd.client
        .call(Repeat::Always, |channel, token| {
            let message = request(message.clone(), token);
            async move { kv(channel).range(message).await }.boxed()
        })
        .await
}

pub(super) async fn get(etcd: &Etcd, key: &Key) -> Result<Option<Versioned>, Error> {
    let message = RangeRequest { key: etcd.root.encode(key), ..RangeRequest::default() };
    let found = range(etcd, message).await?.kvs.pop();
    found.map(|found| decode(key, &found)).transpose()
}

pub(super) fn decode(key: &Key, found: &KeyValue) -> Result<Versioned, Error> {
    let broken = |error: serde_json::Error| Error::Unreadable {
        key: key.clone(),
        revision: revision(found.mod_revision),
        why: error.to_string(),
    };
    let value = serde_json::from_slice(&found.value).map_err(broken)?;
    let resource = Resource::decode(key.kind, value).map_err(broken)?;
    Ok(Versioned { revision: revision(found.mod_revision), resource })
}

/// The resource; `None` if it cannot be understood, which is noted.
fn readable(key: &Key, found: &KeyValue, unreadable: &mut Unreadable) -> Result<Option<Versioned>, Error> {
    match decode(key, found) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Unreadable { key, why, .. }) => {
            unreadable.insert(key, why);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Keys from one on, read in pieces at one revision, that of the first piece.
struct Scan<'a> {
    etcd: &'a Etcd,
    next: Vec<u8>,
    end: Vec<u8>,
    revision: Revision,
    pieces: u32,
}

impl<'a> Scan<'a> {
    fn new(etcd: &'a Etcd, next: Vec<u8>, end: Vec<u8>) -> Self {
        Self { etcd, next, end, revision: Revision(0), pieces: 0 }
    }

    /// So many more, and whether there are others; `None` if the revision was compacted meanwhile.
    async fn piece(&mut self, limit: usize) -> Result<Option<(Vec<KeyValue>, bool)>, Error> {
        let message = RangeRequest {
            key: self.next.clone(),
            range_end: self.end.clone(),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            revision: number(self.revision),
            ..RangeRequest::default()
        };
        let answer = match range(self.etcd, message).await {
            Ok(answer) => answer,
            Err(Failure::Compacted) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        if self.pieces == 0 {
            self.revision = revision_of(answer.header.as_ref());
        }
        self.pieces += 1;
        if let Some(last) = answer.kvs.last() {
            self.next = [last.key.as_slice(), &[0]].concat();
        }
        Ok(Some((answer.kvs, answer.more)))
    }
}

fn never_still() -> Error {
    Error::Unavailable(format!("etcd was compacted while it was read, {ATTEMPTS} times in a row"))
}

pub(super) async fn page(etcd: &Etcd, kind: Kind, query: &Query) -> Result<Page, Error> {
    let all = etcd.root.of_kind(kind, None);
    let wanted = etcd.root.of_kind(kind, query.namespace.as_deref());
    let begin = match &query.after {
        Some(place) => [decode_place(etcd, &all, place)?.as_slice(), &[0]].concat().max(wanted.clone()),
        None => wanted.clone(),
    };
    for _ in 0..ATTEMPTS {
        let scan = Scan::new(etcd, begin.clone(), end_of(&wanted));
        if let Some(page) = selected(scan, &all, query).await? {
            return Ok(page);
        }
    }
    Err(never_still())
}

/// What the query selects of a scan; `None` if it was compacted meanwhile.
async fn selected(mut scan: Scan<'_>, all: &[u8], query: &Query) -> Result<Option<Page>, Error> {
    let limit = query.limit().unwrap_or(usize::MAX);
    // One more than is asked for: there is a next page.
    let size = if query.labels.is_empty() { limit.saturating_add(1).min(PIECE) } else { PIECE };
    let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
    let mut last: Option<Vec<u8>> = None;
    loop {
        let Some((found, more)) = scan.piece(size).await? else { return Ok(None) };
        for item in found {
            let key = scan.etcd.root.decode(&item.key)?;
            let Some(value) = readable(&key, &item, &mut unreadable)? else { continue };
            if !query.selects(&value.resource) {
                continue;
            }
            if items.len() == limit {
                let next = last.map(|last| encode_place(all, &last));
                return Ok(Some(Page { revision: scan.revision, items, unreadable, next }));
            }
            items.insert(key, value);
            last = Some(item.key);
        }
        if !more {
            return Ok(Some(Page { revision: scan.revision, items, unreadable, next: None }));
        }
    }
}

/// The key of a page's last resource, without what all of its kind begin with.
fn encode_place(all: &[u8], last: &[u8]) -> Continue {
    Continue::new(String::from_utf8_lossy(last.strip_prefix(all).unwrap_or_default()))
}

fn decode_place(etcd: &Etcd, all: &[u8], place: &Continue) -> Result<Vec<u8>, Error> {
    let spelling = [all, place.as_str().as_bytes()].concat();
    match etcd.root.decode(&spelling) {
        Ok(_) => Ok(spelling),
        Err(_) => Err(Error::Refused(format!(
            "\"{place}\" is not where a page of this datastore ended; list from the beginning"
        ))),
    }
}

pub(super) async fn snapshot(etcd: &Etcd, kinds: &[Kind]) -> Result<Listing, Error> {
    for _ in 0..ATTEMPTS {
        if let Some(listing) = everything(etcd, kinds).await? {
            return Ok(listing);
        }
    }
    Err(never_still())
}

async fn everything(etcd: &Etcd, kinds: &[Kind]) -> Result<Option<Listing>, Error> {
    let prefix = etcd.root.prefix();
    let mut scan = Scan::new(etcd, prefix.clone(), end_of(&prefix));
    let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
    loop {
        let Some((found, more)) = scan.piece(PIECE).await? else { return Ok(None) };
        for item in found.iter().filter(|item| item.key != etcd.root.marker()) {
            let key = etcd.root.decode(&item.key)?;
            if kinds.contains(&key.kind) {
                let value = readable(&key, item, &mut unreadable)?;
                items.extend(value.map(|value| (key, value)));
            }
        }
        if !more {
            return Ok(Some(Listing { revision: scan.revision, items, unreadable }));
        }
    }
}
