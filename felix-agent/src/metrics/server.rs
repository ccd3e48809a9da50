//! The HTTP end of the counters: `GET /metrics`, nothing else.
//!
//! Bounded: so many connections at a time, and a client that says nothing is dropped. There is no encryption and no
//! password; that is why it listens nowhere unless the configuration says so.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::exposition;
use super::ipam::Sources;
use crate::agent::Handle;

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, e.g. for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, agent: Handle, addresses: Sources) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { std::future::pending().await };
        let accepted = listener.accept().await;
        match accepted {
            Ok((stream, _)) => {
                let (agent, addresses) = (agent.clone(), addresses.clone());
                tokio::spawn(async move {
                    if let Err(error) = attend(stream, agent, addresses).await {
                        tracing::debug!(%error, "a reader of metrics was dropped");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a reader of metrics could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, agent: Handle, addresses: Sources) -> io::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (agent, addresses) = (agent.clone(), addresses.clone());
        async move { Ok::<_, Infallible>(answer(&request, &agent, &addresses).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn answer(request: &Request<Incoming>, agent: &Handle, addresses: &Sources) -> Response<String> {
    let mut response = Response::new(String::new());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.body_mut() = "there is only /metrics here\n".to_owned();
        return response;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let running = match agent.speaker().running() {
        Some(speaker) => speaker.view().await.ok().zip(speaker.counters().await.ok()),
        None => None,
    };
    *response.body_mut() =
        addresses.view(|addresses| super::render(&agent.status(), running.as_ref(), addresses));
    let kind = hyper::header::HeaderValue::from_static(exposition::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
