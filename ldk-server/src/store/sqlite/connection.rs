//! The connection that writes, and what goes with it.

use rusqlite::Connection;

use super::log::Log;
use super::replica::wal_reader::WalReader;
use super::sole_writer::SoleWriter;

/// Dropped in this order: whoever reads the log is told, then the connection is closed, and then
/// another may be opened.
pub(super) struct Writing {
    pub(super) wal_reader: WalReader,
    pub(super) log: Log,
    pub(super) database: Connection,
    _sole_writer: SoleWriter,
}

impl Writing {
    pub(super) fn new(database: Connection, sole_writer: SoleWriter) -> Self {
        let (wal_reader, log) = (WalReader::of(&database), Log::of(&database));
        Self { wal_reader, log, database, _sole_writer: sole_writer }
    }
}
