//! Files that are written whole or not at all: beside their place first, and put there when they are complete.
//!
//! Devices and pipes (`/dev/null`, a named pipe) cannot be replaced and need not be: they are written through.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// A file that is being written. Dropped before [`Self::commit`], it leaves no trace.
pub(crate) struct Draft {
    /// As the user calls it.
    path: PathBuf,
    writer: BufWriter<File>,
    /// What becomes the file; nothing where that is written through.
    place: Option<Place>,
}

struct Place {
    temporary: TempPath,
    path: PathBuf,
    replaces: bool,
}

impl Draft {
    /// Begins a file at `path`; one that is there already is replaced in the end if it `replaces`.
    ///
    /// # Errors
    /// Where there is one that is not to be replaced, or where none can be made.
    pub(crate) fn create(path: &Path, replaces: bool) -> Result<Self, Failure> {
        let (file, place) = match fs::metadata(path) {
            Ok(there) if there.is_file() && !replaces => return Err(exists(path)),
            Ok(there) if there.is_file() => {
                // Where a link leads, and with the same permissions.
                let target = fs::canonicalize(path).map_err(|error| cannot_write(path, &error))?;
                open_beside(&target, Permissions::from_mode(there.permissions().mode() & 0o777), replaces)
            }
            Ok(_) => fs::OpenOptions::new().write(true).open(path).map(|file| (file, None)),
            Err(_) => open_beside(path, Permissions::from_mode(0o666), replaces),
        }
        .map_err(|error| cannot_write(path, &error))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file), place })
    }

    /// Writes more of it.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| cannot_write(&self.path, &error))
    }

    /// Puts the file in its place, on the disk.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Self { path, writer, place } = self;
        let file = writer.into_inner().map_err(|error| cannot_write(&path, error.error()))?;
        let Some(place) = place else { return Ok(()) };
        file.sync_all().map_err(|error| cannot_write(&path, &error))?;
        let placed = match place.replaces {
            true => place.temporary.persist(&place.path),
            false => place.temporary.persist_noclobber(&place.path),
        };
        match placed {
            // Somebody was faster.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(cannot_write(&path, &error.error)),
            Ok(()) => File::open(folder(&place.path))
                .and_then(|folder| folder.sync_all())
                .map_err(|error| cannot_write(&path, &error)),
        }
    }
}

/// A hidden file in the same folder: only within a file system is putting it in its place one step.
fn open_beside(path: &Path, permissions: Permissions, replaces: bool) -> io::Result<(File, Option<Place>)> {
    // What is wrong with the folder is said of the folder, not of a hidden file in it.
    fs::metadata(folder(path))?;
    let name = path.file_name().unwrap_or(OsStr::new("file")).to_string_lossy();
    let (file, temporary) = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .permissions(permissions)
        .tempfile_in(folder(path))
        .map(NamedTempFile::into_parts)?;
    Ok((file, Some(Place { temporary, path: path.to_owned(), replaces })))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Failed(format!("{} is there already: --force replaces it", path.display()))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}", path.display()))
}
