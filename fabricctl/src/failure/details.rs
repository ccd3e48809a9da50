//! What a gRPC error says beyond its message: google.rpc's details, as lines under it.
//!
//! The message stands alone; nothing here is needed to understand it, and an error without details has none.

use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::output::table::clean;

/// The details of one error.
pub(crate) struct Details {
    details: ErrorDetails,
    message: String,
}

impl Details {
    /// Those that can be read; others are of a newer agent.
    pub(crate) fn of(status: &Status) -> Self {
        Self { details: status.get_error_details(), message: status.message().to_owned() }
    }

    /// A line for each, indented, after a line break: which pool is full and how, which field is wrong and why. What the
    /// message has said is not said again.
    pub(crate) fn render(&self) -> String {
        let quota =
            self.details.quota_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default();
        let quota = quota.iter().map(|violation| (&violation.subject, &violation.description));
        let fields =
            self.details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
        let fields = fields.iter().map(|violation| (&violation.field, &violation.description));
        let states = self
            .details
            .precondition_failure()
            .map(|failure| failure.violations.as_slice())
            .unwrap_or_default();
        let states = states.iter().map(|violation| (&violation.subject, &violation.description));
        let all = quota.chain(fields).chain(states);
        let is_news = |what: &str| !self.message.contains(what);
        all.filter(|(_, what)| is_news(what)).map(|(of, what)| render_line(of, what)).collect()
    }

    /// "in 2s", if the agent says when to try again.
    pub(crate) fn render_when(&self) -> Option<String> {
        let delay = self.details.retry_info()?.retry_delay?;
        (delay > Duration::ZERO).then(|| format!("in {delay:?}"))
    }
}

fn render_line(of: &str, what: &str) -> String {
    match of {
        "" => format!("\n  {}", clean(what.to_owned())),
        of => format!("\n  {}: {}", clean(of.to_owned()), clean(what.to_owned())),
    }
}
