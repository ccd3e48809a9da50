//! An agent with fixed data, served on a Unix socket by the real gRPC server.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::v1::bgp_server::{Bgp, BgpServer};
use proto::v1::ipam_server::{Ipam, IpamServer};
use proto::v1::node_server::{Node, NodeServer};
use proto::v1::policy_server::{Policy, PolicyServer};
use proto::v1::resources_server::{Resources, ResourcesServer};
use proto::v1::*;
use tokio::net::UnixListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use crate::data;

type Answer<T> = Result<Response<T>, Status>;

/// What is to happen other than the fixed answers, and what was asked.
#[derive(Default)]
pub struct Script {
    /// The requests, as their debug text.
    asked: Mutex<Vec<String>>,
    refusal: Mutex<Option<Status>>,
    empty: Mutex<bool>,
    hang: Mutex<bool>,
}

impl Script {
    /// Notes the request and answers: as fixed, with nothing, with an error, or never.
    async fn answer<Q: std::fmt::Debug, A: Default>(&self, request: Request<Q>, fixed: A) -> Answer<A> {
        self.asked.lock().expect("lock").push(format!("{:?}", request.into_inner()));
        let hang = *self.hang.lock().expect("lock");
        if hang {
            std::future::pending::<()>().await;
        }
        match self.refusal.lock().expect("lock").clone() {
            Some(status) => Err(status),
            None if *self.empty.lock().expect("lock") => Ok(Response::new(A::default())),
            None => Ok(Response::new(fixed)),
        }
    }
}

struct Service(Arc<Script>);

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

type BoxStream<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = T> + Send>>;

/// What a stream begins with.
#[derive(Default)]
struct Events(Vec<BgpEvent>);

#[tonic::async_trait]
impl Ipam for Service {
    async fn list_pools(&self, request: Request<ListPoolsRequest>) -> Answer<ListPoolsResponse> {
        self.0.answer(request, data::pools()).await
    }

    async fn list_blocks(&self, request: Request<ListBlocksRequest>) -> Answer<ListBlocksResponse> {
        self.0.answer(request, data::blocks()).await
    }

    async fn list_allocations(
        &self,
        request: Request<ListAllocationsRequest>,
    ) -> Answer<ListAllocationsResponse> {
        self.0.answer(request, data::allocations()).await
    }

    async fn who_has(&self, request: Request<WhoHasRequest>) -> Answer<WhoHasResponse> {
        self.0.answer(request, WhoHasResponse { allocation: data::allocations().allocations.pop() }).await
    }
}

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
        self.0.answer(request, data::policies()).await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        self.0.answer(request, data::explanation()).await
    }
}

#[tonic::async_trait]
impl Resources for Service {
    async fn apply(&self, request: Request<ApplyRequest>) -> Answer<ApplyResponse> {
        // A manifest that says so is wrong; the others are not.
        if request.get_ref().manifest.contains("wrong") {
            let file = &request.get_ref().file_name;
            let lines = format!(
                "{file}:3:1: spec.podSelecter: is unknown; did you mean \"podSelector\"?\n{file}:9:3: spec: is missing"
            );
            return Err(Status::invalid_argument(lines));
        }
        self.0.answer(request, ApplyResponse { results: data::applied() }).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let all = data::objects();
        let name = request.get_ref().name.clone();
        let objects = all.into_iter().filter(|object| object.contains(&name)).collect();
        self.0.answer(request, GetResponse { objects }).await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        self.0.answer(request, DeleteResponse { results: data::deleted() }).await
    }
}

/// A served socket; the server ends with it.
pub struct Agent {
    script: Arc<Script>,
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
        *self.script.refusal.lock().expect("lock") = Some(status);
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
        let output = Command::new(env!("CARGO_BIN_EXE_fabricctl"))
            .args(arguments)
            .env_clear()
            .env("FABRIC_SOCKET", &self.socket)
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
        let mut program = Command::new(env!("CARGO_BIN_EXE_fabricctl"))
            .args(line.split_whitespace())
            .env_clear()
            .env("FABRIC_SOCKET", &self.socket)
            .stdin(Stdio::null())
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
