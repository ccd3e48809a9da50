//! A lab: everything one test or demo makes outside its own process, and the certainty that it goes away again.
//!
//! A lab is a directory, any number of network namespaces, and whatever runs in them. What is made is written into a
//! [`manifest`] *before* it is made, so there is no moment at which something exists that nobody knows of:
//!
//! - [`Lab`] removes everything when dropped, by unwinding after a failed assertion too;
//! - [`Closer`] does it from another thread, for signals;
//! - [`Lab::sweep_stale`] does it for a lab whose owner died without doing either. Every new lab sweeps first.
//!
//! Processes are not written down. They are found by the namespace they live in, which also catches what daemons fork
//! and cannot confuse one process with a later one of the same number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{SigSet, Signal};

use crate::namespace::{self, Gate, Namespace};

pub mod manifest;

use manifest::Manifest;

/// Where manifests and directories of labs live. Below `/run`: only root writes there, and a reboot empties it together
/// with the namespaces.
pub const ROOT: &str = "/run/fabric-lab";

/// A set of namespaces, processes and files that disappears as one.
#[derive(Debug)]
pub struct Lab {
    id: String,
    manifest: Arc<Mutex<Manifest>>,
    gate: Gate,
    kept: bool,
}

impl Lab {
    /// Makes an empty lab, after sweeping those whose owners died. `label` says whose it is, in the manifest.
    ///
    /// # Errors
    /// Without root, or where the lab's files cannot be written.
    pub fn new(label: &str) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "a lab makes network namespaces, which needs root: run this as root, or by sudo"
        );
        fs::create_dir_all(ROOT).with_context(|| format!("making {ROOT}"))?;
        Self::sweep_stale()?;
        let manifest = Manifest::create(Path::new(ROOT), label)?;
        let id = manifest.id().to_owned();
        let lab = Self { id, manifest: Arc::new(Mutex::new(manifest)), gate: Gate::default(), kept: false };
        fs::create_dir(lab.directory()).with_context(|| format!("making {}", lab.directory().display()))?;
        Ok(lab)
    }

    /// The unique name that every namespace of this lab begins with.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where this lab's files are.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        Path::new(ROOT).join(&self.id)
    }

    /// Makes a directory of its own for one of the lab's parts.
    ///
    /// # Errors
    /// Where it is there already, or cannot be made.
    pub fn make_directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory().join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }

    /// Makes a network namespace `<lab>-<name>`, with `lo` up and nothing else, that `ip netns exec` can enter.
    ///
    /// # Errors
    /// Where the kernel refuses, or the lab was closed.
    pub fn namespace(&self, name: &str) -> Result<Arc<Namespace>> {
        let full = format!("{}-{name}", self.id);
        let _open = self.gate.enter()?;
        self.lock().add_namespace(&full)?;
        Ok(Arc::new(Namespace::create(&full, self.gate.clone())?))
    }

    /// Removes one namespace and what runs in it before the lab goes, as a container runtime does with a pod's.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn remove_namespace(&self, namespace: &Namespace) -> Result<()> {
        namespace::remove(&[namespace.name().to_owned()])
    }

    /// A handle that closes this lab from another thread.
    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer { id: self.id.clone(), gate: self.gate.clone() }
    }

    /// Closes the lab when the process is asked to end, and ends it. Before other threads are started, which would take the
    /// signals.
    ///
    /// # Errors
    /// Where signals cannot be blocked.
    pub fn close_on_signals(&self) -> Result<()> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let closer = self.closer();
        std::thread::spawn(move || {
            let _ = signals.wait();
            // What cannot be removed now is swept by the next lab.
            let _ = closer.close();
            std::process::exit(130);
        });
        Ok(())
    }

    /// Leaves everything as it is, until [`Lab::remove_kept`].
    ///
    /// # Errors
    /// Where the manifest cannot be written; the lab is removed then.
    pub fn keep(mut self) -> Result<()> {
        self.lock().mark_kept()?;
        self.kept = true;
        Ok(())
    }

    /// Removes the labs whose owner is gone and who were not kept; returns their names.
    ///
    /// # Errors
    /// Where something of them cannot be removed.
    pub fn sweep_stale() -> Result<Vec<String>> {
        remove_where(|manifest| !manifest.is_kept() && !manifest.owner_is_alive())
    }

    /// Removes the labs that were [kept](Self::keep); returns their names.
    ///
    /// # Errors
    /// Where something of them cannot be removed.
    pub fn remove_kept() -> Result<Vec<String>> {
        remove_where(Manifest::is_kept)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = self.closer().close() {
            // Not a panic: this may run while another one unwinds. The next lab's sweep tries again.
            complain(&error);
        }
    }
}

#[allow(clippy::print_stderr)] // The only way left to tell somebody.
fn complain(error: &anyhow::Error) {
    eprintln!("lab: {error:#}");
}

/// Closes a lab from wherever it is held; see [`Lab::closer`].
#[derive(Debug, Clone)]
pub struct Closer {
    id: String,
    gate: Gate,
}

impl Closer {
    /// Lets nothing more be made in the lab, then removes all of it. Closing twice is no error.
    ///
    /// # Errors
    /// Where something cannot be removed; the manifest stays then, for a later sweep.
    pub fn close(&self) -> Result<()> {
        // Held until the end: of two that close at once, the second finds nothing left.
        let _shut = self.gate.shut();
        match Manifest::read(Path::new(ROOT), &self.id)? {
            Some(manifest) => remove(&manifest),
            None => Ok(()),
        }
    }
}

fn remove_where(condemned: impl Fn(&Manifest) -> bool) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for manifest in manifest::read_all(Path::new(ROOT))? {
        if condemned(&manifest) {
            remove(&manifest)?;
            removed.push(manifest.id().to_owned());
        }
    }
    Ok(removed)
}

/// Namespaces and what runs in them, then files, then the manifest: while anything is left, it is written down.
fn remove(manifest: &Manifest) -> Result<()> {
    let id = manifest.id();
    if let Some(strange) = manifest.namespaces().iter().find(|name| !name.starts_with(id)) {
        bail!("the manifest of lab {id} names {strange}, which is none of its namespaces");
    }
    namespace::remove(manifest.namespaces()).with_context(|| format!("removing lab {id}"))?;
    absent_is_fine(fs::remove_dir_all(Path::new(ROOT).join(id)))
        .with_context(|| format!("removing the files of {id}"))?;
    manifest.remove()
}

/// Two sweeps may meet: what the other one removed is removed.
fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
