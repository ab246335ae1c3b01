//! A database in a directory, for tests.

use std::any::Any;
use std::fs;
use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::connection::Writing;
use super::replica::wal_reader::WalReader;
use super::{Readers, Sqlite, SyncMode, channel_manager, path_in};
use crate::store::Store;
use crate::store::backend::OpenDatabase;
use crate::store::conformance::database::{Contents, Failure, TestDatabase};
use crate::store::model::Name;

/// A directory with an SQLite database.
pub(in crate::store) struct Directory(TempDir);

impl TestDatabase for Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn backend(&self) -> io::Result<OpenDatabase> {
        super::open(self.0.path(), SyncMode::Full)
    }

    fn contents(&self) -> Contents {
        contents_of_file(&path_in(self.0.path()))
    }

    fn killed(&self) -> Self {
        let left = Self::new();
        for file in fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), left.0.path().join(file.file_name())).unwrap();
        }
        left
    }

    fn fail(&self, store: &Store, failure: Failure) {
        fail(store, failure);
    }
}

/// Makes this fail in the file of the store.
pub(in crate::store) fn fail(store: &Store, failure: Failure) {
    // It refers to what is not there, which is found out by the commit.
    let by_commit = "INSERT INTO orphans VALUES (1);";
    let on_record = ["INSERT ON main.ldk_node_data", "UPDATE ON main.ldk_node_data"];
    let (turn, effect, events) = match failure {
        Failure::Record(turn) => (turn, "SELECT raise(ABORT, 'injected');", &on_record[..]),
        Failure::BatchOfRecord(turn) => (turn, by_commit, &on_record[..]),
        Failure::Batch(turn) => {
            (turn, by_commit, &["UPDATE OF commits ON main.ldk_server_epoch"][..])
        },
    };
    let mut sql = format!(
        "CREATE TEMP TABLE parents (id INTEGER PRIMARY KEY);
             CREATE TEMP TABLE orphans
                 (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
             CREATE TEMP TABLE turns (number INTEGER PRIMARY KEY);
             CREATE TEMP TRIGGER turn AFTER INSERT ON turns WHEN new.number = {turn}
                 BEGIN {effect} END;"
    );
    for (number, event) in events.iter().enumerate() {
        sql += &format!(
            "CREATE TEMP TRIGGER counted{number} AFTER {event}
                     BEGIN INSERT INTO turns VALUES (NULL); END;"
        );
    }
    between_commits(store, move |database, _| database.execute_batch(&sql)).unwrap();
}

impl Directory {
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// What is in the database in this file.
pub(super) fn contents_of_file(file: &Path) -> Contents {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    contents(&Connection::open_with_flags(file, flags).unwrap())
}

/// What is in this database.
pub(super) fn contents(database: &Connection) -> Contents {
    let at_once = database.unchecked_transaction().unwrap();
    let sql = "SELECT primary_namespace, secondary_namespace, key, value FROM ldk_node_data";
    let mut statement = at_once.prepare(sql).unwrap();
    let records = statement
        .query_map([], |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?)))
        .unwrap();
    let mut records: Vec<([String; 3], Vec<u8>)> =
        records.collect::<rusqlite::Result<_>>().unwrap();
    if let Some(manager) = channel_manager::in_chunks(&at_once).unwrap() {
        let name = Name::of_manager().parts().map(str::to_owned);
        records
            .iter_mut()
            .filter(|record| record.0 == name)
            .for_each(|record| record.1 = manager.clone());
    }
    let mut statement = at_once.prepare("SELECT payment FROM ldk_server_payments").unwrap();
    let history = statement.query_map([], |row| row.get(0)).unwrap();
    Contents { records, history: history.collect::<rusqlite::Result<_>>().unwrap() }
}

fn sqlite(store: &Store) -> &Sqlite {
    let upkeep: &dyn Any = &*store.upkeep;
    upkeep.downcast_ref().unwrap()
}

/// The file of the database.
pub(super) fn path(store: &Store) -> &Path {
    &sqlite(store).path
}

/// Does this between two commits with the connection that writes.
pub(super) fn between_commits<T: Send + 'static>(
    store: &Store,
    task: impl FnOnce(&Connection, &mut WalReader) -> T + Send + 'static,
) -> T {
    let task = |writing: &mut Writing| task(&writing.database, &mut writing.wal_reader);
    sqlite(store).maintenance.run(task).unwrap()
}

/// What is read of the database, by who knows its tables.
pub(super) fn read<T>(
    store: &Store,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> io::Result<T> {
    Readers::new(path(store).to_owned()).read(read)
}
