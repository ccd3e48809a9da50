//! `datastore export FILE`: `{file, objects}`; `datastore import`: `{dryRun, created, replaced, unchanged}`.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::table;

/// What is in a file now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exported {
    file: String,
    objects: u64,
}

impl Exported {
    /// So many objects.
    pub(crate) fn new(file: String, objects: u64) -> Self {
        Self { file, objects }
    }
}

impl View for Exported {
    fn render(&self) -> String {
        table::render_fields(&[("File", self.file.clone()), ("Objects", self.objects.to_string())])
    }

    fn remark_if_empty(&self) -> &'static str {
        // It has a name.
        ""
    }
}

/// What became of the objects of an import.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    dry_run: bool,
    created: u64,
    replaced: u64,
    /// Was there already, the same.
    unchanged: u64,
}

impl Imported {
    /// As the agent says.
    pub(crate) fn new(dry_run: bool, message: v1::ImportResponse) -> Self {
        let v1::ImportResponse { created, replaced, unchanged } = message;
        Self { dry_run, created, replaced, unchanged }
    }
}

impl View for Imported {
    fn render(&self) -> String {
        let Self { dry_run, created, replaced, unchanged } = self;
        let would = if *dry_run { "would be " } else { "" };
        format!("{created} {would}created, {replaced} {would}replaced, {unchanged} {would}unchanged\n")
    }

    fn remark_if_empty(&self) -> &'static str {
        // It says how many, and be it none.
        ""
    }
}
