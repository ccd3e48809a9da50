//! Writing one object, if it is as the precondition says.
//!
//! An object is read, changed where a resource speaks of it, and replaced if nobody wrote it meanwhile
//! (`overlaid`). So even a write without precondition undoes nothing of others: it is tried again on what
//! they left.

use super::api::Api;
use super::failure::{Call, Outcome, failed};
use super::object;
use super::place::Place;
use crate::error::Error;
use crate::key::Key;
use crate::resource::Resource;
use crate::store::{Precondition, Revision, Write};

/// Attempts at a write without precondition that others get ahead of.
const ATTEMPTS: u32 = 16;

/// Does one write. Returns its revision; of a deletion, which the API server does not tell, one that was
/// before it.
pub(super) async fn write(api: &Api, write: &Write) -> Result<Revision, Error> {
    let place = Place::of(&write.key)?;
    match &write.value {
        Some(resource) => put(api, &place, &write.key, resource, write.precondition).await,
        None => delete(api, &place, &write.key, write.precondition).await,
    }
}

async fn put(
    api: &Api,
    place: &Place,
    key: &Key,
    resource: &Resource,
    precondition: Precondition,
) -> Result<Revision, Error> {
    let mut current = match precondition {
        // Mostly there is none.
        Precondition::Absent => None,
        Precondition::None | Precondition::Unchanged(_) => api.get(place).await?,
    };
    for _ in 0..ATTEMPTS {
        let found = current.as_ref().map(object::revision).transpose()?;
        if !precondition.holds(found) {
            return Err(Error::Conflict { key: key.clone(), found });
        }
        let (verb, done) = match current {
            None => ("create", api.create(place, &object::encode(resource)?).await),
            Some(current) => {
                let wanted = object::overlaid(current, resource)?;
                ("update", api.replace(place, &wanted).await)
            }
        };
        match done {
            Ok(object) => return object::revision(&object),
            Err(Outcome::Conflict | Outcome::Absent) => current = api.get(place).await?,
            Err(outcome) => return Err(failed(Call { verb, kind: place.kind }, outcome)),
        }
    }
    Err(failed(Call { verb: "update", kind: place.kind }, Outcome::Conflict))
}

async fn delete(api: &Api, place: &Place, key: &Key, precondition: Precondition) -> Result<Revision, Error> {
    let unchanged = match precondition {
        Precondition::None => None,
        Precondition::Unchanged(revision) => Some(revision),
        Precondition::Absent => {
            let found = api.get(place).await?.as_ref().map(object::revision).transpose()?;
            return match found {
                None => Ok(Revision::default()),
                Some(_) => Err(Error::Conflict { key: key.clone(), found }),
            };
        }
    };
    match api.delete(place, unchanged).await {
        Ok(()) => Ok(unchanged.unwrap_or_default()),
        Err(Outcome::Absent) if unchanged.is_none() => Ok(Revision::default()),
        Err(Outcome::Absent | Outcome::Conflict) => {
            let found = api.get(place).await?.as_ref().map(object::revision).transpose()?;
            Err(Error::Conflict { key: key.clone(), found })
        }
        Err(outcome) => Err(failed(Call { verb: "delete", kind: place.kind }, outcome)),
    }
}
