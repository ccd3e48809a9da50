//! `ipam check`: the [`Report`] as it is, for programs; grouped by what is wrong, for people.

use serde::Serialize;

use crate::output::View;
use crate::output::table::clean;
use crate::report::{Checked, Problem, Report};

/// How many problems of a kind are enough to see what is wrong.
const SHOWN_OF_A_KIND: usize = 10;

/// A report to show.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct CheckView<'a> {
    report: &'a Report,
    #[serde(skip)]
    show_all: bool,
}

impl<'a> CheckView<'a> {
    /// With every problem if `show_all`, else with the first of each kind. JSON and YAML always have all.
    pub(crate) fn new(report: &'a Report, show_all: bool) -> Self {
        Self { report, show_all }
    }
}

impl View for CheckView<'_> {
    fn render(&self) -> String {
        let Report { revision, checked, problems, .. } = self.report;
        let mut text = format!("Checked at revision {revision}: {}.\n", render_checked(checked));
        for (kind, group) in group_by(problems, |problem| &problem.kind) {
            let limit = if self.show_all { group.len() } else { SHOWN_OF_A_KIND };
            text +=
                &format!("\n{}: {}\n{}", clean(kind.to_owned()), group.len(), render_group(&group, limit));
        }
        text + "\n" + &render_sum(self.report)
    }

    fn remark_if_empty(&self) -> &'static str {
        // What was checked is always said.
        ""
    }
}

fn render_checked(checked: &Checked) -> String {
    let Checked { pools, blocks, affinities, handles, allocations, standby, endpoints, nodes } = checked;
    let standby = if *standby > 0 { format!(" ({standby} of them standby)") } else { String::new() };
    format!(
        "{pools} pools, {blocks} blocks, {affinities} affinities, {handles} handles, {allocations} addresses in \
         use{standby}, {endpoints} endpoints, {nodes} nodes"
    )
}

/// The first `limit` of one kind. A remedy is told once for all that it mends.
fn render_group(group: &[&Problem], limit: usize) -> String {
    let mut text = String::new();
    let mut left = limit;
    for (remedy, problems) in group_by(group.iter().copied(), |problem| &problem.remedy) {
        let shown = &problems[..problems.len().min(left)];
        left -= shown.len();
        if shown.is_empty() {
            break;
        }
        text.extend(shown.iter().map(|problem| format!("  - {}\n", clean(problem.what.clone()))));
        let remedy = if remedy.is_empty() { "none is needed, it mends itself" } else { remedy };
        text += &format!("    remedy: {}\n", clean(remedy.to_owned()));
    }
    match group.len().saturating_sub(limit) {
        0 => text,
        hidden => text + &format!("  and {hidden} more: --show-all shows them\n"),
    }
}

/// Groups in the order of their first member.
fn group_by<'a>(
    problems: impl IntoIterator<Item = &'a Problem>,
    key: impl Fn(&'a Problem) -> &'a String,
) -> Vec<(&'a str, Vec<&'a Problem>)> {
    let mut groups: Vec<(&str, Vec<&Problem>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for problem in problems {
        let key = key(problem).as_str();
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(problem),
            None => groups.push((key, vec![problem])),
        }
    }
    groups
}

fn render_sum(report: &Report) -> String {
    match (report.problems.len(), report.count_releasable()) {
        (0, _) => "No problems.\n".to_owned(),
        (1, 0) => "1 problem.\n".to_owned(),
        (problems, 0) => format!("{problems} problems.\n"),
        (problems, releasable) => format!(
            "{problems} problem{}; `fabricctl ipam release --from-report` mends {releasable} of {} (write the report \
             with --report).\n",
            if problems == 1 { "" } else { "s" },
            if problems == 1 { "it" } else { "them" },
        ),
    }
}
