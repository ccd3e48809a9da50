//! Asking the agent: one connection, one call, one deadline over both.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use proto::v1::cni_client::CniClient;
use proto::v1::node_client::NodeClient;
use proto::v1::{CniAddRequest, CniAddResponse, CniDelRequest, GetStatusRequest, NodeStatus};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// For `ADD` and `DEL`. The agent commits to the datastore and the kernel within milliseconds; kubelet gives up
/// on a sandbox after minutes. In between there is time for an agent that is just starting.
const DEADLINE: Duration = Duration::from_secs(30);
/// For `STATUS`, which the runtime asks every few seconds.
const STATUS_DEADLINE: Duration = Duration::from_secs(5);

/// Why the agent gave no answer, or which.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing can be asked: this process could not be set up.
    #[error("cannot set up: {0}")]
    Setup(#[source] std::io::Error),
    /// Nobody accepts on the socket.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] tonic::transport::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// It answered with an error.
    #[error("{0}")]
    Refused(Box<Status>),
}

/// Attaches.
///
/// # Errors
/// See [`Failure`].
pub fn add(socket: &Path, request: CniAddRequest) -> Result<CniAddResponse, Failure> {
    call(
        socket,
        DEADLINE,
        |channel| async move { CniClient::new(channel).add(timed(request, DEADLINE)).await },
    )
}

/// Detaches.
///
/// # Errors
/// See [`Failure`].
pub fn del(socket: &Path, request: CniDelRequest) -> Result<(), Failure> {
    call(
        socket,
        DEADLINE,
        |channel| async move { CniClient::new(channel).del(timed(request, DEADLINE)).await },
    )
    .map(|_| ())
}

/// Asks how the agent is.
///
/// # Errors
/// See [`Failure`].
pub fn status(socket: &Path) -> Result<NodeStatus, Failure> {
    call(socket, STATUS_DEADLINE, |channel| async move {
        NodeClient::new(channel).get_status(timed(GetStatusRequest {}, STATUS_DEADLINE)).await
    })
}

/// A request that tells the agent when its answer will no longer be read.
fn timed<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

fn call<T, F>(socket: &Path, deadline: Duration, ask: impl FnOnce(Channel) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Setup)?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(deadline, async {
            let channel = proto::client::connect(socket).await.map_err(Failure::Unreachable)?;
            ask(channel).await.map_err(|status| Failure::Refused(Box::new(status)))
        });
        match answer.await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_elapsed) => Err(Failure::Deadline(deadline)),
        }
    })
}
