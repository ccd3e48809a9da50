//! Prometheus' text format, version 0.0.4: lines of `name{label="value"} number` under `# HELP` and `# TYPE`.
//!
//! A family without samples leaves nothing behind.

use std::fmt::{self, Write as _};

/// What Prometheus is told that it gets.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up.
    Counter,
    /// Counts by bounds.
    Histogram,
}

/// A text under way.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    name: &'static str,
    /// Not written before the first sample.
    head: Option<String>,
}

impl Exposition {
    /// The samples from now on are of this family.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        self.head = Some(format!("# HELP {name} {}\n# TYPE {name} {kind}\n", help.replace('\n', " ")));
    }

    /// One value; `suffix` is for the parts of a histogram.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        if let Some(head) = self.head.take() {
            self.text.push_str(&head);
        }
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            text.chars().for_each(|c| self.escape(c));
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        // Writing to a string does not fail.
        let _ = writeln!(self.text, " {value}");
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn escape(&mut self, c: char) {
        match c {
            '\\' => self.text.push_str("\\\\"),
            '"' => self.text.push_str("\\\""),
            '\n' => self.text.push_str("\\n"),
            other => self.text.push(other),
        }
    }
}
