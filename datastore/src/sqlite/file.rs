//! Opening the file: create it whole or not at all, and refuse what is not ours without touching it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure;
use crate::error::Error;

/// "FABR": says that an SQLite file is ours.
const APPLICATION_ID: i64 = 0x4641_4252;

/// Version of the tables below.
const SCHEMA_VERSION: i64 = 1;

/// A table of one row that counts, and one of everything else. `value` is NULL for what was deleted.
const SCHEMA: &str = "
    CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        revision INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    );
    INSERT INTO store VALUES (0, 0, 0);
    CREATE TABLE resources (
        kind TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        revision INTEGER NOT NULL UNIQUE,
        value TEXT,
        PRIMARY KEY (kind, namespace, name)
    ) WITHOUT ROWID;
    CREATE INDEX tombstones ON resources (revision) WHERE value IS NULL;
";

/// How long to wait for other processes' transactions.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection for the writer's thread, one for readers: readers never wait for a write.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
}

/// Opens the store at `path`, creating it if there is nothing.
pub(super) fn open(path: &Path) -> Result<Connections, Error> {
    match fs::metadata(path) {
        Ok(metadata) => inspect(path, metadata.len())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            // Someone else may have been faster; theirs must be good, too.
            let length = fs::metadata(path).map_err(|error| unusable(path, &error))?.len();
            inspect(path, length)?;
        }
        Err(error) => return Err(unusable(path, &error)),
    }
    let writer = connect(path).map_err(|error| refusal(path, &error))?;
    let reader = connect(path).map_err(|error| refusal(path, &error))?;
    Ok(Connections { writer, reader })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Plans that do not depend on the values bound: else statements are compiled again for every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Makes the store aside and links it into place, so that nobody ever sees half of it, and an empty file is never
/// taken for a new store.
fn create(path: &Path) -> Result<(), Error> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let directory = directory(path);
    if !directory.is_dir() {
        let directory = directory.display();
        return Err(Error::Refused(format!(
            "cannot create {}: there is no directory {directory}; create that first",
            path.display()
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let aside = directory.join(format!(".{name}.{}-{unique}.new", std::process::id()));
    // Of a process with our id that died.
    let _ = fs::remove_file(&aside);
    let made = make(&aside).map_err(|error| refusal(path, &error)).and_then(|()| {
        match fs::hard_link(&aside, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(path, &error)),
            Ok(()) | Err(_) => File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|error| unusable(path, &error)),
        }
    });
    let _ = fs::remove_file(&aside);
    made
}

fn make(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)
}

/// Finds out whether the file is ours, whole, and of a version we know, without writing a byte.
fn inspect(path: &Path, length: u64) -> Result<(), Error> {
    if length == 0 {
        return Err(Error::Refused(format!(
            "{} is empty: a datastore that was truncated, or something else; \
             restore it from a backup, or remove it to start with an empty datastore",
            path.display()
        )));
    }
    let before = stamp(path);
    let log_empty = before.1 == 0;
    // `immutable`: no locks are taken and no file is made beside it; but the log is not read.
    let alone = open_read_only(path, true).and_then(|connection| {
        if !log_empty {
            // Of pages that are just being moved out of the log, nothing can be said.
            return identity(&connection, path);
        }
        let verdict = verdict(&connection, path)?;
        let pages: u64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let page: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(if length < pages.saturating_mul(page) { Err(truncated(path)) } else { verdict })
    });
    // Nobody has it open, and nobody had while it was read.
    let quiet = log_empty && stamp(path) == before;
    match alone {
        Ok(Ok(())) if quiet => Ok(()),
        Ok(Err(refused)) if quiet || !log_empty => Err(refused),
        Err(error) if quiet => Err(refusal(path, &error)),
        // Pages that are missing or outdated in the file may be in the log.
        Ok(_) | Err(_) => open_read_only(path, false)
            .and_then(|connection| verdict(&connection, path))
            .map_err(|error| refusal(path, &error))?,
    }
}

/// Changes when somebody writes: when the file was changed last, and how long its log is.
fn stamp(path: &Path) -> (Option<SystemTime>, u64) {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    (changed, fs::metadata(log_path(path)).map_or(0, |metadata| metadata.len()))
}

/// Whether the file says that it is ours.
fn identity(connection: &Connection, path: &Path) -> rusqlite::Result<Result<(), Error>> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    Ok(if application == APPLICATION_ID {
        Ok(())
    } else {
        Err(Error::Refused(format!(
            "{} is an SQLite database, but not of Fabric; name another file for the datastore",
            path.display()
        )))
    })
}

/// What the file says about itself.
fn verdict(connection: &Connection, path: &Path) -> rusqlite::Result<Result<(), Error>> {
    if let Err(foreign) = identity(connection, path)? {
        return Ok(Err(foreign));
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let path = path.display();
    if version > SCHEMA_VERSION {
        return Ok(Err(Error::Refused(format!(
            "{path} has schema version {version}, and this program knows up to {SCHEMA_VERSION}; \
             run the version that wrote it, or a newer one"
        ))));
    }
    let health: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if health == "ok" {
        Ok(())
    } else {
        Err(Error::Refused(format!(
            "{path} is damaged ({}); restore it from a backup, or move it away to start with an empty datastore",
            health.lines().next_back().unwrap_or_default()
        )))
    })
}

fn open_read_only(path: &Path, immutable: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if !immutable {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        return Ok(connection);
    }
    flags |= OpenFlags::SQLITE_OPEN_URI;
    let mut uri = "file:".to_owned();
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri.push_str("?immutable=1");
    Connection::open_with_flags(uri, flags)
}

/// The write-ahead log of the store at `path`.
pub(super) fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The directory of the file at `path`.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn truncated(path: &Path) -> Error {
    Error::Refused(format!(
        "{} is truncated; restore it from a backup, or move it away to start with an empty datastore",
        path.display()
    ))
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::Refused(format!("cannot use {} as datastore: {error}", path.display()))
}

fn refusal(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, PermissionDenied, ReadOnly};
    let path_shown = path.display();
    let code = error.sqlite_error_code();
    if matches!(code, Some(DatabaseCorrupt)) {
        return truncated(path);
    }
    if matches!(code, Some(NotADatabase)) {
        return Error::Refused(format!(
            "{path_shown} is not an SQLite database; name another file, or move it away to start with an empty datastore"
        ));
    }
    if matches!(code, Some(CannotOpen | PermissionDenied | ReadOnly)) {
        return Error::Refused(format!(
            "cannot use {path_shown} as datastore: {error}; check its permissions"
        ));
    }
    failure(error)
}
