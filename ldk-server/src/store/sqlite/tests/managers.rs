//! Who else reads the manager of the channels: the library without this server, and the restore.

use std::path::Path;

use ldk_node::bitcoin::Network;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::{BuildError, Builder};
use rusqlite::Connection;
use tempfile::TempDir;

use super::library;
use crate::store::conformance::TestDatabase as _;
use crate::store::sqlite::testing::Directory;
use crate::store::{Epoch, OfflineDatabase, Store, testing};

/// Some that are large, of which each is larger than the one before.
fn managers() -> impl Iterator<Item = Vec<u8>> {
    (1..=20_usize).map(|number| {
        let bytes = (0..10_000 * number).map(|at| (at * at / 251 % 256) as u8);
        [1, 1].into_iter().chain(bytes).collect()
    })
}

fn write_all(store: &Store) -> Vec<u8> {
    let mut last = Vec::new();
    for manager in managers() {
        KVStoreSync::write(store, "", "", "manager", manager.clone()).unwrap();
        last = manager;
    }
    last
}

/// What a program finds that has only the library's own store.
fn of_library(dir: &Path) -> Vec<u8> {
    KVStoreSync::read(&library(dir).unwrap(), "", "", "manager").unwrap()
}

/// What becomes of a node that is started without this server.
fn start_library(dir: &Path) -> Option<BuildError> {
    let mut builder = Builder::new();
    builder.set_network(Network::Regtest);
    builder.set_storage_dir_path(dir.to_str().unwrap().to_owned());
    builder.build().err()
}

fn chunks(database: &Path) -> i64 {
    let database = Connection::open(database).unwrap();
    let sql = "SELECT count(*) FROM ldk_server_manager_chunks";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn after_a_stop_the_library_reads_it() {
    let database = Directory::new();
    let store = database.open();
    let last = write_all(&store);
    drop(store);
    assert!(of_library(database.path()) == last);
    assert_eq!(chunks(&super::super::path_in(database.path())), 0);
    let store = database.open();
    assert!(KVStoreSync::read(&store, "", "", "manager").unwrap() == last);
}

/// A manager of an earlier time would have it close all channels, and without any it would begin anew.
#[test]
fn after_a_kill_the_library_refuses_to_start_until_the_server_was_stopped() {
    let database = Directory::new();
    assert_eq!(start_library(database.path()), None);
    let store = database.open();
    let last = write_all(&store);
    let killed = database.killed();
    drop(store);
    let found = of_library(killed.path());
    assert!(found.starts_with(&[u8::MAX; 2]), "{found:?}");
    assert!(found.ends_with(b"it is here again."));
    assert_eq!(start_library(killed.path()), Some(BuildError::ReadFailed));

    let store = killed.open();
    assert!(KVStoreSync::read(&store, "", "", "manager").unwrap() == last);
    drop(store);
    assert!(of_library(killed.path()) == last);
}

#[test]
fn a_backup_has_it_and_so_has_what_is_restored() {
    let (database, copy) = (Directory::new(), TempDir::new().unwrap());
    let store = database.open();
    let last = write_all(&store);
    let file = super::super::path_in(copy.path());
    store.snapshot(&file).unwrap();
    KVStoreSync::write(&store, "", "", "manager", vec![7; 90_000]).unwrap();
    assert!(chunks(&file) > 0);

    let offline = OfflineDatabase::open(copy.path()).unwrap();
    offline.restored(Epoch::default()).unwrap();
    offline.close().unwrap();
    assert!(of_library(copy.path()) == last);
    let store = testing::open(copy.path());
    assert!(KVStoreSync::read(&store, "", "", "manager").unwrap() == last);
}

#[test]
fn it_goes_into_quarantine_whole() {
    let database = Directory::new();
    let store = database.open();
    let last = write_all(&store);
    let killed = database.killed();
    drop(store);
    let mut offline = OfflineDatabase::open(killed.path()).unwrap();
    offline.quarantine_channels().unwrap();
    offline.close().unwrap();
    let file = super::super::path_in(killed.path());
    let sql = "SELECT value FROM ldk_server_aside WHERE key = 'manager'";
    let aside: Vec<u8> =
        Connection::open(&file).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(aside == last);
    assert_eq!(chunks(&file), 0);
    let store = killed.open();
    assert!(KVStoreSync::read(&store, "", "", "manager").is_err());
}
