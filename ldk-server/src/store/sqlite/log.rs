//! The log that commits are added to, in a file beside the database. SQLite moves it into the database
//! again and again, and begins it anew when there is a moment without any reader. Under constant load
//! there is none, and one has to be made.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::schema::BUSY_TIMEOUT;

/// With how much the log has to begin anew.
pub(in crate::store) const LIMIT_BYTES: u64 = 16 << 20;

/// How long the writer waits for readers who have begun: longer than any reader of ours takes. A
/// program that copies the database takes longer, and is waited for by a longer log.
const READERS_PATIENCE: Duration = Duration::from_millis(500);

/// The file of the log that belongs to the database in this file.
pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

/// The file of the log, as its writer sees it.
pub(in crate::store) struct Log {
    path: PathBuf,
    /// With how much to try next.
    try_at_bytes: u64,
}

impl Log {
    /// The log of this database.
    pub(in crate::store) fn of(database: &Connection) -> Self {
        let path = log_of(Path::new(database.path().unwrap_or_default()));
        Self { path, try_at_bytes: LIMIT_BYTES }
    }

    /// Makes it begin anew if it is too large. Nobody writes meanwhile, and who begins to read
    /// finds everything in the database.
    pub(in crate::store) fn bound(&mut self, database: &Connection) -> rusqlite::Result<()> {
        let bytes = fs::metadata(&self.path).map_or(0, |file| file.len());
        if bytes < self.try_at_bytes {
            return Ok(());
        }
        database.busy_timeout(READERS_PATIENCE)?;
        let restart = "PRAGMA wal_checkpoint(RESTART)";
        let is_busy: bool = database.query_row(restart, [], |row| row.get(0))?;
        database.busy_timeout(BUSY_TIMEOUT)?;
        // The file is made shorter with the next commit.
        self.try_at_bytes = if is_busy { bytes + LIMIT_BYTES } else { LIMIT_BYTES };
        Ok(())
    }
}

/// Moves all of the log into the database, unless a reader takes too long; tells whether it did.
pub(super) fn empty(database: &Connection) -> rusqlite::Result<bool> {
    database.busy_timeout(READERS_PATIENCE)?;
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy: bool = database.query_row(truncate, [], |row| row.get(0))?;
    database.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy)
}
