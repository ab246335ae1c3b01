//! What the store promises only on SQLite: its file, its log, and copies of them.

mod checkpoint;
mod compatibility;
mod copies;
mod library_store;
mod managers;
mod restored;

use std::path::Path;

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;

/// The library's own store of the same file.
fn library(dir: &Path) -> io::Result<SqliteStore> {
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    SqliteStore::new(dir.to_owned(), Some(file), Some(table))
}
