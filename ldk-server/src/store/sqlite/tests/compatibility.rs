//! One file for the library's own store and for ours, and files that are refused.

use std::fs;
use std::path::Path;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::PaymentDetails;
use rusqlite::Connection;

use super::library;
use crate::store::conformance::payments::{PENDING, key, received};
use crate::store::{KvOwner, Store, testing};

/// Names and values of all sorts.
fn records() -> Vec<([&'static str; 3], Vec<u8>)> {
    vec![
        (["", "", "manager"], vec![1; 200_000]),
        (["monitors", "", "ab_0"], vec![]),
        (["monitor_updates", "ab_0", "1"], vec![0, 255]),
        (["monitor_updates", "ab_0", "2"], b"\0SELECT".to_vec()),
        (["ldk_server", "held_payments", "cd"], vec![3; 5_000]),
    ]
}

fn write_all(store: &dyn KVStoreSync) {
    for ([primary, secondary, key], value) in records() {
        store.write(primary, secondary, key, vec![9]).unwrap();
        store.write(primary, secondary, key, value).unwrap();
        store.write(primary, secondary, "gone", vec![9]).unwrap();
        store.remove(primary, secondary, "gone", false).unwrap();
    }
}

fn all_are_in(store: &dyn KVStoreSync) {
    for ([primary, secondary, key], value) in records() {
        assert_eq!(store.read(primary, secondary, key).unwrap(), value);
        assert!(store.list(primary, secondary).unwrap().iter().all(|key| key != "gone"));
    }
    let mut updates = store.list("monitor_updates", "ab_0").unwrap();
    updates.sort();
    assert_eq!(updates, ["1", "2"]);
}

fn refusal(dir: &Path) -> String {
    Store::open(dir, KvOwner::Server, |_| {}).err().unwrap().to_string()
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join(SQLITE_DB_FILE_NAME)).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[test]
fn the_library_opens_what_we_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    write_all(&store);
    all_are_in(&store);
    drop(store);
    assert_eq!(files(dir.path()), [SQLITE_DB_FILE_NAME], "the log is gone");

    let library = library(dir.path()).unwrap();
    all_are_in(&library);
    let payment = PaymentDetails { amount_msat: Some(1_000), ..received(5, PENDING, 7) };
    library.write("payments", "", &key(5), payment.encode()).unwrap();
    drop(library);

    let store = testing::open(dir.path());
    all_are_in(&store);
    let added = store.payment(PaymentId([5; 32])).unwrap().unwrap();
    assert_eq!(added.amount_msat, Some(1_000), "it is in the history");
}

#[test]
fn we_open_what_the_library_wrote() {
    let dir = tempfile::tempdir().unwrap();
    write_all(&library(dir.path()).unwrap());
    all_are_in(&testing::open(dir.path()));
}

#[test]
fn we_open_what_is_left_of_a_process_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    write_all(&store);
    let copy = tempfile::tempdir().unwrap();
    for file in files(dir.path()) {
        fs::copy(dir.path().join(&file), copy.path().join(&file)).unwrap();
    }
    all_are_in(&testing::open(copy.path()));
}

#[test]
fn once_it_has_settled_the_file_alone_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    write_all(&store);
    store.checkpoint().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let file = SQLITE_DB_FILE_NAME;
    fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    all_are_in(&library(copy.path()).unwrap());
    KVStoreSync::write(&store, "later", "", "key", vec![1]).unwrap();
    assert_eq!(KVStoreSync::read(&store, "later", "", "key").unwrap(), [1]);
}

#[test]
fn we_open_what_the_library_began_to_make() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path()).pragma_update(None, "user_version", 2).unwrap();
    write_all(&testing::open(dir.path()));
    all_are_in(&library(dir.path()).unwrap());
}

#[test]
fn later_versions_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(testing::open(dir.path()));
    let newest: i64 = database(dir.path())
        .query_row("SELECT version FROM ldk_server_schema", [], |row| row.get(0))
        .unwrap();
    database(dir.path()).execute("UPDATE ldk_server_schema SET version = 99", []).unwrap();
    let reason = refusal(dir.path());
    assert!(reason.contains("the database has version 99 of the server's tables"), "{reason}");
    database(dir.path()).execute("UPDATE ldk_server_schema SET version = ?1", [newest]).unwrap();
    drop(testing::open(dir.path()));

    database(dir.path()).pragma_update(None, "user_version", 3).unwrap();
    let reason = refusal(dir.path());
    assert!(reason.contains("incompatible schema version 3"), "{reason}");
}

#[test]
fn what_is_not_a_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(SQLITE_DB_FILE_NAME), "not a database".repeat(1_000)).unwrap();
    let reason = refusal(dir.path());
    assert!(reason.contains("file is not a database"), "{reason}");
}

#[test]
fn a_migration_that_fails_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).unwrap();
    write_all(&library);
    library.write("ldk_server", "payment_created", &"ab".repeat(32), vec![1]).unwrap();
    drop(library);

    let reason = refusal(dir.path());
    assert!(reason.contains("the creation time of payment abab"), "{reason}");
    let tables: i64 = database(dir.path())
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "the library's");
    let library = super::library(dir.path()).unwrap();
    all_are_in(&library);
    library.remove("ldk_server", "payment_created", &"ab".repeat(32), false).unwrap();
    drop(library);
    all_are_in(&testing::open(dir.path()));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    drop(library(dir.path()).unwrap());
    let database = dir.path().join(SQLITE_DB_FILE_NAME);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    let store = testing::open(dir.path());
    write_all(&store);
    let files = files(dir.path());
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let mode = fs::metadata(dir.path().join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_look_at_the_chain_is_forgotten_in_both_stores() {
    for backend in [KvOwner::Server, KvOwner::Library] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), backend, |_| {}).unwrap();
        store.forget_syncs().unwrap();
        KVStoreSync::write(&store, "", "", "node_metrics", vec![1]).unwrap();
        KVStoreSync::write(&store, "", "", "manager", vec![2]).unwrap();
        store.forget_syncs().unwrap();
        assert_eq!(KVStoreSync::list(&store, "", "").unwrap(), ["manager"]);
    }
}
