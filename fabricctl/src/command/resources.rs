//! `apply`, `get` and `delete`.
//!
//! Each manifest is one request, and the agent writes nothing of a manifest that has a mistake. Every file is read
//! before the first is sent, so that a misspelt name does not leave half of the work done.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use proto::v1::{AppliedResource, ApplyRequest, DeleteRequest, GetRequest};
use tonic::{Code, Status};

use crate::agent::Agent;
use crate::cli::{DeleteArgs, GetArgs};
use crate::failure::Failure;
use crate::output::Output;
use crate::view::resources::{Objects, Outcomes};

/// A manifest's text and what to call it.
pub(crate) struct Manifest {
    pub(super) text: String,
    pub(super) file_name: String,
}

/// Reads all of them; `-` is standard input.
pub(crate) fn read_manifests(files: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    if files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(Failure::Usage("standard input can be read once: give `-f -` only once".to_owned()));
    }
    files.iter().map(|file| read_manifest(file)).collect()
}

fn read_manifest(file: &Path) -> Result<Manifest, Failure> {
    read_text(file).map(|(file_name, text)| Manifest { text, file_name })
}

/// What to call a file, and all of it; `-` is standard input.
pub(super) fn read_text(file: &Path) -> Result<(String, String), Failure> {
    let mut text = String::new();
    let (file_name, read) = if is_stdin(file) {
        ("stdin".to_owned(), std::io::stdin().lock().read_to_string(&mut text))
    } else {
        let read = std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text));
        (file.display().to_string(), read)
    };
    read.map_err(|error| Failure::Failed(format!("cannot read {file_name}: {error}")))?;
    Ok((file_name, text))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// `apply`.
pub(crate) async fn apply(agent: &Agent, output: &Output, manifests: Vec<Manifest>) -> Result<(), Failure> {
    let mut results = Vec::new();
    for Manifest { text, file_name } in manifests {
        let request = ApplyRequest { manifest: text, file_name };
        match agent.try_ask(agent.resources().apply(request)).await {
            Ok(Ok(answer)) => {
                results.extend(answer.results);
                answer.remarks.iter().for_each(|remark| output.remark(remark));
            }
            Ok(Err(status)) => return stop(output, results, of_status(&status, agent)),
            Err(failure) => return stop(output, results, failure),
        }
    }
    output.print(&Outcomes::from(results))
}

/// What `delete` asks: one request per manifest, or one for the object that is named.
pub(crate) fn plan_delete(args: DeleteArgs) -> Result<Vec<DeleteRequest>, Failure> {
    let DeleteArgs { kind, name, namespace, files } = args;
    if let Some(kind) = kind {
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        return Ok(vec![DeleteRequest { kind, namespace, name, ..DeleteRequest::default() }]);
    }
    let manifests = read_manifests(&files)?;
    let request = |Manifest { text, file_name }| DeleteRequest {
        manifest: text,
        file_name,
        ..DeleteRequest::default()
    };
    Ok(manifests.into_iter().map(request).collect())
}

/// `delete`.
pub(crate) async fn delete(
    agent: &Agent,
    output: &Output,
    requests: Vec<DeleteRequest>,
) -> Result<(), Failure> {
    let mut results = Vec::new();
    for request in requests {
        let of_manifest = request.kind.is_empty();
        match agent.try_ask(agent.resources().delete(request)).await {
            Ok(Ok(answer)) => results.extend(answer.results),
            Ok(Err(status)) => {
                let failure = match of_manifest {
                    true => of_status(&status, agent),
                    false => Failure::of_status(&status, agent.timeout()),
                };
                return stop(output, results, failure);
            }
            Err(failure) => return stop(output, results, failure),
        }
    }
    output.print(&Outcomes::from(results))
}

/// `get`.
pub(crate) async fn get(agent: &Agent, output: &Output, args: GetArgs) -> Result<(), Failure> {
    let GetArgs { kind, name, namespace } = args;
    let request = GetRequest {
        kind: kind.clone(),
        namespace: namespace.clone().unwrap_or_default(),
        name: name.clone().unwrap_or_default(),
    };
    let answer = agent.ask(agent.resources().get(request)).await?;
    if let (Some(name), true) = (&name, answer.objects.is_empty()) {
        let place = namespace.map_or_else(|| "in any namespace".to_owned(), |n| format!("in namespace {n}"));
        return Err(Failure::Failed(format!("no {kind} named {name} {place}")));
    }
    output.print(&Objects::decode(&answer.objects, name.is_some())?)
}

/// Shows what was done before the failure, so that nobody has to guess.
fn stop(output: &Output, done: Vec<AppliedResource>, failure: Failure) -> Result<(), Failure> {
    if !done.is_empty() {
        output.print(&Outcomes::from(done))?;
    }
    Err(failure)
}

/// The agent's lines about a manifest are printed as they are: they begin with the file.
fn of_status(status: &Status, agent: &Agent) -> Failure {
    if status.code() == Code::InvalidArgument {
        Failure::InvalidManifest(status.message().to_owned())
    } else {
        Failure::of_status(status, agent.timeout())
    }
}
