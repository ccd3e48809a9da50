//! Watches the configuration: on SIGHUP, and when one of its files changes, it is read again.
//!
//! Files are looked at every [`PERIOD`] instead of by inotify: that holds for files that are replaced by renaming,
//! for symbolic links that are swapped (as Kubernetes does with mounted ConfigMaps and Secrets), and for files that
//! are away for a moment; and it costs one `stat` each. What makes a file another is its time, size and inode.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::agent::{Event, Handle};
use crate::config::{Config, Overrides};

#[cfg(test)]
mod tests;

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_secs(1);

/// Where the configuration came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// What overrules it; the same for the life of the process.
    pub overrides: Overrides,
}

/// A file as far as it can be seen from outside: modification time in ns, size, inode; none if it is away.
type Look = Option<(i64, i64, u64, u64)>;

/// Reads the configuration again whenever there is reason to, until the loop has ended.
pub async fn follow(origin: Origin, config: &Config, agent: Handle) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut files = config.files(&origin.file);
    let mut seen = look(&files);
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = clock.tick() => false,
        };
        // Looked at before it is read: a change in between is seen the next time.
        let now = look(&files);
        if !asked && now == seen {
            continue;
        }
        seen = now;
        let read = Config::load(&origin.file, &origin.overrides);
        if let Ok(reading) = &read {
            files = reading.config.files(&origin.file);
            seen = look(&files);
        }
        if agent.send(Event::Reload(Box::new(read))).await.is_err() {
            return;
        }
    }
}

fn look(files: &[PathBuf]) -> Vec<Look> {
    files.iter().map(|file| look_at(file)).collect()
}

fn look_at(file: &Path) -> Look {
    // Follows links: what they lead to now.
    let found = std::fs::metadata(file).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
}
