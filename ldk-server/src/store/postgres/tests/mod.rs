//! What the store promises only on PostgreSQL: one writer, whatever happens to answers, connections and
//! servers; and a working copy that may be lost.

mod capture;
mod cut_off;
mod follow;
mod handed_over;
mod health;
mod moved;
mod versions;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc;
use std::time::Duration;

use ldk_node::lightning::util::persist::KVStoreSync;

use super::settings::PostgresSettings;
use super::testing::Database;
use crate::store::conformance::TestDatabase as _;
use crate::store::sqlite::path_in;
use crate::store::{KvOwner, OfflineDatabase, Store, testing};

const PATIENCE: Duration = Duration::from_secs(60);

/// Writes a record.
fn write(store: &Store, key: &str) -> bool {
    KVStoreSync::write(store, "test", "", key, key.as_bytes().to_vec()).is_ok()
}

/// The records that are there, in their order.
fn written(store: &Store) -> Vec<String> {
    let mut keys = KVStoreSync::list(store, "test", "").unwrap();
    keys.sort();
    keys
}

/// The store of another node that wants the same state, from another directory.
fn of_another(database: &Database) -> (tempfile::TempDir, PostgresSettings) {
    let settings = PostgresSettings { holder: "another".to_owned(), ..database.settings() };
    (tempfile::tempdir().unwrap(), settings)
}

#[test]
fn a_working_copy_that_is_lost_or_behind_is_brought_to_the_last_commit() {
    let database = Database::new();
    let store = database.open();
    assert!(write(&store, "a"));
    let (behind, file) = (tempfile::tempdir().unwrap(), path_in(database.dir.path()));
    store.snapshot(&behind.path().join("copy")).unwrap();
    drop(store);
    let before = fs::read(&file).unwrap();
    let store = database.open();
    assert!(write(&store, "b"));
    drop(store);
    assert!(database.is_level());
    fs::write(&file, before).unwrap();
    assert!(!database.is_level());
    let number = fs::metadata(&file).unwrap().ino();
    let store = database.open();
    assert_eq!(written(&store), ["a", "b"]);
    drop(store);
    assert!(database.is_level());
    // It has read what was changed.
    assert_eq!(fs::metadata(&file).unwrap().ino(), number);
    fs::remove_file(&file).unwrap();
    assert_eq!(written(&database.open()), ["a", "b"]);
}

#[test]
fn a_working_copy_does_not_start_alone_and_a_snapshot_does() {
    let database = Database::new();
    let store = database.open();
    assert!(write(&store, "a"));
    let alone = tempfile::tempdir().unwrap();
    store.snapshot(&path_in(alone.path())).unwrap();
    drop(store);
    let dir = database.dir.path();
    let refused = Store::open(dir, KvOwner::Server, |_| ()).err().unwrap().to_string();
    assert!(refused.contains("only the working copy"), "{refused}");
    assert!(OfflineDatabase::open(dir).is_err());
    assert_eq!(written(&testing::open(alone.path())), ["a"]);
}

#[test]
fn a_database_that_is_older_than_the_working_copy_is_refused() {
    let database = Database::new();
    drop(database.open());
    let old = database.killed();
    let store = database.open();
    assert!(write(&store, "a"));
    drop(store);
    let settings = old.settings();
    let opened = Store::open_postgres(database.dir.path(), settings, |_| ());
    let refused = opened.err().unwrap().to_string();
    assert!(refused.contains("older state than this node has seen"), "{refused}");
    // Neither does it help the old one that it has gone on elsewhere.
    let (dir, settings) = of_another(&old);
    let store = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    for key in ["b", "c", "d", "e", "f"] {
        assert!(write(&store, key));
    }
    drop(store);
    let opened = Store::open_postgres(database.dir.path(), old.settings(), |_| ());
    let refused = opened.err().unwrap().to_string();
    assert!(refused.contains("older state than this node has seen"), "{refused}");
    assert_eq!(written(&database.open()), ["a"]);
}

#[test]
fn the_working_copy_of_another_database_is_refused() {
    let [one, other] = [Database::new(), Database::new()];
    drop(one.open());
    drop(other.open());
    let opened = Store::open_postgres(one.dir.path(), other.settings(), |_| ());
    let refused = opened.err().unwrap().to_string();
    assert!(refused.contains("that of another database"), "{refused}");
}

#[test]
fn one_whose_lease_was_taken_commits_nothing_more_and_is_told() {
    let database = Database::new();
    let (send, told) = mpsc::channel();
    let store = database.open_with_lost(move |reason| send.send(reason.to_owned()).unwrap());
    assert!(write(&store, "a"));
    let (dir, settings) = of_another(&database);
    let refused = Store::open_postgres(dir.path(), settings.clone(), |_| ()).err().unwrap();
    assert!(refused.to_string().contains("runs this node"), "{refused}");
    database.with_session(async |session| {
        let schema = &database.schema;
        let end = format!("UPDATE {schema}.ldk_server_lease SET expires_at = now()");
        session.run(&end).await.unwrap();
    });
    let second = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    assert!(!write(&store, "b"));
    let reason = told.recv_timeout(PATIENCE).unwrap();
    assert!(reason.contains("does not hold the lease"), "{reason}");
    assert_eq!(written(&second), ["a"]);
    assert!(write(&second, "c"));
    drop((store, second));
    assert_eq!(written(&database.open()), ["a", "c"]);
}

#[test]
fn one_that_writes_nothing_is_told_that_its_lease_was_taken() {
    let database = Database::new();
    let (send, told) = mpsc::channel();
    let _store = database.open_with_lost(move |reason| send.send(reason.to_owned()).unwrap());
    let (dir, settings) = of_another(&database);
    database.with_session(async |session| {
        let schema = &database.schema;
        let end = format!("UPDATE {schema}.ldk_server_lease SET expires_at = now()");
        session.run(&end).await.unwrap();
    });
    let second = Store::open_postgres(dir.path(), settings, |_| ()).unwrap();
    let reason = told.recv_timeout(PATIENCE).unwrap();
    assert!(reason.contains("another one has it"), "{reason}");
    assert!(write(&second, "a"));
}
