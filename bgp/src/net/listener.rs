//! Listening sockets. An accept says nothing of the peer yet; the owner closes connections of strangers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::hops;
use super::owner::Report;

pub(super) mod keys;

/// Connections that the kernel completes ahead of us: a whole fabric that restarts at once.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the process has no file descriptor left.
const REST: Duration = Duration::from_millis(100);

/// Binds and listens. An IPv6 socket takes IPv6 alone, so that both families can have the same port.
///
/// # Errors
/// The kernel's, with the address in the text.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    open(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Accepted connections inherit it: small messages go at once.
    socket.set_tcp_nodelay(true)?;
    hops::prepare_listener(socket.as_fd(), address.ip())?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until the owner is gone.
pub(super) async fn serve(listener: Arc<TcpListener>, reports: mpsc::Sender<Report>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if reports.send(Report::Accepted(stream, peer)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept BGP connections");
                tokio::time::sleep(REST).await;
            }
        }
    }
}
