//! Rows that differ in one end only, put together.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::{Family, Verdict};

use super::{Because, Change, Traffic, Who};

/// Changes between two groups, with the families and the reasons.
pub(super) type Rows = BTreeMap<Row, (BTreeSet<Family>, Because)>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) sources: Who,
    pub(super) destinations: Who,
    pub(super) traffic: Vec<Traffic>,
    pub(super) before: Verdict,
    pub(super) after: Verdict,
}

impl Because {
    pub(super) fn extend(&mut self, other: Self) {
        self.before.extend(other.before);
        self.after.extend(other.after);
    }
}

/// Rows that differ in one end only become one.
pub(super) fn changes(rows: Rows) -> Vec<Change> {
    let by_sources = join(rows, |row| (&mut row.sources, row.destinations.clone()));
    let rows = join(by_sources, |row| (&mut row.destinations, row.sources.clone()));
    let change = |(row, (families, because)): (Row, (BTreeSet<Family>, Because))| Change {
        sources: row.sources,
        destinations: row.destinations,
        families,
        traffic: row.traffic,
        before: row.before,
        after: row.after,
        because,
    };
    rows.into_iter().map(change).collect()
}

type Split = fn(&mut Row) -> (&mut Who, Who);

fn join(rows: Rows, split: Split) -> Rows {
    type Rest = (Who, Vec<Traffic>, Verdict, Verdict, BTreeSet<Family>, bool);
    let mut joined: BTreeMap<Rest, (Row, Because)> = BTreeMap::new();
    for (mut row, (families, because)) in rows {
        let (traffic, before, after) = (row.traffic.clone(), row.before, row.after);
        let (varying, fixed) = split(&mut row);
        let is_endpoints = matches!(varying, Who::Endpoints(_));
        let rest = (fixed, traffic, before, after, families, is_endpoints);
        match joined.get_mut(&rest) {
            None => drop(joined.insert(rest, (row, because))),
            Some((into, reasons)) => {
                split(into).0.extend(varying);
                reasons.extend(because);
            }
        }
    }
    let mut rows = Rows::new();
    for ((_, _, _, _, families, _), (row, because)) in joined {
        let (all, reasons) = rows.entry(row).or_default();
        all.extend(families);
        reasons.extend(because);
    }
    rows
}

impl Who {
    /// Takes those of the same kind in.
    fn extend(&mut self, other: &Who) {
        match (self, other) {
            (Self::Endpoints(all), Self::Endpoints(more)) => all.extend(more.iter().cloned()),
            (Self::Outside(all), Self::Outside(more)) => all.extend(more.iter().copied()),
            (Self::Endpoints(_), Self::Outside(_)) | (Self::Outside(_), Self::Endpoints(_)) => {}
        }
    }
}
