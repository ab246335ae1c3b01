//! That one connection writes to a database, and moves its log into it.
//!
//! SQLite before 3.51.3, and so the one that is linked here, can damage a database whose log is begun
//! anew by one connection at the moment in which another one writes or does the same
//! (<https://www.sqlite.org/wal.html#walresetbug>). It needs two connections that write, in whatever
//! process. Within this one there is never a second; others are kept out by the lock of the
//! directory. Connections that only read can do neither.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;

/// The databases that are written by this process.
static WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The right to write to a database, until this is dropped. The connection should be closed before.
pub(in crate::store) struct SoleWriter(PathBuf);

impl SoleWriter {
    /// Takes the right to write to this database, whose directory must be there.
    pub(in crate::store) fn of(database: &Path) -> io::Result<Self> {
        let dir = database.parent().unwrap_or(Path::new(".")).canonicalize()?;
        let path = dir.join(database.file_name().unwrap_or_default());
        if written().insert(path.clone()) {
            return Ok(Self(path));
        }
        let text = format!("{} is written by another connection already", path.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text.as_str()))
    }
}

impl Drop for SoleWriter {
    fn drop(&mut self) {
        written().remove(&self.0);
    }
}

fn written() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::store::sqlite::testing as sqlite;
    use crate::store::{KvOwner, OfflineDatabase, Store, testing};

    #[test]
    fn a_second_connection_that_writes_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        let second = Store::open(dir.path(), KvOwner::Server, |_| ()).err().unwrap();
        assert!(second.to_string().contains("written by another connection"), "{second}");
        assert!(OfflineDatabase::open(dir.path()).is_err());
        testing::record(&store, 1);
        drop(store);
        drop(OfflineDatabase::open(dir.path()).unwrap());
        drop(testing::open(dir.path()));
    }

    /// The bug needs a second connection that writes, or that begins the log anew.
    #[test]
    fn connections_that_read_neither_write_nor_move_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        testing::record(&store, 1);
        let log = crate::store::log_of(sqlite::path(&store));
        let before = std::fs::metadata(&log).unwrap().len();
        assert!(before > 0);
        for sql in ["PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_checkpoint(RESTART)"] {
            let moved = sqlite::read(&store, |database| {
                let pages = database.query_row(sql, [], |row| row.get::<_, i64>(2));
                Ok(pages.unwrap_or(-1))
            });
            assert!(moved.unwrap() <= 0, "{sql}");
        }
        let written = sqlite::read(&store, |database| {
            database.execute("DELETE FROM ldk_node_data", []).map(drop)
        });
        assert!(written.is_err());
        assert_eq!(std::fs::metadata(&log).unwrap().len(), before);
    }
}
