//! A file that is the working copy of another database. That one has the state: it commits each batch
//! before the file does, and the file is made anew from it if need be.
//!
//! The file is marked with the commit that it is at, so that it is never taken for a database of its
//! own: its state may be old.

use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::epoch::has_table;
use super::{path_in, sql_error};
use crate::store::backend::BackendError;
use crate::store::model::invalid_data;

/// The table of the mark. It is in the file only.
pub(in crate::store) const MARK_TABLE: &str = "ldk_server_postgres";

/// The database that a file is a working copy of.
pub(in crate::store) trait Primary: Send {
    /// Commits what this transaction of the file has changed. It is durable once this returns; the
    /// file commits it afterwards.
    fn commit(&mut self, transaction: &Connection) -> Result<(), BackendError>;

    /// Nothing more will be written.
    fn close(self: Box<Self>);
}

/// The commit that a working copy is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Mark {
    /// The database that it is a copy of.
    pub(in crate::store) store_id: Vec<u8>,
    /// The token of the lease under which the commit was made.
    pub(in crate::store) token: i64,
    /// The number of the commit.
    pub(in crate::store) position: i64,
}

impl Mark {
    /// The mark of this file, if it has one.
    pub(in crate::store) fn read(database: &Connection) -> rusqlite::Result<Option<Self>> {
        if !has_table(database, MARK_TABLE)? {
            return Ok(None);
        }
        let sql = format!("SELECT store_id, token, position FROM {MARK_TABLE}");
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Self { store_id: row.get(0)?, token: row.get(1)?, position: row.get(2)? })
        };
        database.query_row(&sql, [], row).map(Some)
    }

    /// Marks this file.
    pub(in crate::store) fn write(&self, database: &Connection) -> rusqlite::Result<()> {
        database.execute_batch(&format!(
            "DROP TABLE IF EXISTS {MARK_TABLE};
             CREATE TABLE {MARK_TABLE} (
                 store_id BLOB NOT NULL,
                 token INTEGER NOT NULL,
                 position INTEGER NOT NULL
             ) STRICT;"
        ))?;
        let sql = format!("INSERT INTO {MARK_TABLE} VALUES (?1, ?2, ?3)");
        database.execute(&sql, (&self.store_id, self.token, self.position)).map(drop)
    }

    /// Moves the mark of this file to another commit.
    pub(in crate::store) fn advance(
        database: &Connection,
        token: i64,
        position: i64,
    ) -> rusqlite::Result<()> {
        let sql = format!("UPDATE {MARK_TABLE} SET token = ?1, position = ?2");
        database.prepare_cached(&sql)?.execute([token, position]).map(drop)
    }

    /// Makes this file a database of its own.
    pub(in crate::store) fn remove(database: &Connection) -> rusqlite::Result<()> {
        database.execute_batch(&format!("DROP TABLE IF EXISTS {MARK_TABLE};"))
    }
}

/// Fails if the database in this directory is a working copy.
pub(in crate::store) fn refuse_working_copy(dir: &Path) -> io::Result<()> {
    let path = path_in(dir);
    if !path.try_exists()? {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(&path, flags).map_err(sql_error)?;
    // What is no database is found out by who opens it.
    if has_table(&database, MARK_TABLE).unwrap_or(false) {
        return Err(invalid_data(&format!(
            "{} is only the working copy of a node whose state is in PostgreSQL, and may be old: set \
             [storage.postgres] as it was; to move the node to SQLite, run ldk-server \
             migrate-storage --to sqlite",
            path.display()
        )));
    }
    Ok(())
}
