//! The list of what a lab makes, on disk before it is made.
//!
//! One line per fact, appended and flushed: `owner PID STARTTIME`, `label TEXT`, `namespace NAME`, `kept`. The owner is
//! named by process id *and* start time, so that a reused id is not taken for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

#[cfg(test)]
mod tests;

const EXTENSION: &str = "manifest";

/// How often to look for an unused id before giving up.
const ID_ATTEMPTS: u32 = 100;

/// A process, not to be confused with a later one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    pid: u32,
    /// Clock ticks since boot.
    start_time: u64,
}

/// What one lab made, and for whom.
#[derive(Debug)]
pub struct Manifest {
    id: String,
    path: PathBuf,
    owner: Option<Owner>,
    namespaces: Vec<String>,
    kept: bool,
}

impl Manifest {
    /// Starts the manifest of a new lab of this process, under an id that no other lab has.
    pub(super) fn create(root: &Path, label: &str) -> Result<Self> {
        let pid = std::process::id();
        let start_time = start_time(pid).context("finding this process in /proc")?;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for attempt in 0..ID_ATTEMPTS {
            // Short, because it begins every namespace's name; the directory decides who was first.
            let seed = u64::from(clock.subsec_nanos()) ^ (u64::from(pid) << 8) ^ u64::from(attempt);
            let id = format!("fab{:05x}", seed & 0xf_ffff);
            let path = manifest_path(root, &id);
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error).with_context(|| format!("making {}", path.display())),
            };
            writeln!(file, "owner {pid} {start_time}\nlabel {label}")?;
            let owner = Some(Owner { pid, start_time });
            return Ok(Self { id, path, owner, namespaces: Vec::new(), kept: false });
        }
        bail!("no unused lab id found in {}", root.display())
    }

    /// Reads the manifest of a lab, if it (still) has one.
    pub(super) fn read(root: &Path, id: &str) -> Result<Option<Self>> {
        let path = manifest_path(root, id);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self::parse(id, path, &text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// A last line cut off by a crash names something that was not made yet: what does not parse is skipped.
    fn parse(id: &str, path: PathBuf, text: &str) -> Self {
        let mut manifest = Self { id: id.to_owned(), path, owner: None, namespaces: Vec::new(), kept: false };
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("owner", owner) => manifest.owner = parse_owner(owner),
                ("namespace", name) if !name.contains('/') => manifest.namespaces.push(name.to_owned()),
                ("kept", _) => manifest.kept = true,
                _ => {}
            }
        }
        manifest
    }

    /// The lab's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The namespaces that were to be made.
    #[must_use]
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// Whether the lab is to outlive its owner.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether the process that made the lab still runs.
    #[must_use]
    pub fn owner_is_alive(&self) -> bool {
        match self.owner {
            Some(owner) => start_time(owner.pid) == Some(owner.start_time),
            // Between making the file and writing its first line; a crash right there left nothing but the file, which
            // is then old.
            None => !is_older_than_a_minute(&self.path),
        }
    }

    pub(super) fn add_namespace(&mut self, name: &str) -> Result<()> {
        self.append(&format!("namespace {name}"))?;
        self.namespaces.push(name.to_owned());
        Ok(())
    }

    pub(super) fn mark_kept(&mut self) -> Result<()> {
        self.append("kept")?;
        self.kept = true;
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<()> {
        super::absent_is_fine(fs::remove_file(&self.path))
            .with_context(|| format!("removing {}", self.path.display()))
    }

    fn append(&self, line: &str) -> Result<()> {
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file: File| writeln!(file, "{line}"))
            .with_context(|| format!("writing {}", self.path.display()))
    }
}

/// Every lab's manifest below `root`.
pub(super) fn read_all(root: &Path) -> Result<Vec<Manifest>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", root.display())),
    };
    let mut manifests = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_manifest = path.extension().is_some_and(|extension| extension == EXTENSION);
        if let (true, Some(id)) = (is_manifest, path.file_stem().and_then(|stem| stem.to_str())) {
            manifests.extend(Manifest::read(root, id)?);
        }
    }
    Ok(manifests)
}

fn manifest_path(root: &Path, id: &str) -> PathBuf {
    root.join(format!("{id}.{EXTENSION}"))
}

fn parse_owner(text: &str) -> Option<Owner> {
    let (pid, start_time) = text.split_once(' ')?;
    Some(Owner { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)); `None` if there is no such process, or only its remains.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn is_older_than_a_minute(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
    matches!(age, Ok(Ok(age)) if age.as_secs() > 60)
}
