//! The connection that writes, and what goes with it.

use rusqlite::Connection;

use super::channel_manager::ManagerWriter;
use super::log::Log;
use super::replica::wal_reader::WalReader;
use super::sole_writer::SoleWriter;

/// Dropped in this order: whoever reads the log is told, then the connection is closed, and then
/// another may be opened.
pub(super) struct Writing {
    pub(super) wal_reader: WalReader,
    pub(super) log: Log,
    pub(super) manager: ManagerWriter,
    /// Whether it is changed only as another database is.
    pub(super) is_working_copy: bool,
    pub(super) database: Connection,
    _sole_writer: SoleWriter,
}

impl Writing {
    pub(super) fn new(database: Connection, sole_writer: SoleWriter) -> Self {
        let (wal_reader, log) = (WalReader::of(&database), Log::of(&database));
        let manager = ManagerWriter::new();
        let is_working_copy = false;
        Self { wal_reader, log, manager, is_working_copy, database, _sole_writer: sole_writer }
    }

    /// Makes what is the library's complete, as the library reads it. A working copy stays as it is: it
    /// must have the same rows as its primary, and the library does not open it.
    pub(super) fn complete(&mut self) -> rusqlite::Result<()> {
        if self.is_working_copy {
            return Ok(());
        }
        self.manager.complete(&self.database)?;
        self.wal_reader.look(&self.database);
        Ok(())
    }
}
