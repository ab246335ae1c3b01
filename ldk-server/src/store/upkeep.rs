//! What is done with the state as a whole: copies of it, and how old it is.

use std::path::Path;

use ldk_node::lightning::io;

use super::Store;
use super::change::Change;
use super::model::{Epoch, Lineage, MirrorState, QuarantinedMonitor, invalid_data};

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

    /// Copies the state as of one commit into this file, which must not exist, and returns which
    /// commit that is. Writers go on meanwhile.
    pub fn snapshot(&self, path: &Path) -> io::Result<(Lineage, Epoch)> {
        self.upkeep.snapshot(path)
    }

    /// Completes the file of the database: until the next write, a copy of that file alone is a copy of
    /// the state. Waits for the mirror to catch up, within bounds.
    pub fn checkpoint(&self) -> io::Result<()> {
        self.upkeep.checkpoint()
    }

    /// Copies the database, and every commit from now on, to this directory, which is created if its
    /// parent exists. Fails only if the directory has something that must not be overwritten: the
    /// database itself, or the mirror of another node. Other errors are logged, and the mirror is
    /// tried again.
    pub fn mirror_to(&self, dir: &Path) -> std::io::Result<()> {
        let (lineage, _) = self.epoch().map_err(std::io::Error::from)?;
        self.upkeep.mirror_to(dir, lineage)
    }

    /// How far the mirror is behind, and whether it fails; `None` if there is none.
    pub fn mirror_state(&self) -> Option<MirrorState> {
        self.upkeep.mirror_state()
    }

    /// The monitors that are set aside.
    pub fn monitors_in_quarantine(&self) -> io::Result<Vec<QuarantinedMonitor>> {
        self.reads.quarantined_monitors()
    }

    /// Returns a monitor from quarantine to the library, which reads it at its next start; durable once
    /// this returns.
    pub fn restore_monitor(&self, name: String) -> io::Result<()> {
        self.writer.write(Change::RestoreMonitor(name)).map(drop)
    }

    /// Records the time of a backup, in Unix seconds.
    pub fn was_backed_up(&self, at_secs: u64) -> io::Result<()> {
        self.put(KIND, KEY, at_secs.to_be_bytes().to_vec())
    }

    /// The time of the last backup, in Unix seconds; `None` if there was none.
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
