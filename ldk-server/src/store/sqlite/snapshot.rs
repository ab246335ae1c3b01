//! A copy of the database while it is in use.

use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::Connection;

use super::primary::Mark;
use super::{Readers, Sqlite, epoch, sql_error};
use crate::store::model::{Epoch, Lineage, invalid_data};

impl Sqlite {
    /// Copies the database as it is after one commit, and no other, into this file, which must not
    /// exist; and tells which commit. Writers go on meanwhile.
    pub(super) fn copy_to(&self, path: &Path) -> io::Result<(Lineage, Epoch)> {
        let text = path.to_str().ok_or_else(|| invalid_data("the path is not UTF-8"))?;
        // The database is read in one transaction, and written without free space.
        let database = Readers::open(&self.path).map_err(sql_error)?;
        database.execute("VACUUM INTO ?1", [text]).map_err(sql_error)?;
        let copy = Readers::open(path).map_err(sql_error)?;
        // What was copied at one commit is a database of its own.
        if Mark::read(&copy).map_err(sql_error)?.is_some() {
            let copy = Connection::open(path).map_err(sql_error)?;
            Mark::remove(&copy).map_err(sql_error)?;
        }
        epoch::read(&copy).map_err(sql_error)
    }
}
