//! A pod's network namespace, and doing something inside it.
//!
//! Threads, not processes, are in namespaces, and a runtime's threads do other people's work. So nothing here ever
//! moves the calling thread: what must happen inside runs on a thread of its own that ends there. A netlink socket
//! stays in the namespace it was opened in, so one visit gives a [`Netlink`] for use from anywhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use tokio::sync::oneshot;

use crate::dataplane::netlink::{Netlink, NetlinkError};

/// The calling thread's namespace, which is the node's.
const OWN: &str = "/proc/thread-self/ns/net";

/// Why a network namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is nothing at the path: the container is gone, or the runtime gave the wrong one.
    #[error("there is no network namespace at {path}")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Something else is at the path.
    #[error("{path} is not a network namespace (like /run/netns/NAME or /proc/PID/ns/net)")]
    NotANetns {
        /// The path.
        path: PathBuf,
    },
    /// The path is the node's own namespace: a pod on the host network is not attached.
    #[error("{path} is the network namespace of the node itself")]
    Own {
        /// The path.
        path: PathBuf,
    },
    /// It is one, but cannot be opened or entered.
    #[error("cannot enter the network namespace at {path}: {source}")]
    Inaccessible {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A network namespace held open: it lives at least as long as this.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
}

impl Netns {
    /// Opens the namespace at `path` and makes sure that it is one, and not the node's own.
    ///
    /// # Errors
    /// See [`NetnsError`].
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let inaccessible = |source| NetnsError::Inaccessible { path: path.to_owned(), source };
        // Without O_NONBLOCK a pipe at the path would hold the agent up.
        let file =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|source| {
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                    NetnsError::Missing { path: path.to_owned() }
                } else {
                    inaccessible(source)
                }
            })?;
        let kind = fstatfs(&file).map_err(|errno| inaccessible(errno.into()))?.filesystem_type();
        if kind != NSFS_MAGIC {
            return Err(NetnsError::NotANetns { path: path.to_owned() });
        }
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let this = file.metadata().map(identity).map_err(inaccessible)?;
        if this == std::fs::metadata(OWN).map(identity).map_err(inaccessible)? {
            return Err(NetnsError::Own { path: path.to_owned() });
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file that stands for it.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` inside, on a thread of its own, and waits for it. The thread is on the caller's tokio runtime as
    /// far as opening sockets goes.
    ///
    /// # Errors
    /// [`NetnsError::NotANetns`] if it is a namespace of another kind, [`NetnsError::Inaccessible`] if it cannot be
    /// entered.
    pub async fn run<T, F>(&self, work: F) -> Result<T, NetnsError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let inaccessible = |source| NetnsError::Inaccessible { path: self.path.clone(), source };
        let file = self.file.try_clone().map_err(inaccessible)?;
        let runtime = tokio::runtime::Handle::current();
        let (done, result) = oneshot::channel();
        let visit = move || {
            let entered = setns(&file, CloneFlags::CLONE_NEWNET);
            drop(done.send(entered.map(|()| {
                let _context = runtime.enter();
                work()
            })));
        };
        thread::Builder::new().name("netns".into()).spawn(visit).map_err(inaccessible)?;
        match result.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(nix::errno::Errno::EINVAL)) => Err(NetnsError::NotANetns { path: self.path.clone() }),
            Ok(Err(errno)) => Err(inaccessible(errno.into())),
            Err(_) => Err(inaccessible(io::Error::other("the visit was broken off"))),
        }
    }

    /// Connects to the kernel's routing family inside.
    ///
    /// # Errors
    /// As [`Netns::run`]; the inner error is the socket's.
    pub async fn connect(&self) -> Result<Result<Netlink, NetlinkError>, NetnsError> {
        self.run(Netlink::connect).await
    }
}
