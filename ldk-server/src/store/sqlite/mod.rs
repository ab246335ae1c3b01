//! The database in one SQLite file: its tables, the text of its statements, and what only SQLite has:
//! its write-ahead log and the replica that follows it, snapshots, checkpoints.

mod apply;
mod audit;
mod channel_manager;
mod checkpoint;
mod connection;
mod consumers;
mod datastore;
pub(super) mod epoch;
mod events;
mod forwards;
mod intents;
mod invoices;
pub(super) mod log;
mod maintenance;
mod metadata;
mod migration;
mod orders;
mod payments;
pub(super) mod primary;
pub(super) mod quarantine;
mod readers;
mod reads;
mod records;
mod replica;
mod reservations;
pub(super) mod schema;
mod snapshot;
pub(super) mod sole_writer;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::backend::{OpenDatabase, Upkeep};
use apply::SqliteWriter;
use maintenance::Maintenance;
use primary::Primary;
use readers::Readers;
use replica::Mirror;
use schema::STATEMENT_CACHE_CAPACITY;
pub(super) use schema::SyncMode;
use sole_writer::SoleWriter;

/// The file of the library's own store, where that is in use.
const LIBRARY_FILE: &str = "library_store.sqlite";

/// The file of the database, and what is done with it beside reading and writing rows.
struct Sqlite {
    path: PathBuf,
    maintenance: Maintenance,
    /// Closed after the writer, who tells it that nothing more will come.
    mirror: OnceLock<Mirror>,
}

/// Opens the database in this directory, or makes it.
pub(super) fn open(dir: &Path, sync_mode: SyncMode) -> io::Result<OpenDatabase> {
    primary::refuse_working_copy(dir)?;
    let (mut database, sole_writer) = schema::open(dir, sync_mode)?;
    let changes = database.transaction().map_err(sql_error)?;
    payments::reconcile(&changes)?;
    changes.commit().map_err(sql_error)?;
    Ok(opened(dir, SqliteWriter::new(database, sole_writer)))
}

/// Opens a working copy.
pub(super) fn open_working_copy(
    dir: &Path,
    mut database: Connection,
    sole_writer: SoleWriter,
    mut primary: Box<dyn Primary>,
) -> io::Result<OpenDatabase> {
    database.set_prepared_statement_cache_capacity(2 * STATEMENT_CACHE_CAPACITY);
    let changes = Transaction::new(&mut database, TransactionBehavior::Immediate);
    let changes = changes.map_err(sql_error)?;
    payments::reconcile(&changes)?;
    epoch::advance(&changes).map_err(sql_error)?;
    primary.commit(&changes).map_err(|error| io::Error::new(io::ErrorKind::Other, error))?;
    changes.commit().map_err(sql_error)?;
    let mut writer = SqliteWriter::new(database, sole_writer);
    writer.follow(primary);
    Ok(opened(dir, writer))
}

fn opened(dir: &Path, writer: SqliteWriter) -> OpenDatabase {
    let path = path_in(dir);
    let reads = Box::new(Readers::new(path.clone()));
    let writing = writer.downgrade();
    let upkeep = move |between_commits| -> Box<dyn Upkeep> {
        let maintenance = Maintenance::new(between_commits, writing);
        Box::new(Sqlite { path, maintenance, mirror: OnceLock::new() })
    };
    // Whoever waits for a file waits for the process.
    let release = Box::new(|| ());
    OpenDatabase { writes: Box::new(writer), reads, upkeep: Box::new(upkeep), release }
}

/// Opens the library's own store, in a file of its own in this directory.
pub(super) fn open_library(dir: &Path) -> io::Result<SqliteStore> {
    let (file, table) = (LIBRARY_FILE.to_owned(), KV_TABLE_NAME.to_owned());
    SqliteStore::new(dir.to_owned(), Some(file), Some(table))
}

/// The file of the database in this directory.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(SQLITE_DB_FILE_NAME)
}

pub(super) fn sql_error(error: rusqlite::Error) -> io::Error {
    io::Error::new(io::ErrorKind::Other, error)
}

/// A number as SQLite has it. What is larger than any real time, amount or index is the largest.
fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was written as not negative.
fn as_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
