//! `policy diff`: `{changes: [...], endpoints: [...]}`.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::table;

/// How many names of one end are shown; all with `-o wide`.
const SHOWN: usize = 4;

/// Which connections would have another verdict.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Difference {
    changes: Vec<Change>,
    /// With other rules, whether or not that changes a verdict.
    endpoints: Vec<String>,
    /// Judged, one for each class.
    packets: u64,
    /// Why this may not be all; empty if it is.
    stopped: String,
    problems: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    sources: End,
    destinations: End,
    families: Vec<String>,
    traffic: Vec<String>,
    allowed_before: bool,
    allowed_after: bool,
    because_before: Vec<String>,
    because_after: Vec<String>,
}

/// One of the two is empty.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    endpoints: Vec<String>,
    networks: Vec<String>,
}

impl From<v1::DiffResponse> for Difference {
    fn from(message: v1::DiffResponse) -> Self {
        let v1::DiffResponse { changes, endpoints, packets, stopped, problems } = message;
        let changes = changes.into_iter().map(Change::from).collect();
        Self { changes, endpoints, packets, stopped, problems }
    }
}

impl From<v1::VerdictChange> for Change {
    fn from(message: v1::VerdictChange) -> Self {
        let v1::VerdictChange {
            sources,
            destinations,
            families,
            traffic,
            allowed_before,
            allowed_after,
            because_before,
            because_after,
        } = message;
        Self {
            sources: End::from(sources.unwrap_or_default()),
            destinations: End::from(destinations.unwrap_or_default()),
            families,
            traffic,
            allowed_before,
            allowed_after,
            because_before,
            because_after,
        }
    }
}

impl From<v1::DiffEnd> for End {
    fn from(message: v1::DiffEnd) -> Self {
        let v1::DiffEnd { endpoints, networks } = message;
        Self { endpoints, networks }
    }
}

impl End {
    fn render(&self, shown: usize) -> String {
        let (names, place) = match self.networks.is_empty() {
            true => (&self.endpoints, ""),
            false => (&self.networks, "outside "),
        };
        let more = names.len().saturating_sub(shown);
        let list: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{place}{}{more}", list.join(","))
    }
}

impl Difference {
    fn render_rows(&self, shown: usize) -> String {
        let word = |allowed| if allowed { "allowed" } else { "denied" };
        let headers = ["FROM", "TO", "TRAFFIC", "NOW", "THEN", "BECAUSE"];
        let rows = table::render(
            headers,
            self.changes.iter().map(|change| {
                let families =
                    if change.families.len() == 1 { change.families.concat() + ": " } else { String::new() };
                [
                    change.sources.render(shown),
                    change.destinations.render(shown),
                    format!("{families}{}", change.traffic.join("; ")),
                    word(change.allowed_before).to_owned(),
                    word(change.allowed_after).to_owned(),
                    change.because_after.join("; "),
                ]
            }),
        );
        let mut notes = Vec::new();
        if !self.changes.is_empty() || !self.endpoints.is_empty() {
            let endpoints = self.endpoints.len();
            let changes = if self.changes.is_empty() { ", and no verdict would change" } else { "" };
            notes.push(format!("{endpoints} endpoint(s) would have other rules{changes}."));
        }
        notes.extend(self.problems.iter().map(|problem| format!("Problem: {problem}")));
        if !self.stopped.is_empty() {
            notes.push(format!("There may be more: {}.", self.stopped));
        }
        let notes: String = notes.into_iter().map(|note| table::clean(note) + "\n").collect();
        let gap = if rows.is_empty() || notes.is_empty() { "" } else { "\n" };
        format!("{rows}{gap}{notes}")
    }
}

impl View for Difference {
    fn render(&self) -> String {
        self.render_rows(SHOWN)
    }

    fn render_wide(&self) -> String {
        self.render_rows(usize::MAX)
    }

    fn remark_if_empty(&self) -> &'static str {
        "Nothing would change."
    }
}
