//! `datastore export` and `datastore import`.
//!
//! An export's first line says how many objects of each kind follow, so that one that was cut off is never taken for
//! whole: neither one that comes from the agent, nor a file that goes to it. What the objects mean is the agent's to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::v1::{ExportRequest, ImportRequest, ImportResponse};
use serde::Deserialize;
use tonic::{Code, Status};

use super::resources::read_text;
use crate::agent::Agent;
use crate::cli::datastore::{DatastoreCommand, ExportArgs, ImportArgs};
use crate::failure::Failure;
use crate::file::Draft;
use crate::output::progress::Progress;
use crate::output::{Output, Reader, offer_stdout};
use crate::view::datastore::{Exported, Imported};

#[cfg(test)]
mod tests;

/// A message of an import holds lines up to so many octets, and at least one: servers take 4 MiB.
const MESSAGE_BYTES: usize = 512 * 1024;

/// How often progress is shown while a request goes on.
const TICK: Duration = Duration::from_millis(200);

/// Either of them. What was typed, and files that it names, are judged before the agent is asked; `agent` connects to it.
pub(crate) async fn run<F>(
    command: DatastoreCommand,
    agent: impl FnOnce() -> F,
    output: &Output,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Agent, Failure>>,
{
    match command {
        DatastoreCommand::Export(ExportArgs { file, force }) => {
            let mut sink =
                if file == Path::new("-") { Sink::Stdout } else { Sink::File(Draft::create(&file, force)?) };
            let objects = export(&agent().await?, &mut sink).await?;
            match sink {
                Sink::Stdout => Ok(()),
                Sink::File(draft) => {
                    draft.commit()?;
                    output.print(&Exported::new(file.display().to_string(), objects))
                }
            }
        }
        DatastoreCommand::Import(ImportArgs { file, overwrite, dry_run }) => {
            let (name, text) = read_text(&file)?;
            let lines = split_lines(&text);
            verify(&lines)
                .map_err(|problem| Failure::Failed(format!("{name} cannot be imported: {problem}")))?;
            let answer = import(&agent().await?, &name, plan_import(&lines, overwrite, dry_run)).await?;
            output.print(&Imported::new(dry_run, answer))
        }
    }
}

/// Where an export goes.
enum Sink {
    Stdout,
    File(Draft),
}

impl Sink {
    fn write(&mut self, text: &str) -> Result<Reader, Failure> {
        match self {
            Self::Stdout => offer_stdout(text.as_bytes()),
            Self::File(draft) => draft.write(text).map(|()| Reader::Reads),
        }
    }
}

/// The first line of an export, of any version.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "fabricExport")]
    _version: u64,
    counts: BTreeMap<String, u64>,
}

impl Header {
    fn decode(line: Option<&str>) -> Result<Self, String> {
        let line = line.ok_or("it is empty")?;
        serde_json::from_str(line).map_err(|_| "its first line is not that of an export".to_owned())
    }

    fn objects(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Whether as many objects are there as the first line says.
fn verify_count(header: &Header, objects: u64) -> Result<(), String> {
    match header.objects() {
        announced if announced == objects => Ok(()),
        announced => Err(format!("it is cut off or damaged: {objects} of {announced} objects are there")),
    }
}

/// Writes all of it to the sink, and says how many objects that were. Each message may take as long as the user wants to
/// wait.
async fn export(agent: &Agent, sink: &mut Sink) -> Result<u64, Failure> {
    let mut stream = agent.ask(agent.resources().export(ExportRequest {})).await?;
    let mut progress = Progress::beside_an_answer();
    let damaged = |problem: String| Failure::Failed(format!("the agent's export cannot be used: {problem}"));
    let mut header: Option<Header> = None;
    let mut objects = 0;
    while let Some(answer) = agent.next(&mut stream, false).await? {
        let mut text = String::new();
        for line in answer.lines {
            match &header {
                None => header = Some(Header::decode(Some(&line)).map_err(damaged)?),
                Some(_) => objects += 1,
            }
            text += &line;
            text.push('\n');
        }
        if sink.write(&text)? == Reader::Gone {
            return Ok(objects);
        }
        progress.show("Exporting", objects, header.as_ref().map(Header::objects).unwrap_or_default());
    }
    let header = header.ok_or_else(|| damaged("it is empty".to_owned()))?;
    verify_count(&header, objects).map_err(damaged)?;
    Ok(objects)
}

/// Lines with something on them.
fn split_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

/// Whether this can be a whole export.
fn verify(lines: &[&str]) -> Result<(), String> {
    let header = Header::decode(lines.first().copied())?;
    verify_count(&header, lines.len() as u64 - 1)
}

/// The messages that bring these lines in.
fn plan_import(lines: &[&str], overwrite: bool, dry_run: bool) -> Vec<ImportRequest> {
    let mut requests = Vec::new();
    let mut bytes = 0;
    let mut some: Vec<String> = Vec::new();
    for line in lines {
        if !some.is_empty() && bytes + line.len() > MESSAGE_BYTES {
            requests.push(ImportRequest { overwrite, dry_run, lines: std::mem::take(&mut some) });
            bytes = 0;
        }
        bytes += line.len();
        some.push((*line).to_owned());
    }
    requests.push(ImportRequest { overwrite, dry_run, lines: some });
    requests
}

/// Sends them and waits for the answer. The agent must take a message within the time that the user wants to wait; but
/// when it has all of them it writes, and is given whatever time that takes: an import is not to be cut off half way.
async fn import(agent: &Agent, name: &str, requests: Vec<ImportRequest>) -> Result<ImportResponse, Failure> {
    let total = requests.len() as u64;
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let messages = requests.into_iter().inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut client = agent.resources();
    let mut request = pin!(client.import(tokio_stream::iter(messages)));
    let mut progress = Progress::new();
    let (mut seen, mut seen_at) = (0, Instant::now());
    loop {
        if let Ok(answer) = tokio::time::timeout(TICK, &mut request).await {
            return answer
                .map(tonic::Response::into_inner)
                .map_err(|status| of_import(&status, name, agent.timeout()));
        }
        let now_sent = sent.load(Ordering::Relaxed);
        if now_sent != seen {
            (seen, seen_at) = (now_sent, Instant::now());
        } else if seen < total && seen_at.elapsed() >= agent.timeout() {
            return Err(Failure::of_timeout(agent.timeout()));
        }
        match seen < total {
            true => progress.show("Sending, parts", seen, total),
            false => progress.show("Waiting until it is written, seconds", seen_at.elapsed().as_secs(), 0),
        }
    }
}

/// The agent's lines about what is wrong are told of the file, as those about a manifest are.
fn of_import(status: &Status, name: &str, timeout: Duration) -> Failure {
    if status.code() == Code::InvalidArgument {
        let lines = status.message().lines().map(|line| format!("{name}: {line}\n"));
        Failure::InvalidManifest(lines.collect())
    } else {
        Failure::of_status(status, timeout)
    }
}
