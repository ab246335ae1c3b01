//! The tables of the database, and how a database of an earlier version gets them.
//!
//! The table `ldk_node_data` and `user_version` are the library's, and stay as its own store makes
//! them, so that either can open what the other wrote. The server's tables stand beside it, with a
//! version of their own.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::sole_writer::SoleWriter;
use super::{migration, sql_error};
use crate::store::model::invalid_data;

/// The steps from each version of the server's tables to the next; 0 is a database without any.
const STEPS: [fn(&Transaction<'_>) -> io::Result<()>; 9] = [
    migration::to_1,
    migration::to_2,
    migration::to_3,
    migration::to_4,
    migration::to_5,
    migration::to_6,
    migration::to_7,
    migration::to_8,
    migration::to_9,
];

/// How much of the log is kept as a file when it begins anew.
const LOG_FILE_BYTES: u32 = 8 << 20;

/// How many statements a connection keeps prepared: more than there are.
pub(in crate::store) const STATEMENT_CACHE_CAPACITY: usize = 96;

/// How long to wait for another program that has the database for itself.
pub(in crate::store) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a commit that was answered outlives a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum SyncMode {
    /// It does.
    Full,
    /// It need not, because there is another copy; what was written before is not damaged.
    Normal,
    /// It does not.
    Off,
}

/// Opens the database in this directory for writing, makes it if need be, and brings it up to date.
/// Nobody else in this process writes to it until what is returned beside it is dropped.
pub(in crate::store) fn open(
    dir: &Path,
    sync_mode: SyncMode,
) -> io::Result<(Connection, SoleWriter)> {
    let path = dir.join(SQLITE_DB_FILE_NAME);
    let sole_writer = SoleWriter::of(&path)?;
    make_private(&path)?;
    // The library would panic over a file that is not a database.
    pragma::<i64>(&Connection::open(&path).map_err(sql_error)?, "user_version")?;
    // The library makes its table, brings an old one up to date, and refuses a newer one. That it
    // closes the database again moves the log of a process that was killed into the database: what
    // came there last may have been answered with an error, and be on disk in part.
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    drop(SqliteStore::new(dir.to_owned(), Some(file), Some(table))?);
    let mut database = Connection::open(&path).map_err(sql_error)?;
    database.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
    database.busy_timeout(BUSY_TIMEOUT).map_err(sql_error)?;
    keep_log(&database, sync_mode)?;
    migrate(&mut database)?;
    Ok((database, sole_writer))
}

/// Has the database keep a write-ahead log.
pub(in crate::store) fn keep_log(database: &Connection, sync_mode: SyncMode) -> io::Result<()> {
    let synchronous = match sync_mode {
        SyncMode::Full => "FULL",
        SyncMode::Normal => "NORMAL",
        SyncMode::Off => "OFF",
    };
    database
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = {synchronous};
             PRAGMA journal_size_limit = {LOG_FILE_BYTES};"
        ))
        .map_err(sql_error)?;
    let journal_mode: String = pragma(database, "journal_mode")?;
    if journal_mode != "wal" {
        return Err(invalid_data(
            "the database cannot have a write-ahead log where it is: keep it on a local disk",
        ));
    }
    Ok(())
}

/// Takes the steps that the database has not taken yet, all or none.
fn migrate(database: &mut Connection) -> io::Result<()> {
    let step = database.transaction().map_err(sql_error)?;
    step.execute_batch(
        "CREATE TABLE IF NOT EXISTS ldk_server_schema (version INTEGER NOT NULL) STRICT;",
    )
    .map_err(sql_error)?;
    let version: usize = step
        .query_row("SELECT version FROM ldk_server_schema", [], |row| row.get(0))
        .optional()
        .map_err(sql_error)?
        .unwrap_or(0);
    let newest = STEPS.len();
    let Some(missing) = STEPS.get(version..) else {
        return Err(invalid_data(&format!(
            "the database has version {version} of the server's tables, and this server knows \
             {newest}: start it with the server that wrote it, or a later one"
        )));
    };
    for take in missing {
        take(&step)?;
    }
    if version < newest {
        step.execute("DELETE FROM ldk_server_schema", []).map_err(sql_error)?;
        step.execute("INSERT INTO ldk_server_schema VALUES (?1)", [newest]).map_err(sql_error)?;
    }
    step.commit().map_err(sql_error)
}

/// Lets nobody but this user read the database. SQLite gives its log the same mode.
pub(in crate::store) fn make_private(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(file);
    Ok(())
}

fn pragma<T: FromSql>(database: &Connection, name: &str) -> io::Result<T> {
    database.pragma_query_value(None, name, |row| row.get(0)).map_err(sql_error)
}
