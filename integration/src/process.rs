//! Long-running programs in a namespace: started, killed, restarted, their output in a file.
//!
//! A process is always waited for by its own [`Process`]; nothing is looked up by name. Dropping it kills it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::namespace::Namespace;

/// Between looks at whether a process has ended.
const POLL: Duration = Duration::from_millis(10);

/// How much of a log's end is shown in errors, bytes.
const LOG_TAIL: usize = 2_000;

/// What to start.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to the environment.
    pub environment: Vec<(String, String)>,
    /// Where standard output and error go, appended.
    pub log: PathBuf,
}

/// A program running in a namespace.
#[derive(Debug)]
pub struct Process {
    namespace: Arc<Namespace>,
    invocation: Invocation,
    child: Child,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started, or its log not be written.
    pub fn start(namespace: &Arc<Namespace>, invocation: Invocation) -> Result<Self> {
        let child = spawn(namespace, &invocation)?;
        Ok(Self { namespace: Arc::clone(namespace), invocation, child })
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.invocation.log
    }

    /// Fails, with the end of its log, if it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}{}", self.invocation.program.display(), self.log_tail()),
        }
    }

    /// Kills it with SIGKILL: no time to say goodbye to anybody.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().with_context(|| format!("killing {}", self.invocation.program.display()))?;
        Ok(self.child.wait()?)
    }

    /// Stops it where it is, as a machine does whose memory is swapped or whose guest is moved, until [`Process::thaw`]. It can
    /// be killed meanwhile.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        self.wait(patience)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} still runs after {patience:?}{}",
                    self.invocation.program.display(),
                    self.log_tail()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Starts the same again, after killing it if it still runs.
    ///
    /// # Errors
    /// As for [`Process::start`] and [`Process::kill`].
    pub fn restart(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            self.kill()?;
        }
        self.child = spawn(&self.namespace, &self.invocation)?;
        Ok(())
    }

    /// Leaves it running when this value goes away.
    pub fn detach(self) {
        std::mem::forget(self);
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill(Pid::from_raw(pid), signal)
            .with_context(|| format!("sending {signal} to {}", self.invocation.program.display()))
    }

    fn log_tail(&self) -> String {
        let mut text = Vec::new();
        let read = std::fs::File::open(&self.invocation.log).and_then(|mut file| file.read_to_end(&mut text));
        if read.is_err() || text.is_empty() {
            return String::new();
        }
        let tail = &text[text.len().saturating_sub(LOG_TAIL)..];
        format!(
            "; its log {} ends:\n{}",
            self.invocation.log.display(),
            String::from_utf8_lossy(tail).trim_end()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is waited for; one that cannot be killed falls to the lab, which complains.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(namespace: &Namespace, invocation: &Invocation) -> Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&invocation.log)
        .with_context(|| format!("opening {}", invocation.log.display()))?;
    let mut command = Command::new(&invocation.program);
    // What was set for the tests is not meant for agents, which refuse what they do not know.
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"FABRIC_")) {
        command.env_remove(key);
    }
    command
        .args(&invocation.arguments)
        .envs(invocation.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    namespace.spawn(&mut command)
}
