//! All reservations together, as disjoint ranges, so that asking costs O(log n) however many there are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::family::{self, Family};
use crate::reservation::Reservation;

/// What all reservations keep out of assignment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reserved {
    reservations: Vec<Reservation>,
    /// First → last, both included. Ranges neither overlap nor touch.
    ranges: BTreeMap<(Family, u128), u128>,
}

impl Reserved {
    /// All of these together.
    #[must_use]
    pub fn new(reservations: impl IntoIterator<Item = Reservation>) -> Self {
        let reservations: Vec<Reservation> = reservations.into_iter().collect();
        let cidrs = reservations.iter().flat_map(|reservation| &reservation.reserved_cidrs);
        let mut bounds: Vec<(Family, u128, u128)> = cidrs.map(family::bounds).collect();
        bounds.sort_unstable();
        let mut merged: Vec<(Family, u128, u128)> = Vec::new();
        for (family, first, last) in bounds {
            match merged.last_mut() {
                Some((before, _, end)) if *before == family && first <= end.saturating_add(1) => {
                    *end = last.max(*end);
                }
                Some(_) | None => merged.push((family, first, last)),
            }
        }
        let ranges = merged.into_iter().map(|(family, first, last)| ((family, first), last)).collect();
        Self { reservations, ranges }
    }

    /// Whether this address is reserved.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        self.range_with(Family::of(address), family::to_number(address)).is_some()
    }

    /// Whether every address of this prefix is.
    #[must_use]
    pub fn covers_all(&self, cidr: &IpNetwork) -> bool {
        let (family, first, last) = family::bounds(cidr);
        self.range_with(family, first).is_some_and(|end| last <= end)
    }

    /// How many addresses of this prefix are reserved.
    #[must_use]
    pub fn count_in(&self, cidr: &IpNetwork) -> u128 {
        let (family, first, last) = family::bounds(cidr);
        let before = self.range_with(family, first).map(|end| (first, end));
        let within =
            self.ranges.range((family, first)..=(family, last)).filter(|((_, start), _)| *start > first);
        let ranges = before.into_iter().chain(within.map(|((_, start), end)| (*start, *end)));
        ranges
            .fold(0, |sum: u128, (start, end)| sum.saturating_add((end.min(last) - start).saturating_add(1)))
    }

    /// The first reservation, by name, that has this address.
    #[must_use]
    pub fn by(&self, address: IpAddr) -> Option<&Reservation> {
        let has = |reservation: &&Reservation| reservation.reserved_cidrs.iter().any(|c| c.contains(address));
        self.reservations.iter().filter(has).min_by_key(|reservation| &reservation.name)
    }

    /// The end of the range that this number lies in.
    pub(crate) fn range_with(&self, family: Family, number: u128) -> Option<u128> {
        let (_, end) = self.ranges.range((family, 0)..=(family, number)).next_back()?;
        (number <= *end).then_some(*end)
    }
}

#[cfg(test)]
mod tests;
