//! Listing a kind, whole or in pages.

use std::collections::BTreeMap;

use super::api::{Api, Objects};
use super::failure::{Call, Outcome, failed};
use super::names;
use super::object;
use crate::error::Error;
use crate::key::Kind;
use crate::store::{Continue, Page, Query, Unreadable};

/// Objects asked for at once where the caller wants all: a listing of 50,000 pods as one text is 300 MB.
const CHUNK: u32 = 500;
/// How often a whole listing is begun again that took so long that the API server forgot its moment.
const ATTEMPTS: u32 = 3;

/// The resources of a kind that the query selects.
pub(super) async fn list(api: &Api, kind: Kind, query: &Query) -> Result<Page, Error> {
    let namespace = query.namespace.as_deref().filter(|_| kind.is_namespaced());
    let nowhere =
        query.namespace.as_ref().is_some_and(|name| !kind.is_namespaced() || !names::is_dns_label(name));
    if nowhere {
        // Still the moment has to be said, at which there is nothing.
        let revision = api.head(kind).await.map_err(|outcome| failed(call(kind), outcome))?;
        return Ok(Page { revision, items: BTreeMap::new(), unreadable: Unreadable::new(), next: None });
    }
    let listing = Listing { api, kind, namespace, selector: selector(kind, query), query };
    match query.limit().and_then(|limit| u32::try_from(limit).ok()) {
        Some(limit) => listing.page(limit).await,
        None => listing.whole().await,
    }
}

struct Listing<'a> {
    api: &'a Api,
    kind: Kind,
    namespace: Option<&'a str>,
    selector: String,
    query: &'a Query,
}

impl Listing<'_> {
    /// One page. Where the API server has forgotten the moment of the first page, the next shows what is now.
    async fn page(&self, limit: u32) -> Result<Page, Error> {
        let after = self.query.after.as_ref().map(Continue::as_str);
        let objects = match self.ask(limit, after).await {
            Err(Outcome::Expired(Some(token))) => self.ask(limit, Some(&token)).await,
            other => other,
        };
        let objects = objects.map_err(|outcome| self.failed(outcome))?;
        let revision = objects.revision()?;
        let next = objects.next().map(Continue::new);
        let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
        self.take(objects, &mut items, &mut unreadable)?;
        Ok(Page { revision, items, unreadable, next })
    }

    /// All pages, of one moment.
    async fn whole(&self) -> Result<Page, Error> {
        let start = self.query.after.as_ref().map(|after| after.as_str().to_owned());
        for _ in 0..ATTEMPTS {
            let (mut first, mut items, mut unreadable) = (None, BTreeMap::new(), Unreadable::new());
            let mut after = start.clone();
            loop {
                let objects = match self.ask(CHUNK, after.as_deref()).await {
                    Ok(objects) => objects,
                    Err(Outcome::Expired(_)) if first.is_some() => break,
                    Err(outcome) => return Err(self.failed(outcome)),
                };
                let revision = *first.get_or_insert(objects.revision()?);
                after = objects.next().map(ToOwned::to_owned);
                self.take(objects, &mut items, &mut unreadable)?;
                if after.is_none() {
                    return Ok(Page { revision, items, unreadable, next: None });
                }
            }
        }
        let kind = self.kind;
        Err(Error::Unavailable(format!("{kind}s cannot be listed as fast as the API server forgets")))
    }

    async fn ask(&self, limit: u32, after: Option<&str>) -> Result<Objects, Outcome> {
        self.api.list(self.kind, self.namespace, &self.selector, limit, after).await
    }

    fn take(
        &self,
        objects: Objects,
        items: &mut BTreeMap<crate::Key, crate::Versioned>,
        unreadable: &mut Unreadable,
    ) -> Result<(), Error> {
        for object in objects.items {
            match object::decode(self.kind, object) {
                // Labels that Kubernetes cannot take are not in the selector.
                Ok((key, item)) if self.query.selects(&item.resource) => drop(items.insert(key, item)),
                Ok(_) => {}
                Err(Error::Unreadable { key, why, .. }) => drop(unreadable.insert(key, why)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn failed(&self, outcome: Outcome) -> Error {
        let error = failed(call(self.kind), outcome);
        match (&error, &self.query.after) {
            (Error::Refused(what), Some(_)) => Error::Refused(format!("{what}; list from the beginning")),
            (_, _) => error,
        }
    }
}

const fn call(kind: Kind) -> Call {
    Call { verb: "list", kind }
}

/// What the API server can choose by itself.
fn selector(kind: Kind, query: &Query) -> String {
    let labels = query.labels.iter().filter(|(key, _)| names::is_label_key(key));
    let terms = labels.filter_map(|(key, value)| {
        if names::is_repeated_in_spec(kind) {
            Some(format!("{key}={}", names::label_value(value)))
        } else {
            names::is_label_value(value).then(|| format!("{key}={value}"))
        }
    });
    terms.collect::<Vec<_>>().join(",")
}
