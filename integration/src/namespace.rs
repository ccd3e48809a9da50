//! Network namespaces with names, entered by threads and child processes.
//!
//! A namespace is kept alive by a bind mount below `/run/netns`, exactly as `ip netns add` does it, so that people can
//! look around with `ip netns exec`. Work inside happens on a thread of its own that enters the namespace and ends with
//! the work: a namespace belongs to a thread, and a thread that returns to a pool in the wrong one is a bug that shows
//! up elsewhere. A socket stays in the namespace it was made in and a child process inherits its parent thread's, so
//! "make it on such a thread" is all that either needs.

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where `ip netns` looks for namespaces.
pub const DIRECTORY: &str = "/run/netns";

/// How long killed processes may take to be gone. A process in an uninterruptible system call takes a moment.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// A named network namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
    gate: Gate,
}

impl Namespace {
    /// Makes it, with `lo` up.
    pub(crate) fn create(name: &str, gate: Gate) -> Result<Self> {
        let path = Path::new(DIRECTORY).join(name);
        prepare_directory().with_context(|| format!("preparing {DIRECTORY}"))?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("making {}", path.display()))?;
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        })
        .with_context(|| format!("making network namespace {name}"))?;
        let handle = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let namespace = Self { name: name.to_owned(), handle, gate };
        crate::link::set_up(&namespace, "lo")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it; what a container runtime passes as `CNI_NETNS`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// The open file that stands for it.
    #[must_use]
    pub fn handle(&self) -> &File {
        &self.handle
    }

    /// Does `work` inside, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        on_own_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        })
        .with_context(|| format!("entering network namespace {}", self.name))
    }

    /// Does asynchronous `work` inside, on a thread and a runtime of its own, and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and those of `work`.
    pub fn run_async<T, F>(&self, work: impl FnOnce() -> F + Send) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>>,
    {
        self.run(|| tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work()))?
    }

    /// Talks rtnetlink to the kernel about this namespace.
    ///
    /// # Errors
    /// Those of `work`, and where no netlink socket can be had.
    pub fn netlink<T, F>(&self, work: impl FnOnce(rtnetlink::Handle) -> F + Send) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>>,
    {
        self.run_async(|| async {
            let (connection, handle, _) = rtnetlink::new_connection().context("opening a netlink socket")?;
            let connection = tokio::spawn(connection);
            let outcome = work(handle).await;
            connection.abort();
            outcome
        })
    }

    /// Starts a child process inside. It is a process group of its own: an interrupt typed at the terminal reaches
    /// whoever owns the lab, who then decides.
    ///
    /// # Errors
    /// When the program cannot be started, or the lab was closed.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let _open = self.gate.enter()?;
        command.process_group(0);
        self.run(|| command.spawn())?
            .with_context(|| format!("starting {} in {}", command.get_program().display(), self.name))
    }

    /// Runs a command inside to its end and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it said.
    pub fn output(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.spawn(&mut command)?.wait_with_output()?;
        ensure!(
            output.status.success(),
            "{} {} in {}: {}: {}",
            command.get_program().display(),
            arguments.join(" "),
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a kernel setting of this namespace; `key` is its path below `/proc/sys`.
    ///
    /// # Errors
    /// Where there is no such setting, or it does not take the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        // The files below /proc/sys/net are those of the thread that opens them.
        self.run(|| fs::write(Path::new("/proc/sys").join(key), value))?
            .with_context(|| format!("setting {key} to {value} in {}", self.name))
    }
}

/// Kills what runs in the namespaces of these names and removes them; those that are not there are no error.
pub(crate) fn remove(names: &[String]) -> Result<()> {
    let paths: Vec<PathBuf> = names.iter().map(|name| Path::new(DIRECTORY).join(name)).collect();
    kill_inside(&paths)?;
    for path in paths {
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: a file that nothing is mounted on, left by a crash between the two.
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(error) => return Err(error).with_context(|| format!("unmounting {}", path.display())),
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Kills every process whose network namespace is one of these, and waits until none is left.
fn kill_inside(paths: &[PathBuf]) -> Result<()> {
    let doomed: Vec<(u64, u64)> = paths.iter().filter_map(|path| identity(path)).collect();
    if doomed.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let pids = processes_inside(&doomed)?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in &pids {
            // Whoever ended meanwhile is as dead as wanted.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        if Instant::now() > deadline {
            bail!("processes {pids:?} do not die");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A process that has ended but was not waited for has no namespace any more, and so is not found.
fn processes_inside(namespaces: &[(u64, u64)]) -> Result<Vec<Pid>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let inside = identity(&Path::new("/proc").join(&name).join("ns/net"));
        if inside.is_some_and(|inside| namespaces.contains(&inside)) {
            pids.push(Pid::from_raw(pid));
        }
    }
    Ok(pids)
}

/// What tells namespaces apart: device and inode of the file that stands for one (namespaces(7)).
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Makes `/run/netns` a shared mount as ip-netns(8) does, so that mounts and unmounts in it reach every mount namespace.
fn prepare_directory() -> Result<()> {
    fs::create_dir_all(DIRECTORY)?;
    // iproute2 takes the same lock: two at once would mount it twice.
    let _lock = Flock::lock(File::open(DIRECTORY)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    if share().is_err() {
        mount(Some(DIRECTORY), DIRECTORY, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        share()?;
    }
    Ok(())
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> nix::Result<T> + Send) -> Result<T> {
    match thread::scope(|scope| scope.spawn(work).join()) {
        Ok(outcome) => outcome.map_err(anyhow::Error::from),
        // The work's panic is the caller's: a failed assertion inside a namespace fails the test.
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Open while its lab is, then shut for good: what would be made after the lab's removal began is not made.
#[derive(Debug, Clone)]
pub struct Gate(Arc<RwLock<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(true)))
    }
}

impl Gate {
    /// Holds the gate open while something is made.
    pub(crate) fn enter(&self) -> Result<RwLockReadGuard<'_, bool>> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if *open { Ok(open) } else { Err(anyhow!("the lab is being removed")) }
    }

    /// Waits for what is being made, then lets nothing more through. Who shuts it meanwhile waits for the guard to go.
    pub(crate) fn shut(&self) -> RwLockWriteGuard<'_, bool> {
        let mut open = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *open = false;
        open
    }
}
