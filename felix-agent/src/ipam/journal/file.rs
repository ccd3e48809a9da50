//! The journal's file: a line that says whose it is, and a line for each change.
//!
//! ```text
//! 4f1c… {"fabricJournal":1,"node":"node1"}
//! 09ab… [{"put":{"handle":"fabric.c1.eth0", …}}]
//! 77d0… [{"drop":"fabric.c1.eth0"}]
//! ```
//!
//! Before each line's text is a digest of it. A crash while a line is written leaves a part of it, or all of it with holes, at the
//! end of the file; such an end is cut off. A file is begun, and begun anew when it has grown, under another name,
//! synchronised, and then renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Entries, Entry, JournalError};

/// The version of what is written here.
const FORMAT: u32 = 1;

/// Octets beyond which the file is begun anew, unless what is in it takes as many.
const GROWN: u64 = 256 * 1024;

/// Octets of a digest.
const DIGEST: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    fabric_journal: u32,
    node: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Change {
    Put(Box<Entry>),
    Drop(String),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    node: String,
    file: File,
    /// Octets that are whole lines.
    length: u64,
    /// Octets when it was begun anew.
    begun: u64,
    /// What was appended last may be on disk or not: it has to be begun anew.
    is_doubtful: bool,
}

impl Log {
    /// Reads the file, and cuts off what a crash left at its end; begins it if there is none.
    pub(super) fn open(path: &Path, node: &str) -> Result<(Self, Entries), JournalError> {
        let failed = |error| JournalError::Io { path: path.to_owned(), error };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        if text.is_empty() {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory).map_err(failed)?;
            }
            let log = Self::begin(path, node, &Entries::new()).map_err(failed)?;
            return Ok((log, Entries::new()));
        }
        let (entries, length) = read(path, node, &text)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        let node = node.to_owned();
        let mut log = Self { path: path.to_owned(), node, file, length, begun: length, is_doubtful: false };
        log.cut().map_err(failed)?;
        Ok((log, entries))
    }

    /// Writes what has to be in the file that `entries` are read from it where it was `before`.
    pub(super) fn write(&mut self, before: &Entries, entries: &Entries) -> io::Result<()> {
        let has_grown = self.length > GROWN.max(self.begun.saturating_mul(2));
        if self.is_doubtful || has_grown || entries.is_empty() && self.length > GROWN {
            *self = Self::begin(&self.path, &self.node, entries)?;
            return Ok(());
        }
        let line = line(&changes(before, entries))?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Nobody knows what is on the disk.
            self.is_doubtful = true;
            return written;
        }
        self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// A file with just these.
    fn begin(path: &Path, node: &str, entries: &Entries) -> io::Result<Self> {
        let mut text = line(&Header { fabric_journal: FORMAT, node: node.to_owned() })?;
        if !entries.is_empty() {
            text.extend(line(&changes(&Entries::new(), entries))?);
        }
        let new = path.with_added_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let (path, node) = (path.to_owned(), node.to_owned());
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self { path, node, file, length, begun: length, is_doubtful: false })
    }

    fn cut(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
            self.file.sync_all()?;
        }
        Ok(())
    }
}

fn changes(before: &Entries, entries: &Entries) -> Vec<Change> {
    let is_new = |entry: &&Entry| before.get(&entry.handle) != Some(*entry);
    let put = entries.values().filter(is_new).map(|entry| Change::Put(Box::new(entry.clone())));
    let dropped = before.keys().filter(|handle| !entries.contains_key(*handle));
    dropped.cloned().map(Change::Drop).chain(put).collect()
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(value)?;
    let mut line = digest(&text).into_bytes();
    line.push(b' ');
    line.extend(text);
    line.push(b'\n');
    Ok(line)
}

fn digest(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut digits = String::with_capacity(2 * DIGEST);
    for octet in Sha256::digest(text).iter().take(DIGEST) {
        // Writing to a string does not fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// What the file says, and how much of it are whole lines.
fn read(path: &Path, node: &str, text: &[u8]) -> Result<(Entries, u64), JournalError> {
    let damaged =
        |line: usize, what: String| JournalError::Damaged { path: path.to_owned(), line: line + 1, what };
    let lines: Vec<&[u8]> = text.split_inclusive(|octet| *octet == b'\n').collect();
    let (mut entries, mut length) = (Entries::new(), 0);
    for (number, line) in lines.iter().enumerate() {
        let is_last = number + 1 == lines.len();
        let text = match whole(line) {
            Some(text) => text,
            // Cut short before anybody was told of it. The first line never is: a file is begun under another name.
            None if is_last && number > 0 => break,
            None => return Err(damaged(number, "its checksum is wrong".to_owned())),
        };
        let broken = |error: serde_json::Error| damaged(number, error.to_string());
        if number == 0 {
            let header: Header = serde_json::from_slice(text).map_err(broken)?;
            if header.fabric_journal != FORMAT {
                let what =
                    format!("it is of format {}, and this agent knows {FORMAT}", header.fabric_journal);
                return Err(damaged(number, what));
            }
            if header.node != node {
                let (path, found, node) = (path.to_owned(), header.node, node.to_owned());
                return Err(JournalError::OtherNode { path, found, node });
            }
        } else {
            for change in serde_json::from_slice::<Vec<Change>>(text).map_err(broken)? {
                match change {
                    Change::Put(entry) => drop(entries.insert(entry.handle.clone(), *entry)),
                    Change::Drop(handle) => drop(entries.remove(&handle)),
                }
            }
        }
        length += line.len();
    }
    Ok((entries, u64::try_from(length).unwrap_or(u64::MAX)))
}

/// The text of a line that is whole.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let (said, text) = line.split_at_checked(2 * DIGEST)?;
    let text = text.strip_prefix(b" ")?;
    (digest(text).as_bytes() == said).then_some(text)
}
