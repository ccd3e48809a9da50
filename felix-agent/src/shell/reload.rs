//! Watches the configuration: on SIGHUP, and when one of its files changes, it is read again.
//!
//! Files are looked at every [`PERIOD`] instead of by inotify: that holds for files that are replaced by renaming,
//! for symbolic links that are swapped (as Kubernetes does with mounted ConfigMaps and Secrets), and for files that
//! are away for a moment; and it costs one `stat` each. What makes a file another is its time, size and inode.
//!
//! Invariant: no file is read before it has been looked at, and that look is kept; so a change during the reading is
//! seen the next time, at the start too.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::Signal;

use crate::agent::{Event, Handle};
use crate::config::{Config, Invalid, Overrides, Reading};

#[cfg(test)]
mod tests;

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_secs(1);

/// A reading that names files which were not looked at before is repeated; this often, should they change every time.
const ATTEMPTS: usize = 3;

/// Where the configuration came from.
#[derive(Debug, Clone)]
pub struct Origin {
    file: PathBuf,
    /// What overrules it; the same for the life of the process.
    overrides: Overrides,
    /// Every file that was read or that the configuration names, as it was before that.
    seen: BTreeMap<PathBuf, Look>,
}

/// A file as far as it can be seen from outside: modification time in ns, size, inode; none if it is away.
type Look = Option<(i64, i64, u64, u64)>;

impl Origin {
    /// A file, and what overrules it. Nothing is read yet.
    #[must_use]
    pub fn new(file: PathBuf, overrides: Overrides) -> Self {
        let seen = BTreeMap::from([(file.clone(), None)]);
        Self { file, overrides, seen }
    }

    /// Reads the configuration, and remembers how its files looked before.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&mut self) -> Result<Reading, Invalid> {
        for _ in 1..ATTEMPTS {
            self.look();
            let read = Config::load(&self.file, &self.overrides);
            let named = match &read {
                Ok(reading) => Some(reading.config.files(&self.file)),
                // A file of a password may be what is missing.
                Err(_) => self.named(),
            };
            let Some(named) = named else { return read };
            self.seen.retain(|file, _| named.contains(file));
            let known = self.seen.len();
            for file in named {
                self.seen.entry(file).or_insert(None);
            }
            if self.seen.len() == known {
                return read;
            }
        }
        self.look();
        Config::load(&self.file, &self.overrides)
    }

    /// Whether a file is another than when it was read.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.seen.iter().any(|(file, seen)| look_at(file) != *seen)
    }

    fn look(&mut self) {
        for (file, seen) in &mut self.seen {
            *seen = look_at(file);
        }
    }

    /// The files that a text names which is right but for them.
    fn named(&self) -> Option<Vec<PathBuf>> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        let reading = Config::parse("", &text, &self.overrides).ok()?;
        Some(reading.config.files(&self.file))
    }
}

/// Reads the configuration again whenever there is reason to, until the loop has ended. `hangup` is SIGHUP's.
pub async fn follow(mut origin: Origin, mut hangup: Signal, agent: Handle) {
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = clock.tick() => false,
        };
        if (asked || origin.has_changed())
            && agent.send(Event::Reload(Box::new(origin.load()))).await.is_err()
        {
            return;
        }
    }
}

fn look_at(file: &Path) -> Look {
    // Follows links: what they lead to now.
    let found = std::fs::metadata(file).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
}
