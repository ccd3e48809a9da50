//! What came out: medians of rounds, ratios, goals; for people and as JSON.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::{duration, median};

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// So many a second.
    Rate,
    /// What half of them took at most, seconds.
    Median,
    /// What 99 of 100 took at most, seconds.
    P99,
    /// What all of it took, seconds.
    Time,
    /// Octets for each address.
    Octets,
    /// The most memory that was resident, MB of 10^6 octets.
    Memory,
}

/// What ours is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At least so many times what this one does.
    AtLeast(f64, &'static str),
    /// Less than so many times what this one needs.
    Below(f64, &'static str),
    /// At most so many times what this one needs.
    AtMost(f64, &'static str),
    /// Less than so much: seconds, or MB.
    Under(f64),
}

/// One figure of one of those that are compared.
#[derive(Debug)]
struct Line {
    row: String,
    who: &'static str,
    measure: Measure,
    goal: Option<Goal>,
    samples: Vec<f64>,
}

/// All that was measured, in the order in which it was first.
#[derive(Debug)]
pub struct Report {
    ours: &'static str,
    lines: Vec<Line>,
    failures: Vec<String>,
}

impl Report {
    /// Nothing yet, for one who is called so.
    #[must_use]
    pub fn new(ours: &'static str) -> Self {
        Self { ours, lines: Vec::new(), failures: Vec::new() }
    }

    /// Takes a sample in.
    pub fn add(&mut self, row: &str, who: &'static str, measure: Measure, value: f64) {
        self.put(row, who, measure, None, value);
    }

    /// Takes a sample of ours in, with what is to be reached.
    pub fn add_ours(&mut self, row: &str, measure: Measure, goal: Goal, value: f64) {
        self.put(row, self.ours, measure, Some(goal), value);
    }

    fn put(&mut self, row: &str, who: &'static str, measure: Measure, goal: Option<Goal>, value: f64) {
        let is_it = |line: &&mut Line| line.row == row && line.who == who && line.measure == measure;
        if let Some(line) = self.lines.iter_mut().find(is_it) {
            line.samples.push(value);
        } else {
            self.lines.push(Line { row: row.to_owned(), who, measure, goal, samples: vec![value] });
        }
    }

    /// Takes in that some work was not got through.
    pub fn add_failure(&mut self, failure: String) {
        self.failures.push(failure);
    }

    fn figure(&self, row: &str, who: &str, measure: Measure) -> Option<f64> {
        let is_it = |line: &&Line| line.row == row && line.who == who && line.measure == measure;
        self.lines.iter().find(is_it).and_then(|line| median(line.samples.iter().copied()))
    }

    /// The goals for which there are figures: what was reached, and whether that is enough.
    fn outcomes(&self) -> impl Iterator<Item = (&Line, Goal, f64, bool)> {
        self.lines.iter().filter_map(|line| {
            let goal = line.goal?;
            let ours = median(line.samples.iter().copied())?;
            let ratio = |other| Some(ours / self.figure(&line.row, other, line.measure)?);
            let (reached, is_good) = match goal {
                Goal::AtLeast(factor, other) => ratio(other).map(|ratio| (ratio, ratio >= factor))?,
                Goal::Below(factor, other) => ratio(other).map(|ratio| (ratio, ratio < factor))?,
                Goal::AtMost(factor, other) => ratio(other).map(|ratio| (ratio, ratio <= factor))?,
                Goal::Under(limit) => (ours, ours < limit),
            };
            Some((line, goal, reached, is_good))
        })
    }

    /// Whether nothing failed, and every goal with figures is reached.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.outcomes().all(|(_, _, _, is_good)| is_good)
    }

    /// For a terminal.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut rows: Vec<&str> = self.lines.iter().map(|line| line.row.as_str()).collect();
        let mut seen = std::collections::BTreeSet::new();
        rows.retain(|row| seen.insert(*row));
        for row in rows {
            let _ = writeln!(text, "\n{row}");
            let lines = || self.lines.iter().filter(|line| line.row == row);
            let mut told: Vec<&str> = Vec::new();
            for Line { who, .. } in lines() {
                if told.contains(who) {
                    continue;
                }
                told.push(who);
                let figures = lines().filter(|line| line.who == *who).map(Line::render);
                let _ = writeln!(text, "    {who:22} {}", figures.collect::<Vec<_>>().join("   "));
            }
        }
        let _ = writeln!(text, "\ngoals");
        for (line, goal, reached, is_good) in self.outcomes() {
            let word = if is_good { "reached" } else { "MISSED" };
            let reached = match goal {
                Goal::AtLeast(..) | Goal::Below(..) | Goal::AtMost(..) => format!("{reached:.3} ×"),
                Goal::Under(_) => line.measure.tell(reached),
            };
            let goal = goal.tell(line.measure);
            let _ = writeln!(text, "    {word:8} {reached:>10}   {}: {} {goal}", line.row, line.measure);
        }
        for failure in &self.failures {
            let _ = writeln!(text, "FAILED {failure}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "row": line.row, "who": line.who, "measure": line.measure.to_string(),
                "median": median(line.samples.iter().copied()), "samples": line.samples,
            })
        };
        let goal = |(line, goal, reached, is_good): (&Line, Goal, f64, bool)| {
            json!({
                "row": line.row, "measure": line.measure.to_string(), "goal": goal.tell(line.measure),
                "reached": reached, "good": is_good,
            })
        };
        json!({
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "goals": self.outcomes().map(goal).collect::<Vec<_>>(),
            "failures": self.failures,
        })
    }
}

impl Line {
    fn render(&self) -> String {
        let value = median(self.samples.iter().copied()).unwrap_or_default();
        match self.measure {
            Measure::Rate | Measure::Octets | Measure::Memory => self.measure.tell(value),
            Measure::Median | Measure::P99 | Measure::Time => {
                format!("{} {:>9}", self.measure, self.measure.tell(value))
            }
        }
    }
}

impl Measure {
    fn tell(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{value:>7.0}/s"),
            Self::Octets => format!("{value:.0} octets an address"),
            Self::Memory => format!("{value:.0} MB"),
            Self::Median | Self::P99 | Self::Time => duration(value),
        }
    }
}

impl Goal {
    fn tell(self, measure: Measure) -> String {
        match self {
            Self::AtLeast(factor, other) => format!("at least {factor} × {other}"),
            Self::Below(factor, other) => format!("below {factor} × {other}"),
            Self::AtMost(factor, other) => format!("at most {factor} × {other}"),
            Self::Under(limit) => format!("below {}", measure.tell(limit)),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "rate",
            Self::Median => "median",
            Self::P99 => "p99",
            Self::Time => "time",
            Self::Octets | Self::Memory => "memory",
        })
    }
}
