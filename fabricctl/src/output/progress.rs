//! How far something long is, for somebody who waits: one line on standard error, written over again and again, and
//! gone before anything else is printed.
//!
//! Only on a terminal: a file or a pipe gets no byte of it.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use super::table::clean;
use super::write_stderr;

/// Oftener than this nobody can read.
const INTERVAL: Duration = Duration::from_millis(100);

/// To the line's beginning, and clear it.
const CLEAR: &str = "\r\x1b[K";

/// The line. It is cleared when this is dropped.
pub(crate) struct Progress {
    is_seen: bool,
    shown: Option<Instant>,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new() -> Self {
        Self { is_seen: std::io::stderr().is_terminal(), shown: None }
    }

    /// The same beside an answer that is printed all the while: where both go to the terminal, the answer is enough.
    pub(crate) fn beside_an_answer() -> Self {
        let progress = Self::new();
        Self { is_seen: progress.is_seen && !std::io::stdout().is_terminal(), ..progress }
    }

    /// "Sending: 300 of 1200 (25%)"; without a total, "Sending: 300".
    pub(crate) fn show(&mut self, what: &str, done: u64, total: u64) {
        let age = self.shown.map(|shown| shown.elapsed());
        if self.is_seen && is_due(age, done == total) {
            self.shown = Some(Instant::now());
            write_stderr(&format!("{CLEAR}{}", render(what, done, total)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            write_stderr(CLEAR);
        }
    }
}

/// Whether something new is to be shown after what has been there for so long. The last step always is: what comes after
/// it may take long.
pub(super) fn is_due(age: Option<Duration>, is_last: bool) -> bool {
    is_last || age.is_none_or(|age| age >= INTERVAL)
}

/// Short enough for a line of 80 columns, whatever the numbers.
pub(super) fn render(what: &str, done: u64, total: u64) -> String {
    let what = clean(what.to_owned());
    match u128::from(done) * 100 {
        _ if total == 0 => format!("{what}: {done}"),
        hundredfold => format!("{what}: {done} of {total} ({}%)", (hundredfold / u128::from(total)).min(100)),
    }
}
