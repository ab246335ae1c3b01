//! The database in one SQLite file: its tables, the text of its statements, and what only SQLite has:
//! its write-ahead log and the replica that follows it, snapshots, checkpoints.

mod apply;
mod audit;
mod checkpoint;
mod connection;
mod consumers;
pub(super) mod epoch;
mod events;
pub(super) mod forwards;
pub(super) mod log;
mod maintenance;
mod migration;
mod payments;
pub(super) mod quarantine;
mod readers;
mod reads;
mod records;
pub(super) mod replica;
mod reservations;
mod schema;
mod snapshot;
mod sole_writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use ldk_node::lightning::io;

use super::backend::BetweenCommits;
pub(super) use apply::SqliteWriter;
use maintenance::Maintenance;
pub(super) use readers::Readers;
use replica::Mirror;
pub(super) use schema::SyncMode;

/// The file of the database, and what is done with it beside reading and writing rows.
pub(super) struct Sqlite {
    path: PathBuf,
    pub(super) maintenance: Maintenance,
    /// Closed after the writer, who tells it that nothing more will come.
    mirror: OnceLock<Mirror>,
}

/// Opens the database in this directory, or makes it.
pub(super) fn open(dir: &Path, sync_mode: SyncMode) -> io::Result<SqliteWriter> {
    let (mut database, sole_writer) = schema::open(dir, sync_mode)?;
    let changes = database.transaction().map_err(sql_error)?;
    payments::reconcile(&changes)?;
    changes.commit().map_err(sql_error)?;
    Ok(SqliteWriter::new(database, sole_writer))
}

/// The file of the database in this directory.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(SQLITE_DB_FILE_NAME)
}

impl Sqlite {
    /// What this connection writes to.
    pub(super) fn new(path: PathBuf, maintenance: Maintenance) -> Self {
        Self { path, maintenance, mirror: OnceLock::new() }
    }

    /// The file of the database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl SqliteWriter {
    /// How things are done with it between two commits.
    pub(super) fn maintenance(
        &self,
    ) -> impl FnOnce(Arc<dyn BetweenCommits>) -> Maintenance + use<> {
        let database = self.downgrade();
        move |between_commits| Maintenance::new(between_commits, database)
    }
}

fn sql_error(error: rusqlite::Error) -> io::Error {
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
