//! The way to an agent's Unix socket.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

#[cfg(test)]
mod tests;

/// How long to try to reach the socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens a channel to the agent that listens on `socket`.
///
/// # Errors
/// When nothing accepts on that path: the agent is not running, or not there.
pub async fn connect(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let path: PathBuf = socket.to_owned();
    // The authority is a formality: HTTP/2 wants one, a Unix socket has none.
    Endpoint::from_static("http://agent.local")
        .connect_timeout(CONNECT_TIMEOUT)
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
}

/// What the kernel said when no connection could be made: `NotFound` and `ConnectionRefused` where no agent
/// listens, `PermissionDenied` where the socket is not for this user.
pub fn io_cause(error: &tonic::transport::Error) -> Option<&std::io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}
