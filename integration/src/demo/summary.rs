//! The claims of the demo and whether they held, as values.

use std::fmt::Write as _;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What was claimed, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The step that it belongs to.
    pub step: u8,
    /// What should be so.
    pub claim: String,
    /// What was found: as claimed, or not.
    pub found: Result<String, String>,
}

/// All of them so far.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    lines: Vec<Line>,
}

impl Summary {
    /// Adds one.
    pub fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Whether there are any and all of them held.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.found.is_ok())
    }

    /// The table, and a last line with the verdict.
    #[must_use]
    pub fn render(&self, took: Duration) -> String {
        let width = self.lines.iter().map(|line| line.claim.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for Line { step, claim, found } in &self.lines {
            let (mark, found) = match found {
                Ok(found) => ("ok  ", found),
                Err(found) => ("FAIL", found),
            };
            // Of a long explanation the first line; the rest was shown when it happened.
            let found = found.lines().next().unwrap_or_default();
            let _ = writeln!(text, "  {step}  {mark}  {claim:width$}  {found}");
        }
        let held = self.lines.iter().filter(|line| line.found.is_ok()).count();
        let verdict = if self.holds() { "everything holds" } else { "NOT everything holds" };
        let _ = writeln!(text, "\n  {held} of {} checks, {} s: {verdict}", self.lines.len(), took.as_secs());
        text
    }
}
