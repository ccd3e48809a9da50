use std::fs;
use std::process::Command;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use tempfile::TempDir;

use super::*;
use crate::contract::{self, Backend};
use crate::{Precondition, Resource};

struct InFile(TempDir);

impl InFile {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("fabric.db")
    }
}

impl Backend for InFile {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        async { Arc::new(SqliteStore::open(&self.path()).await.unwrap()) as Arc<dyn Store> }.boxed()
    }

    fn compact(&self) -> BoxFuture<'_, ()> {
        async { SqliteStore::open(&self.path()).await.unwrap().compact().await.unwrap() }.boxed()
    }

    fn interrupt(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_contract() {
    contract::run_all(&InFile::new()).await;
}

fn namespace(name: &str) -> Resource {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    Resource::Namespace(Box::new(namespace))
}

/// Makes a store with a few resources, and closes it: no log is left beside it.
async fn closed_store(path: &Path) {
    let store = SqliteStore::open(path).await.unwrap();
    for index in 0..200 {
        store.put(namespace(&format!("n{index}")), Precondition::None).await.unwrap();
    }
    drop(store);
    // The threads close their connections after the store is gone. The last one removes the log, unless two close at
    // the same moment: then whoever opens and closes next does.
    for _ in 0..500 {
        if !file::log_path(path).exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        rusqlite::Connection::open(path).unwrap().query_row("SELECT 1", [], |_| Ok(())).unwrap();
    }
    panic!("{} is still there", file::log_path(path).display());
}

/// Opening is refused with a message that has `complaint`, and leaves the directory as it was.
async fn assert_refused(path: &Path, complaint: &str) {
    let contents = || {
        let mut files: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = contents();
    let Err(Error::Refused(message)) = SqliteStore::open(path).await else {
        panic!("{complaint}: not refused")
    };
    assert!(message.contains(complaint), "{message}");
    assert!(message.contains("fabric.db"), "{message}");
    assert!(before == contents(), "{complaint}: touched");
}

#[tokio::test]
async fn damaged_files_are_refused_and_left_alone() {
    let directory = InFile::new();
    let path = directory.path();
    closed_store(&path).await;
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 3 * 4096);
    for (length, complaint) in [
        (0, "is empty"),
        (10, "is not an SQLite database"),
        (100, "fabric.db"),
        (4096, "is truncated"),
        (whole.len() - 4096, "is truncated"),
        (whole.len() - 1, "is truncated"),
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_refused(&path, complaint).await;
    }
    let mut scribbled = whole.clone();
    scribbled[4096..8192].fill(0xa5);
    fs::write(&path, &scribbled).unwrap();
    assert_refused(&path, "is damaged").await;
    fs::write(&path, "apiVersion: v1\nkind: Namespace\n".repeat(400)).unwrap();
    assert_refused(&path, "is not an SQLite database").await;
    // And whole again, it opens, with everything in it.
    fs::write(&path, &whole).unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.list(Kind::Namespace).await.unwrap().items.len(), 200);
}

#[tokio::test]
async fn other_and_newer_databases_are_refused_and_left_alone() {
    let directory = InFile::new();
    let path = directory.path();
    closed_store(&path).await;
    let pragma = |name, value: i64| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, name, value).unwrap();
        connection.close().unwrap();
    };
    pragma("user_version", 7);
    assert_refused(&path, "has schema version 7, and this program knows up to 1").await;
    pragma("user_version", 1);
    pragma("application_id", 1);
    assert_refused(&path, "not of Fabric").await;
}

#[tokio::test]
async fn a_newer_version_still_in_the_log_is_refused() {
    let directory = InFile::new();
    let path = directory.path();
    closed_store(&path).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    assert!(file::log_path(&path).exists());
    let before = fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(message) if message.contains("schema version 7")), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// One that nobody can understand hinders nobody from reading the others, and is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_value_is_told_and_the_others_are_read() {
    let directory = InFile::new();
    let path = directory.path();
    let store = SqliteStore::open(&path).await.unwrap();
    let named = |name: &str| {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        Resource::Namespace(Box::new(namespace))
    };
    for name in ["bad", "good", "last"] {
        store.put(named(name), Precondition::Absent).await.unwrap();
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE resources SET value = '{ not json' WHERE name = 'bad'", []).unwrap();
    connection.close().unwrap();

    let key = |name: &str| Key::global(Kind::Namespace, name);
    let error = store.get(&key("bad")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable { key, revision: Revision(1), .. } if key.name == "bad"),
        "{error}"
    );
    for listing in [store.list(Kind::Namespace).await.unwrap(), store.snapshot(&Kind::ALL).await.unwrap()] {
        assert_eq!(listing.items.into_keys().collect::<Vec<_>>(), [key("good"), key("last")]);
        assert_eq!(listing.unreadable.into_keys().collect::<Vec<_>>(), [key("bad")]);
    }
    let mut changes = store.watch(Revision(0)).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(changes.next().await.unwrap().map(|change| change.key.name));
    }
    assert_eq!(told[0].as_ref(), Err(&error));
    assert_eq!(told[1..], [Ok("good".to_owned()), Ok("last".to_owned())]);
    let taken = store.put(named("bad"), Precondition::Absent).await.unwrap_err();
    assert!(matches!(taken, Error::Conflict { found: Some(Revision(1)), .. }), "{taken}");
    assert!(crate::archive::export(&store, &Kind::ALL).await.is_err(), "no backup without it");
    store.put(named("bad"), Precondition::None).await.unwrap();
    assert!(store.list(Kind::Namespace).await.unwrap().unreadable.is_empty());
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let directory = InFile::new();
    let path = directory.0.path().join("nowhere/fabric.db");
    let refused = SqliteStore::open(&path).await.unwrap_err().to_string();
    assert!(
        refused.contains("there is no directory") && refused.contains("nowhere; create that first"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_create_it_at_once() {
    let directory = InFile::new();
    let opening = (0..6).map(|_| {
        let path = directory.path();
        tokio::spawn(async move { SqliteStore::open(&path).await })
    });
    for (index, open) in opening.collect::<Vec<_>>().into_iter().enumerate() {
        let store = open.await.unwrap().unwrap();
        store.put(namespace(&format!("n{index}")), Precondition::Absent).await.unwrap();
    }
    let store = SqliteStore::open(&directory.path()).await.unwrap();
    assert_eq!(store.list(Kind::Namespace).await.unwrap().items.len(), 6);
    let left: Vec<_> =
        fs::read_dir(directory.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_one_that_is_written_to_finds_it_whole() {
    let directory = InFile::new();
    let path = directory.path();
    let store = SqliteStore::open(&path).await.unwrap();
    // Long values, so that the log is moved into the file again and again.
    let writing = tokio::spawn(async move {
        let mut large = Namespace::default();
        large.metadata.annotations = Some([("a".to_owned(), "x".repeat(100_000))].into());
        for index in 0..600 {
            large.metadata.name = Some(format!("n{}", index % 50));
            let large = Resource::Namespace(Box::new(large.clone()));
            store.put(large, Precondition::None).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let path = path.clone();
        blocking(move || file::open(&path).map(drop)).await.unwrap();
    }
    writing.await.unwrap();
}

const CHILD: &str = "FABRIC_TEST_DATASTORE";

/// The other process of the next test; alone it checks that it can write.
#[tokio::test]
async fn writes_and_ends() {
    let directory = InFile::new();
    let path = std::env::var_os(CHILD).map_or_else(|| directory.path(), PathBuf::from);
    let store = SqliteStore::open(&path).await.unwrap();
    for index in 0..20 {
        store.put(namespace(&format!("child-{index}")), Precondition::Absent).await.unwrap();
    }
    assert!(store.list(Kind::Namespace).await.unwrap().items.len() >= 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_heard() {
    let directory = InFile::new();
    let store = SqliteStore::open(&directory.path()).await.unwrap();
    let mut changes = store.watch(Revision(0)).await.unwrap();
    // Waiting before the other process writes.
    let hearing = tokio::spawn(async move {
        for index in 0..20 {
            assert_eq!(
                contract::next_of(Kind::Namespace, &mut changes).await.key.name,
                format!("child-{index}")
            );
        }
    });
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "sqlite::tests::writes_and_ends"]).env(CHILD, directory.path());
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    hearing.await.unwrap();
}
