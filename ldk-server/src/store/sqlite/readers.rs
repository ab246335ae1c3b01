//! Connections for reading. They see what was committed last, and never wait for the writer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::schema::STATEMENT_CACHE_CAPACITY;
use super::sql_error;

/// How many connections are kept for the next reader.
const MAX_IDLE: usize = 8;

/// Reads the database.
pub(in crate::store) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of the database in this file.
    pub(in crate::store) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Reads with a connection that nobody else has meanwhile.
    pub(in crate::store) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> io::Result<T> {
        let idle = self.idle().pop();
        let database = idle.map_or_else(|| Self::open(&self.path), Ok).map_err(sql_error)?;
        let result = read(&database).map_err(sql_error);
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(database);
        }
        result
    }

    /// A connection that only reads.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags)?;
        database.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
        Ok(database)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
