//! Printing: the only module that writes to standard output and standard error.
//!
//! A [`View`] knows its shape for programs (`Serialize`) and its columns for people; this module knows the formats
//! and the streams. There are no colours: everything reads the same on a terminal, in a pipe and in a ticket.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;

pub(crate) mod progress;
pub(crate) mod quantity;
pub(crate) mod table;
#[cfg(test)]
mod tests;

/// An answer that can be shown.
pub(crate) trait View: Serialize {
    /// What people see, closed by a newline; empty if there is nothing to show.
    fn render(&self) -> String;

    /// The same for those who want all of it.
    fn render_wide(&self) -> String {
        self.render()
    }

    /// What to remark when [`Self::render`] has nothing to show.
    fn remark_if_empty(&self) -> &'static str;
}

/// Prints in the format that the user chose.
pub(crate) struct Output {
    format: Format,
}

impl Output {
    /// Printing in `format`.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints an answer.
    pub(crate) fn print(&self, view: &impl View) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => view.render(),
            Format::Wide => view.render_wide(),
            Format::Json => encode_json(view)?,
            Format::Yaml => encode_yaml(view)?,
        };
        if text.is_empty() {
            write_stderr(&format!("{}\n", view.remark_if_empty()));
        }
        write_stdout(text.as_bytes())
    }

    /// Prints one of an unknown number of answers, as soon as it is there: a line in JSON, a document in YAML.
    pub(crate) fn print_one_of_many(&self, view: &impl View) -> Result<Reader, Failure> {
        let text = match self.format {
            Format::Table => view.render(),
            Format::Wide => view.render_wide(),
            Format::Json => serde_json::to_string(view)
                .map(|text| text + "\n")
                .map_err(|error| Failure::Failed(format!("cannot write this as JSON: {error}")))?,
            Format::Yaml => format!("---\n{}", encode_yaml(view)?),
        };
        offer_stdout(text.as_bytes())
    }

    /// Says something beside the answer.
    pub(crate) fn remark(&self, text: &str) {
        write_stderr(&format!("{text}\n"));
    }
}

fn encode_json(view: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(view)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Failed(format!("cannot write this as JSON: {error}")))
}

/// As YAML, closed by a newline.
pub(crate) fn encode_yaml(view: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(view)
        .map(|text| if text.ends_with('\n') { text } else { text + "\n" })
        .map_err(|error| Failure::Failed(format!("cannot write this as YAML: {error}")))
}

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "whoever goes on printing without a reader never ends"]
pub(crate) enum Reader {
    /// As far as is known.
    Reads,
    /// It closed the pipe, as `head` does, and has seen all that it wanted.
    Gone,
}

/// Writes to standard output, to its end or to the reader's.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let (Reader::Reads | Reader::Gone) = offer_stdout(bytes)?;
    Ok(())
}

/// Writes to standard output, and says whether there is a reader for more.
pub(crate) fn offer_stdout(bytes: &[u8]) -> Result<Reader, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}

/// There is nobody left to tell when this fails.
fn write_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints clap's word on the command line: help and version, or what is wrong with it.
pub(crate) fn print_clap(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        write_stderr(&text);
        ExitCode::from(2)
    } else {
        conclude(write_stdout(text.as_bytes()))
    }
}

/// Prints the failure, if it is one, and gives the exit status.
pub(crate) fn conclude(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    let text = match &failure {
        // The answer says it.
        Failure::Problems => String::new(),
        Failure::InvalidManifest(lines) => format!("{}\n", lines.trim_end()),
        Failure::Usage(message) => format!("error: {message}\n\nFor more information, try '--help'.\n"),
        Failure::Unreachable { .. }
        | Failure::Forbidden(_)
        | Failure::Unavailable(_)
        | Failure::Unchecked(_)
        | Failure::Failed(_)
        | Failure::Output(_) => format!("error: {failure}\n"),
    };
    write_stderr(&text);
    ExitCode::from(failure.exit_status())
}
