//! The report of `ipam check`: what it prints as JSON and YAML, what `--report` writes, and what `ipam release
//! --from-report` reads.
//!
//! The first field says that it is one, and of which version. Fields are added without a new version; a new one says
//! that this program would misread it.

use proto::v1;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of the reports that this program writes and understands.
const VERSION: u64 = 1;

/// What was compared, and what does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    fabric_check: u64,
    /// The datastore's, that this is of.
    pub(crate) revision: u64,
    /// How much was compared.
    pub(crate) checked: Checked,
    /// In the agent's order.
    pub(crate) problems: Vec<Problem>,
}

/// How many of each there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    pub(crate) pools: u64,
    pub(crate) blocks: u64,
    pub(crate) affinities: u64,
    pub(crate) handles: u64,
    pub(crate) allocations: u64,
    /// Of those, kept ready only for when the datastore is away; none in reports that know of none.
    #[serde(default)]
    pub(crate) standby: u64,
    pub(crate) endpoints: u64,
    pub(crate) nodes: u64,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    pub(crate) kind: String,
    pub(crate) what: String,
    /// Empty where it mends itself.
    pub(crate) remedy: String,
    pub(crate) subject: String,
    /// What `ipam release` gives back to mend it, where that does.
    pub(crate) release: Option<Item>,
}

/// An address as it was when it was checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) address: String,
    pub(crate) handle: String,
    /// Told apart by it: the same address given out again has another.
    pub(crate) sequence: Option<u64>,
}

impl From<v1::CheckReport> for Report {
    fn from(message: v1::CheckReport) -> Self {
        let v1::CheckReport {
            revision,
            pools,
            blocks,
            affinities,
            handles,
            allocations,
            endpoints,
            nodes,
            problems,
            standby,
        } = message;
        Self {
            fabric_check: VERSION,
            revision,
            checked: Checked { pools, blocks, affinities, handles, allocations, standby, endpoints, nodes },
            problems: problems.into_iter().map(Problem::from).collect(),
        }
    }
}

impl From<v1::CheckProblem> for Problem {
    fn from(message: v1::CheckProblem) -> Self {
        let v1::CheckProblem { kind, what, remedy, subject, release } = message;
        Self { kind, what, remedy, subject, release: release.map(Item::from) }
    }
}

impl From<v1::ReleaseItem> for Item {
    fn from(message: v1::ReleaseItem) -> Self {
        let v1::ReleaseItem { address, handle, sequence } = message;
        Self { address, handle, sequence }
    }
}

impl From<Item> for v1::ReleaseItem {
    fn from(item: Item) -> Self {
        let Item { address, handle, sequence } = item;
        Self { address, handle, sequence }
    }
}

impl Report {
    /// As it is written to a file.
    ///
    /// # Errors
    /// A sentence, where it cannot be said in JSON.
    pub(crate) fn encode(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|error| format!("cannot write this as JSON: {error}"))
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it: cut off, something else, of another version.
    pub(crate) fn decode(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| match error.is_eof() {
            true => format!("it is cut off: {error}"),
            false => format!("it is not JSON: {error}"),
        })?;
        match value.get("fabricCheck").map(Value::as_u64) {
            Some(Some(VERSION)) => {}
            None => return Err("it is no report of `fabricctl ipam check`".to_owned()),
            Some(_) => {
                return Err(format!(
                    "it is a report of version {}, and this fabricctl knows version {VERSION}",
                    value["fabricCheck"]
                ));
            }
        }
        let report: Self =
            serde_json::from_value(value).map_err(|error| format!("it is damaged: {error}"))?;
        report.verify()?;
        Ok(report)
    }

    /// Nobody's hand may have made it release whatever is at an address now.
    fn verify(&self) -> Result<(), String> {
        for Problem { subject, release, .. } in &self.problems {
            match release {
                Some(item) if item.handle.is_empty() || item.sequence.is_none() => {
                    return Err(format!(
                        "it is damaged: what is to be released of {subject:?} names no handle or no sequence"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is to be released, each once, in ascending order of its text.
    pub(crate) fn into_items(self) -> Vec<Item> {
        let mut items: Vec<Item> = self.problems.into_iter().filter_map(|problem| problem.release).collect();
        items.sort();
        items.dedup();
        items
    }

    /// How many problems `ipam release --from-report` would mend.
    pub(crate) fn count_releasable(&self) -> usize {
        self.problems.iter().filter(|problem| problem.release.is_some()).count()
    }
}
