//! The database in one SQLite file: its tables, the text of its statements, and what only SQLite has.

pub(super) mod checkpoint;
pub(super) mod epoch;
pub(super) mod migration;
pub(super) mod quarantine;
pub(super) mod readers;
pub(super) mod records;
pub(super) mod replica;
pub(super) mod schema;
pub(super) mod snapshot;
pub(super) mod sole_writer;
