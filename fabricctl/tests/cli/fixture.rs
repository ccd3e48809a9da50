//! An agent with fixed data, served on a Unix socket by the real gRPC server.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::v1::bgp_server::{Bgp, BgpServer};
use proto::v1::ipam_server::IpamServer;
use proto::v1::node_server::{Node, NodeServer};
use proto::v1::policy_server::{Policy, PolicyServer};
use proto::v1::resources_server::ResourcesServer;
use proto::v1::*;
use tokio::net::UnixListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use crate::{data, data_policy};

pub type Answer<T> = Result<Response<T>, Status>;

/// What is to happen other than the fixed answers, and what was asked.
#[derive(Default)]
pub struct Script {
    /// The requests, as their debug text.
    asked: Mutex<Vec<String>>,
    /// After so many answers, this error.
    refusal: Mutex<Option<(usize, Status)>>,
    empty: Mutex<bool>,
    hang: Mutex<bool>,
    /// How many items a page holds; all, where it is not said.
    pub page_size: Mutex<Option<usize>>,
    /// How many more times the token of a page is too old.
    pub stale: Mutex<u32>,
    /// Each page is followed by itself.
    pub repeats: Mutex<bool>,
    /// What a check says, instead of the fixed.
    pub check: Mutex<Option<Vec<Result<CheckResponse, Status>>>>,
    /// What a watch tells before it ends; the fixed one does not end.
    pub watch: Mutex<Option<Vec<AllocationEvent>>>,
    /// What is to be imported is not read.
    pub is_deaf: Mutex<bool>,
    /// What is exported, a message each, instead of the fixed.
    pub export: Mutex<Option<Vec<Vec<String>>>>,
}

impl Script {
    /// Notes the request and answers: as fixed, with nothing, with an error, or never.
    pub async fn answer<Q: std::fmt::Debug, A: Default>(&self, request: Request<Q>, fixed: A) -> Answer<A> {
        self.note(format!("{:?}", request.into_inner()));
        self.answer_noted(fixed).await
    }

    /// Notes something that was asked.
    pub fn note(&self, asked: String) {
        self.asked.lock().expect("lock").push(asked);
    }

    /// The same for what has been noted.
    pub async fn answer_noted<A: Default>(&self, fixed: A) -> Answer<A> {
        let hang = *self.hang.lock().expect("lock");
        if hang {
            std::future::pending::<()>().await;
        }
        let refusal = match &mut *self.refusal.lock().expect("lock") {
            Some((0, status)) => Some(status.clone()),
            Some((patience, _)) => {
                *patience -= 1;
                None
            }
            None => None,
        };
        match refusal {
            Some(status) => Err(status),
            None if *self.empty.lock().expect("lock") => Ok(Response::new(A::default())),
            None => Ok(Response::new(fixed)),
        }
    }
}

pub struct Service(pub Arc<Script>);

#[tonic::async_trait]
impl Bgp for Service {
    async fn list_peers(&self, request: Request<ListPeersRequest>) -> Answer<ListPeersResponse> {
        self.0.answer(request, data::peers()).await
    }

    async fn list_routes(&self, request: Request<ListRoutesRequest>) -> Answer<ListRoutesResponse> {
        self.0.answer(request, data::routes()).await
    }

    async fn why_route(&self, request: Request<WhyRouteRequest>) -> Answer<WhyRouteResponse> {
        self.0.answer(request, data::why()).await
    }

    type WatchEventsStream = BoxStream<Result<BgpEvent, Status>>;

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        // The last of a stream that goes on never comes.
        let follow = request.get_ref().follow;
        let Events(events) = self.0.answer(request, Events(data::events())).await?.into_inner();
        let events = tokio_stream::iter(events.into_iter().map(Ok));
        let stream: Self::WatchEventsStream =
            if follow { Box::pin(events.chain(tokio_stream::pending())) } else { Box::pin(events) };
        Ok(Response::new(stream))
    }

    async fn reset_peer(&self, request: Request<ResetPeerRequest>) -> Answer<ResetPeerResponse> {
        let peer = request.get_ref().peer.clone();
        self.0.answer(request, ResetPeerResponse { peer }).await
    }
}

pub type BoxStream<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = T> + Send>>;

/// What a stream begins with.
#[derive(Default)]
struct Events(Vec<BgpEvent>);

#[tonic::async_trait]
impl Node for Service {
    async fn get_status(&self, request: Request<GetStatusRequest>) -> Answer<NodeStatus> {
        self.0.answer(request, data::status()).await
    }

    async fn list_endpoints(&self, request: Request<ListEndpointsRequest>) -> Answer<ListEndpointsResponse> {
        self.0.answer(request, data::endpoints()).await
    }
}

#[tonic::async_trait]
impl Policy for Service {
    async fn list_policies(&self, request: Request<ListPoliciesRequest>) -> Answer<ListPoliciesResponse> {
        self.0.answer(request, data_policy::policies()).await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        let fixed = data_policy::explanation(request.get_ref().trace);
        self.0.answer(request, fixed).await
    }

    async fn describe_endpoint(
        &self,
        request: Request<DescribeEndpointRequest>,
    ) -> Answer<EndpointDescription> {
        self.0.answer(request, data_policy::endpoint()).await
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Answer<DiffResponse> {
        self.0.answer(request, data_policy::difference()).await
    }
}

/// A served socket; the server ends with it.
pub struct Agent {
    /// What it does other than the fixed.
    pub script: Arc<Script>,
    /// Where it listens.
    pub socket: PathBuf,
    /// For files of the test.
    pub directory: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
}

/// What a run of the program left.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Agent {
    /// Serves the fixed data.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let socket = directory.path().join("agent.sock");
        let script = Arc::new(Script::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let listener = {
            let _context = runtime.enter();
            UnixListener::bind(&socket).expect("socket")
        };
        let service = || Service(script.clone());
        let server = tonic::transport::Server::builder()
            .add_service(BgpServer::new(service()))
            .add_service(IpamServer::new(service()))
            .add_service(NodeServer::new(service()))
            .add_service(PolicyServer::new(service()))
            .add_service(ResourcesServer::new(service()))
            .serve_with_incoming(UnixListenerStream::new(listener));
        runtime.spawn(server);
        Self { script, socket, directory, runtime: Some(runtime) }
    }

    /// Answers everything with this error from now on.
    pub fn refuse(&self, status: Status) {
        self.refuse_after(0, status);
    }

    /// The same after so many more answers.
    pub fn refuse_after(&self, answers: usize, status: Status) {
        *self.script.refusal.lock().expect("lock") = Some((answers, status));
    }

    /// Has nothing to show from now on.
    pub fn clear(&self) {
        *self.script.empty.lock().expect("lock") = true;
    }

    /// Answers nothing from now on.
    pub fn hang(&self) {
        *self.script.hang.lock().expect("lock") = true;
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("file");
        path.display().to_string()
    }

    /// The program, told where this agent is, with nothing on standard input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fabricctl"));
        command.args(arguments).env_clear().env("FABRIC_SOCKET", &self.socket).stdin(Stdio::null());
        command
    }

    /// A path for a file that is not there yet.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Runs the program against this agent.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_stdin(arguments, "")
    }

    /// The same for a command line without spaces in its words.
    pub fn line(&self, line: &str) -> Outcome {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same with something on standard input.
    pub fn run_with_stdin(&self, arguments: &[&str], stdin: &str) -> Outcome {
        let stdin_file = self.write("stdin", stdin);
        let output = self
            .command(arguments)
            .stdin(Stdio::from(std::fs::File::open(stdin_file).expect("file")))
            .output()
            .expect("the program runs");
        Outcome {
            status: output.status.code().expect("an exit status"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Standard output of a command line that must succeed without a remark.
    pub fn show(&self, line: &str) -> String {
        let Outcome { status, stdout, stderr } = self.line(line);
        assert_eq!((status, stderr.as_str()), (0, ""), "{line}: {stdout}");
        stdout
    }

    /// The first lines of a command that does not end by itself.
    pub fn first_lines(&self, line: &str, count: usize) -> Vec<String> {
        let mut program = self
            .command(&line.split_whitespace().collect::<Vec<_>>())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let output = BufReader::new(program.stdout.take().expect("a pipe"));
        let lines = output.lines().take(count).map(|line| line.expect("UTF-8")).collect();
        assert!(program.try_wait().expect("a process").is_none(), "{line} goes on");
        program.kill().expect("killed");
        program.wait().expect("a process");
        lines
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.asked.lock().expect("lock"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A hanging answer would otherwise be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::ZERO);
        }
    }
}
