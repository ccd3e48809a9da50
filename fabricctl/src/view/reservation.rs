//! `ipam reserve`: `{name, cidrs: [...], inUse: [...]}`; `ipam unreserve`: the same, with nothing in use.

use proto::v1;
use serde::Serialize;

use super::ipam::allocation::{self, Allocation};
use crate::output::View;
use crate::output::table;

/// What a reservation keeps now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    name: String,
    cidrs: Vec<String>,
    /// In use in spite of it: reserved too late.
    in_use: Vec<Allocation>,
}

impl Reservation {
    /// Made or added to.
    pub(crate) fn reserved(name: String, message: v1::ReserveResponse) -> Self {
        let v1::ReserveResponse { cidrs, in_use } = message;
        Self { name, cidrs, in_use: in_use.into_iter().map(Allocation::from).collect() }
    }

    /// What is left of it.
    pub(crate) fn unreserved(name: String, message: v1::UnreserveResponse) -> Self {
        let v1::UnreserveResponse { cidrs } = message;
        Self { name, cidrs, in_use: Vec::new() }
    }
}

impl View for Reservation {
    fn render(&self) -> String {
        let fields = [("Reservation", self.name.clone()), ("Reserved", table::join(&self.cidrs))];
        let in_use = table::render(allocation::HEADERS, self.in_use.iter().map(Allocation::row));
        let in_use = if in_use.is_empty() { in_use } else { format!("\nIn use in spite of it:\n{in_use}") };
        table::render_fields(&fields) + &in_use
    }

    fn remark_if_empty(&self) -> &'static str {
        // It has a name.
        ""
    }
}
