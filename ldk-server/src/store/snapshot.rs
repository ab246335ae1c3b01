//! A copy of the database while it is in use.

use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::{Epoch, Lineage, Store, epoch, invalid_data, sql_error};

impl Store {
    /// Copies the database as it is after one commit, and no other, into this file, which must not
    /// exist; and tells which commit. Writers go on meanwhile.
    pub fn snapshot(&self, path: &Path) -> io::Result<(Lineage, Epoch)> {
        let text = path.to_str().ok_or_else(|| invalid_data("the path is not UTF-8"))?;
        // The database is read in one transaction, and written without free space.
        self.readers.read(|database| database.execute("VACUUM INTO ?1", [text]))?;
        let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        epoch::read(&copy.map_err(sql_error)?).map_err(sql_error)
    }
}
