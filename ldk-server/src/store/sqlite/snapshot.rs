//! A copy of the database while it is in use.

use std::path::Path;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::epoch;
use crate::store::{Epoch, Lineage, Store, invalid_data, sql_error};

/// Where the time of the last backup is, among the server's own records.
const KIND: &str = "backup";
const KEY: &str = "made_at";

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

    /// Remembers that a backup was made at this time, in Unix seconds.
    pub fn was_backed_up(&self, at_secs: u64) -> io::Result<()> {
        self.put(KIND, KEY, at_secs.to_be_bytes().to_vec())
    }

    /// When the last backup was made, in Unix seconds; `None` if none ever was.
    pub fn backed_up_at(&self) -> io::Result<Option<u64>> {
        match self.get(KIND, KEY) {
            Ok(record) => {
                let bytes = record.try_into().map_err(|_| invalid_data("the time of a backup"))?;
                Ok(Some(u64::from_be_bytes(bytes)))
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
