//! What is done with the state as a whole: copies of it, and how old it is.

use std::path::Path;

use ldk_node::lightning::io;

use super::Store;
use super::change::Change;
use super::model::{Epoch, Lineage, QuarantinedMonitor, invalid_data};
use super::sqlite::replica::MirrorState;

/// Where the time of the last backup is, among the server's own records.
const KIND: &str = "backup";
const KEY: &str = "made_at";

impl Store {
    /// The lineage of the state, and the epoch of the last commit.
    pub fn epoch(&self) -> io::Result<(Lineage, Epoch)> {
        self.reads.epoch()
    }

    /// How often the state of a channel was changed, if the library has written down all that
    /// belongs to the last of these changes.
    pub fn settled_channels(&self) -> io::Result<Option<u64>> {
        self.reads.settled_channels()
    }

    /// Copies the database as it is after one commit, and no other, into this file, which must not
    /// exist; and tells which commit. Writers go on meanwhile.
    pub fn snapshot(&self, path: &Path) -> io::Result<(Lineage, Epoch)> {
        self.sqlite.snapshot(path)
    }

    /// Writes what was asked for, and moves all of it into the file of the database: until the next
    /// write a copy of that file alone is complete. So is the mirror, unless it takes too long.
    pub fn checkpoint(&self) -> io::Result<()> {
        self.sqlite.checkpoint()
    }

    /// Copies the database, and every commit from now on, to this directory, which is made if the
    /// one above it exists. Fails only if there is something that must not be written over: the
    /// database itself, or the mirror of another node. Whatever else is wrong stops nothing: it is
    /// logged, and tried again.
    pub fn mirror_to(&self, dir: &Path) -> std::io::Result<()> {
        let (lineage, _) = self.epoch().map_err(std::io::Error::from)?;
        self.sqlite.mirror_to(dir, lineage)
    }

    /// How the mirror is; `None` if there is none.
    pub fn mirror_state(&self) -> Option<MirrorState> {
        self.sqlite.mirror_state()
    }

    /// The monitors that are set aside.
    pub fn monitors_in_quarantine(&self) -> io::Result<Vec<QuarantinedMonitor>> {
        self.reads.quarantined_monitors()
    }

    /// Gives a monitor back to the library, which finds it at its next start; on disk once this
    /// returns.
    pub fn restore_monitor(&self, name: String) -> io::Result<()> {
        self.writer.write(Change::RestoreMonitor(name)).map(drop)
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
