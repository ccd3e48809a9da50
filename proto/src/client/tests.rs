use std::io::ErrorKind;
use std::path::Path;

use super::{connect, io_cause};

/// What the kernel says to a connection to `socket`.
fn cause(socket: &Path) -> Option<ErrorKind> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let error = runtime.block_on(connect(socket)).expect_err("nobody accepts");
    io_cause(&error).map(std::io::Error::kind)
}

#[test]
fn a_failed_connect_tells_why() {
    let directory = tempfile::tempdir().expect("temporary directory");
    assert_eq!(cause(&directory.path().join("none.sock")), Some(ErrorKind::NotFound));
    let dead = directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("socket"));
    assert_eq!(cause(&dead), Some(ErrorKind::ConnectionRefused));
    // Longer than `sockaddr_un` takes (unix(7)).
    assert_eq!(cause(&directory.path().join("x".repeat(200))), Some(ErrorKind::InvalidInput));
}
