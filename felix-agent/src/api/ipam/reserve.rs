//! `Reserve` and `Unreserve`: an IPReservation, prefix by prefix.

use ::ipam::index::Holding;
use ::ipam::{Index, Reservation};
use datastore::{Error, Key, Kind, Precondition, Resource, Revision};
use ipnetwork::IpNetwork;
use proto::v1;
use tonic::Status;

use super::{Service, argument, describe};
use crate::api::failure;

/// How often to write anew after a conflict.
const ATTEMPTS: usize = 10;

impl Service {
    pub(super) async fn add_reservation(
        &self,
        request: v1::ReserveRequest,
    ) -> Result<v1::ReserveResponse, Status> {
        let v1::ReserveRequest { name, cidrs } = request;
        argument::name("name", &name)?;
        let cidrs = prefixes(&cidrs)?;
        if cidrs.is_empty() {
            return Err(failure::field("cidrs", "nothing to reserve; give at least one prefix or address"));
        }
        let reserved = self
            .change_reservation(&name, |former| {
                let mut reserved = former.map(|former| former.reserved_cidrs).unwrap_or_default();
                reserved.extend(cidrs.iter().copied());
                reserved.sort_unstable();
                reserved.dedup();
                Ok(reserved)
            })
            .await?;
        let state = self.state();
        let in_use = in_use(&state.index, &reserved);
        let in_use = in_use.map(|holding| describe::allocation(&state.index, &holding)).collect();
        Ok(v1::ReserveResponse { cidrs: texts(&reserved), in_use })
    }

    pub(super) async fn end_reservation(
        &self,
        request: v1::UnreserveRequest,
    ) -> Result<v1::UnreserveResponse, Status> {
        let v1::UnreserveRequest { name, cidrs } = request;
        argument::name("name", &name)?;
        let cidrs = prefixes(&cidrs)?;
        let kept = self
            .change_reservation(&name, |former| {
                let Some(Reservation { reserved_cidrs, .. }) = former else {
                    let key = Key::global(Kind::IpReservation, &name);
                    return Err(failure::not_found(&key, format!("there is no {key}")));
                };
                if let Some(other) = cidrs.iter().find(|cidr| !reserved_cidrs.contains(cidr)) {
                    let what = format!(
                        "{other} is no prefix of IPReservation {name}; it has {}",
                        texts(&reserved_cidrs).join(", ")
                    );
                    return Err(failure::field("cidrs", what));
                }
                let is_kept = |cidr: &IpNetwork| !cidrs.is_empty() && !cidrs.contains(cidr);
                Ok(reserved_cidrs.into_iter().filter(is_kept).collect())
            })
            .await?;
        Ok(v1::UnreserveResponse { cidrs: texts(&kept) })
    }

    /// Writes what `change` makes of what is reserved; nothing left is no reservation.
    async fn change_reservation(
        &self,
        name: &str,
        change: impl Fn(Option<Reservation>) -> Result<Vec<IpNetwork>, Status>,
    ) -> Result<Vec<IpNetwork>, Status> {
        let key = Key::global(Kind::IpReservation, name);
        for _ in 0..ATTEMPTS {
            let found = self.store.get(&key).await.map_err(|error| failure::datastore(&error))?;
            let precondition =
                found.as_ref().map_or(Precondition::Absent, |found| Precondition::Unchanged(found.revision));
            let former = found.and_then(|found| {
                if let Resource::IpReservation(former) = found.resource { Some(*former) } else { None }
            });
            let before = former.as_ref().map(|former| former.reserved_cidrs.clone());
            let reserved_cidrs = change(former)?;
            if before.as_ref() == Some(&reserved_cidrs) {
                return Ok(reserved_cidrs);
            }
            let written = if reserved_cidrs.is_empty() {
                self.store.delete(&key, precondition).await.map(|()| None)
            } else {
                let reservation =
                    Reservation { name: name.to_owned(), reserved_cidrs: reserved_cidrs.clone() };
                let resource = Resource::IpReservation(Box::new(reservation));
                self.store.put(resource, precondition).await.map(Some)
            };
            match written {
                Ok(revision) => {
                    self.caught_up(revision.unwrap_or(Revision(0))).await;
                    return Ok(reserved_cidrs);
                }
                Err(Error::Conflict { .. }) => {}
                Err(other) => return Err(failure::datastore(&other)),
            }
        }
        Err(failure::aborted(format!("{key} is being changed by others all the time; retry later")))
    }
}

fn prefixes(texts: &[String]) -> Result<Vec<IpNetwork>, Status> {
    texts.iter().map(|text| argument::prefix("cidrs", text)).collect()
}

fn texts(prefixes: &[IpNetwork]) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}

/// What is in use within these prefixes, ascending.
fn in_use<'a>(index: &'a Index, prefixes: &'a [IpNetwork]) -> impl Iterator<Item = Holding<'a>> {
    let overlaps = |a: &IpNetwork, b: &IpNetwork| a.contains(b.network()) || b.contains(a.network());
    let blocks = index.blocks(None, None, None).map(|block| &block.value);
    let blocks = blocks.filter(move |block| prefixes.iter().any(|prefix| overlaps(prefix, &block.cidr())));
    let holdings = blocks.flat_map(|block| {
        block.allocations().map(move |(address, allocation)| Holding { address, allocation, block })
    });
    holdings.filter(move |holding| prefixes.iter().any(|prefix| prefix.contains(holding.address)))
}
