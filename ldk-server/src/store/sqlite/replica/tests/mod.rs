//! What the mirror promises, whatever happens to either side.

mod crash;
pub(super) mod durable;
mod failure;
mod formats;
mod kill;
mod load;

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use ldk_node::lightning::util::persist::KVStoreSync;
use rusqlite::Connection;

use super::base_backup::database_in;
use crate::store::sqlite::epoch;
use crate::store::sqlite::testing::between_commits;
use crate::store::{Epoch, Lineage, Store, log_of, testing};

const NAMESPACE: &str = "mirrored";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How large the log becomes before it begins anew, in pages.
const LOG_PAGES: u32 = 25;

/// A store whose log begins anew often.
fn open(dir: &Path) -> Store {
    let store = testing::open(dir);
    let small_log = |database: &Connection, _: &mut super::wal_reader::WalReader| {
        database.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)
    };
    between_commits(&store, small_log).unwrap();
    store
}

/// Writes a value that says how often this was called with this key.
fn write(store: &Store, key: &str, number: u64) {
    let mut value = vec![7; 2_000];
    value.extend(number.to_be_bytes());
    KVStoreSync::write(store, NAMESPACE, "", key, value).unwrap();
}

fn commits(store: &Store) -> u64 {
    store.epoch().unwrap().1.commits
}

/// Waits until what was answered is on its way to the mirror.
fn shipped(store: &Store) {
    between_commits(store, |_, _| ());
}

/// Waits until the mirror has everything.
pub(in crate::store) fn level(store: &Store) {
    shipped(store);
    let begun = Instant::now();
    while !store.mirror_state().unwrap().behind.is_zero() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", store.mirror_state());
        thread::yield_now();
    }
}

/// What is in the mirror in this directory, which must be sound.
struct Found {
    lineage: Lineage,
    epoch: Epoch,
    /// The numbers of all keys together.
    numbers: u64,
}

/// Opens a copy of it, as whoever restores it does; `None` if there is none.
fn find(mirror: &Path) -> Option<Found> {
    in_mirror(mirror, |database| {
        let (lineage, epoch) = epoch::read(database).unwrap();
        let mut statement = database
            .prepare("SELECT value FROM ldk_node_data WHERE primary_namespace = ?1")
            .unwrap();
        let values = statement.query_map([NAMESPACE], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let number = |value: Vec<u8>| u64::from_be_bytes(*value.last_chunk().unwrap());
        let numbers = values.map(|value| number(value.unwrap())).sum();
        Found { lineage, epoch, numbers }
    })
}

/// Reads a copy of what is in this directory, which must be sound; `None` if there is none.
pub(in crate::store) fn in_mirror<T>(
    mirror: &Path,
    read: impl FnOnce(&Connection) -> T,
) -> Option<T> {
    let copy = tempfile::tempdir().unwrap();
    let (database, log) = (database_in(mirror), log_of(&database_in(mirror)));
    if !database.exists() {
        return None;
    }
    fs::copy(&database, database_in(copy.path())).unwrap();
    if log.exists() {
        fs::copy(&log, log_of(&database_in(copy.path()))).unwrap();
    }
    let database = Connection::open(database_in(copy.path())).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    Some(read(&database))
}
